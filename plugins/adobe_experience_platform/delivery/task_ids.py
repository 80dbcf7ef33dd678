"""Ids of a delivery's tasks, without the prefix of their group, in the order in which they run."""

from __future__ import annotations

PLAN = "plan_jobs"
APPROVE = "approve"
WAIT_EXPORT = "wait_for_segment_export"
LATEST_EXPORT = "get_latest_export_job"
ACTIVATE = "activate"
WAIT_RUNS = "wait_for_flow_runs"
REPORT = "report"
ALL = (PLAN, APPROVE, WAIT_EXPORT, LATEST_EXPORT, ACTIVATE, WAIT_RUNS, REPORT)
