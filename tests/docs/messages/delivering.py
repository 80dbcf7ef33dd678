"""Messages of the waits, of ``activate``, ``wait_for_flow_runs`` and ``report``."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

from adobe_experience_platform.aep import Pair, endpoints
from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.aep.orders import Activation
from adobe_experience_platform.delivery import SETTINGS
from adobe_experience_platform.delivery.results import NOT_SENT, UNKNOWN, results_of
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.operators.latest_export import LatestSegmentExportOperator
from adobe_experience_platform.operators.notes import NotedStore
from adobe_experience_platform.operators.report import DeliveryReportOperator
from adobe_experience_platform.operators.wait_for_runs import DeliveryOperator
from adobe_experience_platform.sensors.flow_run import FlowRunSensor
from adobe_experience_platform.sensors.segment_export import SegmentExportSensor
from adobe_experience_platform.triggers import polling, submissions_asset
from adobe_experience_platform.triggers.flow_run import FlowRunTrigger
from adobe_experience_platform.triggers.lost_submission import LostSubmissionTrigger
from tests.support.aep import ADHOC, RUNS, SEED
from tests.support.parts import run_json

from .stage import DONE, POST, TIMEOUT, Stage, produces


class Notes(dict[str, Any]):
    """The state store of an asset."""

    set = dict.__setitem__


def activation(stage: Stage, event: Any = None, **arguments: Any) -> Any:
    """Begin ``activate``, or resume it after a wait with this event."""
    arguments = {"activation_info": {"mail": ["gold"]}, "poll_interval": 1, **arguments}
    task = AdHocActivationOperator(task_id="task", **arguments)
    return task.execute_complete(stage.context, event) if event else task.execute(stage.context)


def settled(stage: Stage) -> dict[str, Any]:
    """Return the event of a wait that has settled the open activation and found nothing."""
    intent = stage.context["task_state_store"]["submission"]["intent"]
    return {**DONE, "intent": intent["id"], "settled": True, "found": []}


# -------------------------------------------------------------------------------- the segment export


@produces("Check under Monitoring in AEP why it is taking so long")
def an_export_that_does_not_end(stage: Stage) -> None:
    stage.aep.start_export_job()
    stage.fails(lambda: SegmentExportSensor(task_id="task").execute_complete(stage.context, TIMEOUT))


@produces("it has been in progress for over 24 h and looks stuck")
def an_export_that_is_stuck(stage: Stage) -> None:
    stuck = {"id": 701, "status": "PROCESSING", "age": "30h"}
    stage.aep.reset({**SEED, "export_jobs": [{"id": 700, "age": "3d"}, stuck]})
    stage.runs(lambda: SegmentExportSensor(task_id="task").execute(stage.context))


@produces("AEP lists no successful profile segment export, so there is nothing to deliver.")
def no_export_at_all(stage: Stage) -> None:
    stage.aep.reset({**SEED, "export_jobs": []})
    stage.fails(lambda: LatestSegmentExportOperator(task_id="task").execute(stage.context))


@produces("The newest segment export is")
def an_export_that_is_too_old(stage: Stage) -> None:
    stage.fails(lambda: LatestSegmentExportOperator(task_id="task", max_export_age_hours=2).execute(stage.context))


@produces("FAILED after the newest that succeeded: the delivery uses the older snapshot of job")
def an_export_that_failed_last_night(stage: Stage) -> None:
    stage.aep.start_export_job(id=800, status="FAILED")
    stage.runs(lambda: LatestSegmentExportOperator(task_id="task").execute(stage.context))


# -------------------------------------------------------------------------------------------- sending


@produces("Before anything is sent, this must end:", "Waited until")
def an_export_in_the_way(stage: Stage) -> None:
    stage.aep.start_export_job()
    stage.defers(lambda: activation(stage))
    stage.context["task_state_store"].clear()
    stage.fails(lambda: activation(stage, export_timeout_minutes=0))


@produces(
    "AEP is already delivering and on_conflict is 'fail', so nothing more was sent",
    "AEP is already delivering:",
)
def somebody_elses_delivery(stage: Stage) -> None:
    stage.aep.start_run("mail", audience_ids=["gold"], status="inProgress", kind="adhoc")
    stage.fails(lambda: activation(stage, on_conflict="fail"))
    stage.defers(lambda: activation(stage, on_conflict="wait"))


@produces("Not sent:")
def a_refusal(stage: Stage) -> None:
    stage.fails(lambda: activation(stage, activation_info={"mail": ["expired"]}))


@produces("AEP accepted the activation but named no run for")
def an_answer_that_lacks_a_pair(stage: Stage) -> None:
    stage.answers(ADHOC, body={"order": []}, method="POST")
    stage.defers(lambda: activation(stage))
    stage.fails(lambda: activation(stage, settled(stage)))


@produces(
    "the activation may or may not have started",
    "AEP is checked for its runs before anything is sent again",
    "It is not wholly known what the last activation started.",
    "that may be lost: sending again",
)
def a_lost_answer_to_what_never_began(stage: Stage) -> None:
    stage.aep.add_faults({"kind": "close_before", **POST})
    stage.defers(lambda: activation(stage))
    stage.runs(lambda: activation(stage, settled(stage)))


@produces("AEP lists the run", "adopted, not sent again")
def a_lost_answer_to_what_began(stage: Stage) -> None:
    stage.aep.add_faults({"kind": "close_before", **POST})
    wait = stage.defers(lambda: activation(stage))
    stage.aep.start_run("mail", audience_ids=["gold"], status="inProgress", seconds=60)  # listed after the first look
    found = stage.waits(wait).payload
    stage.runs(lambda: activation(stage, {**found, "settled": True}))


@produces("AEP lists young runs that name no audience yet")
def a_run_that_is_young(stage: Stage) -> None:
    stage.aep.change_settings(young_seconds=600)
    stage.aep.add_faults({"kind": "close_before", **POST})
    lost = stage.defers(lambda: activation(stage))
    stage.aep.start_run("mail", audience_ids=["silver"], status="inProgress", seconds=60)
    stage.waits(LostSubmissionTrigger(record=lost.record, settle_seconds=0, **stage.place()))


@produces("It is not known what the activation started, and")
def a_run_that_never_tells(stage: Stage) -> None:
    stage.aep.add_faults({"kind": "close_before", **POST})
    stage.defers(lambda: activation(stage))
    soon = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=5)
    stage.answers(RUNS, body={"items": [run_json("run-9", "mail", "failed", created=soon)], "_links": {}})
    stage.fails(lambda: activation(stage, settled(stage)))


@produces("the list cannot be read to its end")
def a_list_whose_rest_is_hidden(stage: Stage) -> None:
    stage.answers(RUNS, body={"items": [], "_links": {"next": {"href": "?cursor=2"}}})
    stage.fails(lambda: activation(stage))


@produces("The activation was not sent: this process")
def a_process_that_was_told_to_end(stage: Stage) -> None:
    task = AdHocActivationOperator(task_id="task", activation_info={"mail": ["gold"]})
    task.on_kill()
    stage.fails(lambda: task.execute(stage.context))


@produces("What this task is to deliver has changed since this run sent it")
def another_input_after_a_clear(stage: Stage) -> None:
    activation(stage)
    stage.context.cleared()
    stage.fails(lambda: activation(stage, activation_info={"mail": ["silver"]}))


@produces("This task has run before, and has no record of what it sent.")
def a_clear_that_forgets(stage: Stage) -> None:
    activation(stage)
    stage.context["task_state_store"].clear()
    stage.context["dag_run"].clear_number = 1
    stage.context.cleared()
    stage.fails(lambda: activation(stage))


@produces("This run is too old to tell whose AEP's run")
def a_lost_answer_of_long_ago(stage: Stage) -> None:
    stage.context["asset_state_store"] = {submissions_asset(): Notes()}
    stage.fails(lambda: NotedStore(stage.context, [Pair("mail", "gold")]).is_anothers("mail", "a run"))


@produces("One DAG run delivers a pair once, and another task or map index of this run also lists")
def a_pair_in_two_tasks(stage: Stage) -> None:
    stage.context["asset_state_store"] = {submissions_asset(): Notes()}
    stage.context["dag"].tasks = [
        AdHocActivationOperator(task_id=name, activation_info={}) for name in ("task", "second")
    ]
    activation(stage)
    stage.context["task_state_store"].clear()
    stage.context.ti.task_id = "second"
    stage.fails(lambda: activation(stage))


@produces("already submitted by this run: not sent again")
def a_second_try(stage: Stage) -> None:
    activation(stage)
    stage.context.retried()
    stage.runs(lambda: activation(stage))


@produces("which was not asked for")
def an_answer_about_another_audience(stage: Stage) -> None:
    order = {"segment": "bronze", "order": "mail", "statusURL": f"https://platform.adobe.io{RUNS}/run-9"}
    stage.answers(ADHOC, body={"order": [order]}, method="POST")
    stage.defers(lambda: activation(stage))
    stage.fails(lambda: activation(stage, settled(stage)))


@produces("was written by a newer version of this package")
def a_record_of_the_future(stage: Stage) -> None:
    stage.context["task_state_store"]["submission"] = {"v": 99}
    stage.fails(lambda: activation(stage))


@produces("Airflow's option [state_store] clear_on_success is on")
def a_store_that_forgets(stage: Stage) -> None:
    stage.monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", "True")
    stage.fails(lambda: activation(stage))


# ------------------------------------------------------------------------------------------- watching


def started(stage: Stage, status: str = "inProgress", audience_id: str = "gold", **run: Any) -> str:
    run = {"seconds": 600 if status == "inProgress" else 0, **run}
    found: str = stage.aep.start_run("mail", audience_ids=[audience_id], status=status, **run)["id"]
    return found


def watched(stage: Stage, *run_ids: str) -> None:
    """Resume a sensor at its deadline: its verdict is about the state in AEP."""
    sensor = FlowRunSensor(task_id="task", orders=list(run_ids))
    stage.fails(lambda: sensor.execute_complete(stage.context, TIMEOUT))


@produces(
    "deliveries did not succeed",
    "Clear the failed tasks of this run to send again exactly what failed or was not sent",
    "Partly delivered audiences are not sent again by this run",
    "What is in progress goes on in AEP",
    "First check in AEP what became of the unknown deliveries.",
)
def runs_that_end_badly(stage: Stage) -> None:
    watched(stage, *(started(stage, status) for status in ("failed", "partialSuccess", "inProgress")))
    watched(stage, "no-such-run")


JOBS = [
    {"job": 1, "of": 2, "activation_info": {"mail": ["gold"]}},
    {"job": 2, "of": 2, "activation_info": {"mail": ["silver"]}},
]


def watcher(**arguments: Any) -> DeliveryOperator:
    settings = {"poll_interval": 1} | {name: arguments.pop(name) for name in SETTINGS if name in arguments}
    briefing = {"settings": settings}
    return DeliveryOperator(task_id="task", submit_task_id="activate", briefing=briefing, **{"jobs": JOBS, **arguments})


def without(audience_id: str, why: str) -> dict[str, Any]:
    return {"orders": [], "missing": [["mail", audience_id]], "missing_is": why}


@produces(
    "no activation was sent or accepted for it; the first failed task says why",
    "it is not known whether AEP started it",
)
def pairs_without_a_run(stage: Stage) -> None:
    stage.context.ti.xcoms["activate", "submission"] = [without("gold", NOT_SENT), without("silver", UNKNOWN)]
    stage.fails(lambda: watcher().execute(stage.context))


@produces("What failed could not be sent again")
def a_repair_that_is_refused(stage: Stage) -> None:
    failed = {"orders": [["mail", "gold", started(stage, "failed"), False]], "missing": []}
    good = {"orders": [["mail", "silver", started(stage, "success", "silver"), False]], "missing": []}
    stage.context.ti.xcoms["activate", "submission"] = [failed, good]
    stage.defers(lambda: watcher().execute(stage.context))
    stage.answers(ADHOC, 400, body={"message": "come on"}, method="POST")
    stage.fails(lambda: watcher().execute(stage.context.cleared()))


@produces("The record of this task's tries is damaged")
def a_record_of_tries_that_somebody_changed(stage: Stage) -> None:
    stage.context["task_state_store"]["attempt"] = "odd"
    stage.fails(lambda: watcher().execute(stage.context))


@produces(
    "it was sent again after it failed, and it is not known whether AEP started it",
    "This task was marked or cleared while it ran, so it sends nothing more.",
    "This task sends nothing more, because it needs the success of",
)
def a_repair_that_is_held_up(stage: Stage) -> None:
    failed = {"orders": [["mail", "gold", started(stage, "failed"), False]], "missing": []}
    stage.context.ti.xcoms["activate", "submission"] = [failed, without("silver", NOT_SENT)]
    stage.defers(lambda: watcher().execute(stage.context))
    stage.fails(lambda: watcher(gate_task_ids=["approve"]).execute(stage.context.cleared()))
    stage.context.ti.states = {"task": "success"}
    stage.fails(lambda: watcher().execute(stage.context.cleared()))
    stage.context.ti.states = {}
    stage.answers(ADHOC, 500, method="POST")
    stage.defers(lambda: watcher().execute(stage.context.cleared()))
    stage.fails(lambda: watcher(export_timeout_minutes=0).execute(stage.context.cleared()))


@produces("This task no longer watches", "The XCom 'progress' could not be written")
def a_wait_that_a_person_ends(stage: Stage) -> None:
    stage.monkeypatch.setattr(polling, "SHORTEST_PAUSE", 0.1)
    trigger = FlowRunTrigger(orders=[["mail", "gold", started(stage), False]], **stage.place())
    # A task instance whose XComs cannot be written: there is no database of Airflow's behind it.
    trigger.task_instance = SimpleNamespace(  # type: ignore[assignment]
        dag_id="dag", task_id="task", run_id="run", map_index=-1
    )
    stage.waits(trigger, kill_after=2)


@produces("a newer version of this package began this wait")
def a_wait_of_the_future(stage: Stage) -> None:
    trigger = FlowRunTrigger(**{**stage.place(), "orders": [], "v": 99, "hurry": True})
    event = stage.waits(trigger).payload
    sensor = FlowRunSensor(task_id="task", orders=["run-1"])
    stage.fails(lambda: sensor.execute_complete(stage.context, event))


@produces("the trigger sent an unknown")
def a_trigger_of_another_version(stage: Stage) -> None:
    sensor = FlowRunSensor(task_id="task", orders=["run-1"])
    stage.fails(lambda: sensor.execute_complete(stage.context, {"v": 1, "status": "hm"}))


# --------------------------------------------------------------------------------------------- report

TASKS = ("plan", "activate", "watch")


def report(**arguments: Any) -> DeliveryReportOperator:
    names = dict(zip(("plan_task_id", "submit_task_id", "watch_task_id"), TASKS, strict=True))
    return DeliveryReportOperator(task_id="report", task_ids=list(TASKS), **names, **arguments)


@produces(
    "submitted, but its run was not watched to its end",
    "too, with the tasks that follow: not all was done there, although it is green",
    "Failed tasks, the first one first: ",
)
def a_report_of_a_red_run(stage: Stage) -> None:
    ti = stage.context.ti
    ti.xcoms["plan", "return_value"] = JOBS
    ti.xcoms["activate", "submission"] = [
        {"orders": [["mail", "gold", "run-1", False]], "missing": []},
        without("silver", UNKNOWN),
    ]
    ti.states = {"plan": "success", "activate": "success", "watch": "failed"}
    stage.fails(lambda: report().execute(stage.context))
    ti.states["watch"] = "success"
    stage.fails(lambda: report().execute(stage.context))


@produces("EMPTY DELIVERY: ")
def a_report_of_an_empty_delivery(stage: Stage) -> None:
    run_id = started(stage, "success", "nobody")
    item = Activation("mail", "nobody", run_id)
    run: FlowRun = AdobeExperiencePlatformHook().call(endpoints.run(run_id))
    stage.context.ti.xcoms["watch", "progress"] = {"results": results_of([item], {run_id: run}, {})}
    stage.runs(lambda: report().execute(stage.context))


def lossy(stage: Stage) -> None:
    """Let a delivery end that lost records, though AEP calls it a success."""
    run_id = started(stage, "success", "gold")
    stage.aep.change_run(run_id, status="success", records=600, records_failed=400)
    run: FlowRun = AdobeExperiencePlatformHook().call(endpoints.run(run_id))
    results = results_of([Activation("mail", "gold", run_id)], {run_id: run}, {})
    stage.context.ti.xcoms["watch", "progress"] = {"results": results}


@produces("RECORDS LOST, although AEP calls it a success: ")
def a_report_of_lost_records(stage: Stage) -> None:
    lossy(stage)
    stage.runs(lambda: report().execute(stage.context))


@produces("RECORDS MAY BE MISSING, although AEP calls it a success: ")
def a_report_of_records_that_may_be_missing(stage: Stage) -> None:
    lossy(stage)
    [result] = stage.context.ti.xcoms["watch", "progress"]["results"]
    stage.context.ti.xcoms["watch", "progress"] = {
        "results": [{**result, "records_failed": None, "loss": "1 file failed in its run"}]
    }
    stage.runs(lambda: report().execute(stage.context))


@produces("of the whole flow run: AEP does not say how much of it is of each of its audiences")
def a_report_of_a_run_of_several_audiences(stage: Stage) -> None:
    run_id = stage.aep.start_run("mail", audience_ids=["gold", "silver"], seconds=0, kind="adhoc")["id"]
    run: FlowRun = AdobeExperiencePlatformHook().call(endpoints.run(run_id))
    results = results_of([Activation("mail", name, run_id) for name in ("gold", "silver")], {run_id: run}, {})
    stage.context.ti.xcoms["watch", "progress"] = {"results": results}
    stage.runs(lambda: report().execute(stage.context))


@produces("All was delivered, so there is nothing to clear: clearing this run sends nothing again.")
def a_report_that_is_red_for_lost_records(stage: Stage) -> None:
    lossy(stage)
    stage.context.ti.xcoms["plan", "briefing"] = {"settings": {"on_failed_records": "fail"}}
    stage.fails(lambda: report().execute(stage.context))


@produces("Nothing was delivered: there was no plan to carry out.")
def a_report_without_a_plan(stage: Stage) -> None:
    stage.context.ti.states = {"plan": "failed", "activate": "upstream_failed"}
    stage.fails(lambda: report().execute(stage.context))


@produces("A task before this delivery has skipped it: there is nothing to report.")
def a_report_of_what_was_skipped(stage: Stage) -> None:
    stage.context.ti.states = dict.fromkeys(TASKS, "skipped")
    stage.fails(lambda: report().execute(stage.context))
