"""The asset watcher on segment exports: one poll for all, every export once, never an end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk._shared.module_loading import import_string
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from adobe_experience_platform.delivery.rounds import Snapshot
from adobe_experience_platform.errors import AepAuthError, AepInputError
from adobe_experience_platform.triggers import polling
from adobe_experience_platform.triggers.asset_events import WatcherTrigger
from adobe_experience_platform.triggers.assets import delivered_flow_asset, delivery_outlets, segment_export_asset
from adobe_experience_platform.triggers.segment_export import SegmentExportTrigger
from tests.support.aep import JOBS, LocalAep
from tests.support.dagtest import captured

DONE = {"v": 1, "status": "done", "message": ""}


class MarkStore:
    """``asset_state_store`` of a trigger: it outlives triggerers, and may fail."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.fails_to_read = self.fails_to_write = 0

    async def aget(self, key: str) -> Any:
        if self.fails_to_read:
            self.fails_to_read -= 1
            raise RuntimeError("the API server is away")
        return json.loads(self.kept[key]) if key in self.kept else None

    async def aset(self, key: str, value: Any) -> None:
        if self.fails_to_write:
            self.fails_to_write -= 1
            raise RuntimeError("the API server is away")
        self.kept[key] = json.dumps(value)

    @property
    def ids(self) -> list[str]:
        found: list[str] = json.loads(self.kept["watermark"])["export_ids"]
        return found


