"""Messages that only DAGs of one's own can meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.sensors.delivery import NEXT, DeliverySensor
from adobe_experience_platform.sensors.flow_run import FlowRunSensor
from adobe_experience_platform.triggers.assets import flow_run_asset
from adobe_experience_platform.triggers.delivery import DeliveryTrigger
from tests.support.parts import run_json

from .delivering import activation, watcher
from .stage import TIMEOUT, Stage, produces


@produces("orders is empty: pass what AdHocActivationOperator returns")
def nothing_to_watch(stage: Stage) -> None:
    stage.fails(lambda: FlowRunSensor(task_id="task", orders=[]).execute(stage.context))


@produces("is not an order: pass what AdHocActivationOperator returns")
def an_order_of_another_form(stage: Stage) -> None:
    stage.fails(lambda: FlowRunSensor(task_id="task", orders=[7]).execute(stage.context))


@produces("enter a mapping, or a template that renders to one")
def a_template_that_renders_to_something_else(stage: Stage) -> None:
    stage.fails(lambda: activation(stage, names="gold, silver"))


@produces("pass the XCom briefing of plan_jobs")
def another_xcom_of_the_plan(stage: Stage) -> None:
    stage.fails(lambda: activation(stage, briefing={"mail": "Mail"}))


@produces("of this try is over, and this was still to end")
def a_try_without_time(stage: Stage) -> None:
    stage.aep.start_export_job()
    stage.fails(lambda: activation(stage, execution_timeout=timedelta(0)))


@produces("a job must have the form")
def a_job_of_another_form(stage: Stage) -> None:
    job = {"activation_info": {"mail": ["gold"]}, "job": "first"}
    stage.fails(lambda: AdHocActivationOperator(task_id="task", job=job).execute(stage.context))


@produces("that AEP takes in one job")
def an_operator_asked_for_too_much(stage: Stage) -> None:
    info = {"mail": [f"a{number}" for number in range(81)]}
    stage.fails(lambda: activation(stage, activation_info=info))


@produces("jobs is missing: pass what plan_jobs returned")
def a_plan_that_is_gone(stage: Stage) -> None:
    stage.fails(lambda: watcher(jobs=None).execute(stage.context))


def next_delivery(stage: Stage, event: object = None, **arguments: object) -> object:
    """Begin the sensor of the next delivery, or resume it after a wait with this event."""
    task = DeliverySensor(task_id="task", **{"flow": "mail", **arguments})
    return task.execute_complete(stage.context, event) if event else task.execute(stage.context)


@produces("Clear this task to wait for the next one.")
def a_delivery_that_failed(stage: Stage) -> None:
    stage.defers(lambda: next_delivery(stage))
    stage.aep.start_run("mail", audience_ids=["gold"], status="failed", seconds=0)
    stage.fails(lambda: next_delivery(stage))


@produces("what is enabled and when it delivers")
def no_delivery_in_time(stage: Stage) -> None:
    stage.fails(lambda: next_delivery(stage, TIMEOUT))


@produces("cannot be read, so it cannot tell which one is the next")
def a_note_of_a_newer_version(stage: Stage) -> None:
    stage.defers(lambda: next_delivery(stage))
    stage.context["task_state_store"][NEXT]["mark"]["v"] = 99
    stage.fails(lambda: next_delivery(stage))


@produces("which had ended, is not found")
def a_delivery_that_aep_knows_no_more(stage: Stage) -> None:
    stage.defers(lambda: next_delivery(stage))
    store = stage.context["task_state_store"]
    store[NEXT]["run_id"] = "run-1"
    store["deadline_delivery"]["at"] = datetime.now(tz=UTC).isoformat()
    stage.fails(lambda: next_delivery(stage))


@produces("flow and audience are missing", "is not mapped to any destination flow of this sandbox")
def an_audience_that_nothing_delivers(stage: Stage) -> None:
    stage.fails(lambda: next_delivery(stage, flow=None))
    stage.fails(lambda: next_delivery(stage, flow=None, audience="loose"))


@produces("so nothing delivers it. It is watched all the same")
def a_watcher_of_an_audience_that_no_flow_has(stage: Stage) -> None:
    watching = flow_run_asset(audience_id="loose").watchers[0].trigger
    assert isinstance(watching, DeliveryTrigger)
    stage.waits(DeliveryTrigger(**{**watching.serialize()[1], **stage.place(1)}))


@produces("on_failed_run is", "enter a time such as 2026-03-10T06:00:00+00:00", "statuses is")
def a_wait_for_a_delivery_that_cannot_be_meant(stage: Stage) -> None:
    stage.fails(lambda: next_delivery(stage, on_failed_run="never"))
    stage.fails(lambda: next_delivery(stage, since="soon"))
    stage.fails(lambda: flow_run_asset("mail", statuses=["done"]))


@produces("and does not say which audience it delivers")
def a_delivery_that_names_no_audience(stage: Stage) -> None:
    trigger = stage.defers(lambda: next_delivery(stage, audience="gold"))
    nameless = run_json("run-1", flow_id="mail", created=datetime.now(tz=UTC))
    stage.answers("/data/foundation/flowservice/runs", body={"items": [nameless]})
    stage.waits(type(trigger)(**{**trigger.serialize()[1], **stage.place(1)}))
