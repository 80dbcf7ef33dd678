"""What AEP answers, as values: parsed once, tolerant where Adobe's own sources differ.

Field names follow Adobe's OpenAPI files (ad-hoc activation 2.0, Segmentation Service, Flow Service).
Nothing here reads a clock, a file or a socket.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .errors import one_line
from .reading import as_count, as_date, as_dict, as_dicts, as_id, as_text, as_time

PROFILE_SCHEMA = "_xdm.context.profile"
"""``schema.name`` of an export of people; accounts and prospects carry other names."""

ENTITY_PREFIX = "segment:"
"""Flow runs name their audiences as ``segment:<audience id>`` in ``entitySummaries``."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}")


class Pair(NamedTuple):
    """One audience on its way to one destination: the unit that is delivered exactly once."""

    flow_id: str
    audience_id: str


class ExportStatus(enum.StrEnum):
    """State of a segment export job, folded to what a waiting client must know."""

    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_EXPORT_STATUS = {
    "new": ExportStatus.IN_PROGRESS,
    "queued": ExportStatus.IN_PROGRESS,
    "processing": ExportStatus.IN_PROGRESS,
    "cancelling": ExportStatus.IN_PROGRESS,
    "succeeded": ExportStatus.SUCCEEDED,
    "failed": ExportStatus.FAILED,
    "cancelled": ExportStatus.FAILED,
}


@dataclass(frozen=True, slots=True)
class ExportJob:
    """A segment export job (``GET /export/jobs``).

    :param id: job id as text; the API answers integers, ``exportIds`` takes strings.
    :param status: folded status; an unknown word counts as in progress until it is too old.
    :param raw_status: the word AEP used.
    :param schema_name: ``_xdm.context.profile`` for people.
    :param created_at: creation time (UTC), None if absent.
    :param finished_at: end of the job (UTC) where AEP tells it.
    :param records: number of exported profiles where AEP tells it.
    """

    id: str
    status: ExportStatus
    raw_status: str
    schema_name: str
    created_at: dt.datetime | None
    finished_at: dt.datetime | None
    records: int | None

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> ExportJob:
        """Parse one record of ``GET /export/jobs``."""
        metrics = as_dict(data.get("metrics"))
        total = as_dict(metrics.get("totalTime"))
        raw = as_text(data.get("status"))
        status = _EXPORT_STATUS.get(raw.lower(), ExportStatus.IN_PROGRESS)
        ended = status is not ExportStatus.IN_PROGRESS
        return cls(
            id=as_id(data.get("id")),
            status=status,
            raw_status=one_line(raw, 40) or "(no status)",
            schema_name=as_text(as_dict(data.get("schema")).get("name")),
            created_at=as_time(data.get("creationTime")),
            finished_at=(as_time(total.get("endTimeInMs")) or as_time(data.get("updateTime"))) if ended else None,
            records=as_count(metrics.get("totalExportedProfileCounter")),
        )

    @property
    def is_profile(self) -> bool:
        """Whether people are exported (and not accounts or prospects)."""
        return self.schema_name == PROFILE_SCHEMA

    @property
    def snapshot_at(self) -> dt.datetime | None:
        """The time that the exported snapshot shows; its start is the cautious reading."""
        return self.created_at or self.finished_at


class RunStatus(enum.StrEnum):
    """State of a flow run. AEP has no authoritative list of words, so unknown ones mean "running"."""

    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended."""
        return self is not RunStatus.IN_PROGRESS

    @classmethod
    def fold(cls, word: str) -> RunStatus:
        """Fold any of AEP's spellings (``partialSuccess``, ``PARTIAL_SUCCESS``, ``Success`` …)."""
        return _RUN_STATUS.get(re.sub(r"[^a-z]", "", word.lower()), cls.IN_PROGRESS)


_RUN_STATUS = {
    "success": RunStatus.SUCCESS,
    "succeeded": RunStatus.SUCCESS,
    "completed": RunStatus.SUCCESS,
    "partialsuccess": RunStatus.PARTIAL_SUCCESS,
    "partialfailure": RunStatus.PARTIAL_SUCCESS,
    "failed": RunStatus.FAILED,
    "cancelled": RunStatus.FAILED,
    "canceled": RunStatus.FAILED,
    "aborted": RunStatus.FAILED,
}


