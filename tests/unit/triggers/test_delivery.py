"""The watcher of deliveries: one event for each delivery, whatever dies, freezes, lags or is left out of a list."""

from __future__ import annotations

import asyncio
import datetime as dt
import heapq
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.serde import deserialize, serialize

from adobe_experience_platform.aep.flow_runs import UNKNOWN_COUNTS, FlowRun
from adobe_experience_platform.delivery import run_lists
from adobe_experience_platform.delivery.rounds import Snapshot
from adobe_experience_platform.delivery.run_lists import RunsWanted
from adobe_experience_platform.delivery.run_news import RunMark
from adobe_experience_platform.errors import AepInputError, AepRequestError
from adobe_experience_platform.triggers import memory
from adobe_experience_platform.triggers.assets import flow_run_asset, segment_export_asset
from adobe_experience_platform.triggers.delivery import DeliveryTrigger, read_flows
from adobe_experience_platform.triggers.polling import Bulk
from tests.support.aep import LocalAep
from tests.support.dagtest import captured
from tests.support.parts import run_json
from tests.unit.triggers.test_asset_events import MarkStore, Watcher
from tests.unit.triggers.test_triggers import fire, payload

LISTS = "/data/foundation/flowservice/runs"


def ended(aep: LocalAep, *audience_ids: str, flow_id: str = "mail", status: str = "success") -> str:
    """Have somebody else deliver; return the run's id."""
    run_id: str = aep.start_run(flow_id, audience_ids=list(audience_ids), status=status, seconds=0)["id"]
    return run_id


# ------------------------------------------------------------------------------------- with a simulated AEP


@pytest.mark.usefixtures("quick")
def test_every_delivery_is_told_once_whoever_started_it(aep: LocalAep) -> None:
    store = MarkStore()
    aep.change_settings(young_seconds=0)
    before = ended(aep, "gold")

    async def play() -> tuple[list[str], list[dict[str, Any]]]:
        slow = aep.start_run("mail", audience_ids=["gold", "silver"], status="inProgress")["id"]
        runs = []
        async with Watcher(store, flow_run_asset("mail", poll_interval=1)) as first:
            await first.until(lambda: "watermark" in store.kept)
            runs.append(ended(aep, "silver"))
            await first.until(lambda: first.events)
            await first.rounds(aep, path=LISTS)
        runs.append(ended(aep, "gold"))
        ended(aep, "gold", status="failed")
        ended(aep, "gold", flow_id="shop")
        aep.change_run(slow, status="success")
        runs.append(slow)
        async with Watcher(store, flow_run_asset("mail", poll_interval=1)) as second:
            await second.until(lambda: len(second.events) > 1)
            await second.rounds(aep, path=LISTS)
        return runs, [*first.events, *second.events]

    runs, events = asyncio.run(play())

    assert before not in runs
    assert sorted(event["run_id"] for event in events) == sorted(runs)
    slow = next(event for event in events if event["run_id"] == runs[-1])
    assert (slow["audience_ids"], slow["status"], slow["possible_repeat"]) == (["gold", "silver"], "success", False)
    assert slow["records_exported"] is not None
    assert slow["completed_at"] > slow["started_at"]


@pytest.mark.usefixtures("quick")
def test_an_audiences_watcher_tells_of_its_deliveries_alone(aep: LocalAep) -> None:
    store = MarkStore()
    aep.change_settings(young_seconds=0)

    async def play() -> tuple[str, list[dict[str, Any]]]:
        async with Watcher(store, flow_run_asset("mail", "gold", statuses=["failed"], poll_interval=1)) as watching:
            await watching.until(lambda: "watermark" in store.kept)
            ended(aep, "silver", status="failed")
            ended(aep, "gold")
            failed = ended(aep, "gold", status="failed")
            await watching.until(lambda: watching.events)
            await watching.rounds(aep, path=LISTS)
            return failed, watching.events

    failed, [event] = asyncio.run(play())
    assert (event["run_id"], event["status"]) == (failed, "failed")


