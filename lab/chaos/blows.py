"""The strikes: what people, stores and suspended machines do, when, and to which delivery; drawn by a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from lab.chaos.arena import ASKED_DAG, DAG, DAILY_DAG, FLOWS


class Moment(StrEnum):
    """Where the delivery is when it is struck."""

    PLANNED = "the plan's event is told, nothing is sent"
    PAUSED = "the POST was refused, AEP has asked for a pause of over a minute"
    STORED = "intent stored, nothing sent"
    HELD = "POST has taken effect, no answer yet"
    SETTLING = "a lost answer settles"
    SECOND = "the second POST is under way, the first was lost"
    RESUMED = "resumed after a lost answer"
    AWAITED = "flow runs are awaited"
    REPAIR = "a failed run is sent again"
    REPAIR_LOST = "the repair's answer is lost"
    ASKED = "a person is asked"
    GREEN = "it has ended green"


class Blow(StrEnum):
    """What strikes it."""

    CLEAR_ALL = "whole run cleared"
    CLEAR_TASK = "task cleared"
    MARK_SUCCESS = "task marked success"
    MARK_FAILED = "task marked failed"
    FREEZE = "task and supervisor stand still (SIGSTOP)"
    KILL = "task process killed"
    STORE = "a store write fails"
    REJECT = "cleared, and the person rejects"
    NOTHING = "nothing else"


KINDS: tuple[tuple[Moment, Blow], ...] = (
    (Moment.PLANNED, Blow.FREEZE),
    (Moment.PLANNED, Blow.CLEAR_ALL),
    (Moment.PAUSED, Blow.CLEAR_ALL),
    (Moment.PAUSED, Blow.MARK_FAILED),
    (Moment.STORED, Blow.KILL),
    (Moment.STORED, Blow.FREEZE),
    (Moment.STORED, Blow.CLEAR_ALL),
    (Moment.STORED, Blow.STORE),
    (Moment.HELD, Blow.CLEAR_ALL),
    (Moment.HELD, Blow.CLEAR_TASK),
    (Moment.HELD, Blow.MARK_SUCCESS),
    (Moment.HELD, Blow.MARK_FAILED),
    (Moment.HELD, Blow.FREEZE),
    (Moment.HELD, Blow.STORE),
    (Moment.SETTLING, Blow.CLEAR_ALL),
    (Moment.SETTLING, Blow.CLEAR_TASK),
    (Moment.SETTLING, Blow.MARK_SUCCESS),
    (Moment.SETTLING, Blow.MARK_FAILED),
    (Moment.SECOND, Blow.CLEAR_TASK),
    (Moment.SECOND, Blow.KILL),
    (Moment.SECOND, Blow.FREEZE),
    (Moment.RESUMED, Blow.KILL),
    (Moment.RESUMED, Blow.CLEAR_TASK),
    (Moment.AWAITED, Blow.CLEAR_ALL),
    (Moment.AWAITED, Blow.CLEAR_TASK),
    (Moment.AWAITED, Blow.MARK_SUCCESS),
    (Moment.AWAITED, Blow.MARK_FAILED),
    (Moment.REPAIR, Blow.NOTHING),
    (Moment.REPAIR, Blow.KILL),
    (Moment.REPAIR, Blow.CLEAR_ALL),
    (Moment.REPAIR_LOST, Blow.NOTHING),
    (Moment.REPAIR_LOST, Blow.CLEAR_ALL),
    (Moment.ASKED, Blow.CLEAR_ALL),
    (Moment.ASKED, Blow.REJECT),
    (Moment.GREEN, Blow.CLEAR_ALL),
    (Moment.GREEN, Blow.CLEAR_TASK),
)


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike.

    :param number: to call it by, from 1
    :param info: what is delivered, {flow id: [audience id, …]}
    :param jobs: whether each audience is a job of its own
    :param daily: whether the DAG delivers under the rules of a campaign day
    :param list_lag: real seconds for which AEP does not list a new run
    """

    number: int
    moment: Moment
    blow: Blow
    info: dict[str, list[str]]
    jobs: bool
    daily: bool
    list_lag: float

    @property
    def dag_id(self) -> str:
        """The DAG that delivers."""
        return ASKED_DAG if self.moment is Moment.ASKED else DAILY_DAG if self.daily else DAG


def draw(seed: int, count: int) -> list[Strike]:
    """Draw strikes: every kind as often as every other, but for a rest."""
    chance = random.Random(seed)  # noqa: S311 - an experiment that can be repeated
    kinds: list[tuple[Moment, Blow]] = []
    while len(kinds) < count:
        kinds += chance.sample(KINDS, min(len(KINDS), count - len(kinds)))
    return [_detailed(chance, number, *kind) for number, kind in enumerate(kinds, start=1)]


def _detailed(chance: random.Random, number: int, moment: Moment, blow: Blow) -> Strike:
    chosen = sorted(chance.sample(sorted(FLOWS), chance.randint(1, len(FLOWS))))
    lags = (3.0,) if moment in (Moment.SETTLING, Moment.RESUMED) else (0.0, 0.5, 3.0)
    info = {flow: sorted(chance.sample(FLOWS[flow], chance.randint(1, len(FLOWS[flow])))) for flow in chosen}
    # Of several jobs nobody knows which one meets what is prepared for the second POST, or for a resumption; a pause is
    # everybody's.
    jobs = chance.random() < 0.4 and moment not in (Moment.SECOND, Moment.RESUMED, Moment.PAUSED)
    if jobs:  # an audience must not be in two jobs at once, so it goes to one flow here
        taken: set[str] = set()
        for flow, audiences in list(info.items()):
            info[flow] = [audience for audience in audiences if audience not in taken]
            taken.update(audiences)
    return Strike(
        number,
        moment,
        blow,
        {flow: audiences for flow, audiences in info.items() if audiences},
        jobs=jobs,
        daily=moment is not Moment.ASKED and chance.random() < 0.2,
        list_lag=chance.choice(lags),
    )
