"""What is killed, when and how: drawn by a seed, so that a run can be repeated."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tools.local_airflow import COMPONENTS


class Victim(StrEnum):
    """What is killed by SIGKILL."""

    TASK = "task process"
    TRIGGERER = "triggerer"
    SCHEDULER = "scheduler and its workers"
    API_SERVER = "API server"
    ALL = "all of Airflow"

    @property
    def components(self) -> tuple[str, ...]:
        """The components of Airflow that die."""
        return _COMPONENTS[self]


class Moment(StrEnum):
    """What the delivery is doing when it happens."""

    PLANNED = "the plan's event is told, nothing is sent"
    BEFORE_POST = "right before the POST, intent recorded"
    POST_LOST = "POST under way, it never takes effect"
    POST_LATE = "POST under way, it takes effect after the kill"
    POST_DONE = "POST has taken effect, no answer yet"
    ANSWERED = "answer received, not yet recorded"
    NOTED = "answer noted for other DAG runs, not yet in the task's record"
    PAUSED = "AEP has asked for a pause of over a minute"
    SETTLING = "a lost answer settles"
    AWAITED = "flow runs are awaited"


AWAY = (0.0, 5.0, 15.0)
"""Seconds for which a component may stay away."""

_COMPONENTS: dict[Victim, tuple[str, ...]] = {
    Victim.TASK: (),
    Victim.TRIGGERER: ("triggerer",),
    Victim.SCHEDULER: ("scheduler",),
    Victim.API_SERVER: ("api-server",),
    Victim.ALL: tuple(COMPONENTS),
}


@dataclass(frozen=True, slots=True)
class Point:
    """A victim and a moment."""

    victim: Victim
    moment: Moment


POINTS = (
    Point(Victim.TASK, Moment.PLANNED),
    Point(Victim.TASK, Moment.BEFORE_POST),
    Point(Victim.TASK, Moment.POST_LOST),
    Point(Victim.TASK, Moment.POST_LATE),
    Point(Victim.TASK, Moment.POST_DONE),
    Point(Victim.TASK, Moment.ANSWERED),
    Point(Victim.TASK, Moment.NOTED),
    Point(Victim.TRIGGERER, Moment.AWAITED),
    Point(Victim.TRIGGERER, Moment.SETTLING),
    Point(Victim.TRIGGERER, Moment.PAUSED),
    Point(Victim.SCHEDULER, Moment.POST_DONE),
    Point(Victim.SCHEDULER, Moment.AWAITED),
    Point(Victim.API_SERVER, Moment.POST_DONE),
    Point(Victim.API_SERVER, Moment.AWAITED),
    Point(Victim.ALL, Moment.PLANNED),
    Point(Victim.ALL, Moment.POST_LATE),
    Point(Victim.ALL, Moment.POST_DONE),
    Point(Victim.ALL, Moment.SETTLING),
    Point(Victim.ALL, Moment.PAUSED),
    Point(Victim.ALL, Moment.AWAITED),
)


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill.

    :param number: to call it by, from 1
    :param info: what is delivered meanwhile, {flow id: [audience id, …]}
    :param list_lag: real seconds for which AEP does not list a new run
    :param lost_took_effect: whether the POST whose answer is lost took effect (`Moment.SETTLING`)
    :param ends_meanwhile: whether the awaited flow runs end while the component is away, or after its return
    :param away: seconds that a component stays away at least
    """

    number: int
    point: Point
    info: dict[str, list[str]]
    list_lag: float
    lost_took_effect: bool
    ends_meanwhile: bool
    away: float


def draw(seed: int, count: int, flows: dict[str, list[str]]) -> list[Kill]:
    """Draw kills: every point as often as every other, but for a rest; the processes of tasks come first.

    :param flows: {flow id: its audiences} to choose deliveries from
    """
    chance = random.Random(seed)  # noqa: S311 - an experiment that can be repeated
    points: list[Point] = []
    while len(points) < count:
        points += chance.sample(POINTS, min(len(POINTS), count - len(points)))
    points.sort(key=lambda point: point.victim is not Victim.TASK)
    return [_detailed(chance, number, point, flows) for number, point in enumerate(points, start=1)]


def _detailed(chance: random.Random, number: int, point: Point, flows: dict[str, list[str]]) -> Kill:
    took_effect = chance.random() < 0.5
    # An answer settles only as long as its run is not listed.
    lags: Sequence[float] = (3.0,) if point.moment is Moment.SETTLING and took_effect else (0.0, 0.5, 3.0)
    chosen = sorted(chance.sample(sorted(flows), chance.randint(1, len(flows))))
    return Kill(
        number=number,
        point=point,
        info={flow: sorted(chance.sample(flows[flow], chance.randint(1, len(flows[flow])))) for flow in chosen},
        list_lag=chance.choice(lags),
        lost_took_effect=took_effect,
        ends_meanwhile=chance.random() < 0.5,
        away=chance.choice(AWAY),
    )