@pytest.mark.usefixtures("quick")
def test_an_audience_is_watched_on_every_flow_and_over_restarts(aep: LocalAep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lists, "LOOKED_UP_FOR", dt.timedelta(0))
    store = MarkStore()
    aep.change_settings(young_seconds=0)
    asset = flow_run_asset(audience_id="gold", poll_interval=1)

    async def play() -> tuple[list[str], list[dict[str, Any]]]:
        before = ended(aep, "gold", flow_id="north")
        ended(aep, "silver", flow_id="shop")
        runs = []
        async with Watcher(store, asset) as first:
            await first.until(lambda: "watermark" in store.kept)
            runs += [ended(aep, "gold", flow_id=flow) for flow in ("mail", "shop")]
            ended(aep, "silver", flow_id="mail")
            await first.until(lambda: len(first.events) == 2)
            await first.rounds(aep, path=LISTS)
        leaving = aep.start_run("shop", audience_ids=["gold"], status="inProgress")["id"]
        async with Watcher(store, asset) as second:
            await second.until(lambda: leaving in store.kept["watermark"])
        aep.map_audience("shop", "gold", is_mapped=False)
        aep.map_audience("north", "gold")
        runs.append(ended(aep, "gold", flow_id="north"))
        aep.change_run(leaving, status="success")
        async with Watcher(store, asset) as third:
            await third.until(lambda: len(third.events) == 2)
            await third.rounds(aep, path=LISTS)
        assert before not in runs
        return [*runs, leaving], [*first.events, *second.events, *third.events]

    runs, events = asyncio.run(play())

    assert sorted(event["run_id"] for event in events) == sorted(runs)
    assert {event["flow_id"] for event in events} == {"mail", "shop", "north"}
    assert not any(event["possible_repeat"] for event in events)


@pytest.mark.usefixtures("quick")
def test_an_audience_that_no_flow_has_is_watched_with_a_warning(aep: LocalAep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lists, "LOOKED_UP_FOR", dt.timedelta(0))
    aep.change_settings(young_seconds=0)
    store = MarkStore()

    async def play() -> None:
        async with Watcher(store, flow_run_asset(audience_id="loose", poll_interval=1)) as watching:
            await watching.until(lambda: "watermark" in store.kept)
            aep.map_audience("shop", "loose")
            run_id = ended(aep, "loose", flow_id="shop")
            await watching.until(lambda: watching.events)
            assert watching.events[0]["run_id"] == run_id

    with captured() as lines:
        asyncio.run(play())
    assert sum("loose is not mapped to any destination flow of" in line for line in lines) == 1


class MovedHook:
    """Reads runs while the connection is changed to lead to another sandbox."""

    def __init__(self) -> None:
        self.place = "ORG/prod"

    async def settings(self) -> Any:
        return SimpleNamespace(place=self.place)

    async def call(self, call: Any) -> Any:
        call.close()
        self.place = "ORG/dev"
        return []


def test_what_is_read_while_the_connection_changes_is_nobodys() -> None:
    asked, bulk = [RunsWanted("mail", None)], Bulk()
    hook: Any = MovedHook()
    first, second = (asyncio.run(read_flows(hook, asked, bulk)) for _ in range(2))
    assert (first.is_pause, second.is_pause, second.place) == (True, False, "ORG/dev")
    assert set(bulk.mappings) == {"ORG/prod", "ORG/dev"}, "which flows have an audience is another question there"


def refused(flow_id: str, runs_call: Any) -> Any:
    """Have AEP refuse the runs of one flow."""

    def call(asked_for: str, *others: Any) -> Any:
        if asked_for == flow_id:
            raise AepRequestError("GET /runs", status=400, text="no")
        return (yield from runs_call(asked_for, *others))

    return call


