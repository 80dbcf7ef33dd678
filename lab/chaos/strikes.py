"""Carry out strikes: what people, stores and suspended machines do to a delivery, beside the kills.

After a strike people follow the advice of the report until the run is green. At each of its ends no word of the report
may be false, and at the last AEP has delivered each pair once (twice where it said itself that the first run failed).
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue

import psutil

from lab.chaos.arena import ADHOC, ASKED_DAG, END_SECONDS, PAUSED, SPEED, Arena, Lane, MissedError, patiently, until
from lab.chaos.blows import Blow, Moment, Strike
from lab.chaos.traps import Spot, Traps
from lab.chaos.verdict import DeliveryOutcome
from tools.airflow_client import TERMINAL_STATES, AirflowApiError

ACTIVATE, WATCH, APPROVE = "activate", "wait_for_flow_runs", "approve"
FOLLOWED = 5
"""How often people clear the failed tasks, at most."""
ASKING = ("deferred", "awaiting_input")
ASK_SECONDS = 1.0
_HELD = {"kind": "wait_release", "method": "POST", "path": ADHOC, "effect": True, "if_gone": "carry_out"}
_LOST = {"kind": "close_after", "method": "POST", "path": ADHOC}
_VAIN = {"kind": "close_before", "method": "POST", "path": ADHOC}


@dataclass(frozen=True, slots=True)
class StrikeResult:
    """A strike and its consequences.

    :param ends: the DAG run's states, each time that it ended
    :param lies: false words of its reports on the way
    """

    strike: Strike
    ends: tuple[str, ...]
    outcome: DeliveryOutcome
    lies: tuple[str, ...]
    seconds: float

    @property
    def problems(self) -> list[str]:
        """What went wrong, in sentences."""
        red = [] if self.ends[-1] == "success" else [f"{self.outcome.run_id}: RED: people followed the advice in vain"]
        return [*self.lies, *self.outcome.problems(), *red]


def carry_out(arena: Arena, strikes: list[Strike], tell: Callable[[StrikeResult], None]) -> list[StrikeResult]:
    """Carry out all strikes, on all lanes at once.

    :param tell: called with each result, from any thread
    """
    free: SimpleQueue[Lane] = SimpleQueue()
    for lane in arena.lanes:
        free.put(lane)

    def one(strike: Strike) -> StrikeResult:
        lane = free.get()
        try:
            result = _until_hit(arena.traps, lane, strike)
        finally:
            free.put(lane)
        tell(result)
        return result

    with ThreadPoolExecutor(len(arena.lanes)) as pool:
        return list(pool.map(one, strikes))


def _until_hit(traps: Traps, lane: Lane, strike: Strike, tries: int = 3) -> StrikeResult:
    for number in range(1, tries):
        try:
            return Struck(traps, lane, strike, f"strike-{strike.number}-{number}").play()
        except MissedError as missed:
            print(f"  strike {strike.number} missed its moment and is repeated: {missed}")
    return Struck(traps, lane, strike, f"strike-{strike.number}-{tries}").play()


class Struck:
    """A delivery that is struck.

    :param name: of the DAG run
    """

    def __init__(self, traps: Traps, lane: Lane, strike: Strike, name: str) -> None:
        self.traps, self.lane, self.strike, self.name = traps, lane, strike, name
        self.repaired = strike.moment in (Moment.REPAIR, Moment.REPAIR_LOST)
        self.task = WATCH if self.repaired or strike.moment is Moment.AWAITED else ACTIVATE
        self.index = -1 if self.task == WATCH else 0
        self.frozen: list[psutil.Process] = []

    def play(self) -> StrikeResult:
        """Bring the delivery to its moment, strike, and follow the advice until it is green."""
        self._arrange()
        options = {"max_audiences_per_job": 1} if self.strike.jobs else {}
        self.delivery = self.lane.start(self.name, self.strike.info, self.strike.dag_id, **options)
        try:
            self._reach()
            struck = time.monotonic()
            self._strike()
            return self._follow(struck)
        finally:
            self.traps.release_all(self.name)
            for process in self.frozen:
                _signal(process, signal.SIGCONT)

    # -- the way there

    def _arrange(self) -> None:
        moment, lane = self.strike.moment, self.lane
        lane.reset(list_lag_seconds=self.strike.list_lag * SPEED)
        if self.strike.blow is Blow.STORE:
            self.traps.fail(self.name, ACTIVATE, Spot.STORE if moment is Moment.STORED else Spot.ANSWERED)
        elif moment is Moment.PLANNED:
            self.traps.hold(self.name, ACTIVATE, Spot.START)
        elif moment is Moment.PAUSED:
            lane.aep.add_faults({**PAUSED, "method": "POST", "path": ADHOC})
        elif moment is Moment.STORED:
            (self.traps.kill if self.strike.blow is Blow.KILL else self.traps.hold)(self.name, ACTIVATE, Spot.STORED)
        elif moment is Moment.HELD:
            lane.aep.add_faults(_HELD)
        elif moment in (Moment.SETTLING, Moment.RESUMED):
            lane.aep.add_faults(_LOST)
        elif moment is Moment.SECOND:
            lane.aep.add_faults(_VAIN, _HELD)
        elif self.repaired:
            lane.aep.add_outcomes({"status": "failed", "times": 1})
        if moment is Moment.AWAITED:
            lane.runs_last()

    def _reach(self) -> None:
        moment, delivery = self.strike.moment, self.delivery
        if self.strike.dag_id == ASKED_DAG:
            self._answer("Approve")
        if self.strike.blow is Blow.STORE or (moment is Moment.STORED and self.strike.blow is Blow.KILL):
            return
        if moment is Moment.STORED:
            self._await_trap(Spot.STORED, "store its intent")
        elif moment in (Moment.HELD, Moment.SECOND):
            until(lambda: bool(self.lane.aep.state()["held"]), "AEP to hold the POST")
            self._await_only("running")
        elif moment is Moment.PLANNED:
            self._await_trap(Spot.START, "have its plan")
        elif moment in (Moment.SETTLING, Moment.RESUMED, Moment.PAUSED):
            self._await_only("deferred")
            if moment is Moment.RESUMED:
                self.traps.hold(self.name, ACTIVATE, Spot.START)
                self._await_trap(Spot.START, "be resumed")
        elif moment is Moment.AWAITED:
            delivery.wait_task(WATCH, "deferred")
        else:
            delivery.wait_end()
        if self.repaired:
            self._repair()

    def _await_trap(self, spot: Spot, what: str) -> None:
        until(lambda: self.traps.is_stepped_on(self.name, ACTIVATE, spot), f"{self.name} to {what}")
        self.index = self.traps.held_index(self.name, ACTIVATE, spot)

    def _await_only(self, state: str) -> None:
        """Wait until one job alone is in a state: the one that was hit."""

        def is_only() -> bool:
            found = [name for name, now in self.delivery.task_states(ACTIVATE).items() if now == state]
            if len(found) == 1:
                self.index = int(found[0].partition("[")[2].rstrip("]"))
            return len(found) == 1

        until(is_only, f"one job of {self.name} to be {state}")

    def _repair(self) -> None:
        """Clear the failed tasks, as people do when AEP has failed a run, and wait for the second POST."""
        if self.delivery.state() != "failed":
            raise MissedError("no flow run has failed")
        lost = self.strike.moment is Moment.REPAIR_LOST
        self.lane.aep.add_faults(_LOST if lost else _HELD)
        self._clear(only_failed=True)
        if lost:
            self.delivery.wait_task(WATCH, "deferred")
        else:
            until(lambda: bool(self.lane.aep.state()["held"]), "AEP to hold the repair's POST")

    # -- the strike

    def _strike(self) -> None:
        name = self.task if self.index < 0 else f"{self.task}[{self.index}]"
        match self.strike.blow:
            case Blow.CLEAR_ALL:
                self._clear()
            case Blow.CLEAR_TASK:
                self._clear(self.task)
            case Blow.MARK_SUCCESS | Blow.MARK_FAILED as blow:
                state = "success" if blow is Blow.MARK_SUCCESS else "failed"
                index = None if self.index < 0 else self.index
                run = self.delivery
                patiently(
                    lambda: self.lane.client.set_task_state(run.dag_id, run.run_id, self.task, state, map_index=index)
                )
            case Blow.KILL if self.strike.moment is not Moment.STORED:
                self.delivery.kill_task(name)
            case Blow.FREEZE:
                self._freeze(name)
            case Blow.REJECT:
                self._clear()
                self._answer("Reject")
            case _:
                pass
        self.traps.release(self.name, ACTIVATE, Spot.START)
        if self.strike.blow is not Blow.FREEZE:
            self.traps.release(self.name, ACTIVATE, Spot.STORED)
        if self.lane.aep.state()["held"]:
            self.lane.aep.release()

    def _freeze(self, name: str) -> None:
        """Let a task and its supervisor stand still until Airflow has given them up and another try has ended."""
        process = self.delivery.process_of(name)
        supervisor = process.parent()
        self.frozen = [process, *([supervisor] if supervisor is not None else [])]
        for each in reversed(self.frozen):
            _signal(each, signal.SIGSTOP)
        until(lambda: self.delivery.try_number(name) > 1, f"{name} of {self.name} to be given up")
        # The trap would hold the next try too; the frozen one leaves it when it thaws.
        self.traps.release(self.name, ACTIVATE, Spot.STORED)

    # -- the way back

    def _follow(self, struck: float) -> StrikeResult:
        """Follow the advice until the run is green; then let thaw what still stands still."""
        ends: list[str] = []
        lies: list[str] = []
        for _ in range(FOLLOWED):
            if self.strike.moment is Moment.AWAITED:
                self.lane.end_runs()
            ends.append(self._wait_end())
            lies += self._outcome().false_words()
            if ends[-1] == "success" and not self._is_painted(ends):
                break
            if green := self._green_to_clear():
                self._clear(*green)
            self._clear(only_failed=ends[-1] != "success")
        for process in self.frozen:
            _signal(process, signal.SIGCONT)
        if self.frozen:
            until(lambda: not any(map(_is_alive_task, self.frozen[:1])), "what was frozen to end")
        return StrikeResult(self.strike, tuple(ends), self._outcome(), tuple(lies), time.monotonic() - struck)

    def _wait_end(self) -> str:
        """Wait for the run's end, and approve whenever somebody is asked: a clear asks again."""
        if self.strike.dag_id == ASKED_DAG:
            deadline = time.monotonic() + END_SECONDS
            while self.delivery.state() not in TERMINAL_STATES and time.monotonic() < deadline:
                if self.delivery.task_state(APPROVE) in ASKING:
                    with suppress(AirflowApiError):  # it has been answered, or cleared, meanwhile
                        self.lane.client.answer(self.delivery.dag_id, self.delivery.run_id, APPROVE, "Approve")
                time.sleep(ASK_SECONDS)
        return self.delivery.wait_end()

    def _green_to_clear(self) -> list[str]:
        """Return the tasks that the report says are to be cleared although they are green."""
        advice = " ".join(self.delivery.report().get("verdict", {}).get("advice", ()))
        named = re.search(r"Clear (\S+(?: and \S+)*) too, with the tasks that follow", advice)
        return named[1].split(" and ") if named else []

    def _is_painted(self, ends: list[str]) -> bool:
        """Whether the run is green only as a person has painted a task: then that is cleared too."""
        return self.strike.blow is Blow.MARK_SUCCESS and len(ends) == 1

    def _outcome(self) -> DeliveryOutcome:
        found = self.delivery.outcome()
        again = {}
        if self.repaired:
            # A run that AEP itself has failed is delivered once more.
            counts = {(item["flow_id"], item["audience_id"]): item for item in self.lane.aep.deliveries()}
            again = {
                pair: 1 + item["count"] - item["successful"] for pair, item in counts.items() if item["successful"]
            }
        return DeliveryOutcome(
            found.run_id, found.state, {**found.expected, **again}, found.counted, found.reported, found.adopted,
            found.delivered,
        )  # fmt: skip

    def _clear(self, *tasks: str, only_failed: bool = False) -> None:
        run = self.delivery
        names = list(tasks) or None

        def clear() -> None:
            try:
                self.lane.client.clear(run.dag_id, run.run_id, names, only_failed=only_failed, downstream=bool(tasks))
            except AirflowApiError as error:
                if error.status != 404:  # nothing is there to be cleared any more
                    raise

        patiently(clear)

    def _answer(self, option: str) -> None:
        run = self.delivery
        run.wait_task(APPROVE, *ASKING)
        patiently(lambda: self.lane.client.answer(run.dag_id, run.run_id, APPROVE, option))


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return


def _is_alive_task(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
