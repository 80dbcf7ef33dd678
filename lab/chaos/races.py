"""Races: two DAG runs that deliver the same audience at the same time."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from lab.chaos.arena import ADHOC, DAG, END_SECONDS, ON_DEMAND_DAG, Arena, Lane, StartedDelivery, patiently, until
from lab.chaos.verdict import Pair

ACTIVATE = "activate[0]"
INFO = {"mail": ["gold"]}
PAIR: Pair = ("mail", "gold")
MODES = ("wait", "adopt", "fail")
_ENDED = ("success", "failed", "upstream_failed")


class Kind(StrEnum):
    """Who races."""

    TWINS = "two runs of one DAG, started together"
    OVERLAP = "an on-demand run and another pipeline DAG"
    LOST = "two runs of one DAG, the first POST is lost on its way"
    UNHEARD = "two runs of one DAG, the first answer is lost on its way"

    @property
    def modes(self) -> tuple[str, ...]:
        """The settings of ``on_conflict`` with which it is certain how the race ends."""
        return MODES if self in (Kind.TWINS, Kind.OVERLAP) else ("wait",)


_LOST = {Kind.LOST: "close_before", Kind.UNHEARD: "close_after"}


@dataclass(frozen=True, slots=True)
class Race:
    """Two DAG runs for one audience.

    :param on_conflict: what both are to do when the other one is in the way
    """

    number: int
    kind: Kind
    on_conflict: str

    @property
    def name(self) -> str:
        """What to call it by."""
        return f"{self.kind.name.lower()}-{self.on_conflict}-{self.number}"


@dataclass(frozen=True, slots=True)
class Finish:
    """How a race ended.

    :param states: of the two DAG runs
    :param count: how often the audience was delivered
    :param adopted: how many of the two adopted the other one's delivery
    """

    race: Race
    states: tuple[str, ...]
    count: int
    adopted: int
    problems: tuple[str, ...]


def races(count: int) -> list[Race]:
    """Return the races: so many of each kind, its settings of ``on_conflict`` in turn."""
    return [Race(number, kind, kind.modes[number % len(kind.modes)]) for kind in Kind for number in range(count)]


def run_all(arena: Arena, count: int, tell: Callable[[Finish], None]) -> list[Finish]:
    """Run all races, on all lanes at once.

    :param tell: called with each finish, from any thread
    """
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in arena.lanes:
        free.put(lane)

    def one(race: Race) -> Finish:
        lane = free.get()
        try:
            finish = run(lane, race)
        finally:
            free.put(lane)
        tell(finish)
        return finish

    with ThreadPoolExecutor(len(arena.lanes)) as pool:
        return list(pool.map(one, races(count)))


def run(lane: Lane, race: Race) -> Finish:
    """Run one race, and compare its finish with what ``on_conflict`` promises."""
    lane.reset()
    lane.runs_last()
    if race.kind in _LOST:
        lane.aep.add_faults({"kind": _LOST[race.kind], "method": "POST", "path": ADHOC})
    dags = (ON_DEMAND_DAG, DAG) if race.kind is Kind.OVERLAP else (DAG, DAG)
    runs = [
        lane.start(f"race-{race.name}-{place}", INFO, dag, on_conflict=race.on_conflict)
        for place, dag in enumerate(dags)
    ]
    # Whoever comes second finds the first one's flow run in progress; only then may it end.
    until(lambda: all(_has_met(delivery) for delivery in runs), f"both runs of race {race.name} to meet")
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        lane.end_runs()
        if all(delivery.wait_end(1) in _ENDED for delivery in runs):
            break
    return _judge(lane, race, runs)


def _has_met(run: StartedDelivery) -> bool:
    """Tell whether a run has sent its POST, or waits for the other one."""
    states = patiently(lambda: run.lane.client.task_states(run.dag_id, run.run_id))
    return states.get("wait_for_segment_export") == "deferred" or states.get(ACTIVATE) in (*_ENDED, "deferred")


def _judge(lane: Lane, race: Race, runs: Sequence[StartedDelivery]) -> Finish:
    """Compare the finish with what ``on_conflict`` promises."""
    states = tuple(run.state() for run in runs)
    count = sum(item["count"] for item in lane.aep.deliveries())
    results = [result for run in runs for result in run.report().get("results", [])]
    adopted = sum(bool(result["adopted"]) for result in results)
    wanted: tuple[tuple[str, ...], int, int] = {
        "wait": (("success", "success"), 2, int(race.kind is Kind.UNHEARD)),
        "adopt": (("success", "success"), 1, 1),
        "fail": (("failed", "success"), 1, 0),
    }[race.on_conflict]
    problems = []
    # A machine under load may answer later than `arena.TIMEOUT`: what is found then is adopted too.
    if (tuple(sorted(states)), count) != wanted[:2] or adopted < wanted[2]:
        problems.append(
            f"race {race.name}: {' and '.join(states)}, delivered {count} times, "
            f"{adopted} adopted; expected {' and '.join(wanted[0])}, {wanted[1]}, at least {wanted[2]}"
        )
    own = [result["run_id"] for result in results if result["run_id"] and not result["adopted"]]
    if len(own) != len(set(own)):
        problems.append(f"race {race.name}: both runs call {own[0]} their own delivery")
    return Finish(race, states, count, adopted, tuple(problems))
