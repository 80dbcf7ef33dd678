"""The sensor of the next delivery: which one is the next is fixed once, whatever is retried, cleared or lost."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import PokeReturnValue
from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferred

from adobe_experience_platform.delivery import run_lists
from adobe_experience_platform.delivery.run_news import RunMark
from adobe_experience_platform.errors import (
    AepDeadlineError,
    AepDeliveryError,
    AepError,
    AepInputError,
    AepTransientError,
)
from adobe_experience_platform.hooks import throttle, told
from adobe_experience_platform.sensors.delivery import NEXT, DeliverySensor
from adobe_experience_platform.triggers.base import EVENT_VERSION, FAILURES_ALLOWED, resume_pause
from tests.support.aep import SEED, LocalAep
from tests.support.dagtest import captured

RUNS = "/data/foundation/flowservice/runs*"
FLOWS = "/data/foundation/flowservice/flows*"
TIMEOUT = {"v": EVENT_VERSION, "status": "timeout", "message": ""}


def done(run_id: str) -> dict[str, Any]:
    return {"v": EVENT_VERSION, "status": "done", "message": "", "run_id": run_id}


@pytest.fixture(autouse=True)
def named_at_once(aep: LocalAep) -> None:
    aep.change_settings(young_seconds=0)


def delivered(aep: LocalAep, *audience_ids: str, **run: Any) -> str:
    """Have somebody else deliver; return the run's id."""
    run = {"status": "success", "seconds": 0, **run}
    run_id: str = aep.start_run(run.pop("flow", "mail"), audience_ids=list(audience_ids), **run)["id"]
    return run_id


def begun(aep: LocalAep, *audience_ids: str, flow: str = "mail") -> str:
    return delivered(aep, *audience_ids, status="inProgress", seconds=None, flow=flow)


def sensor(**arguments: Any) -> DeliverySensor:
    return DeliverySensor(task_id="task", **{"flow": "mail", **arguments})


def deferred(task: DeliverySensor, context: Any) -> dict[str, Any]:
    """Return the arguments of the trigger that waits."""
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context)
    kwargs: dict[str, Any] = caught.value.trigger.serialize()[1]
    return kwargs


def test_what_has_ended_before_is_not_the_next(aep: LocalAep, context: Any) -> None:
    before = delivered(aep, "gold")
    going_on = begun(aep, "gold")

    kwargs = deferred(sensor(), context)

    mark = RunMark.from_json(kwargs["mark"])
    assert mark is not None
    assert (set(mark.known) & {before, going_on}, going_on in mark.open) == ({before}, True)
    assert (kwargs["flow_id"], kwargs["audience_ids"], kwargs["sandbox_name"]) == ("mail", [], "prod")


def test_flow_and_audience_may_be_names_and_are_looked_up_once(aep: LocalAep, context: Any) -> None:
    flow = next(item for item in aep.state()["flows"] if item["id"] == "mail")["name"]
    kwargs = deferred(sensor(flow=flow, audience="gold"), context)
    assert (kwargs["flow_id"], kwargs["audience_ids"]) == ("mail", ["gold"])
    looked = len(aep.requests(path=FLOWS))
    assert deferred(sensor(flow=flow, audience="gold"), context.retried())["mark"] == kwargs["mark"]
    assert len(aep.requests(path=FLOWS)) == looked


@pytest.mark.parametrize("again", ["retried", "cleared"])
def test_the_next_delivery_stays_the_same_over_retries_and_clears(aep: LocalAep, context: Any, again: str) -> None:
    deferred(sensor(), context)
    first = delivered(aep, "gold")
    delivered(aep, "silver")

    assert sensor().execute(getattr(context, again)())["run_id"] == first
    assert context["task_state_store"][NEXT]["run_id"] == first, "AEP may yet list one that has ended earlier"
    assert sensor().execute(getattr(context, again)())["run_id"] == first, "once it is found it is the one"


def test_it_returns_what_aep_says_of_the_delivery(aep: LocalAep, context: Any) -> None:
    deferred(sensor(audience="gold"), context)
    delivered(aep, "silver")
    run_id = delivered(aep, "gold", "silver")

    found = sensor(audience="gold").execute_complete(context, done(run_id))

    assert (found["run_id"], found["flow_id"], found["status"]) == (run_id, "mail", "success")
    assert (found["audience_ids"], found["audience_count"]) == (["gold", "silver"], 2)
    assert found["records_exported"] > 0
    assert found["completed_at"] >= found["started_at"]


