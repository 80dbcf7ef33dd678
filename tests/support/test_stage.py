"""An outage that scenarios live through: each acts before it, in it and after it, and one that fails fails alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.stage import Outage


class FakeAirflow:
    """Notes what is done to the triggerer."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def kill(self, component: str) -> None:
        self.seen.append(f"{component} dies")

    def start(self, component: str) -> None:
        self.seen.append(f"{component} is back")

    def alive(self, component: str) -> bool:
        return self.seen[-1] != f"{component} dies"


class FakeStage:
    """Gives scenes that only note that they were abandoned."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    @contextmanager
    def scene(self, name: str) -> Iterator[Any]:
        yield SimpleNamespace(name=name, abandon=lambda: self.seen.append(f"{name} is abandoned"))


def test_all_act_before_during_and_after() -> None:
    seen: list[str] = []

    def one(scene: Any) -> Iterator[None]:
        for act in ("before", "during"):
            seen.append(act)
            yield
        seen.append("after")

    outage: Any = Outage(FakeAirflow(seen), FakeStage(seen), [one])  # type: ignore[arg-type]
    outage.result(one)
    outage.result(one)

    assert seen == ["before", "triggerer dies", "during", "triggerer is back", "after"]


@pytest.mark.parametrize("bad_act", range(3))
def test_who_fails_fails_alone_and_the_triggerer_comes_back(bad_act: int) -> None:
    seen: list[str] = []

    def bad(scene: Any) -> Iterator[None]:
        for _ in range(bad_act):
            yield
        raise AssertionError("as asked")

    def good(scene: Any) -> Iterator[None]:
        yield
        yield

    outage: Any = Outage(FakeAirflow(seen), FakeStage(seen), [bad, good])  # type: ignore[arg-type]
    outage.result(good)

    with pytest.raises(AssertionError, match="as asked"):
        outage.result(bad)
    assert seen == ["triggerer dies", "triggerer is back", "bad is abandoned"]


def test_an_outage_that_cannot_be_made_fails_all() -> None:
    seen: list[str] = []

    def good(scene: Any) -> Iterator[None]:
        yield
        yield

    airflow = FakeAirflow(seen)
    airflow.kill = lambda component: seen.append("nothing happens")  # type: ignore[method-assign]
    outage: Any = Outage(airflow, FakeStage(seen), [good])  # type: ignore[arg-type]

    for _ in range(2):
        with pytest.raises(AssertionError):
            outage.result(good)
