"""Sensors: wait for the segment export, for flow runs, for the next delivery. Deferrable, fine without a triggerer."""

from .delivery import DeliverySensor
from .flow_run import FlowRunSensor
from .segment_export import SegmentExportSensor

__all__ = ["DeliverySensor", "FlowRunSensor", "SegmentExportSensor"]
