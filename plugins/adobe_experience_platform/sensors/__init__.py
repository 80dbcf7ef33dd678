"""Sensors: wait for the segment export, wait for flow runs. Deferrable by default, fine without a triggerer."""

from .flow_run import FlowRunSensor
from .segment_export import SegmentExportSensor

__all__ = [
    "FlowRunSensor",
    "SegmentExportSensor",
]
