"""Adobe Experience Platform for Apache Airflow: deliver audiences on demand, exactly once.

The public names are importable from here; each is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .assets import delivered_flow_asset, segment_export_asset
    from .campaign_day import CampaignDay
    from .hook import AdobeExperiencePlatformAsyncHook, AdobeExperiencePlatformHook
    from .links import DestinationLink
    from .operators import AdHocActivationOperator, LatestSegmentExportOperator
    from .pipeline import activation_pipeline
    from .sensors import FlowRunSensor, SegmentExportSensor
    from .triggers import FlowRunTrigger, SegmentExportTrigger

__version__ = "0.1.0"

__all__ = [
    "AdHocActivationOperator",
    "AdobeExperiencePlatformAsyncHook",
    "AdobeExperiencePlatformHook",
    "CampaignDay",
    "DestinationLink",
    "FlowRunSensor",
    "FlowRunTrigger",
    "LatestSegmentExportOperator",
    "SegmentExportSensor",
    "SegmentExportTrigger",
    "activation_pipeline",
    "delivered_flow_asset",
    "segment_export_asset",
]

_HOMES = {
    "AdHocActivationOperator": "operators",
    "AdobeExperiencePlatformAsyncHook": "hook",
    "AdobeExperiencePlatformHook": "hook",
    "CampaignDay": "campaign_day",
    "DestinationLink": "links",
    "FlowRunSensor": "sensors",
    "FlowRunTrigger": "triggers",
    "LatestSegmentExportOperator": "operators",
    "SegmentExportSensor": "sensors",
    "SegmentExportTrigger": "triggers",
    "activation_pipeline": "pipeline",
    "delivered_flow_asset": "assets",
    "segment_export_asset": "assets",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
