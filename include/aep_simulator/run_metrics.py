"""The ``metrics`` and ``activities`` of a flow run.

They follow the two samples in Adobe's OpenAPI file of the Destinations API (a run that succeeded and one
that failed); a partial success is composed of both, since there is no sample of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .entities import Json, Run, phase_of

_BYTES_PER_RECORD = 109
_FAILED_CODE = "ACTIVATION_BATCH-0000-FAILED"
_SKIPPED = {"code": "ACTIVATION_BATCH-0000-SKIP", "message": "Records didn't match attribute filter."}
_XDM_ACTIVITY = "c4f238e3-7334-4933-8b56-64d7ea43ea54"
_PUBLISHER_ACTIVITY = "51d82b36-6b8f-11eb-9439-0242ac130002"


@dataclass(frozen=True, slots=True)
class _Counts:
    """Records of one audience."""

    entity: str
    read: int
    skipped: int
    failed: int
    written: int

    @property
    def source(self) -> Json:
        return {"id": self.entity, "inputRecordCount": self.read, "skippedRecordCount": self.skipped}

    @property
    def target(self) -> Json:
        failed = {"failedRecordCount": self.failed} if self.failed else {}
        return {"id": self.entity, "createdRecordCount": self.written, "outputRecordCount": self.written, **failed}


def _counts(run: Run, ids: Sequence[str], default_failed_share: float) -> list[_Counts]:
    outcome = run.outcome
    counts = []
    for audience, entity in zip(run.audiences, ids, strict=True):
        total = audience.size
        skipped = total // 500 if outcome.records_skipped is None else outcome.records_skipped
        failed = int(total * default_failed_share) if outcome.records_failed is None else outcome.records_failed
        written = max(total - skipped - failed, 0) if outcome.records is None else outcome.records
        if outcome.records == 0 and outcome.records_skipped is None:
            skipped = 0
        counts.append(_Counts(entity, written + skipped + failed, skipped, failed, written))
    return counts


def _duration(run: Run, started: int) -> Json:
    return {"startedAtUTC": started, "completedAtUTC": run.ends_ms}


def with_nulls(metrics: Json, run: Run) -> Json:
    """Return the metrics of an unfinished run with null for what is not known yet, as Adobe's batch sample has it."""
    source = {"id": run.flow.source_connection_id, "entitySummaries": None}
    records = {"inputRecordCount": None, "sourceSummaries": [source], "targetSummaries": None}
    return {
        **dict.fromkeys(("latencySummary", "sizeSummary", "fileSummary", "statusSummary")),
        **metrics,
        "durationSummary": {"startedAtUTC": None, "completedAtUTC": None, **metrics["durationSummary"]},
        "recordSummary": {**records, **metrics.get("recordSummary", {})},
    }


def progress_metrics(run: Run, ids: Sequence[str] | None, started: int | None, status: str | None) -> Json:
    """Return the metrics of an unfinished run.

    :param ids: null: it is too young to name its audiences.
    :param started: null: its work has not begun.
    """
    metrics: Json = {"durationSummary": {} if started is None else {"startedAtUTC": started}}
    if ids is not None:
        # Only the source side is known while nothing is written yet; the failed sample looks like that.
        counts = _counts(run, ids, 0.0)
        entities = [{"id": c.entity, "inputRecordCount": c.read} for c in counts]
        read = sum(c.read for c in counts)
        source = {"id": run.flow.source_connection_id, "inputRecordCount": read, "entitySummaries": entities}
        metrics["recordSummary"] = {"inputRecordCount": read, "sourceSummaries": [source]}
    if status is not None:
        metrics["statusSummary"] = {"status": status}
    return metrics


def final_metrics(run: Run, ids: Sequence[str], started: int) -> tuple[Json, list[Json]]:
    """Return metrics and activities of a run that has reached its outcome."""
    phase = phase_of(run.outcome.status) if run.outcome.status is not None else "unknown"
    if phase == "failed":
        return _failed(run, ids, started)
    if phase in {"success", "partial"}:
        return _written(run, ids, started, partial=phase == "partial")
    # A status no document knows, or none at all: nothing says such a run has completed.
    return progress_metrics(run, ids, started, run.outcome.status), []


def _error(run: Run, fallback: str) -> Json:
    return {"code": run.outcome.code or _FAILED_CODE, "message": run.outcome.message or fallback}


