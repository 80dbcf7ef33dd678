"""Counters and timers through Airflow's own metrics (StatsD, OpenTelemetry or Datadog, as Airflow is set up).

Every name is listed in docs/metrics.md. Nothing here raises or waits: a metric that cannot be sent is lost.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any

PAIRS = "aep.pairs."
RECORDS_EXPORTED = "aep.records.exported"
RECORDS_FAILED = "aep.records.failed"
SINCE_EXPORT = "aep.delivery.since_export"
DELIVERIES = "aep.deliveries."
POLLS = "aep.polls"
POLLS_FAILED = "aep.polls.failed"
RETRIES = "aep.requests.retried"
TOKENS = "aep.tokens.minted"
CONFLICTED = f"{PAIRS}conflicted"

PAIR_COUNTERS: Mapping[str, str] = {
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
}
"""Key of a report's summary → the counter of it."""

log = logging.getLogger(__name__)
_warned = False


def count(name: str, number: int = 1, **tags: str) -> None:
    """Add to a counter."""
    if number > 0:
        _emit("incr", name, number, tags=tags)


def took(name: str, span: dt.timedelta, **tags: str) -> None:
    """Record a duration; Airflow sends it in milliseconds."""
    _emit("timing", name, span, tags=tags)


def _emit(kind: str, name: str, value: Any, tags: Mapping[str, str]) -> None:
    global _warned  # noqa: PLW0603 - once per process
    try:
        from airflow.sdk.observability import stats

        # Brings the settings of [metrics] into processes where Airflow itself has not (the triggerer's).
        import airflow.sdk.serde  # noqa: F401

        getattr(stats, kind)(name, value, tags={key: value for key, value in tags.items() if value})
    except Exception as error:  # noqa: BLE001 - a delivery must outlive trouble with its metrics
        if not _warned:
            _warned = True
            log.warning("Metrics cannot be sent, the delivery is not affected: %s: %s", type(error).__name__, error)