class Counts(NamedTuple):
    """Records of one audience in a run; None where AEP does not tell."""

    exported: int | None
    skipped: int | None
    failed: int | None


UNTOLD = Counts(None, None, None)


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run of a destination flow (``GET /runs/{id}``): one delivery on its way or done.

    :param audiences: counters by audience id, for the audiences that the run names (none while young).
    :param total: counters of the whole run.
    :param error_code: AEP's code of the first error, "" if none.
    :param error_text: AEP's text of the first error, "" if none.
    """

    id: str
    flow_id: str
    status: RunStatus
    raw_status: str
    created_at: dt.datetime | None
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    audiences: Mapping[str, Counts] = field(default_factory=dict)
    total: Counts = UNTOLD
    error_code: str = ""
    error_text: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> FlowRun:
        """Parse a run; every branch of ``metrics`` may be missing while it is young or when it failed."""
        metrics = as_dict(data.get("metrics"))
        duration = as_dict(metrics.get("durationSummary"))
        records = as_dict(metrics.get("recordSummary"))
        summary = as_dict(metrics.get("statusSummary"))
        raw = as_text(summary.get("status"))
        status = RunStatus.fold(raw)
        code, text = _first_error(summary, records) if status.is_terminal else ("", "")
        return cls(
            id=as_id(data.get("id")),
            flow_id=as_id(data.get("flowId")),
            status=status,
            raw_status=one_line(raw, 40) or "(no status)",
            created_at=as_time(data.get("createdAt")),
            started_at=as_time(duration.get("startedAtUTC")),
            completed_at=as_time(duration.get("completedAtUTC")) or as_time(duration.get("stoppedAtUTC")),
            audiences=_audience_counts(records),
            total=_counts(records, records),
            error_code=code,
            error_text=text,
        )

    def names(self, audience_ids: Iterator[str] | list[str] | tuple[str, ...]) -> bool:
        """Whether the run names any of these audience ids."""
        return any(audience in self.audiences for audience in audience_ids)

    def counts_for(self, audience_ids: tuple[str, ...], *, alone: bool) -> Counts:
        """Return the counters of one audience.

        :param audience_ids: the audience's own id and its system id.
        :param alone: whether the run delivers this audience only; then the run's totals are its counters.
        """
        own = next((self.audiences[audience] for audience in audience_ids if audience in self.audiences), UNTOLD)
        if not alone:
            return own
        pairs = zip(own, self.total, strict=True)
        return Counts(*(mine if mine is not None else whole for mine, whole in pairs))


def _counts(target: Mapping[str, object], source: Mapping[str, object]) -> Counts:
    exported = as_count(target.get("outputRecordCount"))
    return Counts(
        exported=exported if exported is not None else as_count(target.get("createdRecordCount")),
        skipped=as_count(source.get("skippedRecordCount")),
        failed=as_count(target.get("failedRecordCount")),
    )


def _entities(records: Mapping[str, object], side: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    for summary in as_dicts(records.get(side)):
        for entity in as_dicts(summary.get("entitySummaries")):
            name = as_text(entity.get("id"))
            if name.startswith(ENTITY_PREFIX):
                yield as_id(name[len(ENTITY_PREFIX) :]), entity


def _audience_counts(records: Mapping[str, object]) -> dict[str, Counts]:
    source = dict(_entities(records, "sourceSummaries"))
    target = dict(_entities(records, "targetSummaries"))
    return {name: _counts(target.get(name, {}), source.get(name, {})) for name in [*source, *target]}


def _first_error(summary: Mapping[str, object], records: Mapping[str, object]) -> tuple[str, str]:
    for error in [*as_dicts(summary.get("errors")), *as_dicts(records.get("failedInfo"))]:
        code, text = one_line(as_text(error.get("code"))), one_line(as_text(error.get("message")))
        if code or text:
            return code, text
    return "", ""


@dataclass(frozen=True, slots=True)
class MappedAudience:
    """An audience mapped to a destination flow: one selector of ``segmentSelectors``.

    :param id: the selector's ``id``; for imported audiences this is the *external* id.
    :param system_id: ``systemSegmentId`` of an imported audience, else "".
    :param start_date: first day of its schedule (UTC), None if not told.
    :param end_date: last day of its schedule (UTC), None if open-ended.
    :param mapped_at: time of mapping (UTC), None if not told.
    :param is_file_export: whether the selector has what only file exports have.
    """

    id: str
    system_id: str
    name: str
    frequency: str
    start_date: dt.date | None
    end_date: dt.date | None
    mapped_at: dt.datetime | None
    is_file_export: bool

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> MappedAudience:
        """Parse ``segmentSelectors.selectors[].value``."""
        schedule = as_dict(data.get("schedule"))
        return cls(
            id=as_id(data.get("id")),
            system_id=as_id(data.get("systemSegmentId")),
            name=one_line(as_text(data.get("name")), 120),
            frequency=one_line(as_text(schedule.get("frequency")), 40),
            start_date=as_date(schedule.get("startDate")),
            end_date=as_date(schedule.get("endDate")),
            mapped_at=as_time(data.get("createTime")),
            is_file_export=any(key in data for key in ("filenameTemplate", "fileNameTemplate", "exportMode")),
        )

    @property
    def platform_id(self) -> str:
        """The id that the activation API takes: Platform's own, never the external one."""
        return self.system_id or self.id