def test_what_ended_since_a_time_counts_at_once(aep: LocalAep, context: Any) -> None:
    run_id = delivered(aep, "gold")
    since = (dt.datetime.now(tz=dt.UTC) - dt.timedelta(hours=1)).isoformat()
    assert sensor(since=since).execute(context)["run_id"] == run_id


def test_a_begin_without_an_answer_is_not_forgotten(aep: LocalAep, context: Any) -> None:
    """The delivery that ends before the retry is the next one all the same."""
    aep.add_faults({"kind": "status", "status": 403, "path": RUNS, "times": 1})
    with pytest.raises(AepError):
        sensor().execute(context)
    run_id = delivered(aep, "gold")
    assert sensor().execute(context.retried())["run_id"] == run_id


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("found", [False, True])
def test_a_failed_request_does_not_end_the_wait(
    aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    """Neither at the first look nor at the last, and without a retry of Airflow's."""
    if found:
        deferred(sensor(), context)
    run_id = delivered(aep, "gold") if found else ""
    aep.add_faults({"kind": "status", "status": 503, "path": RUNS, "headers": {"Retry-After": "2400"}, "times": 1})
    with captured() as lines, pytest.raises(TaskDeferred) as caught:
        sensor().execute_complete(context, done(run_id)) if found else sensor().execute(context)
    paused = caught.value
    assert isinstance(paused.trigger, DateTimeTrigger)
    assert paused.trigger.moment > dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=2300)
    assert any("503" in line for line in lines)

    throttle.forget_all()
    monkeypatch.setattr(told.ToldPause, "left", lambda _: 0.0)  # AEP's pause is over
    run_id = run_id or delivered(aep, "gold")
    returned = sensor().resume_execution(paused.method_name, paused.kwargs, context)
    assert returned["run_id"] == run_id, "by our own clock, where AEP could not be asked before"


def test_many_failed_requests_in_a_row_are_the_end(aep: LocalAep, context: Any) -> None:
    aep.add_faults({"kind": "status", "status": 404, "path": f"{RUNS[:-1]}/run-1", "times": None})
    deferred(sensor(), context)
    context["task_state_store"][NEXT]["run_id"] = "run-1"
    paused: Any = SimpleNamespace(method_name="execute", kwargs={})
    for number in range(1, FAILURES_ALLOWED):
        with captured() as lines, pytest.raises(TaskDeferred) as caught:
            getattr(sensor(), paused.method_name)(context, **paused.kwargs)
        assert sum("is not found" in line for line in lines) == (number == 1), "it is said once"
        paused = caught.value
    with pytest.raises(AepTransientError):
        sensor().look_again(context, **paused.kwargs)


def test_after_the_deadline_a_failed_request_is_the_end(aep: LocalAep, context: Any) -> None:
    deferred(sensor(), context)
    context["task_state_store"]["deadline_delivery"]["at"] = dt.datetime.now(tz=dt.UTC).isoformat()
    aep.add_faults({"kind": "status", "status": 404, "path": RUNS, "times": 1})
    with pytest.raises(AepTransientError, match="which had ended, is not found"):
        sensor().execute_complete(context, done("run-1"))


def test_a_run_that_a_node_of_aep_s_does_not_know_yet_is_asked_for_again(aep: LocalAep, context: Any) -> None:
    deferred(sensor(), context)
    run_id = delivered(aep, "gold")
    aep.add_faults({"kind": "status", "status": 404, "path": f"{RUNS[:-1]}/{run_id}", "times": 1})
    with pytest.raises(TaskDeferred) as caught:
        sensor(poll_interval=1).execute_complete(context, done(run_id))
    assert isinstance(caught.value.trigger, DateTimeTrigger)
    soonest = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=resume_pause() - 1)
    assert caught.value.trigger.moment > soonest, "Airflow takes a task that is back sooner for killed"
    assert sensor().execute(context)["run_id"] == run_id


