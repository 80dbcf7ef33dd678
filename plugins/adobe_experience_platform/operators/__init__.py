"""The tasks of a delivery, and what all tasks share: the durable store, deadlines, XCom keys, the retry policy."""

from .activate import AdHocActivationOperator
from .approve import ApproveDeliveryOperator
from .base import AepTask, Deadline, Resolvable, TaskStore, WaitTimeoutError, keep_reason, now, read_event
from .catalog import CatalogOperator, describe
from .latest_export import LatestSegmentExportOperator
from .links import DestinationLink
from .notes import resolve_once
from .plan import PlanJobsOperator
from .report import HEAD, NUMBERS, DeliveryReportOperator, row_of
from .tables import markdown, table
from .wait_for_runs import DeliveryOperator
from .watch import WatchingTask

__all__ = [
    "HEAD",
    "NUMBERS",
    "AdHocActivationOperator",
    "AepTask",
    "ApproveDeliveryOperator",
    "CatalogOperator",
    "Deadline",
    "DeliveryOperator",
    "DeliveryReportOperator",
    "DestinationLink",
    "LatestSegmentExportOperator",
    "PlanJobsOperator",
    "Resolvable",
    "TaskStore",
    "WaitTimeoutError",
    "WatchingTask",
    "describe",
    "keep_reason",
    "markdown",
    "now",
    "read_event",
    "resolve_once",
    "row_of",
    "table",
]
