"""Airflow's own limits of a task: honoured by all that waits, also while it is deferred."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from adobe_experience_platform import Approval
from adobe_experience_platform.delivery import DeliverySettings
from adobe_experience_platform.errors import AepDeadlineError, AepExecutionTimeoutError
from adobe_experience_platform.operators import (
    AdHocActivationOperator,
    ApproveDeliveryOperator,
    DeliveryOperator,
    PlanJobsOperator,
    base,
    plan,
    submit,
)
from adobe_experience_platform.operators.retry import AEP_RETRY_POLICY
from adobe_experience_platform.sensors import FlowRunSensor, SegmentExportSensor
from adobe_experience_platform.triggers.base import EVENT_VERSION
from tests.support.aep import ADHOC, LocalAep
from tests.support.tasks import Context

LIMIT = dt.timedelta(minutes=2)
NAMED = r"execution_timeout \(0:02:00\) of this try is over"
TIMEOUT = {"v": EVENT_VERSION, "status": "timeout", "message": ""}
INFO = {"mail": ["gold"]}
BOTH = [SegmentExportSensor, FlowRunSensor]


class Clock:
    """The tasks' clock."""

    def __init__(self) -> None:
        self.now = dt.datetime.now(tz=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += dt.timedelta(**span)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, context: Any) -> Clock:
    clock = Clock()
    for module in (base, plan, submit):
        monkeypatch.setattr(module, "now", clock)
    context.ti.start_date = clock.now
    return clock


