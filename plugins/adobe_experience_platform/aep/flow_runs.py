"""Flow runs (Flow Service), parsed once, tolerant where Adobe's own sources differ."""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .json_values import as_count, as_dict, as_dicts, as_id, as_text, as_time
from .text import one_line, without_secrets

ENTITY_PREFIX = "segment:"
"""Flow runs name their audiences as ``segment:<audience id>`` in ``entitySummaries``."""


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
    **dict.fromkeys(("success", "succeeded", "completed"), RunStatus.SUCCESS),
    **dict.fromkeys(("partialsuccess", "partialfailure"), RunStatus.PARTIAL_SUCCESS),
    **dict.fromkeys(("failed", "cancelled", "canceled", "aborted"), RunStatus.FAILED),
}


class Counts(NamedTuple):
    """Records of one audience in a run; None where AEP does not say. What was read was exported, skipped, or failed."""

    exported: int | None
    skipped: int | None
    failed: int | None
    read: int | None = None


UNKNOWN_COUNTS = Counts(None, None, None)


class Reason(NamedTuple):
    """Why records were skipped or failed, in AEP's words, and how many; None where AEP does not say."""

    code: str
    text: str
    records: int | None


MOST_LISTED = 10
"""Reasons and names of files that are kept of a run, at most; of the reasons those with the most records."""


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run of a destination flow (``GET /runs/{id}``): one delivery on its way or done.

    Times are in UTC; they and the numbers of files and bytes (``size``) are None where AEP does not say.

    :param audiences: counters by audience id, for the audiences that the run names (none while young).
    :param total: counters of the whole run.
    :param file_names: paths of these files, where AEP lists them. No source of Adobe's shows a destination's run that
        does; what is listed as input is no file of a delivery.
    :param failed_for: why records of the run failed; none for a mere warning.
    :param error_code: AEP's code of the first error, "" if none; a mere warning counts where nothing else explains
        why the run did not succeed.
    :param error_text: AEP's text of it, without what looks like a secret: a partner's address may hold its key.
    """

    id: str
    flow_id: str
    status: RunStatus
    raw_status: str
    created_at: dt.datetime | None
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    audiences: Mapping[str, Counts] = field(default_factory=dict)
    total: Counts = UNKNOWN_COUNTS
    files: int | None = None
    size: int | None = None
    file_names: tuple[str, ...] = ()
    files_failed: int | None = None
    bytes_failed: int | None = None
    skipped_for: tuple[Reason, ...] = ()
    failed_for: tuple[Reason, ...] = ()
    error_code: str = ""
    error_text: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> FlowRun:
        """Parse a run; every branch of ``metrics`` may be missing while it is young or when it failed."""
        metrics = as_dict(data.get("metrics"))
        duration = as_dict(metrics.get("durationSummary"))
        records = as_dict(metrics.get("recordSummary"))
        source, target = _entities(records, "sourceSummaries"), _entities(records, "targetSummaries")
        files = as_dict(metrics.get("fileSummary"))
        sizes = as_dict(metrics.get("sizeSummary"))
        summary = as_dict(metrics.get("statusSummary"))
        raw = as_text(summary.get("status"))
        status = RunStatus.fold(raw)
        activities = as_dicts(data.get("activities")) or as_dicts(data.get("activites"))  # as Adobe's schema spells it
        parts = [records, *(as_dict(item.get("recordSummary")) for item in activities)]
        failed, own = _failed(parts, summary), as_dicts(summary.get("errors"))
        # The run itself may repeat none of the errors that its activities list.
        others = (error for item in activities for error in as_dicts(as_dict(item.get("statusSummary")).get("errors")))
        errors = [*own, *as_dicts(records.get("failedInfo")), *others]
        code, text = _first_error(errors, status) if status.is_terminal else ("", "")
        why = _listed(parts, "failedInfo") or (own if failed != 0 else [])
        return cls(
            id=as_id(data.get("id")),
            flow_id=as_id(data.get("flowId")),
            status=status,
            raw_status=one_line(raw, 40) or "(no status)",
            created_at=as_time(data.get("createdAt")),
            started_at=as_time(duration.get("startedAtUTC")),
            completed_at=as_time(duration.get("completedAtUTC")) or as_time(duration.get("stoppedAtUTC")),
            audiences={name: _counts(target.get(name, {}), source.get(name, {})) for name in [*source, *target]},
            total=_counts(records, records)._replace(failed=failed),
            files=as_count(files.get("outputFileCount")),
            size=as_count(sizes.get("outputBytes")),
            file_names=_file_names(files),
            files_failed=as_count(files.get("failedFileCount")),
            bytes_failed=as_count(sizes.get("failedBytes")),
            skipped_for=_reasons(_listed(parts, "skippedInfo")),
            failed_for=_reasons(item for item in why if not _warns(item)),
            error_code=code,
            error_text=text,
        )

    @property
    def seconds(self) -> int | None:
        """How long the run took; None unless AEP says when it started and when it completed."""
        if self.started_at is None or self.completed_at is None or self.completed_at < self.started_at:
            return None
        return round((self.completed_at - self.started_at).total_seconds())

    def names(self, audience_ids: Iterable[str]) -> bool:
        """Whether the run names any of these audience ids."""
        return any(audience in self.audiences for audience in audience_ids)

    def counts_for(self, audience_ids: tuple[str, ...], *, alone: bool) -> Counts:
        """Return the counters of an audience of these ids; where it is ``alone`` in its run, also those of the run."""
        named = [self.audiences[audience] for audience in audience_ids if audience in self.audiences]
        # The two sides of a run may name an imported audience by one id each.
        own = Counts(*map(_first, zip(UNKNOWN_COUNTS, *named, strict=True)))
        if not alone:
            return own
        counts = Counts(*map(_first, zip(own, self.total, strict=True)))
        return counts._replace(failed=_most(own.failed, self.total.failed))

    def left_out(self, counts: Counts) -> int | None:
        """Return how many records of an audience were skipped or failed; None where only the run says how many."""
        pairs = (counts.skipped, self.total.skipped), (counts.failed, self.total.failed)
        return None if any(own is None and whole for own, whole in pairs) else sum(own or 0 for own, _ in pairs)


def _counts(target: Mapping[str, object], source: Mapping[str, object]) -> Counts:
    exported = as_count(target.get("outputRecordCount"))
    return Counts(
        exported=exported if exported is not None else as_count(target.get("createdRecordCount")),
        skipped=as_count(source.get("skippedRecordCount")),
        failed=_most(*(as_count(side.get("failedRecordCount")) for side in (source, target))),
        read=as_count(source.get("inputRecordCount")),
    )


def _first(counts: Iterable[int | None]) -> int | None:
    return next((number for number in counts if number is not None), None)


def _most(*counts: int | None) -> int | None:
    """Return the largest count; what one part of a run does not say another may."""
    return max((number for number in counts if number is not None), default=None)


def _failed(parts: Sequence[Mapping[str, object]], summary: Mapping[str, object]) -> int | None:
    """Return how many records of the run failed: by its counters, or by what it lists, where that is more."""
    records = parts[0]
    sides = [item for side in ("sourceSummaries", "targetSummaries") for item in as_dicts(records.get(side))]
    counted = _most(*(as_count(part.get("failedRecordCount")) for part in (*parts, *sides)))
    listed = as_dicts(records.get("failedInfo")) or (as_dicts(summary.get("errors")) if counted is None else [])
    return max(counted or 0, sum(as_count(item.get("count")) or 0 for item in listed if not _warns(item))) or counted


def _listed(parts: Iterable[Mapping[str, object]], key: str) -> list[Mapping[str, object]]:
    """Return what a run lists as skipped or failed; an activity's list stands in for one that the run lacks."""
    return next(filter(None, (as_dicts(part.get(key)) for part in parts)), [])