def test_a_success_that_lost_too_much_is_passed_over_too(aep: LocalAep, context: Any) -> None:
    waiting = {"on_failed_run": "wait", "on_failed_records": "fail"}
    deferred(sensor(**waiting), context)
    lossy = delivered(aep, "gold", records_failed=4)
    again = sensor(**waiting)
    with pytest.raises(TaskDeferred) as caught:
        again.execute_complete(context, done(lossy))
    assert lossy in caught.value.trigger.mark["known"]
    assert lossy in deferred(sensor(**waiting), context)["mark"]["known"]
    good = delivered(aep, "gold")
    assert sensor(**waiting).execute_complete(context, done(good))["run_id"] == good


def test_a_failed_delivery_fails_the_task_and_a_clear_waits_for_the_next(aep: LocalAep, context: Any) -> None:
    deferred(sensor(), context)
    failed = delivered(aep, "gold", status="failed")
    with pytest.raises(AepDeliveryError, match="Clear this task to wait for the next one") as caught:
        sensor().execute_complete(context, done(failed))
    assert failed in str(caught.value)
    with pytest.raises(AepDeliveryError):
        sensor().execute(context.retried())
    assert failed in deferred(sensor(), context.cleared())["mark"]["known"]
    good = delivered(aep, "gold")
    assert sensor().execute_complete(context, done(good))["run_id"] == good


def test_a_failed_delivery_may_be_passed_over(aep: LocalAep, context: Any) -> None:
    kwargs = deferred(sensor(on_failed_run="wait"), context)
    assert kwargs["statuses"] == ["success"]
    delivered(aep, "gold", status="failed")
    delivered(aep, "gold", status="partialSuccess")
    deferred(sensor(on_failed_run="wait"), context)
    good = delivered(aep, "gold")
    assert sensor(on_failed_run="wait").execute(context)["run_id"] == good


@pytest.mark.parametrize(("accept", "statuses"), [("fail", ["success"]), ("accept", ["partial_success", "success"])])
def test_a_partial_success_counts_if_it_is_accepted(
    aep: LocalAep, context: Any, accept: str, statuses: list[str]
) -> None:
    waiting = {"on_failed_run": "wait", "on_partial_success": accept}
    assert deferred(sensor(**waiting), context)["statuses"] == statuses
    partial = delivered(aep, "gold", status="partialSuccess")
    if accept == "accept":
        assert sensor(**waiting).execute(context)["status"] == "partial_success"
    else:
        with pytest.raises(AepDeliveryError):
            sensor().execute_complete(context, done(partial))


def test_at_the_deadline_aep_has_the_last_word(aep: LocalAep, context: Any) -> None:
    deferred(sensor(), context)
    with pytest.raises(AepDeadlineError, match=r"Waited 1 day, 0:00:00 .* for the next delivery of flow"):
        sensor().execute_complete(context, TIMEOUT)
    run_id = delivered(aep, "gold")
    assert sensor().execute_complete(context, TIMEOUT)["run_id"] == run_id


@pytest.mark.usefixtures("quick")
def test_without_a_triggerer_it_pokes(aep: LocalAep, context: Any) -> None:
    task = sensor(deferrable=False)
    assert task.poke(context) is False
    aep.add_faults({"kind": "status", "status": 503, "path": RUNS, "times": 8})
    run_id = delivered(aep, "gold")
    with captured():
        assert task.poke(context) is False
    found = [sensor(deferrable=False).poke(context) for _ in range(3)][-1]
    assert isinstance(found, PokeReturnValue)
    assert found.xcom_value["run_id"] == run_id


def test_a_rescheduled_sensor_keeps_to_its_first_look(aep: LocalAep, context: Any) -> None:
    context.ti.get_first_reschedule_date = lambda _: None

    def again() -> Any:
        return sensor(deferrable=False, mode="reschedule").execute(context)

    with pytest.raises(AirflowRescheduleException):
        again()
    run_id = delivered(aep, "gold")
    assert again()["run_id"] == run_id


def test_without_a_triggerer_it_says_once_what_ended_and_does_not_count(aep: LocalAep, context: Any) -> None:
    def poked() -> list[str]:
        with captured() as lines:
            assert sensor(audience="gold", deferrable=False).poke(context) is False
        return [line for line in lines if "has ended" in line]

    assert poked() == []
    run_id = delivered(aep)
    assert [run_id in line and "does not say which audience" in line for line in poked()] == [True]
    assert poked() == [], "in a process that knows of the others only what was noted"