def deferred(work: Any, *arguments: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        work(*arguments)
    return caught.value


def ends(wait: TaskDeferred) -> dt.datetime:
    kwargs = wait.trigger.serialize()[1]
    found = kwargs.get("deadline") or kwargs["moment"]
    return found if isinstance(found, dt.datetime) else dt.datetime.fromisoformat(found)


def running(aep: LocalAep) -> str:
    run_id: str = aep.start_run("mail", audience_ids=["gold"], status="inProgress")["id"]
    return run_id


def watched_job(aep: LocalAep, context: Context) -> dict[str, Any]:
    """Leave what a submitting task leaves, of a run that goes on; return the watching task's arguments."""
    job = {"job": 1, "of": 1, "activation_info": INFO, "aliases": {}}
    note = {"job": 1, "orders": [["mail", "gold", running(aep), False]], "missing": []}
    context.ti.xcoms["activate", "submission"] = [note]
    return {"jobs": [job], "submit_task_id": "activate", "briefing": None}


WAITS = {
    "a sensor of exports": (SegmentExportSensor, lambda aep, _: aep.start_export_job() and {}),
    "a sensor of runs": (FlowRunSensor, lambda aep, _: {"orders": [running(aep)]}),
    "a submission": (AdHocActivationOperator, lambda aep, _: aep.start_export_job() and {"activation_info": INFO}),
    "a watching submission": (
        AdHocActivationOperator,
        lambda aep, _: (
            aep.add_outcomes({"audience_id": "gold", "seconds": 36_000})
            or {"activation_info": INFO, "wait_for_completion": True}
        ),
    ),
}


@pytest.mark.parametrize("what", WAITS)
def test_execution_timeout_holds_across_deferrals(aep: LocalAep, context: Any, clock: Clock, what: str) -> None:
    kind, begin = WAITS[what]
    task = kind(task_id="task", execution_timeout=LIMIT, **begin(aep, context))

    clock.pass_(seconds=20)
    wait = deferred(task.execute, context)
    assert ends(wait) == context.ti.start_date + LIMIT
    assert wait.timeout <= dt.timedelta(seconds=100) + base.BACKSTOP

    clock.pass_(seconds=100)
    with pytest.raises(AepExecutionTimeoutError, match=NAMED) as over:
        task.execute_complete(context, TIMEOUT)
    assert any(what in str(over.value) for what in ("segment export job", "in progress"))
    assert AEP_RETRY_POLICY.evaluate(over.value, 1, 3).action.value == "default"


@pytest.mark.parametrize("what", WAITS)
def test_a_retry_has_all_of_execution_timeout_again(aep: LocalAep, context: Any, clock: Clock, what: str) -> None:
    kind, begin = WAITS[what]
    task = kind(task_id="task", execution_timeout=LIMIT, **begin(aep, context))
    deferred(task.execute, context)

    clock.pass_(minutes=5)
    context.retried().ti.start_date = clock.now
    wait = deferred(task.execute, context)

    assert ends(wait) == clock.now + LIMIT


@pytest.mark.parametrize("what", WAITS)
def test_a_resumed_task_stays_in_its_try(aep: LocalAep, context: Any, clock: Clock, what: str) -> None:
    """`dag.test` gives each resumption a start of its own; Airflow gives its time-out all of the time again."""
    kind, begin = WAITS[what]
    task = kind(task_id="task", execution_timeout=LIMIT, **begin(aep, context))
    first = ends(deferred(task.execute, context))

    clock.pass_(minutes=1)
    context.ti.start_date = clock.now

    assert ends(deferred(task.execute, context)) == first


@pytest.mark.parametrize("what", WAITS)
def test_the_shorter_limit_ends_the_wait(aep: LocalAep, context: Any, clock: Clock, what: str) -> None:
    kind, begin = WAITS[what]
    own = [name for name in kind.own_settings if name.endswith("_timeout_minutes")]
    task = kind(task_id="task", execution_timeout=LIMIT, **begin(aep, context), **dict.fromkeys(own, 1))

    wait = deferred(task.execute, context)
    assert ends(wait) == clock.now + dt.timedelta(minutes=1)

    clock.pass_(minutes=1)
    with pytest.raises(Exception, match=r"timeout_minutes|in progress|Waited until") as over:
        task.execute_complete(context, TIMEOUT)
    assert not isinstance(over.value, AepExecutionTimeoutError)


def test_a_watched_delivery_ends_with_its_try(aep: LocalAep, context: Any, clock: Clock) -> None:
    task = DeliveryOperator(task_id="task", execution_timeout=LIMIT, **watched_job(aep, context))

    assert ends(deferred(task.execute, context)) == clock.now + LIMIT
    clock.pass_(minutes=2)
    with pytest.raises(AepExecutionTimeoutError, match=NAMED) as over:
        task.execute_complete(context, TIMEOUT)

    assert "1 of 1 deliveries" in str(over.value)
    assert "What AEP has accepted goes on there" in str(over.value)
    assert [item["status"] for item in context.ti.xcom_pull("task", "progress")["results"]] == ["in_progress"]


def test_a_lost_answer_is_not_settled_sooner_but_waited_for_no_longer(
    aep: LocalAep, context: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__SETTLE_MARGIN_SECONDS", "600")
    aep.add_faults({"kind": "close_after", "method": "POST", "path": ADHOC})
    task = AdHocActivationOperator(task_id="task", activation_info=INFO, execution_timeout=LIMIT)

    wait = deferred(task.execute, context)
    assert wait.trigger.serialize()[1]["settle_seconds"] >= 600
    assert wait.timeout == LIMIT

    clock.pass_(minutes=2)
    airflows_own = {"error": TriggerFailureReason.TRIGGER_TIMEOUT}
    with pytest.raises(AepExecutionTimeoutError, match="what became of the last activation"):
        task.resume_execution(TRIGGER_FAIL_REPR, airflows_own, context)
    assert len(aep.posts()) == 1


def test_a_plan_that_waits_for_its_time_of_day_ends_with_its_try(
    aep: LocalAep, context: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = PlanJobsOperator(task_id="task", activation_info=INFO, execution_timeout=LIMIT)
    until = clock.now + dt.timedelta(hours=3)

    wait = deferred(task._wait_until, context, until, "not_before")
    assert ends(wait) == clock.now + LIMIT

    clock.pass_(minutes=2)
    with pytest.raises(AepExecutionTimeoutError, match=NAMED + ".*the wait until"):
        task._wait_until(context, until, "not_before")


@pytest.mark.parametrize(("within", "limit", "named"), [("4h", LIMIT, True), ("1m", LIMIT, False), ("4h", None, False)])
def test_an_approval_ends_with_its_try(context: Any, within: str, limit: Any, named: bool) -> None:
    task = ApproveDeliveryOperator(
        task_id="task", jobs=[], plan_task_id="plan", approval=Approval(within=within), execution_timeout=limit
    )
    assert task.response_timeout == (limit if named else Approval(within=within).within)

    with pytest.raises(AirflowFailException, match="nobody approved this delivery within") as over:
        task.execute_complete(context, {"error": "", "error_type": "timeout"})

    assert ("2 minutes (the task's execution_timeout)" in str(over.value)) is named


def test_without_a_triggerer_airflow_itself_ends_the_process(aep: LocalAep, context: Any, clock: Clock) -> None:
    task = FlowRunSensor(task_id="task", orders=["r"], execution_timeout=LIMIT, deferrable=False)

    assert task._watch_ends(context) == (clock.now + dt.timedelta(minutes=180), None)


def test_a_sensor_that_may_fail_softly_is_skipped(aep: LocalAep, context: Any, clock: Clock) -> None:
    task = FlowRunSensor(task_id="task", orders=[running(aep)], execution_timeout=LIMIT, soft_fail=True)
    clock.pass_(minutes=3)

    with pytest.raises(AirflowSkipException, match="execution_timeout"):
        task.resume_execution("execute_complete", {"event": TIMEOUT}, context)


# ------------------------------------------------------------------- a sensor's timeout and poke_interval


def in_a_dag(kind: Any, way: str, limits: dict[str, Any], **arguments: Any) -> Any:
    """Make a sensor that is given its limits in one of the ways that Airflow has."""
    with DAG("limits", schedule=None, default_args=limits if "DAG" in way else {}):
        given = limits if way == "argument" else {"default_args": limits} if way == "task" else {}
        if "mapped" not in way:
            return kind(task_id="task", **given, **arguments)
        mapped = kind.partial(task_id="task", **(limits if way == "mapped" else {})).expand(sandbox_name=["prod"])
        assert isinstance(mapped, MappedOperator)
        return mapped.unmap({"sandbox_name": "prod"})


@pytest.mark.parametrize("way", ["argument", "task", "DAG", "mapped", "mapped DAG"])
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("timeout", "poke_interval"), [(600, 60), (dt.timedelta(minutes=10), dt.timedelta(minutes=1))])
def test_timeout_and_poke_interval_count_wherever_they_are_given(
    kind: Any, way: str, timeout: Any, poke_interval: Any
) -> None:
    task = in_a_dag(kind, way, {"timeout": timeout, "poke_interval": poke_interval})

    assert (getattr(task.options, kind.limited_by), task.options.poll_interval) == (10, 60)
    assert (task.timeout, task.poke_interval) == (600, 60)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("timeout", "minutes"), [(14 * 86_400, 7 * 24 * 60), (0, 0)])
@pytest.mark.parametrize(("poke_interval", "seconds"), [(7200, 3600), (0.5, 1)])
def test_limits_of_a_dag_that_go_beyond_a_setting_are_that_settings_limit(
    kind: Any, timeout: float, minutes: float, poke_interval: float, seconds: float
) -> None:
    options = in_a_dag(kind, "DAG", {"timeout": timeout, "poke_interval": poke_interval}).options

    assert (getattr(options, kind.limited_by), options.poll_interval) == (minutes, seconds)


@pytest.mark.parametrize("kind", BOTH)
def test_where_neither_is_given_the_settings_count(kind: Any) -> None:
    task = kind(task_id="task", poll_interval=5, **{kind.limited_by: 20})

    assert (getattr(task.options, kind.limited_by), task.options.poll_interval) == (20, 5)
    assert (task.timeout, task.poke_interval) == (604_800, 60), "Airflow's own defaults"


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("timeout", "minutes"), [(600, 10), (86_400, 60)])
def test_beside_a_plan_the_shorter_limit_counts(kind: Any, timeout: int, minutes: int) -> None:
    planned = DeliverySettings(export_timeout_minutes=60, activation_timeout_minutes=60).to_json()
    task = in_a_dag(kind, "DAG", {"timeout": timeout, "poke_interval": 77}, briefing={"settings": planned})

    assert (getattr(task.options, kind.limited_by), task.options.poll_interval) == (minutes, 77)


@pytest.mark.parametrize("kind", BOTH)
def test_a_timeout_of_the_dag_ends_the_wait(aep: LocalAep, context: Any, clock: Clock, kind: Any) -> None:
    aep.start_export_job()
    task = in_a_dag(kind, "DAG", {"timeout": 600}, **({"orders": [running(aep)]} if kind is FlowRunSensor else {}))

    assert ends(deferred(task.execute, context)) == clock.now + dt.timedelta(minutes=10)
    if kind is SegmentExportSensor:
        with pytest.raises(AepDeadlineError, match="Waited 0:10:00"):
            task.execute_complete(context, TIMEOUT)
