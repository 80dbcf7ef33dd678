"""What waits in the triggerer: the shared poll, the triggers on it, and the assets that a trigger updates."""

from . import polling
from .assets import (
    DELIVERED_URIS,
    campaign_day_asset,
    delivered_flow_asset,
    delivery_asset,
    delivery_outlets,
    flow_run_asset,
    segment_export_asset,
    submissions_asset,
)
from .base import ARGUMENTS_VERSION, EVENT_VERSION, FAILURES_ALLOWED, async_hook, resume_pause, run_inline
from .delivery import DeliveryTrigger
from .flow_run import FlowRunTrigger
from .lost_submission import LostSubmissionTrigger
from .older_airflow import keep_policy
from .segment_export import ExportWait, SegmentExportTrigger

__all__ = [
    "ARGUMENTS_VERSION",
    "DELIVERED_URIS",
    "EVENT_VERSION",
    "FAILURES_ALLOWED",
    "DeliveryTrigger",
    "ExportWait",
    "FlowRunTrigger",
    "LostSubmissionTrigger",
    "SegmentExportTrigger",
    "async_hook",
    "campaign_day_asset",
    "delivered_flow_asset",
    "delivery_asset",
    "delivery_outlets",
    "flow_run_asset",
    "keep_policy",
    "polling",
    "resume_pause",
    "run_inline",
    "segment_export_asset",
    "submissions_asset",
]
