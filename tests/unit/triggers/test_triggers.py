"""The triggers: what they store, what they fire, and what they survive, against a simulated AEP."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import structlog
from airflow.sdk.serde import deserialize, serialize
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent
from airflow.triggers.shared_stream import SharedStreamManager

from adobe_experience_platform.aep import transport
from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.record import Intent, Record, Watermark
from adobe_experience_platform.delivery.rounds import Snapshot
from adobe_experience_platform.delivery.states import Event, Reply
from adobe_experience_platform.delivery.usual import Usual
from adobe_experience_platform.triggers import base, flow_run, polling
from adobe_experience_platform.triggers.base import EVENT_VERSION
from adobe_experience_platform.triggers.flow_run import FlowRunTrigger
from adobe_experience_platform.triggers.lost_submission import LostSubmissionTrigger
from adobe_experience_platform.triggers.polling import Subscription
from adobe_experience_platform.triggers.segment_export import SegmentExportTrigger
from tests.support.aep import JOBS, LocalAep
from tests.support.dagtest import captured
from tests.support.parts import run_json

T = TypeVar("T")
LISTS = "/data/foundation/flowservice/runs"


def wait(work: Coroutine[Any, Any, T], seconds: float = 120) -> T:
    async def limited() -> T:
        return await asyncio.wait_for(work, seconds)

    return asyncio.run(limited())


def fire(trigger: Any) -> TriggerEvent:
    """Run a trigger as ``dag.test`` does, and return its event."""

    async def first() -> TriggerEvent:
        stream = trigger.run()
        try:
            return await anext(stream)
        finally:
            await stream.aclose()

    return wait(first())


def payload(event: TriggerEvent) -> dict[str, Any]:
    found: dict[str, Any] = event.payload
    assert found["v"] == EVENT_VERSION
    return found


def order(run: dict[str, Any], audience_id: str) -> list[Any]:
    return [run["flowId"], audience_id, run["id"], False]


def started(aep: LocalAep, *audience_ids: str, **run: Any) -> list[list[Any]]:
    """Start a run per audience and return their orders."""
    run = {"status": "inProgress", **run}
    return [order(aep.start_run("mail", audience_ids=[name], **run), name) for name in audience_ids]


def many(place: dict[str, Any], **changes: Any) -> list[Any]:
    place = {**place, **changes}
    orders = [["mail", "gold", "run-1", False], ["mail", "partner", "run-2", True]]
    record = Record(3, {Pair("mail", "gold"): None}).to_json()
    aliases = {"partner": "partner-77"}
    return [
        SegmentExportTrigger(activation_info={"mail": ["gold"]}, aliases=aliases, least_seconds=3, **place),
        SegmentExportTrigger(**place),
        FlowRunTrigger(orders=orders, aliases=aliases, names={"mail": "Mail"}, ends_task=True, **place),
        LostSubmissionTrigger(record=record, settle_seconds=63, aliases=aliases, **place),
    ]


# ------------------------------------------------------------------------------------ what is stored


def test_arguments_survive_airflows_own_serialization(place: dict[str, Any]) -> None:
    from airflow.sdk._shared.module_loading import import_string

    for trigger in many(place):
        path, kwargs = trigger.serialize()
        assert path == f"adobe_experience_platform.triggers.{type(trigger).__name__}"
        again = import_string(path)(**deserialize(json.loads(json.dumps(serialize(kwargs)))))
        assert again.serialize() == (path, kwargs)


def test_arguments_hold_no_secret(aep: LocalAep, place: dict[str, Any]) -> None:
    connection = aep.connection()
    for trigger in many(place):
        text = json.dumps(trigger.serialize()[1])
        assert connection["password"] not in text
        assert connection["login"] not in text


def test_a_poll_is_shared_by_class_connection_and_sandbox_only(place: dict[str, Any]) -> None:
    exports, exports_too, runs, lost = many(place)
    assert exports.shared_stream_key() == exports_too.shared_stream_key() != runs.shared_stream_key()
    assert lost.shared_stream_key() is None
    for change in ({"sandbox_name": "dev"}, {"aep_conn_id": "another"}):
        assert many(place, **change)[0].shared_stream_key() != exports.shared_stream_key()
    for change in ({"poll_interval": 99.0}, {"deadline": "2030-01-01T00:00:00+00:00"}):
        assert many(place, **change)[0].shared_stream_key() == exports.shared_stream_key()


# ------------------------------------------------------------------------------------- what is fired


@pytest.mark.usefixtures("quick")
def test_runs_are_watched_to_their_end(aep: LocalAep, place: dict[str, Any]) -> None:
    orders = started(aep, "gold", seconds=0.6) + started(aep, "silver", seconds=0.2, then="failed")

    event = payload(fire(FlowRunTrigger(orders=orders, **place)))

    assert event["status"] == "done"
    assert (event["counts"]["success"], event["counts"]["failed"]) == (1, 1)
    assert "results" not in json.dumps(event), "events are logged whole: they must stay small"


@pytest.mark.usefixtures("quick")
def test_a_wait_that_needs_a_worker_for_its_verdict_does_not_end_the_task(aep: LocalAep, place: dict[str, Any]) -> None:
    for status in ("failed", "partialSuccess"):
        orders = started(aep, "gold", status=status, seconds=0)
        assert payload(fire(FlowRunTrigger(orders=orders, ends_task=True, **place)))["status"] == "done"


async def polled(aep: LocalAep, path: str) -> None:
    """Wait for the third poll: what the first two have found was considered by then."""
    while len(await asyncio.to_thread(aep.requests, path=f"{path}*")) < 3:  # noqa: ASYNC110 - AEP has no event
        await asyncio.sleep(0.05)


@pytest.mark.usefixtures("quick")
def test_an_export_is_waited_for(aep: LocalAep, place: dict[str, Any]) -> None:
    job = aep.start_export_job()
    trigger = SegmentExportTrigger(**place)

    async def play() -> TriggerEvent:
        stream = trigger.run()
        first = asyncio.ensure_future(anext(stream))
        await polled(aep, JOBS)
        assert not first.done()
        aep.end_export_job(job["id"])
        return await first

    with captured() as lines:
        assert payload(wait(play()))["status"] == "done"
    assert any(f"Waiting for segment export job {job['id']}" in line for line in lines)
    assert sum("Waiting for" in line for line in lines) == 1, "a poll that changed nothing logs nothing"


@pytest.mark.usefixtures("quick")
def test_a_wait_that_is_the_whole_task_ends_it_without_a_worker(aep: LocalAep, place: dict[str, Any]) -> None:
    assert isinstance(fire(SegmentExportTrigger(ends_task=True, **place)), TaskSuccessEvent)


@pytest.mark.usefixtures("quick")
def test_a_stuck_export_is_reported_and_not_waited_for(aep: LocalAep, place: dict[str, Any]) -> None:
    from tests.support.aep import SEED

    aep.reset({**SEED, "export_jobs": [{"id": 700, "age": "3d"}, {"id": 701, "status": "PROCESSING", "age": "30h"}]})

    with captured() as lines:
        assert payload(fire(SegmentExportTrigger(**place)))["status"] == "done"
    assert any("Not waiting for segment export job 701" in line for line in lines)


@pytest.mark.usefixtures("quick")
def test_a_deadline_says_what_was_waited_for(aep: LocalAep, place: dict[str, Any]) -> None:
    place["deadline"] = (dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=0.8)).isoformat()
    job = aep.start_export_job()
    [waiting] = started(aep, "gold")

    export = payload(fire(SegmentExportTrigger(**place)))
    runs = payload(fire(FlowRunTrigger(orders=[waiting], names={"gold": "Gold customers"}, **place)))

    assert export["status"] == runs["status"] == "timeout"
    assert str(job["id"]) in export["message"]
    assert "'Gold customers' (gold)" in runs["message"]
    assert waiting[2] in runs["message"]


@pytest.mark.usefixtures("quick")
def test_after_a_deadline_that_passed_unattended_aep_is_asked_once_more(aep: LocalAep, place: dict[str, Any]) -> None:
    """A triggerer that was away must not call a delivery late that has long arrived."""
    place["deadline"] = (dt.datetime.now(tz=dt.UTC) - dt.timedelta(hours=1)).isoformat()

    assert payload(fire(FlowRunTrigger(orders=started(aep, "gold", seconds=0), **place)))["status"] == "done"


# --------------------------------------------------------------------------------- what is survived


@pytest.mark.usefixtures("quick")
def test_a_wait_ends_only_after_many_failures_in_a_row(
    aep: LocalAep, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "FAILURES_ALLOWED", 3)
    fault = {"kind": "status", "status": 404, "path": "*/export/jobs"}
    aep.start_export_job(duration=1.2)
    aep.add_faults({**fault, "times": 2}, {**fault, "times": 2, "skip": 1})

    assert payload(fire(SegmentExportTrigger(**place)))["status"] == "done"

    aep.add_faults({**fault, "times": None})
    event = payload(fire(SegmentExportTrigger(**place)))
    assert event["status"] == "error"
    assert event["retriable"] is True
    assert "3 times in a row" in event["message"]


@pytest.mark.usefixtures("quick")
def test_a_refused_credential_ends_a_wait_soon_and_for_good(
    aep: LocalAep, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = aep.connection()
    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", json.dumps({**connection, "password": "wrong-secret"}))

    event = payload(fire(SegmentExportTrigger(**place)))

    assert (event["status"], event["retriable"]) == ("error", False)
    assert f"{base.REFUSALS_ALLOWED} times in a row" in event["message"]
    assert "wrong-secret" not in json.dumps(event)


@pytest.mark.usefixtures("quick")
def test_a_run_that_aep_shows_late_is_waited_for(aep: LocalAep, place: dict[str, Any]) -> None:
    aep.change_settings(list_lag_seconds=10**9)  # its list never shows them
    aep.add_faults({"kind": "status", "status": 404, "path": f"{LISTS}/*", "times": 4})

    event = payload(fire(FlowRunTrigger(orders=started(aep, "gold", "silver", seconds=0), **place)))

    assert event["counts"]["success"] == 2
    assert [fault["hits"] for fault in aep.faults()] == [4]


@pytest.mark.usefixtures("quick")
def test_a_run_that_aep_never_shows_is_unknown_in_the_end(
    aep: LocalAep, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_run, "NOT_FOUND_GRACE", 0.5)
    lost = ["mail", "silver", "no-such-run", False]

    event = payload(fire(FlowRunTrigger(orders=[*started(aep, "gold", seconds=0), lost], ends_task=True, **place)))

    assert (event["status"], event["counts"]["success"], event["counts"]["unknown"]) == ("done", 1, 1)


AT_TEN = dt.datetime(2026, 11, 26, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize("ends", ["2026-11-26T10:00:00", "2026-11-26T12:00:00+02:00", AT_TEN])
def test_a_deadline_is_a_moment_however_it_is_given(ends: Any) -> None:
    trigger = SegmentExportTrigger(sandbox_name="prod", deadline=ends)
    again = SegmentExportTrigger(**json.loads(json.dumps(trigger.serialize()[1])))

    assert again._ends_at == trigger._ends_at == AT_TEN


@pytest.mark.usefixtures("quick")
def test_a_run_that_the_lists_lack_for_a_moment_is_watched_on_however_old_the_wait_is(
    aep: LocalAep, place: dict[str, Any]
) -> None:
    trigger = FlowRunTrigger(orders=started(aep, "gold", seconds=0), **place)
    trigger._since -= 10 * flow_run.NOT_FOUND_GRACE
    aep.add_faults({"kind": "status", "status": 404, "path": f"{LISTS}/*", "times": 3})

    assert payload(fire(trigger))["counts"]["success"] == 1


@pytest.mark.usefixtures("quick")
def test_a_wait_outlives_a_good_token_that_is_refused_for_a_while(aep: LocalAep, place: dict[str, Any]) -> None:
    polls = base.REFUSALS_ALLOWED + 2
    aep.add_faults({"kind": "status", "status": 401, "path": JOBS, "times": polls * transport.ATTEMPTS})
    before = len(aep.tokens())

    assert payload(fire(SegmentExportTrigger(**place)))["status"] == "done"
    assert len(aep.tokens()) - before <= polls + 1, "one at a time: Adobe throttles who mints too many"


def test_runs_that_aep_has_just_accepted_are_not_looked_at_at_once(place: dict[str, Any]) -> None:
    trigger = FlowRunTrigger(orders=[["mail", "gold", "run", False]], **{**place, "poll_interval": 30})

    async def nothing() -> Any:
        await asyncio.sleep(60)
        yield

    async def scene() -> float:
        waiting = asyncio.ensure_future(anext(trigger.filter_shared_stream(nothing())))
        await asyncio.sleep(0)
        [member] = trigger._group(trigger.shared_stream_key()).subscriptions.values()
        waiting.cancel()
        return member.due - member.joined

    assert wait(scene()) >= polling.SHORTEST_PAUSE


def test_when_runs_should_end_is_expected_as_far_as_it_is_known(place: dict[str, Any]) -> None:
    going_on = [FlowRun.from_json(run_json(f"run {flow_id}", flow_id, "inProgress")) for flow_id in ("mail", "shop")]
    trigger = FlowRunTrigger(orders=[[run.flow_id, "gold", run.id, False] for run in going_on], **place)
    member = Subscription(trigger._wanted(), 30, dt.datetime.max.replace(tzinfo=dt.UTC))
    seen = Snapshot(runs={run.id: run for run in going_on}, usual={"mail": Usual(50, 60)})

    assert trigger._take_in(seen, member) is None
    assert (len(member.expected), member.is_all_expected) == (1, False)
    assert trigger._take_in(replace(seen, usual=dict.fromkeys(("mail", "shop"), Usual(50, 60))), member) is None
    assert (len(member.expected), member.is_all_expected) == (2, True)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("quirk", [{"bulk_refused": True}, {"list_ignores_filters": True}, {"run_not_found": 400}])
def test_odd_lists_are_lived_with(aep: LocalAep, place: dict[str, Any], quirk: dict[str, Any]) -> None:
    aep.change_settings(**quirk)
    started(aep, "bronze", seconds=600)

    event = payload(fire(FlowRunTrigger(orders=started(aep, "gold", "silver", seconds=0.5), **place)))

    assert event["counts"]["success"] == 2
    if "bulk_refused" in quirk:
        by_id = [
            request for request in aep.requests(path=LISTS) if "id==" in str(request["query"]).replace("flowId", "")
        ]
        assert len(by_id) == 1, "a refusal is remembered"


# ---------------------------------------------------------------------------------- one shared poll


async def shared(triggers: list[Any], before: Any = None, rounds: list[Any] | None = None) -> list[TriggerEvent]:
    """Serve several triggers from one stream, as the triggerer does: every subscriber gets every snapshot."""
    rounds = [] if rounds is None else rounds
    queues: list[asyncio.Queue[Any]] = [asyncio.Queue() for _ in triggers]

    async def pump() -> None:
        async for snapshot in type(triggers[0]).open_shared_stream(triggers[0].serialize()[1]):
            rounds.append(snapshot)
            for queue in queues:
                queue.put_nowait(snapshot)

    async def snapshots(queue: asyncio.Queue[Any]) -> Any:
        while True:
            yield await queue.get()

    async def subscribe(number: int) -> TriggerEvent:
        if before:
            await before(number)
        stream = triggers[number].filter_shared_stream(snapshots(queues[number]))
        try:
            found: TriggerEvent = await anext(stream)
            return found
        finally:
            await stream.aclose()

    pumping = asyncio.ensure_future(pump())
    try:
        return list(await asyncio.gather(*(subscribe(number) for number in range(len(triggers)))))
    finally:
        pumping.cancel()


async def third(rounds: list[Any]) -> None:
    """Wait for the third round of a shared poll."""
    while len(rounds) < 3:  # noqa: ASYNC110 - a list that another task fills has no event
        await asyncio.sleep(0.05)


@pytest.mark.usefixtures("quick")
def test_many_waits_share_one_poll(aep: LocalAep, place: dict[str, Any]) -> None:
    orders = started(aep, *(["gold"] * 30))
    waits = [FlowRunTrigger(orders=[order], **place) for order in orders]
    rounds: list[Any] = []

    async def scene() -> list[TriggerEvent]:
        watching = asyncio.ensure_future(shared(waits, rounds=rounds))
        await third(rounds)
        for _, _, run_id, _ in orders:
            await asyncio.to_thread(aep.change_run, run_id, status="success")
        return await watching

    events = wait(scene())

    assert {payload(event)["status"] for event in events} == {"done"}
    polls = aep.requests(path=f"{LISTS}*")
    assert len(rounds) > 2
    assert len(polls) - len(rounds) in (0, 1), "one call a round, however many tasks wait"
    asked = [value for poll in polls[1:-1] for _, value in poll["query"] if value.startswith("id==")]
    assert max(value.count(",") + 1 for value in asked) == 30, "one request asks for all of them"


@pytest.mark.usefixtures("quick")
def test_a_thousand_tasks_that_wait_for_one_export_ask_as_often_as_one(
    aep: LocalAep, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = aep.start_export_job()
    waits = [SegmentExportTrigger(activation_info={"mail": ["gold"]}, **place) for _ in range(1000)]
    rounds: list[Any] = []
    asked = SegmentExportTrigger.open_shared_stream.__func__  # type: ignore[attr-defined]

    async def counted(cls: type[SegmentExportTrigger], kwargs: dict[str, Any]) -> Any:
        async for snapshot in asked(cls, kwargs):
            rounds.append(snapshot)
            yield snapshot

    monkeypatch.setattr(SegmentExportTrigger, "open_shared_stream", classmethod(counted))

    async def scene() -> list[TriggerEvent]:
        streams = SharedStreamManager(log=structlog.get_logger())  # Airflow's own, as in the triggerer

        async def first(number: int, trigger: SegmentExportTrigger) -> TriggerEvent:
            stream = streams.subscribe(trigger_id=number, trigger=trigger, key=trigger.shared_stream_key())
            return await anext(trigger.filter_shared_stream(stream))

        waiting = asyncio.gather(*(first(number, trigger) for number, trigger in enumerate(waits)))
        await third(rounds)
        await asyncio.to_thread(aep.end_export_job, job["id"])
        try:
            return list(await waiting)
        finally:
            await streams.stop_all()

    events = wait(scene())

    assert [payload(event)["status"] for event in events] == ["done"] * 1000
    for path in (f"{JOBS}*", f"{LISTS}*"):
        assert len(aep.requests(path=path)) - len(rounds) in (0, 1), "one request a round, however many tasks wait"


@pytest.mark.usefixtures("quick")
def test_a_late_wait_is_served_by_the_same_poll(aep: LocalAep, place: dict[str, Any]) -> None:
    early, late = started(aep, "gold", seconds=1.5), started(aep, "silver", seconds=0)
    place["poll_interval"] = 5.0
    waits = [FlowRunTrigger(orders=early, **place), FlowRunTrigger(orders=late, **{**place, "poll_interval": 1.0})]
    done: list[int] = []

    async def in_turn(number: int) -> None:
        await asyncio.sleep(0.5 * number)
        done.append(number)

    events = wait(shared(waits, in_turn))

    assert [payload(event)["counts"]["success"] for event in events] == [1, 1]
    assert done == [0, 1]


@pytest.mark.usefixtures("quick")
def test_a_round_that_fails_does_not_end_the_stream(aep: LocalAep, place: dict[str, Any]) -> None:
    aep.add_faults({"kind": "status", "status": 403, "path": f"{LISTS}*", "times": 2})
    orders = started(aep, "gold", "silver", seconds=0.3)

    events = wait(shared([FlowRunTrigger(orders=[order], **place) for order in orders]))

    assert {payload(event)["status"] for event in events} == {"done"}
    assert [fault["hits"] for fault in aep.faults()] == [2]


@pytest.mark.usefixtures("quick")
def test_one_wait_that_ends_leaves_the_others_waiting(aep: LocalAep, place: dict[str, Any]) -> None:
    [short] = started(aep, "gold", seconds=0)
    [endless], [long] = started(aep, "silver"), started(aep, "bronze")
    late = {**place, "deadline": (dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=0.5)).isoformat()}
    triggers = [
        FlowRunTrigger(orders=[short], **place),
        FlowRunTrigger(orders=[endless], **late),
        FlowRunTrigger(orders=[long], **place),
    ]
    rounds: list[Any] = []

    async def scene() -> list[TriggerEvent]:
        watching = asyncio.ensure_future(shared(triggers, rounds=rounds))
        await third(rounds)
        await asyncio.to_thread(aep.change_run, long[2], status="success")
        return await watching

    assert [payload(event)["status"] for event in wait(scene())] == ["done", "timeout", "done"]


# --------------------------------------------------------------------------- marked by a person, lost


@pytest.mark.usefixtures("quick")
def test_a_killed_wait_says_what_goes_on_in_aep(aep: LocalAep, place: dict[str, Any]) -> None:
    [ended] = started(aep, "gold", seconds=0)
    [going_on] = started(aep, "silver")
    trigger = FlowRunTrigger(orders=[ended, going_on], **place)

    async def play() -> None:
        stream = trigger.run()
        waiting = asyncio.ensure_future(anext(stream))
        await polled(aep, LISTS)
        waiting.cancel()
        await trigger.on_kill()

    with captured() as lines:
        wait(play())
    [line] = [line for line in lines if "cannot cancel" in line]
    assert "1 flow run," in line
    assert going_on[2] in line
    assert ended[2] not in line


def record_of(aep: LocalAep, *audience_ids: str) -> dict[str, Any]:
    """Return the record of a POST whose answer was lost, written before the given moment's runs."""
    newest = dt.datetime.fromtimestamp((aep.state()["now"] - 1) / 1000, tz=dt.UTC)
    pairs = [Pair("mail", audience_id) for audience_id in audience_ids]
    record = Record(3, dict.fromkeys(pairs))
    intent = Intent("intent-1", "2026-01-01T00:00:00+00:00", dict.fromkeys(pairs, Watermark(newest, ())))
    record.move(Event.INTENT, intent)
    record.move(Reply.LOST)
    return record.to_json()


