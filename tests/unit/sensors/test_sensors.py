"""The sensors, in the triggerer's hands and without it, and what a wait keeps over retries and clears."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import Any

import pytest
from airflow.sdk import PokeReturnValue
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException, TaskDeferred

from adobe_experience_platform.errors import (
    AepDeadlineError,
    AepDeliveryError,
    AepError,
    AepInputError,
    AepTransientError,
)
from adobe_experience_platform.hooks import throttle, told
from adobe_experience_platform.operators import base, long_pauses
from adobe_experience_platform.sensors import segment_export
from adobe_experience_platform.sensors.flow_run import FlowRunSensor
from adobe_experience_platform.sensors.segment_export import SegmentExportSensor
from adobe_experience_platform.triggers.base import EVENT_VERSION
from tests.support.aep import SEED, LocalAep
from tests.support.dagtest import captured

DONE = {"v": EVENT_VERSION, "status": "done", "message": ""}
TIMEOUT = {**DONE, "status": "timeout"}


def sensor(kind: Any, **arguments: Any) -> Any:
    return kind(task_id="task", **arguments)


def deferred(task: Any, context: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context)
    return caught.value


@pytest.fixture
def told_to_wait(aep: LocalAep) -> Any:
    """Return what tells for how many seconds no process of this Airflow may ask AEP."""

    def tell(seconds: float) -> None:
        account = aep.connection()
        throttle.forget_all()  # as in a process of its own
        pause = told.ToldPause((account["host"], account["login"]))
        pause.extend(seconds) if seconds else pause._path.unlink()

    return tell


def started(aep: LocalAep, audience_id: str = "gold", **run: Any) -> str:
    run_id: str = aep.start_run("mail", audience_ids=[audience_id], **{"status": "inProgress", **run})["id"]
    return run_id


# ------------------------------------------------------------------------------------- with triggerer


def test_nothing_in_progress_needs_no_wait(aep: LocalAep, context: Any) -> None:
    assert sensor(SegmentExportSensor).execute(context) is None
    assert context["task_state_store"].calls == [], "a deadline that nobody needs"


def test_an_export_in_progress_is_waited_for_in_the_triggerer(aep: LocalAep, context: Any) -> None:
    aep.start_export_job()

    wait = deferred(sensor(SegmentExportSensor, export_timeout_minutes=10, poll_interval=7), context)

    assert wait.method_name == "execute_complete"
    assert dt.timedelta(minutes=10) < wait.timeout <= dt.timedelta(minutes=10) + base.BACKSTOP
    kwargs = wait.trigger.serialize()[1]
    assert (kwargs["sandbox_name"], kwargs["poll_interval"], kwargs["ends_task"]) == ("prod", 7.0, True)
    assert [line.split(" job ")[0] for line in kwargs["said"]] == ["segment export"], "or the trigger says it again"


@pytest.mark.parametrize(("on_conflict", "waits"), [("wait", True), ("adopt", False), ("fail", False)])
def test_runs_of_the_audiences_are_waited_for_if_asked(
    aep: LocalAep, context: Any, on_conflict: str, waits: bool
) -> None:
    aep.change_settings(young_seconds=0)
    started(aep)
    task = sensor(SegmentExportSensor, activation_info={"mail": ["gold"]}, on_conflict=on_conflict)

    if waits:
        assert deferred(task, context).trigger.serialize()[1]["activation_info"] == {"mail": ["gold"]}
    else:
        assert task.execute(context) is None
    other = sensor(SegmentExportSensor, activation_info={"mail": ["silver"]}, on_conflict=on_conflict)
    assert other.execute(context) is None


def test_a_run_that_is_waited_for_is_named_with_its_destination(aep: LocalAep, context: Any) -> None:
    run_id = started(aep)
    names = {"mail": "Newsletter", "gold": "Gold customers"}

    with captured() as lines:
        wait = deferred(sensor(SegmentExportSensor, activation_info={"mail": ["gold"]}, names=names), context)

    said = f"flow run {run_id} of flow Newsletter (mail)"
    assert f"Waiting for {said}" in lines
    kwargs = wait.trigger.serialize()[1]
    assert (kwargs["names"], kwargs["said"]) == ({"mail": "Newsletter"}, [said])


@pytest.mark.usefixtures("quick")
def test_trouble_on_the_first_look_is_no_end(aep: LocalAep, context: Any) -> None:
    aep.add_faults({"kind": "status", "status": 503, "path": "*/export/jobs", "times": None})

    assert deferred(sensor(SegmentExportSensor), context)


@pytest.mark.parametrize(("kind", "arguments"), [(SegmentExportSensor, {}), (FlowRunSensor, {"orders": ["run-1"]})])
@pytest.mark.parametrize(
    ("event", "retriable"),
    [
        (None, True),
        ("done", True),
        ({}, True),
        ({**DONE, "v": 99}, True),
        ({**DONE, "status": "finished"}, True),
        ({**DONE, "status": "error", "message": "no route", "retriable": True}, True),
        ({**DONE, "status": "error", "message": "secret refused", "retriable": False}, False),
    ],
)
def test_an_event_that_says_nothing_good_is_a_failure(
    aep: LocalAep, context: Any, kind: Any, arguments: Any, event: Any, retriable: bool
) -> None:
    with pytest.raises(AepError) as failure:
        sensor(kind, **arguments).execute_complete(context, event)

    assert failure.value.retriable is retriable
    assert isinstance(failure.value, AepTransientError) is retriable


def test_a_good_event_ends_the_wait(aep: LocalAep, context: Any) -> None:
    assert sensor(SegmentExportSensor).execute_complete(context, DONE) is None


def test_at_the_deadline_aep_has_the_last_word(aep: LocalAep, context: Any) -> None:
    task = sensor(SegmentExportSensor, export_timeout_minutes=90)
    assert task.execute_complete(context, TIMEOUT) is None

    job = aep.start_export_job()
    with pytest.raises(AepDeadlineError) as late:
        task.execute_complete(context, TIMEOUT)
    assert f"Waited 1:30:00 (export_timeout_minutes = 90) for segment export job {job['id']}" in str(late.value)
    assert "clear this task to wait again" in str(late.value)


def test_airflows_own_time_out_counts_like_the_triggers(aep: LocalAep, context: Any) -> None:
    """It strikes when no triggerer was there at the deadline."""
    timed_out = {"error": TriggerFailureReason.TRIGGER_TIMEOUT}
    task = sensor(SegmentExportSensor)
    assert task.resume_execution(TRIGGER_FAIL_REPR, timed_out, context) is None

    aep.start_export_job()
    with pytest.raises(AepDeadlineError):
        task.resume_execution(TRIGGER_FAIL_REPR, timed_out, context)


def test_the_deadline_survives_a_retry_and_is_renewed_by_a_clear(
    aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    aep.start_export_job()

    def deadline() -> dt.datetime:
        wait = deferred(sensor(SegmentExportSensor, export_timeout_minutes=10), context)
        return dt.datetime.fromisoformat(wait.trigger.serialize()[1]["deadline"])

    first = deadline()
    context.retried()
    assert deadline() == first
    context.cleared()
    assert deadline() > first
    assert set(context["task_state_store"]) == {"deadline_export"}


def test_a_store_that_forgets_is_refused(aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", "True")

    with pytest.raises(AepInputError, match="clear_on_success is on"):
        sensor(SegmentExportSensor).execute(context)
    assert aep.requests() == []


# ----------------------------------------------------------------------------------------- flow runs


def test_runs_are_watched_in_the_triggerer(aep: LocalAep, context: Any) -> None:
    run_id = started(aep)
    orders = [[{"flow_id": "mail", "audience_id": "gold", "run_id": run_id, "adopted": True}]]

    wait = deferred(sensor(FlowRunSensor, orders=orders, names={"gold": "Gold", "x": "unused"}), context)

    kwargs = wait.trigger.serialize()[1]
    assert kwargs["orders"] == [["mail", "gold", run_id, True]]
    assert kwargs["names"] == {"gold": "Gold"}


def test_after_a_retry_aep_is_asked_before_waiting_again(aep: LocalAep, context: Any) -> None:
    run_id = started(aep, status="success", seconds=0)

    result = sensor(FlowRunSensor, orders=[run_id]).execute(context.retried())

    assert result["summary"]["success"] == 1


def test_what_the_trigger_has_kept_is_not_asked_for_again(aep: LocalAep, context: Any) -> None:
    run_id = started(aep, status="success", seconds=0)
    task = sensor(FlowRunSensor, orders=[run_id])
    first = task.execute(context.retried())
    before = len(aep.requests())

    assert task.execute_complete(context, DONE) == first
    assert len(aep.requests()) == before


def test_without_the_triggers_results_aep_is_asked(aep: LocalAep, context: Any) -> None:
    run_id = started(aep, status="failed", seconds=0, code="X-1", message="Disk is full.")

    with pytest.raises(AepDeliveryError, match=r"(?s)1 of 1 deliveries.*\[X-1\] Disk is full\..*" + run_id):
        sensor(FlowRunSensor, orders=[run_id]).execute_complete(context, DONE)
    [result] = context.ti.xcom_pull("task", "progress")["results"]
    assert result["status"] == "failed"


def test_at_the_deadline_runs_in_progress_are_named(aep: LocalAep, context: Any) -> None:
    ended, going_on = started(aep, "silver", status="success", seconds=0), started(aep)

    with pytest.raises(AepDeliveryError) as failure:
        sensor(FlowRunSensor, orders=[ended, going_on]).execute_complete(context, TIMEOUT)

    assert "1 of 2 deliveries did not succeed" in str(failure.value)
    assert going_on in str(failure.value)
    assert "goes on in AEP: clear the failed tasks to keep watching it" in str(failure.value)


@pytest.mark.parametrize("kind", [SegmentExportSensor, FlowRunSensor])
def test_the_last_look_keeps_to_a_pause_that_the_triggerer_was_told_and_comes_after_it(
    aep: LocalAep, context: Any, kind: Any, told_to_wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_pauses, "get_current_context", lambda: context)
    run_id = started(aep, status="success", seconds=0)
    orders = {"orders": [run_id]} if kind is FlowRunSensor else {}
    told_to_wait(2400)

    with pytest.raises(TaskDeferred) as wait:
        sensor(kind, **orders).resume_execution("execute_complete", {"event": TIMEOUT}, context)

    until = wait.value.trigger.moment - dt.datetime.now(tz=dt.UTC)
    assert dt.timedelta(seconds=2390) < until <= dt.timedelta(seconds=2400)
    assert aep.requests() == []
    told_to_wait(0)
    kwargs = {**(wait.value.kwargs or {}), "event": "the moment"}
    result = sensor(kind, **orders).resume_execution(wait.value.method_name, kwargs, context)
    assert result is None if kind is SegmentExportSensor else result["summary"]["success"] == 1


@pytest.mark.usefixtures("quick")
def test_a_run_that_cannot_be_read_at_the_deadline_is_asked_for_again_and_not_called_unknown(
    aep: LocalAep, context: Any
) -> None:
    ended, unread = (started(aep, name, status="success", seconds=0) for name in ("gold", "silver"))
    aep.change_settings(bulk_refused=True)
    aep.add_faults({"kind": "status", "status": 503, "path": f"*/runs/{unread}", "times": None})

    with pytest.raises(AepTransientError, match="503"):
        sensor(FlowRunSensor, orders=[ended, unread]).execute_complete(context, TIMEOUT)


@pytest.mark.parametrize(("policy", "fails"), [("fail", True), ("accept", False)])
def test_partial_success_is_judged_as_told(aep: LocalAep, context: Any, policy: str, fails: bool) -> None:
    run_id = started(aep, status="partialSuccess", seconds=0, records_failed=3)
    task = sensor(FlowRunSensor, orders=[run_id], on_partial_success=policy)

    if fails:
        with pytest.raises(AepDeliveryError, match="partial success"):
            task.execute_complete(context, DONE)
    else:
        assert task.execute_complete(context, DONE)["summary"]["partial_success"] == 1


@pytest.mark.parametrize("orders", [[], None, [7], [{"flow_id": "mail"}], [None]])
def test_orders_that_are_none_are_refused(aep: LocalAep, context: Any, orders: Any) -> None:
    with pytest.raises(AepInputError):
        sensor(FlowRunSensor, orders=orders).execute(context)


# --------------------------------------------------------------------------------- without triggerer


@pytest.mark.usefixtures("quick")
def test_poking_waits_for_an_export(aep: LocalAep, context: Any) -> None:
    job = aep.start_export_job()

    def end_it_after_some_looks() -> None:
        deadline = time.monotonic() + 60
        while len(aep.requests(path="*/export/jobs")) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        aep.end_export_job(job["id"])

    aeps_side = threading.Thread(target=end_it_after_some_looks)
    aeps_side.start()
    with captured() as lines:
        sensor(SegmentExportSensor, deferrable=False, poll_interval=1).execute(context)
    aeps_side.join()

    assert len(aep.requests(path="*/export/jobs")) > 2
    assert sum("Waiting for segment export job" in line for line in lines) == 1


@pytest.mark.usefixtures("quick")
def test_poking_waits_for_runs(aep: LocalAep, context: Any) -> None:
    run_id = started(aep, seconds=1.0)

    result = sensor(FlowRunSensor, orders=[run_id], deferrable=False, poll_interval=1).execute(context)

    assert (result.xcom_value if isinstance(result, PokeReturnValue) else result)["summary"]["success"] == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", [SegmentExportSensor, FlowRunSensor])
def test_poking_ends_at_its_deadline_also_while_aep_is_not_to_be_asked(
    aep: LocalAep, context: Any, kind: Any, told_to_wait: Any
) -> None:
    orders = {"orders": [started(aep)]} if kind is FlowRunSensor else {}
    minutes = {kind.limited_by: 0.01}
    told_to_wait(2400)

    with pytest.raises((AepDeadlineError, AepTransientError)) as failure:
        sensor(kind, deferrable=False, poll_interval=1, **orders, **minutes).execute(context)

    assert not isinstance(failure.value, AepDeliveryError), "what is not known is not called failed"
    assert aep.requests() == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", [SegmentExportSensor, FlowRunSensor])
def test_poking_ends_at_the_deadline(aep: LocalAep, context: Any, kind: Any) -> None:
    aep.start_export_job()
    arguments: dict[str, Any] = {"deferrable": False, "poll_interval": 1}
    if kind is FlowRunSensor:
        arguments |= {"orders": [started(aep)], "activation_timeout_minutes": 0.01}
    else:
        arguments |= {"export_timeout_minutes": 0.01}

    with pytest.raises(AepDeadlineError if kind is SegmentExportSensor else AepDeliveryError):
        sensor(kind, **arguments).execute(context)


class Rescheduled:
    """What Airflow adds to a task instance for sensors that are rescheduled."""

    def __init__(self, context: Any) -> None:
        self._start = dt.datetime.now(tz=dt.UTC)
        context.ti.get_first_reschedule_date = lambda *_: self._start
        context.ti.task_reschedule_count = 0


@pytest.mark.parametrize("kind", [SegmentExportSensor, FlowRunSensor])
def test_rescheduling_gives_the_worker_back(aep: LocalAep, context: Any, kind: Any) -> None:
    Rescheduled(context)
    job = aep.start_export_job()
    run_id = started(aep)
    orders = {"orders": [run_id]} if kind is FlowRunSensor else {}
    task = sensor(kind, deferrable=False, mode="reschedule", poll_interval=20, **orders)

    with pytest.raises(AirflowRescheduleException) as again:
        task.execute(context)
    left = (again.value.reschedule_date - dt.datetime.now(tz=dt.UTC)).total_seconds()
    assert 15 < left <= 20

    aep.end_export_job(job["id"])
    aep.change_run(run_id, status="success")
    task.execute(context)
    assert [key for key in context["task_state_store"] if key.startswith("deadline_")], "the deadline is kept"


@pytest.mark.parametrize("option", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("kind", [SegmentExportSensor, FlowRunSensor])
def test_a_deferred_sensor_that_may_fail_softly_is_skipped(aep: LocalAep, context: Any, kind: Any, option: str) -> None:
    aep.start_export_job()
    orders = {"orders": [started(aep)]} if kind is FlowRunSensor else {}
    event = {"v": EVENT_VERSION, "status": "timeout", "message": ""}

    with pytest.raises(AirflowSkipException, match=option):
        sensor(kind, **{option: True}, **orders).resume_execution("execute_complete", {"event": event}, context)


@pytest.mark.parametrize("option", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_sensor_that_may_fail_softly_is_skipped_however_it_waits(
    aep: LocalAep, context: Any, option: str, deferrable: bool
) -> None:
    failed = started(aep)
    aep.change_run(failed, status="failed")

    with pytest.raises(AirflowSkipException, match=option):
        sensor(FlowRunSensor, **{option: True}, orders=[failed], deferrable=deferrable).execute(context.retried())


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_soft_sensor_hides_no_input_that_must_be_corrected(context: Any, deferrable: bool) -> None:
    with pytest.raises(AepInputError, match="orders is empty"):
        sensor(FlowRunSensor, orders=[], soft_fail=True, deferrable=deferrable).execute(context)
    with pytest.raises(AirflowSkipException):
        sensor(FlowRunSensor, orders=[], never_fail=True, deferrable=deferrable).execute(context)


@pytest.mark.usefixtures("quick")
def test_names_that_are_no_text_are_shown_as_text(aep: LocalAep, context: Any) -> None:
    run = started(aep)
    aep.change_run(run, status="failed")
    order = {"flow_id": "mail", "audience_id": "gold", "run_id": run, "adopted": False}

    task = sensor(FlowRunSensor, orders=[order], names={"gold": 7, "mail": [1]}, deferrable=False)

    with pytest.raises(AepDeliveryError, match=r"'7' \(gold\) → '\[1\]' \(mail\): failed"):
        task.execute(context)


def test_a_stuck_export_is_warned_of_once_however_old_it_gets(
    aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    aep.reset({**SEED, "export_jobs": [{"id": 1, "age": "30h", "status": "PROCESSING"}]})
    task = sensor(SegmentExportSensor)

    with captured() as lines:
        task.poke(context)
        later = dt.datetime.now(tz=dt.UTC) + dt.timedelta(minutes=30)
        monkeypatch.setattr(segment_export, "now", lambda: later)
        task.poke(context)

    assert sum("looks stuck" in line for line in lines) == 1


def test_a_rescheduled_sensor_warns_once_too_although_each_look_is_another_process(aep: LocalAep, context: Any) -> None:
    aep.reset({**SEED, "export_jobs": [{"id": 1, "age": "30h", "status": "PROCESSING"}]})
    aep.start_export_job()

    with captured() as lines:
        for _ in range(3):
            assert sensor(SegmentExportSensor, mode="reschedule").poke(context) is False

    assert sum("looks stuck" in line for line in lines) == 1
    assert sum("Waiting for" in line for line in lines) == 1


def test_the_trigger_does_not_warn_again_of_what_its_task_has_warned_of(aep: LocalAep, context: Any) -> None:
    aep.reset({**SEED, "export_jobs": [{"id": 1, "age": "30h", "status": "PROCESSING"}]})
    aep.start_export_job()

    with pytest.raises(TaskDeferred) as deferred:
        sensor(SegmentExportSensor, deferrable=True).execute(context)

    assert deferred.value.trigger.stuck == ["1"]


def test_airflows_own_time_out_never_comes_before_ours(aep: LocalAep, context: Any) -> None:
    task = sensor(SegmentExportSensor, deferrable=False, export_timeout_minutes=240, poll_interval=30)

    task.execute(context)

    # Airflow counts from the first look on, also after a reschedule.
    assert (task.poke_interval, task.timeout) == (30, 240 * 60 + 60)


@pytest.mark.parametrize(("kind", "asks"), [(SegmentExportSensor, "_is_clear"), (FlowRunSensor, "_read_results")])
def test_the_same_trouble_is_warned_of_once_until_it_is_over(
    aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch, kind: Any, asks: str
) -> None:
    trouble = AepTransientError("GET /somewhere", status=503)
    running = {"run_id": "r", "flow_id": "f", "audience_id": "a", "status": "in_progress"}
    answers: list[Any] = [trouble, trouble, trouble, [running] if kind is FlowRunSensor else False, trouble]
    task = sensor(kind, **({"orders": ["r"]} if kind is FlowRunSensor else {}))

    def ask(*_: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(task, asks, ask)
    with captured() as lines:
        while answers:
            assert not task.poke(context)

    assert sum("HTTP 503" in line for line in lines) == 2