@pytest.mark.usefixtures("quick")
def test_watchers_and_waiting_tasks_share_one_poll_and_a_flow_that_is_refused_stops_no_other(
    aep: LocalAep, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [MarkStore(), MarkStore()]
    monkeypatch.setattr(run_lists, "runs_call", refused("shop", run_lists.runs_call))

    async def play() -> None:
        one, two = (flow_run_asset(flow, poll_interval=1) for flow in ("mail", "shop"))
        assert key_of(one) == key_of(two) == key_of(flow_run_asset("mail", "gold"))
        assert key_of(one) != key_of(flow_run_asset("mail", sandbox_name="dev"))
        async with Watcher(stores[0], one) as watching, Watcher(stores[1], two) as other:
            await watching.until(lambda: "watermark" in stores[0].kept)
            ended(aep, "gold")
            await watching.until(lambda: watching.events)
            await other.until(lambda: other.trigger._failures)
            assert not other.events

    def key_of(asset: Any) -> Any:
        return asset.watchers[0].trigger.shared_stream_key()

    with captured() as lines:
        asyncio.run(play())
    assert sum("Deliveries of flow shop are not watched" in line for line in lines) == 1


@pytest.mark.usefixtures("quick")
def test_a_waiting_task_is_told_of_the_first_that_ends(aep: LocalAep, place: dict[str, Any]) -> None:
    aep.change_settings(young_seconds=0)
    aep.start_run("mail", audience_ids=["silver"], status="inProgress")
    run_id = aep.start_run("mail", audience_ids=["gold"], status="inProgress", seconds=0.4)["id"]

    mark = RunMark("ORG/prod", None, {}, {}).to_json()  # as of before the run began: it may end before the first look
    event = payload(fire(DeliveryTrigger(flow_id="mail", audience_ids=["gold"], mark=mark, **place)))

    assert (event["status"], event["run_id"]) == ("done", run_id)


def test_a_waits_arguments_survive_airflows_own_serialization(place: dict[str, Any]) -> None:
    mark = RunMark("ORG/prod", START, {"a": START, "b": None}, {"c": START}).to_json()
    more = {"audience_ids": ("gold", "x"), "statuses": {"failed"}, "ended_since": START.isoformat(), "mark": mark}
    path, kwargs = DeliveryTrigger(flow_id="mail", **more, **place).serialize()
    again = DeliveryTrigger(**deserialize(json.loads(json.dumps(serialize(kwargs)))))
    assert again.serialize() == (path, kwargs)
    assert path == "adobe_experience_platform.triggers.DeliveryTrigger"


@pytest.mark.usefixtures("quick")
def test_a_wait_ends_at_its_deadline(aep: LocalAep, place: dict[str, Any]) -> None:
    place["deadline"] = (dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=0.3)).isoformat()
    event = payload(fire(DeliveryTrigger(flow_id="mail", **place)))
    assert (event["status"], event["message"]) == ("timeout", "the next delivery of flow mail")


def test_an_asset_is_named_by_ids_and_refused_when_it_cannot_be() -> None:
    assert flow_run_asset("f1").uri == "aep://flow-runs/aep_default/-/f1"
    asset = flow_run_asset("f1", "a1", sandbox_name="prod")
    assert (asset.uri, asset.name) == ("aep://flow-runs/aep_default/prod/f1/a1", "aep_flow_run/aep_default/prod/f1/a1")
    asset = flow_run_asset("f1", "a1", external_audience_id="x:1")
    assert asset.uri == "aep://flow-runs/aep_default/-/f1/a1?external=x%3A1"
    assert asset.watchers[0].trigger.serialize()[1]["audience_ids"] == ["a1", "x:1"]
    asset = flow_run_asset(audience_id="a1")
    assert (asset.uri, asset.name) == ("aep://flow-runs/aep_default/-/-/a1", "aep_flow_run/aep_default/-/-/a1")


