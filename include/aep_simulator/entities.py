"""The things AEP knows: audiences, flows, export jobs and flow runs."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]
RunPhase: TypeAlias = Literal["running", "success", "partial", "failed", "unknown"]
IdKind: TypeAlias = Literal["system", "external"]

PROFILE_SCHEMA = "_xdm.context.profile"
EXPORT_RUNNING = frozenset({"NEW", "PROCESSING"})

_NAMESPACE = uuid.UUID("8f4f9a3e-6f0e-4b39-9d5c-0f1f9b0a2c11")

# Casing differs between Adobe's sources (inProgress, Processing, IN_PROGRESS, …), so words are folded.
_RUNNING = frozenset({"inprogress", "processing", "waiting", "queued", "scheduled", "pending"})
_SUCCESS = frozenset({"success", "completed"})
_PARTIAL = frozenset({"partialsuccess"})
_FAILED = frozenset({"failed", "partialfailure", "cancelled", "aborted"})


def derived_id(name: str) -> str:
    """Return a UUID that is always the same for a name."""
    return str(uuid.uuid5(_NAMESPACE, name))


def phase_of(status: str | None) -> RunPhase:
    """Return what a run status means; a missing one means "running"."""
    word = (status or "inProgress").replace("_", "").lower()
    if word in _RUNNING:
        return "running"
    if word in _SUCCESS:
        return "success"
    if word in _PARTIAL:
        return "partial"
    return "failed" if word in _FAILED else "unknown"


def merged(document: Json, patch: Json) -> Json:
    """Return ``document`` with a JSON merge patch (RFC 7386) applied: null removes a key."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            known = result.get(key)
            result[key] = merged(known if isinstance(known, dict) else {}, value)
        else:
            result[key] = value
    return result


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox of the organization."""

    id: str
    name: str
    title: str
    type: str
    state: str


@dataclass(frozen=True, slots=True)
class Audience:
    """An audience; an imported one has an external id beside Platform's own."""

    id: str
    name: str
    sandbox: str
    size: int
    external_id: str | None = None
    namespace: str | None = None

    def id_as(self, kind: IdKind) -> str:
        """Return Platform's id or, where there is one, the external id."""
        return self.external_id or self.id if kind == "external" else self.id


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a mapped audience is exported. ``end`` is absent with ONCE."""

    frequency: str
    trigger_type: str
    start: date
    end: date | None
    start_time: str | None

    def covers(self, day: date) -> bool:
        """Say whether a day lies inside the schedule; one without an end has no last day."""
        return self.start <= day and (self.end is None or day <= self.end)


@dataclass(frozen=True, slots=True)
class Mapping:
    """An audience mapped to a flow: one entry of the flow's ``segmentSelectors``."""

    audience: Audience
    mapped_ms: int
    export_mode: str
    filename_template: str
    schedule: Schedule


@dataclass(slots=True, eq=False)
class Flow:
    """A dataflow. ``raw`` is merged into its JSON; the rules look at the fields."""

    id: str
    name: str
    sandbox: str
    state: str
    kind: Literal["file", "streaming", "dataset", "source"]
    created_ms: int
    flow_spec_id: str
    connection_spec_id: str
    source_connection_id: str
    target_connection_id: str
    mappings: dict[str, Mapping]
    raw: Json = field(default_factory=dict)
    body: Json = field(default_factory=dict)
    """The JSON that does not change with time, built once."""


@dataclass(slots=True, eq=False)
class SimulatedExportJob:
    """A segment export job: ``first_status`` until ``ends_ms`` (null = for ever), then ``end_status``."""

    id: int | str
    sandbox: str
    schema: str
    created_ms: int
    ends_ms: int | None
    first_status: str
    end_status: str
    segments: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict)

    def status(self, now_ms: int) -> str:
        """Return the job's status at a time."""
        return self.end_status if self.ends_ms is not None and now_ms >= self.ends_ms else self.first_status

    @property
    def scheduled(self) -> bool:
        """Whether this is a scheduled export of all audiences: it names none in ``filter.segments``."""
        return not self.segments

    @property
    def cursor(self) -> str:
        """The ``offset`` of the page after this job."""
        return f"{self.created_ms}_{self.id}"


@dataclass(frozen=True, slots=True)
class SimulatedSegmentJob:
    """An evaluation of audiences; ``sizes`` are what it has counted."""

    id: str
    sandbox: str
    source: str
    status: str
    created_ms: int
    updated_ms: int
    sizes: dict[str, int]
    raw: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ends; see :class:`~include.aep_simulator.seed.Ending`."""

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


@dataclass(slots=True, eq=False)
class Run:
    """A flow run: created, young, in progress, ended at ``ends_ms`` (null = never)."""

    id: str
    number: int
    flow: Flow
    audiences: tuple[Audience, ...]
    kind: Literal["adhoc", "foreign", "scheduled"]
    created_ms: int
    young_until_ms: int
    found_from_ms: int
    listed_from_ms: int
    ends_ms: int | None
    outcome: RunOutcome
    raw: Json = field(default_factory=dict)
    final: Json | None = None
    """The JSON of the ended run, built once."""

    def ended(self, now_ms: int) -> bool:
        """Say whether the run has reached its outcome."""
        return self.ends_ms is not None and now_ms >= self.ends_ms

    def in_progress(self, now_ms: int) -> bool:
        """Say whether AEP still works on the run."""
        return not self.ended(now_ms) or phase_of(self.outcome.status) == "running"
