"""The seed document: what AEP holds when the simulator starts, or after a reset.

A seed is a JSON or YAML mapping; ``seed.example.yaml`` shows every part. Sections:

``org_id``, ``tenant``
    The IMS organization and its short name.
``settings``
    See :class:`~include.aep_simulator.settings.Settings`.
``credentials``, ``sandboxes``
    API clients and sandboxes; the first credential is the demo account.
``audiences``, ``flows``, ``runs``
    One unit: giving ``flows`` or ``audiences`` replaces all three of the default seed.
``export_jobs``
    Segment export jobs.
``segment_jobs``
    Evaluations of audiences.
``outcomes``, ``faults``
    Prepared as over the control calls of the same names.

A section that is absent is taken from the default seed. Ages and durations are seconds or texts such as
``90s``, ``40m``, ``3h``, ``2d``. Every time is given relative to the start, so a seed never grows old.
``raw`` holds a JSON merge patch for what the API shows (null removes a field); the rules the simulator
applies look at the seed's own fields, not at ``raw``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from .entities import PROFILE_SCHEMA, Json
from .faults import FaultSpec
from .settings import Model, Settings

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_seconds(value: object) -> object:
    """Turn ``"90s"``, ``"40m"``, ``"3h"``, ``"2d"`` into seconds; leave anything else to pydantic."""
    if isinstance(value, str) and (found := re.fullmatch(r"(-?[\d.]+)\s*([smhd])", value.strip())):
        return float(found[1]) * _UNITS[found[2]]
    return value


Seconds: TypeAlias = Annotated[float, BeforeValidator(parse_seconds)]


class CredentialSeed(Model):
    """An API client. ``access_tokens`` are accepted without minting; ``sandboxes`` null = all of them."""

    client_id: str
    client_secrets: list[str] = Field(min_length=1, max_length=2)
    scopes: list[str] = Field(default_factory=list)
    access_tokens: list[str] = Field(default_factory=list)
    sandboxes: list[str] | None = None


class SandboxSeed(Model):
    """A sandbox."""

    name: str
    title: str = ""
    type: str = "development"
    state: str = "active"


class AudienceSeed(Model):
    """An audience; ``external_id`` makes it an imported one. ``size`` is its number of profiles."""

    id: str
    name: str
    sandbox: str = "prod"
    size: int | None = None
    external_id: str | None = None
    namespace: str | None = None


class MappingSeed(Model):
    """An audience mapped to a flow. ``start`` and ``end`` are dates, or days from today (-30, 90)."""

    id: str
    mapped_ago: Seconds = 30 * 86400.0
    export_mode: str = "DAILY_FULL_EXPORT"
    filename_template: str = "%DESTINATION_NAME%_%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%"
    frequency: str = "DAILY"
    trigger_type: str = "AFTER_SEGMENT_EVAL"
    start: int | str = -30
    end: int | str | None = 365
    start_time: str | None = None


class FlowSeed(Model):
    """A flow; an entry of ``audiences`` is an audience id or a mapping. Datasets and sources have none."""

    id: str
    name: str
    sandbox: str = "prod"
    state: str = "enabled"
    kind: Literal["file", "streaming", "dataset", "source"] = "file"
    age: Seconds = 90 * 86400.0
    flow_spec_id: str | None = None
    connection_spec_id: str | None = None
    audiences: list[Annotated[MappingSeed, BeforeValidator(lambda v: {"id": v} if isinstance(v, str) else v)]] = Field(
        default_factory=list
    )
    raw: Json = Field(default_factory=dict)


class ExportJobSeed(Model):
    """An export job created ``age`` ago.

    A finished one took ``duration``. One that is NEW or PROCESSING becomes ``end_status`` after
    ``duration`` (nominal, from the start of the simulator), or never when ``duration`` is absent.
    """

    id: int | str | None = None
    sandbox: str = "prod"
    status: str = "SUCCEEDED"
    end_status: str = "SUCCEEDED"
    schema_name: str = Field(default=PROFILE_SCHEMA, alias="schema")
    age: Seconds = 3 * 3600.0
    duration: Seconds | None = None
    segments: list[str] = Field(default_factory=list)
    raw: Json = Field(default_factory=dict)


class SegmentJobSeed(Model):
    """An evaluation of audiences that began ``age`` ago and took ``duration``.

    ``sizes`` null = all audiences of the sandbox as they are, but for imported ones: those are not evaluated.
    """

    id: str | None = None
    sandbox: str = "prod"
    status: Literal["NEW", "QUEUED", "PROCESSING", "CANCELLING", "CANCELLED", "FAILED", "SUCCEEDED"] = "SUCCEEDED"
    source: Literal["scheduler", "api"] = "scheduler"
    age: Seconds = 4 * 3600.0
    duration: Seconds = 1200.0
    sizes: dict[str, int] | None = None
    raw: Json = Field(default_factory=dict)


class Ending(Model):
    """What a run says at its end. Records are per audience; null = taken from the audience's size.

    ``files``, ``bytes`` and ``files_failed`` are of the whole run, ``skipped_info`` and ``failed_info`` as AEP lists
    reasons: ``{"code", "message", "count", "type"}``; null = made from the records.
    """

    status: str | None = "success"
    code: str | None = None
    message: str | None = None
    records: int | None = None
    records_failed: int | None = None
    records_skipped: int | None = None
    files: int | None = None
    bytes: int | None = None
    files_failed: int | None = None
    skipped_info: list[Json] | None = None
    failed_info: list[Json] | None = None


class OutcomeSeed(Ending):
    """Decides how the next ``times`` matching runs end (null = all); ``seconds`` is their real duration."""

    flow_id: str | None = None
    audience_id: str | None = None
    times: int | None = 1
    seconds: float | None = Field(default=None, ge=0)


class RunSeed(Ending):
    """A flow run created ``age`` ago.

    An ended one took ``seconds``. One whose status means "running" becomes ``then`` after ``seconds``
    (nominal, from the start of the simulator), or never when ``seconds`` is absent.
    """

    id: str | None = None
    flow_id: str
    audience_ids: list[str] | None = None
    """Null = all audiences of the flow, as in a scheduled run."""
    kind: Literal["adhoc", "foreign", "scheduled"] = "scheduled"
    then: str = "success"
    age: Seconds = 3600.0
    seconds: Seconds | None = None
    raw: Json = Field(default_factory=dict)


class SeedDocument(Model):
    """A whole seed; null sections come from the default seed."""

    org_id: str | None = None
    tenant: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    credentials: list[CredentialSeed] | None = Field(default=None, min_length=1)
    sandboxes: list[SandboxSeed] | None = None
    audiences: list[AudienceSeed] | None = None
    flows: list[FlowSeed] | None = None
    runs: list[RunSeed] | None = None
    export_jobs: list[ExportJobSeed] | None = None
    segment_jobs: list[SegmentJobSeed] | None = None
    outcomes: list[OutcomeSeed] = Field(default_factory=list)
    faults: list[FaultSpec] = Field(default_factory=list)

    def over(self, default: SeedDocument) -> SeedDocument:
        """Return this seed with its absent sections filled from ``default``."""
        filled = self.model_copy(update={"settings": {**default.settings, **self.settings}})
        for name in ("org_id", "tenant", "credentials", "sandboxes", "export_jobs", "segment_jobs"):
            if getattr(self, name) is None:
                setattr(filled, name, getattr(default, name))
        if self.flows is None and self.audiences is None:
            filled.flows, filled.audiences = default.flows, default.audiences
            filled.runs = default.runs if self.runs is None else self.runs
        Settings.model_validate(filled.settings)
        return filled


def read_seed(path: Path) -> SeedDocument:
    """Read a seed file, JSON or YAML by its suffix."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return SeedDocument.model_validate(json.loads(text))
    import yaml  # here, as only a YAML seed needs it

    return SeedDocument.model_validate(yaml.safe_load(text) or {})
