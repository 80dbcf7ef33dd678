"""Carries out kills: bring a delivery to the moment, kill, bring back what died, and look at the outcome."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from lab.chaos.arena import ADHOC, PAUSED, SPEED, Arena, Lane, MissedError, StartedDelivery, until
from lab.chaos.plan import Kill, Moment, Victim
from lab.chaos.traps import Spot, Traps
from lab.chaos.verdict import DeliveryOutcome

ACTIVATE, ACTIVATE_JOB, WATCH = "activate", "activate[0]", "wait_for_flow_runs"
_TRIES = 3

_HELD = {"kind": "wait_release", "method": "POST", "path": ADHOC}
_FAULTS: dict[Moment, dict[str, object]] = {
    Moment.POST_LOST: {**_HELD, "effect": False, "if_gone": "drop"},
    Moment.POST_LATE: {**_HELD, "effect": False, "if_gone": "carry_out"},
    Moment.POST_DONE: {**_HELD, "effect": True, "if_gone": "carry_out"},
}
_SPOTS = {
    Moment.PLANNED: Spot.START,
    Moment.BEFORE_POST: Spot.POST,
    Moment.ANSWERED: Spot.ANSWER,
    Moment.NOTED: Spot.ANSWERED,
}


@dataclass(frozen=True, slots=True)
class KillResult:
    """A kill and its consequences.

    :param outcomes: of the delivery that was at the moment, and of those that were under way at the same time
    :param seconds: from the kill to the end of the last DAG run
    """

    kill: Kill
    outcomes: tuple[DeliveryOutcome, ...]
    seconds: float

    @property
    def problems(self) -> list[str]:
        """What went wrong, in sentences."""
        return [problem for outcome in self.outcomes for problem in outcome.problems()]


def carry_out(arena: Arena, kills: Iterable[Kill], tell: Callable[[KillResult], None]) -> list[KillResult]:
    """Carry out all kills: those of task processes on all lanes at once, the others one after the other.

    :param tell: called with each result, from any thread
    """
    lonely = [kill for kill in kills if kill.point.victim is Victim.TASK]
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in arena.lanes:
        free.put(lane)

    def one(kill: Kill) -> KillResult:
        lane = free.get()
        try:
            result = _until_hit(partial(kill_task, arena.traps, lane, kill), kill)
        finally:
            free.put(lane)
        tell(result)
        return result

    with ThreadPoolExecutor(len(arena.lanes)) as pool:
        results = list(pool.map(one, lonely))
    for kill in kills:
        if kill.point.victim is not Victim.TASK:
            results.append(_until_hit(partial(kill_component, arena, kill), kill))
            tell(results[-1])
    return results


def _until_hit(strike: Callable[[str], KillResult], kill: Kill) -> KillResult:
    """Strike again, with a new DAG run, when the moment was missed."""
    for number in range(1, _TRIES):
        try:
            return strike(f"kill-{kill.number}-{number}")
        except MissedError as missed:
            print(f"  kill {kill.number} missed its moment and is repeated: {missed}")
    return strike(f"kill-{kill.number}-{_TRIES}")


def kill_task(traps: Traps, lane: Lane, kill: Kill, name: str) -> KillResult:
    """Kill the process that activates.

    :param name: of the DAG run
    :raises MissedError: when the process was no longer there
    """
    lane.reset(list_lag_seconds=kill.list_lag * SPEED)
    spot = _SPOTS.get(kill.point.moment)
    if spot is not None:
        traps.kill(name, ACTIVATE, spot)
        delivery = lane.start(name, kill.info)
        until(lambda: not traps.is_armed(name, ACTIVATE, spot), f"{name} to step on its trap")
    else:
        lane.aep.add_faults(_FAULTS[kill.point.moment])
        delivery = lane.start(name, kill.info)
        _await_held(lane)
        delivery.kill_task(ACTIVATE_JOB)
    struck = time.monotonic()
    _release(lane, kill)
    delivery.wait_end()
    return KillResult(kill, (delivery.outcome(),), time.monotonic() - struck)


def kill_component(arena: Arena, kill: Kill, name: str) -> KillResult:
    """Kill a component while one delivery is at the moment, and another one awaits its flow runs.

    :param name: of the DAG run
    :raises MissedError: when the delivery went on too quickly
    """
    lane, other = arena.lanes[:2]
    lane.reset(list_lag_seconds=kill.list_lag * SPEED)
    other.reset()
    other.runs_last()
    bystander = other.start(f"{name}-besides", kill.info)
    _await_watched(bystander)
    delivery = _at_moment(arena.traps, lane, kill, name)

    for component in kill.point.victim.components:
        arena.airflow.kill(component)
    struck = time.monotonic()
    arena.traps.release_all(name)
    _release(lane, kill)
    if kill.ends_meanwhile:
        lane.end_runs()
        other.end_runs()
    _sleep_until(struck + kill.away)
    arena.airflow.start()
    if not kill.ends_meanwhile:
        lane.end_runs()
        other.end_runs()
    for run in (delivery, bystander):
        run.wait_end()
    return KillResult(kill, (delivery.outcome(), bystander.outcome()), time.monotonic() - struck)


def _at_moment(traps: Traps, lane: Lane, kill: Kill, name: str) -> StartedDelivery:
    """Start a delivery and wait until it is where the kill is to strike."""
    moment = kill.point.moment
    if moment is Moment.AWAITED:
        lane.runs_last()
        delivery = lane.start(name, kill.info)
        _await_watched(delivery)
    elif moment in (Moment.PLANNED, Moment.PAUSED):
        traps.hold(name, ACTIVATE, Spot.START)
        delivery = lane.start(name, kill.info)
        until(lambda: traps.is_stepped_on(name, ACTIVATE, Spot.START), f"{name} to have its plan")
        if moment is Moment.PAUSED:
            lane.aep.add_faults({**PAUSED, "method": "GET", "path": "/data/*"})
            traps.release(name, ACTIVATE, Spot.START)
            delivery.wait_task(ACTIVATE_JOB, "deferred")
    elif moment is Moment.SETTLING:
        fault = "close_after" if kill.lost_took_effect else "close_before"
        lane.aep.add_faults({"kind": fault, "method": "POST", "path": ADHOC})
        delivery = lane.start(name, kill.info)
        delivery.wait_task(ACTIVATE_JOB, "deferred", "success")
        if delivery.task_state(ACTIVATE_JOB) != "deferred":
            raise MissedError("the lost answer has settled already")
    else:
        lane.aep.add_faults(_FAULTS[moment])
        delivery = lane.start(name, kill.info)
        _await_held(lane)
    return delivery


def _release(lane: Lane, kill: Kill) -> None:
    """Let AEP go on with the POST that it holds, or lose it."""
    lane.aep.release(then="drop" if kill.point.moment is Moment.POST_LOST else "continue")


def _await_held(lane: Lane) -> None:
    until(lambda: bool(lane.aep.state()["held"]), "AEP to hold the POST")


def _await_watched(delivery: StartedDelivery) -> None:
    """Wait until the triggerer has asked AEP for the flow runs of a deferred task."""
    delivery.wait_task(WATCH, "deferred")
    aep = delivery.lane.aep
    flow_run = aep.deliveries()[0]["run_ids"][0]
    until(
        lambda: any(flow_run in f"{call['path']} {call['query']}" for call in aep.requests(method="GET")),
        "the triggerer to ask for the flow runs",
    )


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