def _failed(run: Run, ids: Sequence[str], started: int) -> tuple[Json, list[Json]]:
    error = _error(run, "Job aborted.")
    nothing = {"inputRecordCount": 0, "skippedRecordCount": 0}
    source = {
        "id": run.flow.source_connection_id,
        **nothing,
        "entitySummaries": [{"id": entity, **nothing} for entity in ids],
    }
    status = {"status": run.outcome.status, "errors": [error]}
    metrics: Json = {
        "durationSummary": _duration(run, started),
        "recordSummary": {"sourceSummaries": [source], "failedInfo": [error]},
        "statusSummary": {**status, "activityRefs": [_XDM_ACTIVITY]},
    }
    activity = {
        "id": _XDM_ACTIVITY,
        "name": "Activation Batch XdmProcessor Activity",
        "updatedAtUTC": 0,
        "durationSummary": _duration(run, started),
        "latencySummary": {},
        "sizeSummary": {},
        "recordSummary": {"failedInfo": [error]},
        "fileSummary": {},
        "statusSummary": {**status, "extensions": {}},
    }
    return metrics, [activity]


def _written(run: Run, ids: Sequence[str], started: int, *, partial: bool) -> tuple[Json, list[Json]]:
    counts = _counts(run, ids, 0.01 if partial else 0.0)
    read, skipped = sum(c.read for c in counts), sum(c.skipped for c in counts)
    failed, written = sum(c.failed for c in counts), sum(c.written for c in counts)
    outcome = run.outcome
    size = written * _BYTES_PER_RECORD if outcome.bytes is None else outcome.bytes
    files = len(counts) if outcome.files is None else outcome.files
    file_summary = {"inputFileCount": files, "outputFileCount": files}
    if outcome.files_failed is not None:
        file_summary["failedFileCount"] = outcome.files_failed
    totals: Json = {
        "inputRecordCount": read,
        "createdRecordCount": written,
        "outputRecordCount": written,
        "skippedRecordCount": skipped,
    }
    details: Json = {}
    if skipped or outcome.skipped_info is not None:
        details["skippedInfo"] = _listed(outcome.skipped_info, {**_SKIPPED, "count": skipped})
    status: Json = {"status": run.outcome.status}
    if partial or failed:
        error = {**_error(run, "Some records failed."), "count": failed, "type": "Error"}
        totals["failedRecordCount"] = failed
        details["failedInfo"] = _listed(outcome.failed_info, error)
        status["errors"] = [error]
    elif outcome.code or outcome.message:
        # Errors can be listed on a successful run too.
        status["errors"] = [_error(run, "")]
    source = {
        "id": run.flow.source_connection_id,
        "inputRecordCount": read,
        "skippedRecordCount": skipped,
        "entitySummaries": [c.source for c in counts],
    }
    target = {
        "id": run.flow.target_connection_id,
        "createdRecordCount": written,
        "outputRecordCount": written,
        "entitySummaries": [c.target for c in counts],
    }
    metrics: Json = {
        "durationSummary": _duration(run, started),
        "sizeSummary": {"inputBytes": size, "outputBytes": size},
        "recordSummary": {**totals, "sourceSummaries": [source], "targetSummaries": [target], **details},
        "fileSummary": file_summary,
        "statusSummary": {**status, "activityRefs": [_XDM_ACTIVITY]},
    }
    return metrics, _activities(run, started, metrics)


def _listed(given: list[Json] | None, usual: Json) -> list[Json]:
    """Return reasons as a seed gives them, else the usual one."""
    return [usual] if given is None else given


def _activities(run: Run, started: int, metrics: Json) -> list[Json]:
    """Return the run's two activities: one reads and maps, one writes."""
    written = metrics["recordSummary"]["outputRecordCount"]
    of_connections = ("sourceSummaries", "targetSummaries")
    records = {key: value for key, value in metrics["recordSummary"].items() if key not in of_connections}
    halfway = (started + (run.ends_ms or started)) // 2
    xdm = {
        "id": _XDM_ACTIVITY,
        "name": "Activation Batch XdmProcessor Activity",
        "updatedAtUTC": 0,
        "durationSummary": {"startedAtUTC": started, "completedAtUTC": halfway},
        "latencySummary": {},
        "sizeSummary": dict(metrics["sizeSummary"]),
        "recordSummary": records,
        "fileSummary": dict(metrics["fileSummary"]),
        "statusSummary": {"status": "success", "extensions": {}},
    }
    publisher = {
        "id": _PUBLISHER_ACTIVITY,
        "name": "Activation Batch Publisher Activity",
        "updatedAtUTC": 0,
        "durationSummary": {"startedAtUTC": halfway, "completedAtUTC": run.ends_ms},
        "latencySummary": {},
        "sizeSummary": {"outputBytes": metrics["sizeSummary"]["outputBytes"]},
        "recordSummary": {"inputRecordCount": written, "outputRecordCount": written, "skippedRecordCount": 0},
        "fileSummary": {"outputFileCount": metrics["fileSummary"]["outputFileCount"]},
        "statusSummary": {"status": run.outcome.status, "extensions": {}},
    }
    return [xdm, publisher]