@dataclass(frozen=True, slots=True)
class DestinationFlow:
    """A destination dataflow (``GET /flows/{id}``) and the audiences mapped to it.

    :param is_destination: ``isDestinationFlow``; None where the flow does not tell.
    :param tells_audiences: whether the flow has a list of audiences at all (it may be empty).
    :param last_run_state: ``lastRunDetails.state``, "" if it never ran.
    """

    id: str
    name: str
    state: str
    is_destination: bool | None
    audiences: tuple[MappedAudience, ...]
    tells_audiences: bool
    last_run_state: str
    last_run_at: dt.datetime | None

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> DestinationFlow:
        """Parse a flow of the Flow Service."""
        properties = as_dict(as_dict(data.get("inheritedAttributes")).get("properties"))
        told = properties.get("isDestinationFlow")
        last = as_dict(data.get("lastRunDetails"))
        lists = [
            as_dict(as_dict(transformation.get("params")).get("segmentSelectors")).get("selectors")
            for transformation in as_dicts(data.get("transformations"))
        ]
        audiences = [
            MappedAudience.from_json(as_dict(selector.get("value"))) for each in lists for selector in as_dicts(each)
        ]
        return cls(
            id=as_id(data.get("id")),
            name=one_line(as_text(data.get("name")), 120),
            state=one_line(as_text(data.get("state")), 40),
            is_destination=told if isinstance(told, bool) else None,
            audiences=tuple(audience for audience in audiences if audience.platform_id),
            tells_audiences=any(isinstance(each, list) for each in lists),
            last_run_state=one_line(as_text(last.get("state")), 40),
            last_run_at=as_time(last.get("completedAtUTC")) or as_time(last.get("startedAtUTC")),
        )

    def audience(self, audience_id: str) -> MappedAudience | None:
        """Return the mapped audience with this Platform id, None if it is not mapped."""
        return next((item for item in self.audiences if item.platform_id == audience_id), None)


@dataclass(frozen=True, slots=True)
class ActivationOrder:
    """One entry of the answer to ``POST /adhocrun``: this audience goes to this flow in this run."""

    flow_id: str
    audience_id: str
    run_id: str

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> ActivationOrder | None:
        """Parse ``{"segment", "order", "statusURL"}``; None if one of the three is missing.

        Only the run id is taken out of ``statusURL``: its host is never called.
        """
        order = cls(
            as_id(data.get("order")),
            as_id(data.get("segment")),
            run_id_of(as_text(data.get("statusURL"))),
        )
        return order if order.flow_id and order.audience_id and order.run_id else None


def run_id_of(status_url: str) -> str:
    """Return the run id at the end of a ``…/runs/<id>`` URL, or "" if there is none."""
    try:
        parts = [unquote(part) for part in urlsplit(status_url).path.split("/") if part]
    except ValueError:
        return ""
    if len(parts) < 2 or parts[-2] != "runs" or not _RUN_ID.fullmatch(parts[-1]):
        return ""
    return parts[-1]
