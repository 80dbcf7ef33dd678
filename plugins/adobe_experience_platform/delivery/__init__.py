"""The rules of a delivery: input, split, preflight, exports, the exactly-once protocol, results. No Airflow, no I/O."""

from . import export_news, exports, preflight, rounds, xcom
from .campaign_day import CampaignDay, DayAction, DayDecision, Holder, clock_fault, clock_time, zone_fault
from .input import MAX_PAIRS_PER_RUN, check_id, parse_activation_info, read_activation_info, shorten
from .jobs import API_VERSIONS, MAX_PAIRS_PER_JOB, Job, split
from .preflight import Findings
from .record import Order, Record, check_version
from .results import (
    NOT_SENT,
    UNKNOWN,
    Delivery,
    Result,
    deliveries,
    ended_well,
    is_delivered,
    is_terminal,
    line_of,
    results_of,
    submitted_only,
    summarize,
    without_run,
)
from .rounds import Snapshot
from .search import RunSearch, concerns, find, names_of
from .submission import KEY, Done, OnConflict, Settle, Submission, WaitFor

__all__ = [
    "API_VERSIONS",
    "KEY",
    "MAX_PAIRS_PER_JOB",
    "MAX_PAIRS_PER_RUN",
    "NOT_SENT",
    "UNKNOWN",
    "CampaignDay",
    "DayAction",
    "DayDecision",
    "Delivery",
    "Done",
    "Findings",
    "Holder",
    "Job",
    "OnConflict",
    "Order",
    "Record",
    "Result",
    "RunSearch",
    "Settle",
    "Snapshot",
    "Submission",
    "WaitFor",
    "check_id",
    "check_version",
    "clock_fault",
    "clock_time",
    "concerns",
    "deliveries",
    "ended_well",
    "export_news",
    "exports",
    "find",
    "is_delivered",
    "is_terminal",
    "line_of",
    "names_of",
    "parse_activation_info",
    "preflight",
    "read_activation_info",
    "results_of",
    "rounds",
    "shorten",
    "split",
    "submitted_only",
    "summarize",
    "without_run",
    "xcom",
    "zone_fault",
]