def _reasons(listed: Iterable[Mapping[str, object]]) -> tuple[Reason, ...]:
    found = [
        Reason(_said(item.get("code")), _said(item.get("message")), as_count(item.get("count"))) for item in listed
    ]
    told = [reason for reason in found if any(reason)]
    return tuple(sorted(told, key=lambda reason: -(reason.records or 0))[:MOST_LISTED])


def _file_names(files: Mapping[str, object]) -> tuple[str, ...]:
    listed = as_dicts(as_dict(files.get("manifest")).get("fileInfo"))
    written = [item for item in listed if "input_files" not in as_text(item.get("path"))]
    names = (without_secrets(as_text(item.get("pathPrefix")), 255) for item in written)
    return tuple(dict.fromkeys(filter(None, names)))[:MOST_LISTED]


def _entities(records: Mapping[str, object], side: str) -> dict[str, Mapping[str, object]]:
    """Return audience id → what one side of a run counts of it."""
    found: dict[str, list[Mapping[str, object]]] = {}
    for summary in as_dicts(records.get(side)):
        for entity in as_dicts(summary.get("entitySummaries")):
            name = as_text(entity.get("id"))
            if name.startswith(ENTITY_PREFIX):
                found.setdefault(as_id(name[len(ENTITY_PREFIX) :]), []).append(entity)
    return {name: parts[0] if len(parts) == 1 else _parts(parts) for name, parts in found.items()}


def _parts(parts: Iterable[Mapping[str, object]]) -> Mapping[str, object]:
    """Return what is certain of an audience that several connections count: they may all count the same records."""
    failed = sum(as_count(part.get("failedRecordCount")) or 0 for part in parts)
    return {"failedRecordCount": failed} if failed else {}


def _said(text: object) -> str:
    """Return AEP's words in one line: they may repeat a destination's address with its signature, or a password."""
    return without_secrets(as_text(text), 500)


def _warns(error: Mapping[str, object]) -> bool:
    return as_text(error.get("type")).lower() == "warning"


def _first_error(errors: list[Mapping[str, object]], status: RunStatus) -> tuple[str, str]:
    for error in sorted(errors, key=_warns):
        code, text = _said(error.get("code")), _said(error.get("message"))
        if (code or text) and not (_warns(error) and status is RunStatus.SUCCESS):
            return code, text
    return "", ""