class Watcher:
    """A watcher as a triggerer runs it: made anew from what was stored of it."""

    def __init__(self, store: MarkStore, asset: Asset | None = None, **place: Any) -> None:
        asset = asset or segment_export_asset(poll_interval=1, **place)
        path, kwargs = asset.watchers[0].trigger.serialize()
        assert path.startswith("adobe_experience_platform.triggers.")
        self.trigger: WatcherTrigger = import_string(path)(**json.loads(json.dumps(kwargs)))
        self.trigger.poll_interval = 0.1
        self.trigger.asset_state_store = store  # type: ignore[assignment]
        self.events: list[dict[str, Any]] = []
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watcher:
        self._work = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._work is not None
        if self._work.done():
            self._work.result()
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)

    async def _run(self) -> None:
        async with aclosing(self.trigger.run()) as events:  # type: ignore[type-var]
            async for event in events:
                assert isinstance(event, TriggerEvent)
                self.events.append(event.payload)

    async def until(self, check: Any, seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not check():
                assert self._work is not None
                assert not self._work.done(), "a watcher has ended"
                await asyncio.sleep(0.02)

    async def rounds(self, aep: LocalAep, number: int = 2, *, path: str = JOBS) -> None:
        """Wait for so many more polls."""
        before = len(aep.requests(path=path))
        await self.until(lambda: len(aep.requests(path=path)) >= before + number + 1)


@pytest.fixture
def store() -> MarkStore:
    return MarkStore()


def test_a_watcher_tells_every_export_once(aep: LocalAep, store: MarkStore, quick: None) -> None:
    async def play() -> list[dict[str, Any]]:
        async with Watcher(store) as watcher:
            await watcher.until(lambda: "watermark" in store.kept)
            assert (watcher.events, store.ids) == ([], ["722"])
            aep.start_export_job(id=723, status="PROCESSING", duration=None)
            await watcher.rounds(aep)
            assert not watcher.events
            aep.end_export_job(723)
            await watcher.until(lambda: watcher.events)
            await watcher.rounds(aep)
            return watcher.events

    [told] = asyncio.run(play())

    assert {**told, "ended_at": "", "created_at": "", "profiles": 0} == {
        **DONE,
        "export_id": "723",
        "exports": 1,
        "ended_at": "",
        "created_at": "",
        "profiles": 0,
        "possible_repeat": False,
    }
    assert store.ids == ["722", "723"]


def test_a_triggerer_that_dies_around_an_event_has_it_told_again_and_called_so(
    aep: LocalAep, store: MarkStore, quick: None
) -> None:
    """Only when Airflow has stored the event is it noted as told."""

    async def play() -> None:
        async with Watcher(store) as watcher:
            await watcher.until(lambda: "watermark" in store.kept)
        aep.start_export_job(id=723, status="SUCCEEDED")
        async with Watcher(store) as watcher:
            watcher.trigger._memory._store = nothing  # type: ignore[method-assign] # it dies right after the event
            await watcher.until(lambda: watcher.events)
        assert store.ids == ["722"]
        assert json.loads(store.kept["watermark"])["telling"]["ids"] == ["723"]
        async with Watcher(store) as watcher:
            await watcher.until(lambda: watcher.events)
            assert (watcher.events[0]["export_id"], watcher.events[0]["possible_repeat"]) == ("723", True)
            await watcher.until(lambda: store.ids == ["722", "723"])
        async with Watcher(store) as watcher:
            await watcher.rounds(aep)
            assert not watcher.events

    async def nothing(_: object) -> bool:
        return True

    asyncio.run(play())


def test_a_watcher_outlives_an_aep_that_is_away_or_refuses(aep: LocalAep, store: MarkStore, quick: None) -> None:
    async def play() -> list[dict[str, Any]]:
        async with Watcher(store) as watcher:
            await watcher.until(lambda: "watermark" in store.kept)
            aep.add_faults({"kind": "status", "status": 403, "path": JOBS, "times": 45})
            aep.start_export_job(id=723, status="SUCCEEDED")
            await watcher.until(lambda: watcher.events)
            return watcher.events

    with captured() as lines:
        events = asyncio.run(play())
    log = "\n".join(lines)

    assert [event["export_id"] for event in events] == ["723"]
    assert "20 times in a row" in log
    assert "AEP responds again" in log
    assert log.count("Polling AEP failed") < 6


def test_a_store_that_is_away_delays_but_loses_nothing(aep: LocalAep, store: MarkStore, quick: None) -> None:
    async def play() -> None:
        store.fails_to_read = store.fails_to_write = 2
        async with Watcher(store) as watcher:
            await watcher.until(lambda: "watermark" in store.kept)
            store.fails_to_write = 3
            aep.start_export_job(id=723, status="SUCCEEDED")
            await watcher.until(lambda: watcher.events)
            await watcher.until(lambda: "723" in store.ids)
            await watcher.rounds(aep)
            assert len(watcher.events) == 1

    asyncio.run(play())


def test_a_watcher_goes_on_by_itself_when_the_shared_poll_breaks(aep: LocalAep, store: MarkStore, quick: None) -> None:
    async def broken() -> AsyncIterator[Snapshot]:
        yield Snapshot(error=AepAuthError("GET /export/jobs", text="no"))
        raise RuntimeError("queue overflow")

    async def play() -> None:
        watcher = Watcher(store)
        watcher.trigger.run = lambda: watcher.trigger.filter_shared_stream(broken())  # type: ignore[method-assign]
        async with watcher:
            await watcher.until(lambda: "watermark" in store.kept)
            aep.start_export_job(id=723, status="SUCCEEDED")
            await watcher.until(lambda: watcher.events)

    asyncio.run(play())


def test_a_sandbox_that_is_not_named_is_the_connections(aep: LocalAep, store: MarkStore, quick: None) -> None:
    def sandboxes() -> set[str]:
        return {request["headers"]["x-sandbox-name"] for request in aep.requests(path=JOBS)}

    async def play() -> None:
        async with Watcher(store) as watcher:
            await watcher.until(lambda: "watermark" in store.kept)
        async with Watcher(MarkStore(), sandbox_name="elsewhere") as other:
            await other.until(lambda: "elsewhere" in sandboxes())

    asyncio.run(play())

    assert json.loads(store.kept["watermark"])["place"].endswith("/prod")
    assert sandboxes() == {"prod", "elsewhere"}


def test_campaigns_and_waiting_tasks_share_one_poll_per_connection_and_sandbox() -> None:
    def key(*place: Any) -> Any:
        return segment_export_asset(*place).watchers[0].trigger.shared_stream_key()  # type: ignore[attr-defined]

    waiting = SegmentExportTrigger(sandbox_name="prod", deadline="2026-03-10T12:00:00+00:00", poll_interval=5)
    assert key("aep_default", "prod") == key("aep_default", "prod") == waiting.shared_stream_key()
    assert len({key("a"), key("b"), key("a", "prod"), key("a", "stage")}) == 4


def test_a_watcher_is_the_same_at_every_parse_and_distinct_per_place() -> None:
    """Airflow tells watchers apart by a hash of their arguments; one that changed would be started anew."""

    def hashed(*place: Any) -> int:
        encoded = encode_trigger(segment_export_asset(*place).watchers[0].trigger)
        return BaseEventTrigger.hash(encoded["classpath"], encoded["kwargs"])

    places = [("a",), ("b",), ("a", "prod"), ("a", "stage"), ("b", "prod")]
    assert len({hashed(*place) for place in places}) == len(places)
    assert [hashed(*place) for place in places] == [hashed(*place) for place in places]
    assert len({segment_export_asset(*place).uri for place in places}) == len(places)
    assert len({segment_export_asset(*place).name for place in places}) == len(places)


@pytest.mark.parametrize(
    "place",
    [{"aep_conn_id": ""}, {"aep_conn_id": "a b"}, {"sandbox_name": ""}, {"sandbox_name": "a/b"}, {"poll_interval": 0}],
)
def test_an_asset_that_cannot_be_is_refused_when_the_dag_is_parsed(place: dict[str, Any]) -> None:
    with pytest.raises(AepInputError):
        segment_export_asset(**place)


def test_names_of_assets_are_uris_that_people_can_write() -> None:
    assert segment_export_asset("aep_default", "prod").uri == "aep://segment-exports/aep_default/prod"
    assert segment_export_asset("team.aep").uri == "aep://segment-exports/team.aep"
    assert delivered_flow_asset("f1-2").uri == "aep://flows/f1-2"
    with pytest.raises(AepInputError):
        delivered_flow_asset("")


@pytest.mark.parametrize(
    ("info", "flows"),
    [
        ({"mail": ["gold"], "shop": ["gold"]}, ["aep://flows/mail", "aep://flows/shop"]),
        (
            {"Mail to customers": ["gold"], "{{ params.flow }}": ["gold"], 7: ["gold"], "shop": ["gold"]},
            ["aep://flows/shop"],
        ),
        ("{{ params.activation_info }}", []),
        (None, []),
    ],
)
def test_outlets_are_the_dags_and_those_of_flows_with_known_ids(info: object, flows: list[str]) -> None:
    assert [asset.uri for asset in delivery_outlets("my_dag", info)] == ["aep://deliveries/my_dag", *flows]


def test_two_pipelines_that_deliver_to_one_flow_share_its_asset() -> None:
    [_, one], [_, two] = delivery_outlets("a", {"mail": ["gold"]}), delivery_outlets("b", {"mail": ["silver"]})
    assert (one.name, one.uri) == (two.name, two.uri)


def test_the_shared_poll_of_a_watcher_never_gets_impatient(quick: None) -> None:
    """It has no deadline, so its pause is the interval."""
    from adobe_experience_platform.triggers.base import NEVER

    now = time.monotonic()
    assert polling.Subscription(set(), 60.0, NEVER).next_due(now - 1e6) <= time.monotonic() + 60.0