def test_another_sandbox_begins_anew(aep: LocalAep, context: Any) -> None:
    """There the flow's name may be another flow's, and the one that was found does not exist."""
    deferred(sensor(), context)
    with captured() as lines, pytest.raises(AepInputError, match="flow mail does not exist in this sandbox"):
        sensor(sandbox_name="dev").execute(context.cleared())
    assert any("starts over" in line for line in lines)


def test_another_question_begins_anew(aep: LocalAep, context: Any) -> None:
    deferred(sensor(), context)
    delivered(aep, "gold")
    with captured() as lines:
        kwargs = deferred(sensor(audience="gold"), context.cleared())
    assert kwargs["audience_ids"] == ["gold"]
    assert any("starts over" in line for line in lines)


@pytest.mark.parametrize(
    "damage",
    [
        lambda note: {**note, "mark": {"v": 99}},
        lambda note: {key: note[key] for key in note if key != "run_id"},
        lambda note: {"asked": note["asked"]},
        lambda _: {},
        lambda _: [],
        lambda _: "",
    ],
)
def test_a_note_that_cannot_be_read_is_not_taken_for_a_first_look(aep: LocalAep, context: Any, damage: Any) -> None:
    deferred(sensor(), context)
    context["task_state_store"][NEXT] = damage(context["task_state_store"][NEXT])
    with pytest.raises(AepError, match="Start a new run"):
        sensor().execute(context.retried())


@pytest.mark.parametrize(
    "wrong",
    [
        {"flow": ""},
        {"flow": None},
        {"flow": "", "audience": "gold"},
        {"flow": None, "audience": "nobody knows it"},
        {"flow": None, "audience": "a\nb"},
        {"flow": "a\nb"},
        {"flow": "nobody knows it"},
        {"audience": "nobody knows it"},
        {"since": "soon"},
        {"on_failed_run": "never"},
        {"activation_timeout_minutes": -1},
    ],
)
def test_what_cannot_be_meant_is_refused(aep: LocalAep, context: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(AepInputError):
        sensor(**wrong).execute(context)


# ------------------------------------------------------------------------------- an audience, to any destination


def to_any(**arguments: Any) -> DeliverySensor:
    return sensor(flow=None, **{"audience": "gold", **arguments})


@pytest.fixture
def looked_up_at_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lists, "LOOKED_UP_FOR", dt.timedelta(0))


def test_an_audience_is_waited_for_on_every_flow_that_has_it(aep: LocalAep, context: Any) -> None:
    before = delivered(aep, "gold", flow="shop")
    going_on = begun(aep, "gold", flow="shop")

    kwargs = deferred(to_any(audience="Gold customers"), context)

    mark = RunMark.from_json(kwargs["mark"])
    assert mark is not None
    assert (kwargs["flow_id"], kwargs["audience_ids"]) == ("", ["gold"])
    assert set(mark.flows) == {"mail", "off", "shop"}
    assert (before in mark.known, going_on in mark.open) == (True, True)

    delivered(aep, "silver", flow="shop")
    run_id = delivered(aep, "silver", "gold", flow="shop")
    found = to_any(audience="Gold customers").execute(context.retried())
    assert (found["run_id"], found["flow_id"]) == (run_id, "shop")


def test_of_deliveries_to_several_flows_the_first_that_ended_is_the_next(aep: LocalAep, context: Any) -> None:
    deferred(to_any(), context)
    first = delivered(aep, "gold", flow="shop")
    second = delivered(aep, "gold", flow="mail")
    assert to_any().execute(context.retried())["run_id"] == first
    assert to_any().execute(context.cleared())["run_id"] == first != second


def test_a_failure_names_the_flow_that_failed(aep: LocalAep, context: Any) -> None:
    deferred(to_any(), context)
    delivered(aep, "gold", flow="shop", status="failed")
    with pytest.raises(AepDeliveryError, match=r"'Shop' \(shop\)"):
        to_any().execute(context)


def test_a_name_that_cannot_be_read_stops_no_delivery(aep: LocalAep, context: Any) -> None:
    deferred(to_any(), context)
    run_id = delivered(aep, "gold", flow="shop")
    aep.add_faults({"kind": "status", "status": 403, "path": f"{FLOWS[:-1]}/shop", "times": None})
    assert to_any().execute(context)["run_id"] == run_id