def test_all_that_a_watcher_is_made_of_is_in_its_asset_s_name() -> None:
    """Of two watchers with one asset, in two DAG files, each reading of one file ends that of the other."""
    given = [
        {"poll_interval": 2},
        {"statuses": ["failed"]},
        {"statuses": ["success", "failed"]},
        {"audience_id": "a"},
        {"audience_id": "a", "external_audience_id": "x:y"},
        {"statuses": ["failed"], "poll_interval": 2.5},
        {"sandbox_name": "prod"},
        {"aep_conn_id": "aep_us"},
    ]
    assets = [flow_run_asset("f", **each) for each in ({}, *given)]
    assets += [flow_run_asset(audience_id="a"), segment_export_asset(), segment_export_asset(poll_interval=2)]
    watchers = {json.dumps(asset.watchers[0].trigger.serialize()) for asset in assets}
    assert len(watchers) == len({asset.name for asset in assets}) == len({asset.uri for asset in assets}) == len(assets)
    assert all(Asset(name="again", uri=asset.uri).uri == asset.uri for asset in assets)
    plain, same = flow_run_asset("f"), flow_run_asset("f", statuses=["partial_success", "success"], poll_interval=60.0)
    assert (plain.name, plain.watchers[0].trigger.serialize()) == (same.name, same.watchers[0].trigger.serialize())


@pytest.mark.parametrize(
    "wrong",
    [
        {"flow_id": ""},
        {"flow_id": None},
        {"flow_id": "", "audience_id": "a"},
        {"flow_id": None, "audience_id": "a b"},
        {"flow_id": "a b"},
        {"audience_id": ""},
        {"external_audience_id": "x"},
        {"statuses": "success"},
        {"statuses": ["done"]},
        {"statuses": []},
        {"poll_interval": 0},
        {"aep_conn_id": ""},
    ],
)
def test_what_cannot_be_is_refused_when_the_dag_is_parsed(wrong: dict[str, Any]) -> None:
    with pytest.raises(AepInputError):
        flow_run_asset(**{"flow_id": "f1", **wrong})


# ------------------------------------------------------- exactly one event, explored in a world with its own clock


START = dt.datetime.now(tz=dt.UTC)
"""The world's time 0. A first look at an empty list goes by our own clock, to a day."""


