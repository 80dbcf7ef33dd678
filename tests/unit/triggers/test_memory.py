"""What a watcher's memory does step by step; test_delivery.py explores it in worlds of deaths and freezes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from adobe_experience_platform.triggers import memory
from adobe_experience_platform.triggers.memory import WATERMARK, News, WatcherMemory


@dataclass(frozen=True)
class Known:
    """The simplest mark."""

    ids: frozenset[str]
    place: str = "here"

    def to_json(self) -> dict[str, object]:
        return {"ids": sorted(self.ids), "place": self.place}

    def merged(self, other: Known) -> Known:
        return Known(self.ids | other.ids, self.place)


def read(data: object) -> Known | None:
    return Known(frozenset(data["ids"]), data["place"]) if isinstance(data, dict) else None


class Store:
    """An asset's state store."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.failures = 0

    async def aget(self, key: str) -> Any:
        return self.kept.get(key)

    async def aset(self, key: str, value: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the database is away")
        self.kept[key] = value

    @property
    def value(self) -> dict[str, Any]:
        found: dict[str, Any] = self.kept[WATERMARK]
        return found


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLAIM_SECONDS", "STORED_SECONDS", "HAND_OVER_SECONDS"):
        monkeypatch.setattr(memory, name, 0.0)


@pytest.fixture
def store() -> Store:
    """Return a store in which a first look was noted."""
    store = Store()
    look_at(WatcherMemory(read, "things"), store)
    return store


def look_at(watcher: WatcherMemory[Known], store: Store, *ended: str, told: bool = True) -> list[tuple[str, bool]]:
    """Show a watcher what has ended; return (id, whether it may be a repeat) of what it tells."""

    def look(mark: Known | None) -> News[Known]:
        if mark is None:
            return News({}, Known(frozenset(ended)))
        new = {name: {"id": name} for name in ended if name not in mark.ids}
        return News(new, Known(mark.ids | new.keys()) if new else None)

    async def play() -> list[dict[str, Any]]:
        payloads = await watcher.consider(look, store)
        if payloads and told:
            await watcher.told(store)
        return payloads

    return [(found["id"], found["possible_repeat"]) for found in asyncio.run(play())]


def watcher() -> WatcherMemory[Known]:
    return WatcherMemory(read, "things")


def dies_telling(store: Store, *ended: str) -> None:
    assert look_at(watcher(), store, *ended, told=False) == [(name, False) for name in ended]


def test_what_is_told_is_noted(store: Store) -> None:
    assert look_at(one := watcher(), store, "a") == [("a", False)]
    assert store.value == {"ids": ["a"], "place": "here"}
    assert look_at(one, store, "a", "b") == [("b", False)]
    assert look_at(watcher(), store, "a", "b") == []


def test_what_a_dead_watcher_may_have_told_is_called_so(store: Store) -> None:
    dies_telling(store, "a", "b")
    assert look_at(watcher(), store, "a", "b", "c") == [("a", True), ("b", True), ("c", False)]
    assert store.value == {"ids": ["a", "b", "c"], "place": "here"}


def test_what_it_may_have_told_is_remembered_while_the_list_lacks_it(store: Store) -> None:
    dies_telling(store, "a")
    heir = watcher()
    assert look_at(heir, store, "b") == [("b", False)]
    assert look_at(heir, store, "b", "c") == [("c", False)]
    assert look_at(watcher(), store, "a", "b", "c") == [("a", True)]
    assert "unsure" not in store.value


def test_a_watcher_that_was_replaced_while_it_told_leaves_the_note_of_the_other(store: Store) -> None:
    slow = watcher()
    assert look_at(slow, store, "a", told=False) == [("a", False)]
    assert look_at(watcher(), store, "a", "b", told=False) == [("a", True), ("b", False)]
    asyncio.run(slow.told(store))
    assert store.value["telling"]["ids"] == ["a", "b"]
    assert store.value["ids"] == []


def test_a_stale_note_makes_nobody_forget(store: Store) -> None:
    one = watcher()
    look_at(one, store, "a")
    store.kept[WATERMARK] = {"ids": ["z"], "place": "here"}  # a triggerer that thaws had it on its way
    assert look_at(one, store, "a", "b") == [], "first both are made one"
    assert look_at(one, store, "a", "b", "z") == [("b", False)]
    assert store.value["ids"] == ["a", "b", "z"]


def test_a_note_that_cannot_be_written_is_written_before_anything_else_is_told(store: Store) -> None:
    one = watcher()
    store.failures = 1
    assert look_at(one, store, "a") == [], "nothing is told before it is noted"
    assert look_at(one, store, "a", told=False) == [("a", False)]
    store.failures = 2
    asyncio.run(one.told(store))
    assert look_at(one, store, "a", "b") == []
    assert look_at(one, store, "a", "b") == [("b", False)]
    assert store.value["ids"] == ["a", "b"]


def test_without_a_store_everything_is_told_once(store: Store) -> None:
    one: Any = watcher()
    told: list[Sequence[Any]] = [look_at(one, None, *ended) for ended in ((), ("a",), ("a", "b"))]  # type: ignore[arg-type]
    assert told == [[], [("a", False)], [("b", False)]]