@pytest.mark.parametrize(
    ("audience", "remedy"),
    [
        ("loose", "map it under Destinations > Browse > Activate audiences, or correct the id"),
        ("gold customers", "did you mean 'Gold customers'"),
        ("partner-77", "use its system-generated id partner"),
    ],
)
def test_an_audience_that_no_flow_has_is_refused_before_the_wait(
    aep: LocalAep, context: Any, audience: str, remedy: str
) -> None:
    with pytest.raises(AepInputError) as caught:
        to_any(audience=audience).execute(context)
    assert remedy in str(caught.value)
    assert not aep.requests(path=RUNS)


def test_an_audience_that_a_list_of_flows_lacked_once_is_not_refused(aep: LocalAep, context: Any) -> None:
    aep.add_faults({"kind": "status", "status": 200, "body": {"items": []}, "path": FLOWS, "times": 2})
    assert deferred(to_any(), context)["audience_ids"] == ["gold"]


@pytest.mark.usefixtures("looked_up_at_each_look")
def test_a_flow_that_gets_the_audience_while_the_task_waits_counts_from_then_on(aep: LocalAep, context: Any) -> None:
    old = delivered(aep, "gold", flow="north")
    delivered(aep, "silver", flow="shop")
    task = to_any(deferrable=False)
    assert task.poke(context) is False

    aep.map_audience("north", "gold")
    assert task.poke(context) is False, f"{old} ended before the wait began"
    run_id = delivered(aep, "gold", flow="north")
    found = task.poke(context)

    assert isinstance(found, PokeReturnValue)
    assert (found.xcom_value["run_id"], found.xcom_value["flow_id"]) == (run_id, "north")


@pytest.mark.usefixtures("looked_up_at_each_look")
def test_a_flow_that_loses_the_audience_may_still_deliver_it(aep: LocalAep, context: Any) -> None:
    deferred(to_any(), context)
    run_id = begun(aep, "gold", flow="shop")
    aep.map_audience("shop", "gold", is_mapped=False)
    assert "shop" in deferred(to_any(), context.retried())["mark"]["flows"]
    aep.change_run(run_id, status="success")
    assert to_any().execute(context.retried())["run_id"] == run_id, "in a process that knows only what was noted"


def test_a_run_that_names_no_audience_does_not_count_for_one_to_any_flow(aep: LocalAep, context: Any) -> None:
    task = to_any(deferrable=False)
    assert task.poke(context) is False
    unnamed = delivered(aep, flow="shop")
    with captured() as lines:
        assert task.poke(context) is False
    expected = f"Flow run {unnamed} of flow shop has ended (success) and does not say which audience it delivers"
    assert [line for line in lines if expected in line]


def test_an_imported_audience_counts_by_either_id(aep: LocalAep, context: Any) -> None:
    kwargs = deferred(to_any(audience="partner"), context)
    assert (kwargs["audience_ids"], [*kwargs["mark"]["flows"]]) == (["partner", "partner-77"], ["mail"])
    aep.change_settings(entity_id="external")
    run_id = delivered(aep, "partner")
    assert to_any(audience="partner").execute(context.retried())["run_id"] == run_id


def test_a_hundred_flows_cost_one_list_a_look(aep: LocalAep, context: Any) -> None:
    flows = [{"id": f"flow-{number}", "name": f"Flow {number}", "audiences": ["gold"]} for number in range(100)]
    aep.reset({**SEED, "flows": flows})
    aep.change_settings(young_seconds=0)
    delivered(aep, "gold", flow="flow-0")
    deferred(to_any(), context)
    assert len(aep.requests(path=FLOWS) + aep.requests(path=RUNS)) == 3, "their names, who has it, what has ended"

    task = to_any(deferrable=False)
    assert task.poke(context) is False
    before = len(aep.requests())
    run_id = delivered(aep, "gold", flow="flow-99")
    found = task.poke(context)
    assert isinstance(found, PokeReturnValue)
    assert found.xcom_value["run_id"] == run_id
    assert [request["path"] for request in aep.requests()[before:]] == [RUNS[:-1], f"{FLOWS[:-1]}/flow-99"]
