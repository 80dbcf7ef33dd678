"""The rules of a delivery: input, split, preflight, exports, the exactly-once protocol, results. No Airflow, no I/O."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from . import export_news, exports, next_delivery, preflight, rounds, run_lists, run_news, task_ids, xcom
from .findings import Findings, ids_of, labelled
from .given import READINGS
from .input import (
    MAX_PAIRS_PER_RUN,
    check_id,
    check_name,
    is_uuid,
    may_be_id,
    parse_activation_info,
    read_activation_info,
    shorten,
)
from .jobs import MAX_PAIRS_PER_JOB, Job, split, titles_of
from .names import resolve, unambiguous
from .outlook import Outlook, look
from .record import Record
from .results import (
    NOT_SENT,
    UNKNOWN,
    Result,
    all_succeeded,
    deliveries,
    error_of,
    explanations,
    exported_counts,
    failed_for,
    failed_records,
    is_delivered,
    is_sent,
    is_terminal,
    line_of,
    loss_label,
    losses_of,
    lost_in,
    results_of,
    submitted_only,
    summarize,
    what_failed,
    without_run,
)
from .rounds import Snapshot
from .run_figures import OF_RUN, RunFigures, delivered_text, duration_text, reasons_text, size_text
from .search import RunSearch, find
from .steps import Done, OnConflict, Settle, WaitFor
from .submission import KEY, Submission
from .usual import Lengths
from .verdict import Outcomes, RedRun, Verdict, VerdictState, advice_for, judge, message_of, title_of

if TYPE_CHECKING:
    from .approval import Approval
    from .campaign_day import CampaignDay, DayAction, DayDecision, Holder, clock_time
    from .settings import SETTINGS, DeliverySettings, checked_settings, form_field, read_settings

__all__ = [
    "KEY",
    "MAX_PAIRS_PER_JOB",
    "MAX_PAIRS_PER_RUN",
    "NOT_SENT",
    "OF_RUN",
    "READINGS",
    "SETTINGS",
    "UNKNOWN",
    "Approval",
    "CampaignDay",
    "DayAction",
    "DayDecision",
    "DeliverySettings",
    "Done",
    "Findings",
    "Holder",
    "Job",
    "Lengths",
    "OnConflict",
    "Outcomes",
    "Outlook",
    "Record",
    "RedRun",
    "Result",
    "RunFigures",
    "RunSearch",
    "Settle",
    "Snapshot",
    "Submission",
    "Verdict",
    "VerdictState",
    "WaitFor",
    "advice_for",
    "all_succeeded",
    "check_id",
    "check_name",
    "checked_settings",
    "clock_time",
    "delivered_text",
    "deliveries",
    "duration_text",
    "error_of",
    "explanations",
    "export_news",
    "exported_counts",
    "exports",
    "failed_for",
    "failed_records",
    "find",
    "form_field",
    "ids_of",
    "is_delivered",
    "is_sent",
    "is_terminal",
    "is_uuid",
    "judge",
    "labelled",
    "line_of",
    "look",
    "loss_label",
    "losses_of",
    "lost_in",
    "may_be_id",
    "message_of",
    "next_delivery",
    "parse_activation_info",
    "preflight",
    "read_activation_info",
    "read_settings",
    "reasons_text",
    "resolve",
    "results_of",
    "rounds",
    "run_lists",
    "run_news",
    "shorten",
    "size_text",
    "split",
    "submitted_only",
    "summarize",
    "task_ids",
    "title_of",
    "titles_of",
    "unambiguous",
    "what_failed",
    "without_run",
    "xcom",
]

_LAZY = {
    "Approval": "approval",
    **dict.fromkeys(("CampaignDay", "DayAction", "DayDecision", "Holder", "clock_time"), "campaign_day"),
    **dict.fromkeys(("SETTINGS", "DeliverySettings", "checked_settings", "form_field", "read_settings"), "settings"),
}
"""Made with pydantic, which takes a tenth of a second to load: loaded when they are first used."""


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
