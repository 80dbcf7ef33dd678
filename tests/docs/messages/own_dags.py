"""Messages that only DAGs of one's own can meet."""

from __future__ import annotations

from datetime import timedelta

from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.sensors.flow_run import FlowRunSensor

from .delivering import activation, watcher
from .stage import Stage, produces


@produces("orders is empty: pass what AdHocActivationOperator returns")
def nothing_to_watch(stage: Stage) -> None:
    stage.fails(lambda: FlowRunSensor(task_id="task", orders=[]).execute(stage.context))


@produces("is no order: pass what AdHocActivationOperator returns")
def an_order_of_another_form(stage: Stage) -> None:
    stage.fails(lambda: FlowRunSensor(task_id="task", orders=[7]).execute(stage.context))


@produces("enter a mapping, or a template that renders to one")
def a_template_that_renders_to_something_else(stage: Stage) -> None:
    stage.fails(lambda: activation(stage, names="gold, silver"))


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
