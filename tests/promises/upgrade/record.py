"""Records deliveries in flight, as this version of the package leaves them behind.

``python -m tests.promises.upgrade.record NAME`` writes ``recorded/NAME.json``: for each situation what Airflow keeps
of the waiting task (task state, XComs, the trigger's class and arguments). Run it before a change of any of
these forms, and commit the file: `test_upgrade.py` finishes every recording ever made.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tests.conftest  # noqa: F401 - an Airflow home of its own, before anything imports Airflow
from tests.support.aep import ADHOC, SEED, LocalAep

RECORDED = Path(__file__).parent / "recorded"
JOBS = [{"job": 1, "of": 1, "activation_info": {"mail": ["gold", "partner"]}, "aliases": {"partner": "partner-77"}}]
NAMES = {"mail": "Mail", "gold": "Gold customers"}
POST = {"method": "POST", "path": ADHOC}
LONG = 3_600_000
"""A lag in seconds: a lost answer stays lost, however long the machine takes."""


def activate() -> Any:
    """Return the submitting task."""
    from adobe_experience_platform.operators.activate import AdHocActivationOperator

    return AdHocActivationOperator(task_id="activate", job=JOBS[0], names=NAMES, max_export_age_hours=36)


def watch() -> Any:
    """Return the watching task."""
    from adobe_experience_platform.operators.wait_for_runs import DeliveryOperator

    return DeliveryOperator(
        task_id="wait_for_flow_runs",
        jobs=JOBS,
        submit_task_id="activate",
        briefing={"settings": {}, "names": NAMES},
    )


def wait_for_export() -> Any:
    """Return the sensor before the delivery."""
    from adobe_experience_platform.sensors.segment_export import SegmentExportSensor

    return SegmentExportSensor(task_id="wait_for_segment_export", activation_info=JOBS, names=NAMES)


def new_context(task_id: str, store: dict[str, Any] | None = None, xcoms: list[Any] | None = None) -> Any:
    """Return a task's context, with what Airflow has kept of earlier tries and tasks."""
    from tests.support.tasks import Context, Store, TaskInstance

    ti = TaskInstance()
    ti.task_id = task_id
    ti.xcoms = {(task, key): value for task, key, value in xcoms or []}
    return Context(ti=ti, task_state_store=Store(store or {}), dag_run=SimpleNamespace(conf={}))


def _defer(context: Any, work: Callable[[], Any]) -> dict[str, Any]:
    from airflow.sdk.exceptions import TaskDeferred

    from adobe_experience_platform.triggers import base

    try:
        work()
    except TaskDeferred as wait:
        path, kwargs = wait.trigger.serialize()
        event = base.event("done", counts={"success": 2}).payload
        return {**_kept(context), "trigger": [path, kwargs], "method": wait.method_name, "event": event}
    raise AssertionError("it did not wait")


def _kept(context: Any) -> dict[str, Any]:
    ti = context.ti
    xcoms = [[task, key, value] for (task, key), value in ti.xcoms.items()]
    tries = [ti.max_tries, ti.try_number]
    return {"task_id": ti.task_id, "tries": tries, "state": dict(context["task_state_store"]), "xcoms": xcoms}


def record(aep: LocalAep) -> dict[str, Any]:
    """Play every situation once; return what Airflow would have kept."""
    found: dict[str, Any] = {}

    aep.start_export_job(id=801)
    context = new_context("wait_for_segment_export")
    found["waits_for_the_export"] = _defer(context, lambda: wait_for_export().execute(context))
    context = new_context("activate")
    found["submits_after_the_export"] = _defer(context, lambda: activate().execute(context))

    for name, kind in (("lost_an_answer_to_what_began", "close_after"), ("lost_an_answer_to_nothing", "close_before")):
        aep.reset(SEED)
        aep.change_settings(list_lag_seconds=LONG)
        aep.add_faults({"kind": kind, **POST})
        context = new_context("activate")
        found[name] = _defer(context, lambda context=context: activate().execute(context))

    aep.reset(SEED)
    context = new_context("activate")
    activate().execute(context)
    found["has_submitted"] = _kept(context)
    context = new_context("wait_for_flow_runs", xcoms=found["has_submitted"]["xcoms"])
    context.ti.xcoms["activate", "submission"] = [context.ti.xcoms["activate", "submission"]]
    found["watches"] = _defer(context, lambda: watch().execute(context))

    run_id = context.ti.xcoms["activate", "submission"][0]["orders"][0][2]
    aep.change_run(run_id, status="failed")
    aep.change_settings(list_lag_seconds=LONG)
    aep.add_faults({"kind": "close_after", **POST})
    found["lost_an_answer_of_a_repair"] = _defer(context, lambda: watch().execute(context.cleared()))
    return found


def main() -> None:
    """Write the recording."""
    from adobe_experience_platform.aep import auth

    auth.forget_all()
    with LocalAep(speed=1) as aep:
        aep.reset(SEED)
        connection = aep.connection()
        os.environ["AIRFLOW_CONN_AEP_DEFAULT"] = json.dumps(connection)
        situations = record(aep)
    text = json.dumps(situations, indent=1)
    assert connection["password"] not in text, "a secret would be committed"
    (RECORDED / f"{sys.argv[1]}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
