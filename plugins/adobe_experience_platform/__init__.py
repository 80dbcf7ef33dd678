"""Adobe Experience Platform for Apache Airflow: deliver audiences on demand, exactly once.

The public names are importable from here; each is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .campaigns.dags import campaign_dags
    from .delivery.approval import Approval
    from .delivery.campaign_day import CampaignDay
    from .hooks.async_hook import AdobeExperiencePlatformAsyncHook
    from .hooks.http_hook import AdobeExperiencePlatformHook
    from .notifications.notices import Notices
    from .operators.activate import AdHocActivationOperator
    from .operators.catalog import CatalogOperator
    from .operators.latest_export import LatestSegmentExportOperator
    from .operators.links import DestinationLink
    from .pipeline import activation_pipeline
    from .sensors.delivery import DeliverySensor
    from .sensors.flow_run import FlowRunSensor
    from .sensors.segment_export import SegmentExportSensor
    from .triggers.assets import delivered_flow_asset, delivery_asset, flow_run_asset, segment_export_asset
    from .triggers.delivery import DeliveryTrigger
    from .triggers.flow_run import FlowRunTrigger
    from .triggers.segment_export import SegmentExportTrigger

__version__ = "0.2.0"

__all__ = [
    "AdHocActivationOperator",
    "AdobeExperiencePlatformAsyncHook",
    "AdobeExperiencePlatformHook",
    "Approval",
    "CampaignDay",
    "CatalogOperator",
    "DeliverySensor",
    "DeliveryTrigger",
    "DestinationLink",
    "FlowRunSensor",
    "FlowRunTrigger",
    "LatestSegmentExportOperator",
    "Notices",
    "SegmentExportSensor",
    "SegmentExportTrigger",
    "activation_pipeline",
    "campaign_dags",
    "delivered_flow_asset",
    "delivery_asset",
    "flow_run_asset",
    "segment_export_asset",
]

_HOMES = {
    "AdHocActivationOperator": "operators.activate",
    "AdobeExperiencePlatformAsyncHook": "hooks.async_hook",
    "AdobeExperiencePlatformHook": "hooks.http_hook",
    "Approval": "delivery.approval",
    "CampaignDay": "delivery.campaign_day",
    "CatalogOperator": "operators.catalog",
    "DeliverySensor": "sensors.delivery",
    "DeliveryTrigger": "triggers.delivery",
    "DestinationLink": "operators.links",
    "FlowRunSensor": "sensors.flow_run",
    "FlowRunTrigger": "triggers.flow_run",
    "LatestSegmentExportOperator": "operators.latest_export",
    "Notices": "notifications.notices",
    "SegmentExportSensor": "sensors.segment_export",
    "SegmentExportTrigger": "triggers.segment_export",
    "activation_pipeline": "pipeline",
    "campaign_dags": "campaigns.dags",
    "delivered_flow_asset": "triggers.assets",
    "delivery_asset": "triggers.assets",
    "flow_run_asset": "triggers.assets",
    "segment_export_asset": "triggers.assets",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
