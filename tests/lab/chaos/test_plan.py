"""The draw: a seed says which kills there are."""

from __future__ import annotations

from collections import Counter

from lab.chaos import blows
from lab.chaos.arena import FLOWS, SETTLE_MARGIN, TIMEOUT
from lab.chaos.plan import POINTS, Moment, Victim, draw
from tools.local_airflow import COMPONENTS


def test_a_seed_draws_the_same_kills_again_and_another_one_others() -> None:
    assert draw(7, 25, FLOWS) == draw(7, 25, FLOWS)
    assert draw(7, 25, FLOWS) != draw(8, 25, FLOWS)


def test_every_point_is_struck_before_any_is_struck_twice_more() -> None:
    struck = Counter(kill.point for kill in draw(1, 2 * len(POINTS) + 3, FLOWS))

    assert set(struck) == set(POINTS)
    assert set(struck.values()) <= {2, 3}


def test_kills_are_numbered_and_those_of_task_processes_come_first() -> None:
    kills = draw(3, 25, FLOWS)

    assert [kill.number for kill in kills] == list(range(1, 26))
    of_tasks = [kill.point.victim is Victim.TASK for kill in kills]
    assert of_tasks == sorted(of_tasks, reverse=True)


def test_a_run_is_listed_before_its_lost_answer_has_settled() -> None:
    assert all(kill.list_lag < TIMEOUT + SETTLE_MARGIN for kill in draw(5, 200, FLOWS))


def test_a_lost_answer_that_took_effect_settles_because_its_run_is_not_listed_yet() -> None:
    settling = [kill for kill in draw(5, 200, FLOWS) if kill.point.moment is Moment.SETTLING]

    assert {kill.lost_took_effect for kill in settling} == {True, False}
    assert all(kill.list_lag for kill in settling if kill.lost_took_effect)


def test_every_component_of_airflow_is_killed() -> None:
    assert {name for point in POINTS for name in point.victim.components} == set(COMPONENTS)


def test_a_seed_draws_the_same_strikes_again_and_each_kind_of_at_least_25() -> None:
    assert blows.draw(7, 64) == blows.draw(7, 64)
    assert blows.draw(7, 64) != blows.draw(8, 64)
    assert len(set(blows.KINDS)) >= 25
    for strike in blows.draw(7, 200):
        pairs = [(flow, audience) for flow, audiences in strike.info.items() for audience in audiences]
        assert pairs
        assert not strike.jobs or len({audience for _, audience in pairs}) == len(pairs), "the plan would refuse it"
    assert {(strike.moment, strike.blow) for strike in blows.draw(1, len(blows.KINDS))} == set(blows.KINDS)
