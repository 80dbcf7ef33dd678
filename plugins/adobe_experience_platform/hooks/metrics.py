"""Counters and timers through Airflow's own metrics (StatsD, OpenTelemetry or Datadog, as Airflow is set up).

Every name is listed in docs/metrics.md. Nothing here raises or waits: a metric that cannot be sent is lost.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import Any

# Brings the settings of [metrics] into processes where Airflow itself has not (the triggerer's).
import airflow.sdk.serde  # noqa: F401
from airflow.sdk.observability import stats

from adobe_experience_platform.aep import AepConnection

PAIRS = "aep.pairs."
RECORDS_EXPORTED = "aep.records.exported"
RECORDS_FAILED = "aep.records.failed"
SINCE_EXPORT = "aep.delivery.since_export"
POLLS = "aep.polls"
POLLS_FAILED = "aep.polls.failed"
RETRIES = "aep.requests.retried"
TOKENS = "aep.tokens.minted"
CONFLICTED = f"{PAIRS}conflicted"

AT_THE_END: Mapping[str, str] = {
    "success": f"{PAIRS}delivered",
    "partial_success": f"{PAIRS}partly_delivered",
    "failed": f"{PAIRS}failed",
    "not_sent": f"{PAIRS}not_sent",
    "in_progress": f"{PAIRS}unfinished",
    "unknown": f"{PAIRS}unknown",
    "adopted": f"{PAIRS}adopted",
    "empty": f"{PAIRS}empty",
    "records_exported": RECORDS_EXPORTED,
    "records_failed": RECORDS_FAILED,
    "deliveries_succeeded": "aep.deliveries.succeeded",
    "deliveries_failed": "aep.deliveries.failed",
}
"""What is counted at the end of a delivery, by the words of the report's summary → the counter's name."""

log = logging.getLogger(__name__)
_warned = False


def count(name: str, tags: Mapping[str, str], number: int = 1) -> None:
    """Add to a counter."""
    if number > 0:
        _emit("incr", name, number, tags)


def totals(results: Sequence[Mapping[str, Any]], summary: Mapping[str, int], *, failed: bool) -> dict[str, int]:
    """Return what a delivery adds up to, by the words of :data:`AT_THE_END`."""
    found = {key: int(summary.get(key, 0)) for key in AT_THE_END}
    found["empty"] = sum(
        item["status"] in ("success", "partial_success") and item["records_exported"] == 0 for item in results
    )
    return found | {"deliveries_succeeded": int(not failed), "deliveries_failed": int(failed)}


def count_delivery(now: Mapping[str, int], before: Mapping[str, int], tags: Mapping[str, str]) -> None:
    """Count what a delivery adds up to, less what an earlier report of the same run has counted."""
    for key, name in AT_THE_END.items():
        count(name, tags, now.get(key, 0) - before.get(key, 0))


def since_export(results: Sequence[Mapping[str, Any]], export_ended_at: str, tags: Mapping[str, str]) -> None:
    """Record how long after the export's end the last audience was delivered."""
    ends = [item["completed_at"] for item in results if item["status"] == "success" and item["completed_at"]]
    if ends:
        span = max(map(dt.datetime.fromisoformat, ends)) - dt.datetime.fromisoformat(export_ended_at)
        if span >= dt.timedelta(0):
            _emit("timing", SINCE_EXPORT, span, tags)  # Airflow sends it in milliseconds


def _emit(kind: str, name: str, value: Any, tags: Mapping[str, str]) -> None:
    global _warned
    try:
        getattr(stats, kind)(name, value, tags={key: value for key, value in tags.items() if value})
    except Exception as error:  # noqa: BLE001 - a delivery must outlive trouble with its metrics
        if not _warned:
            _warned = True
            log.warning("Sending metrics failed; the delivery is not affected: %s: %s", type(error).__name__, error)


def connection_tags(conn_id: str, settings: AepConnection | None) -> dict[str, str]:
    """Return the tags of what a hook counts."""
    return {"conn_id": conn_id, "sandbox": settings.sandbox_name if settings else ""}