class Pause:
    """What a coroutine of this world awaits: time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


class World:
    """An AEP, a store, an Airflow that stores events, and triggerers that die and freeze; time is a number."""

    WATCHED: Mapping[str, Any] = {"flow_id": "flow-1"}

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = 0.0
        self.first = END
        """When the first look was noted."""
        self._numbers = itertools.count()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self.kept: dict[str, str] = {}
        self.told: list[tuple[str, bool]] = []
        self.runs = [self._run(number) for number in range(self.dice.randint(1, 6))]

    def _run(self, number: int) -> dict[str, Any]:
        dice = self.dice
        began = dice.choice([dice.uniform(-3600, 100), dice.uniform(-40, -23) * 3600])
        ends = began + dice.uniform(1, 200) if dice.random() < 0.5 else dice.uniform(20, 300)
        return {
            "id": f"run-{number}",
            "began": began,
            "ended": ends,
            "listed": began + dice.choice([0, dice.uniform(0, 90)]),
            "timeless": dice.random() < 0.2,
        }

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._numbers), act))

    def play(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until:
            self.now, _, act = heapq.heappop(self._queue)
            act()

    # -- AEP

    def look(self) -> Snapshot:
        """Return what AEP lists: late, at times without a run, at times nothing at all."""
        found = [] if self.dice.random() < 0.1 else [run for run in self.runs if self.dice.random() < 0.8]
        if not self.kept:  # what the first look lacks is known only if it is listed while the window holds it
            found = self.runs
        return self.answer([run for run in found if run["listed"] <= self.now])

    def answer(self, listed: Sequence[dict[str, Any]]) -> Snapshot:
        return Snapshot(flow_runs={"flow-1": [self.show(run) for run in listed]}, place="ORG/prod")

    def show(self, run: dict[str, Any]) -> FlowRun:
        created = None if run["timeless"] else START + dt.timedelta(seconds=run["began"])
        status = "success" if run["ended"] <= self.now else self.dice.choice(["inProgress", None])
        return FlowRun.from_json(run_json(run["id"], status=status, created=created))

    def due(self, run: dict[str, Any]) -> bool:
        """Whether a run is to be told: one that ended in sight."""
        return bool(run["ended"] > self.first)

    # -- the asset's store

    async def aget(self, key: str) -> Any:
        await Pause(self.dice.uniform(0, 0.2))
        found = self.kept.get(key)
        await Pause(self.dice.uniform(0, 0.2))
        return json.loads(found) if found else None

    async def aset(self, key: str, value: Any) -> None:
        await Pause(self.dice.uniform(0, 0.2))
        self.kept[key] = json.dumps(value)
        self.first = min(self.first, self.now)
        await Pause(self.dice.uniform(0, 0.2))


class Triggerer:
    """Runs the watcher in a world, until it dies; it may freeze and thaw at any step.

    :param heirs: at which steps those that take over die in their turn.
    """

    def __init__(
        self, world: World, *, dies_at: int | None = None, freezes_at: int | None = None, heirs: Sequence[int] = ()
    ) -> None:
        self.world = world
        self.dies_at, self.freezes_at = dies_at, freezes_at
        self.heirs = heirs
        self.steps = 0
        self.is_alive = True
        self.frozen_until = 0.0
        self.is_stopped = False
        self._work = self._watch()
        world.at(0, self._step)

    async def _watch(self) -> None:
        trigger = DeliveryTrigger(**self.world.WATCHED, sandbox_name=None, deadline=None)
        kept = trigger._memory
        while not self.is_stopped:
            look = partial(trigger._news, self.world.look())
            while payloads := await kept.consider(look, self.world):
                for found in payloads:
                    self._fire(found)
                await kept.told(self.world)
            await Pause(10 - self.world.now % 10)  # polls are on a grid: two triggerers look at the same moment

    def _fire(self, found: dict[str, Any]) -> None:
        """Airflow has the event two seconds later, if the triggerer lives; a frozen one hands it over as it thaws."""

        def store() -> None:
            if self.is_alive and self.world.now < self.frozen_until:
                self.world.at(self.frozen_until - self.world.now, store)
            elif self.is_alive:
                self.world.told.append((found["run_id"], found["possible_repeat"]))

        self.world.at(self.world.dice.uniform(0, 2), store)

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.dies_at:
            self.is_alive = False
            self._work.close()
            self.world.at(30, self._give_way)
            return
        if self.steps == self.freezes_at:
            # Another triggerer takes over, and Airflow stops this one when it is back.
            self.frozen_until = self.world.now + 120
            self.is_stopped = True
            self.world.at(30, self._give_way)
            self.world.at(120, self._step)
            return
        try:
            pause: Pause = self._work.send(None)
        except StopIteration:
            return
        self.world.at(pause.seconds, self._step)

    def _give_way(self) -> None:
        dies_at, *heirs = [*self.heirs, None]
        Triggerer(self.world, dies_at=dies_at, heirs=[step for step in heirs if step])


class AnyFlowWorld(World):
    """The same of an audience to any flow: one flow has it, one loses it, one gets it."""

    WATCHED: Mapping[str, Any] = {"audience_ids": ["gold"]}

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.gets, self.loses = (self.dice.uniform(30, 250) for _ in range(2))
        for run in self.runs:
            run["flow"] = self.dice.choice(["has", "loses", "gets"])
            if run["flow"] == "loses":  # a flow that an audience has left begins no run of it
                run["listed"] = run["began"] = min(run["began"], self.loses - 100)
            if run["flow"] == "gets":
                run["began"] = max(run["began"], -3600.0)
                run["listed"] = max(run["listed"], run["began"])

    def answer(self, listed: Sequence[dict[str, Any]]) -> Snapshot:
        mapped = {"has": -9e4, "loses": -9e4, "gets": self.gets}
        left = {"gets"} if self.now < self.gets else {"loses"} if self.now > self.loses else set()
        carriers = {flow: START + dt.timedelta(seconds=at) for flow, at in mapped.items() if flow not in left}
        noted = json.loads(self.kept.get("watermark", "{}")).get("flows", [])
        shown = [self.show(run) for run in listed if run["flow"] in {*carriers, *noted}]
        return Snapshot(flow_runs={("gold",): shown}, carriers={("gold",): carriers}, place="ORG/prod")

    def show(self, run: dict[str, Any]) -> FlowRun:
        shown = super().show(run)
        completed = START + dt.timedelta(seconds=run["ended"]) if shown.status.is_terminal else None
        return replace(shown, flow_id=run["flow"], completed_at=completed, audiences={"gold": UNKNOWN_COUNTS})

    def due(self, run: dict[str, Any]) -> bool:
        """Whether a run is to be told: one that ended in sight, as a delivery of the audience that its flow has."""
        return run["ended"] > self.first and (run["flow"] != "gets" or run["ended"] > self.gets)


@pytest.fixture
def world_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    """Return a maker of worlds whose clock is the watcher's."""

    def made(seed: int, kind: type[World] = World) -> World:
        world = kind(seed)
        monkeypatch.setattr(memory, "asyncio", SimpleNamespace(sleep=Pause))
        monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: world.now))
        return world

    return made