@pytest.mark.usefixtures("quick")
def test_what_is_found_is_told_at_once_and_is_not_settled_yet(aep: LocalAep, place: dict[str, Any]) -> None:
    record = record_of(aep, "gold", "silver")
    orders = started(aep, "gold", "silver", seconds=600)

    told = payload(fire(LostSubmissionTrigger(record=record, settle_seconds=1000, **place)))

    assert (told["status"], told["intent"], told["settled"]) == ("done", "intent-1", False)
    assert sorted(order[:3] for order in told["found"]) == sorted(order[:3] for order in orders)


@pytest.mark.usefixtures("quick")
def test_the_deadline_of_a_machine_whose_clock_is_wrong_does_not_shorten_the_settling(
    aep: LocalAep, place: dict[str, Any]
) -> None:
    trigger = LostSubmissionTrigger(
        record=record_of(aep, "gold"), settle_seconds=1.0, **{**place, "deadline": "2001-01-01T00:00:00+00:00"}
    )
    assert payload(fire(trigger))["settled"] is True


@pytest.mark.usefixtures("quick")
def test_aep_knowing_nothing_is_concluded_after_the_margin_only(aep: LocalAep, place: dict[str, Any]) -> None:
    started(aep, "silver", seconds=0)
    trigger = LostSubmissionTrigger(record=record_of(aep, "gold"), settle_seconds=1.0, **place)
    start = dt.datetime.now(tz=dt.UTC)

    told = payload(fire(trigger))
    assert (told["status"], told["settled"], told["found"]) == ("done", True, [])
    assert (dt.datetime.now(tz=dt.UTC) - start).total_seconds() >= 1


@pytest.mark.usefixtures("quick")
def test_a_young_run_that_names_nobody_is_waited_for(aep: LocalAep, place: dict[str, Any]) -> None:
    aep.change_settings(young_seconds=1200)
    record = record_of(aep, "gold")
    started(aep, "silver", seconds=600)
    start = dt.datetime.now(tz=dt.UTC)

    event = payload(fire(LostSubmissionTrigger(record=record, settle_seconds=0, **place)))

    assert event["status"] == "done"
    assert (dt.datetime.now(tz=dt.UTC) - start).total_seconds() >= 1.5
