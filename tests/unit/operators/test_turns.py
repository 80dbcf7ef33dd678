"""Taking turns: two never have one at the same time, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

from adobe_experience_platform.operators import turns


class Shared:
    """A store that several tasks write to, and a clock that only their waiting moves."""

    def __init__(self, **kept: str) -> None:
        self.kept: dict[str, Any] = dict(kept)
        self.now = 0.0
        self.waited: list[float] = []

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = value

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waited.append(seconds)

    def take(self, name: str, needed: Any) -> bool:
        return turns.take(self, name, needed, sleep=self.sleep, clock=lambda: self.now)


def test_who_needs_no_turn_waits_for_nothing() -> None:
    shared = Shared()
    assert shared.take("me", list)
    assert (shared.kept, shared.waited) == ({}, [])


def test_who_is_alone_waits_once_whatever_the_number_of_keys() -> None:
    shared = Shared()
    assert shared.take("me", lambda: ["b", "a"])
    assert (shared.kept, shared.waited) == ({"a": "me", "b": "me"}, [turns.SETTLE])


def test_who_waits_goes_on_when_the_work_is_done() -> None:
    shared = Shared(a="other")
    assert shared.take("me", lambda: ["a"] if shared.now < 5 else [])
    assert shared.kept == {"a": "other"}


def test_a_task_that_is_gone_holds_nobody_up_for_long() -> None:
    shared = Shared(a="gone")
    assert shared.take("me", lambda: ["a"])
    assert shared.kept == {"a": "me"}
    assert turns.HELD <= shared.now < turns.HELD + 5


def test_a_turn_that_never_comes_is_told() -> None:
    shared = Shared()
    names = iter(range(10_000))

    def others_come_and_go() -> Collection[str]:
        shared.kept["a"] = f"other {next(names)}"
        return ["a"]

    assert not shared.take("me", others_come_and_go)
    assert shared.now > turns.PATIENCE


def test_a_part_is_handed_back_so_that_two_do_not_wait_for_each_other() -> None:
    shared = Shared()

    def sleep(seconds: float) -> None:
        if seconds == turns.SETTLE and "stolen" not in shared.kept:
            shared.kept |= {"b": "other", "stolen": True}
        elif shared.kept["b"] == "other":
            handed_back.append("a" not in shared.kept)
        shared.sleep(seconds)

    handed_back: list[bool] = []
    assert turns.take(shared, "me", lambda: ["a", "b"], sleep=sleep, clock=lambda: shared.now)
    assert handed_back[0]
    assert (shared.kept["a"], shared.kept["b"]) == ("me", "me")


class Together:
    """A clock that many threads sleep by: it moves on when all of them sleep, so a slow machine changes nothing."""

    def __init__(self, threads: int) -> None:
        self.now, self._awake, self._sleeping = 0.0, threads, list[float]()
        self._changed = threading.Condition()

    def sleep(self, seconds: float) -> None:
        with self._changed:
            wake = self.now + seconds
            self._sleeping.append(wake)
            self._leave()
            assert self._changed.wait_for(lambda: self.now >= wake, 60)

    def leave(self) -> None:
        with self._changed:
            self._leave()

    def _leave(self) -> None:
        self._awake -= 1
        if self._awake == 0 and self._sleeping:
            self.now = min(self._sleeping)
            self._awake = sum(wake <= self.now for wake in self._sleeping)
            self._sleeping = [wake for wake in self._sleeping if wake > self.now]
            self._changed.notify_all()


def test_of_many_at_once_each_has_its_turn_alone() -> None:
    """Ten first events of the same two flows: the first is emitted alone, the others find them known."""
    shared, known, clock = Shared(), set[str](), Together(10)
    first: list[str] = []
    passed: list[str] = []

    def report(name: str) -> None:
        flows = {"mail", "shop"} if int(name) % 2 else {"mail"}
        if turns.take(shared, name, lambda: flows - known, sleep=clock.sleep, clock=lambda: clock.now):
            if new := flows - known:
                first.extend(sorted(new))
                clock.sleep(0.5)  # Airflow makes the assets
                known.update(new)
            passed.append(name)
        clock.leave()

    threads = [threading.Thread(target=report, args=(str(number),)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(passed) == 10
    assert sorted(first) == ["mail", "shop"], "each flow's first event was emitted by one task alone"
    assert clock.now < turns.PATIENCE