END = 500.0


def judge(world: World, *, trouble: bool) -> None:
    """Every delivery that ended in sight is told, and at most once without being called a possible repeat."""
    counted = Counter(run_id for run_id, _ in world.told)
    assert {run["id"] for run in world.runs if world.due(run)} <= counted.keys(), "a delivery was lost"
    first = Counter(run_id for run_id, repeat in world.told if not repeat)
    assert max(first.values(), default=0) <= 1, "a delivery was told twice as if it were new"
    if not trouble:
        assert counted == first


def test_one_event_for_each_delivery_in_any_order(world_of: Callable[[int], World]) -> None:
    for seed in range(20):
        world = world_of(seed)
        Triggerer(world)
        world.play(END)
        judge(world, trouble=False)


@pytest.mark.parametrize("trouble", ["dies_at", "freezes_at"])
def test_a_triggerer_that_dies_or_freezes_at_any_step_neither_loses_nor_doubles(
    world_of: Callable[[int], World], trouble: str
) -> None:
    repeated = 0
    for seed in (3,):
        for step in range(1, 90):
            world = world_of(seed)
            Triggerer(world, **{trouble: step})
            world.play(END)
            judge(world, trouble=True)
            repeated += any(repeat for _, repeat in world.told)
    assert 0 < repeated < 90 / 4, "trouble around an event is met, and seldom"


def test_triggerers_that_die_one_after_the_other_neither_lose_nor_double(world_of: Callable[[int], World]) -> None:
    for seed in range(20):
        world = world_of(seed)
        first, *heirs = [world.dice.randint(1, 60) for _ in range(4)]
        Triggerer(world, dies_at=first, heirs=heirs)
        world.play(2 * END)
        judge(world, trouble=True)


@pytest.mark.parametrize("crash", [None, "dies_at", "freezes_at"])
def test_flows_that_get_and_lose_an_audience_neither_lose_nor_double(
    world_of: Callable[..., World], crash: str | None
) -> None:
    old = set()
    for seed in range(12):
        world = world_of(seed, AnyFlowWorld)
        Triggerer(world, **({crash: world.dice.randint(1, 60)} if crash else {}))
        if crash is None:
            Triggerer(world)
        world.play(END)
        judge(world, trouble=crash is not None)
        told = {run_id for run_id, _ in world.told}
        old |= {run["id"] for run in world.runs if run["id"] in told and run["flow"] == "gets" and not world.due(run)}
    assert not old, "what ended before the flow got the audience is no news"


def test_two_triggerers_at_once_tell_each_delivery_once(world_of: Callable[[int], World]) -> None:
    for seed in range(20):
        world = world_of(seed)
        for _ in range(2):
            Triggerer(world)
        world.play(END)
        judge(world, trouble=False)
