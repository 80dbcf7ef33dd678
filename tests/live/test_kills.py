"""A handful of the kills of `make chaos`; `test_crashes.py` has those while the POST is under way."""

from __future__ import annotations

from lab.chaos import kills
from lab.chaos.arena import Arena, Lane
from lab.chaos.plan import Kill, Moment, Point, Victim
from tests.support.aep import LocalAep
from tests.support.database_client import DatabaseClient
from tests.support.stage import Scene, together
from tools.local_airflow import LocalAirflow

INFO = {"mail": ["gold", "silver"], "shop": ["gold"]}


def kill_of(victim: Victim, moment: Moment) -> Kill:
    return Kill(1, Point(victim, moment), INFO, list_lag=1.0, lost_took_effect=False, ends_meanwhile=True, away=0.0)


def kill_activating_task(scene: Scene, moment: Moment) -> kills.Result:
    lane = Lane(scene.conn_id, scene.aep, scene.client)
    return kills.kill_task(scene.traps, lane, kill_of(Victim.TASK, moment), scene.name)


@together
def test_a_worker_killed_right_before_the_post_sends_it_once(scene: Scene) -> None:
    result = kill_activating_task(scene, Moment.BEFORE_POST)

    assert result.problems == []
    assert result.outcomes[0].state == "success"
    assert result.outcomes[0].adopted == 0
    assert len(scene.aep.posts()) == 1


@together
def test_a_worker_killed_before_it_recorded_the_answer_sends_nothing_again(scene: Scene) -> None:
    result = kill_activating_task(scene, Moment.ANSWERED)

    assert result.problems == []
    assert result.outcomes[0].state == "success"
    assert result.outcomes[0].adopted == 3
    assert len(scene.aep.posts()) == 1


def test_a_delivery_outlives_all_of_airflow(airflow: LocalAirflow, aeps: dict[str, LocalAep]) -> None:
    """``make chaos`` kills each component, at each moment."""
    lanes = [Lane(conn_id, aep, DatabaseClient(airflow)) for conn_id, aep in aeps.items()]

    result = kills.kill_component(Arena(airflow, lanes), kill_of(Victim.ALL, Moment.AWAITED), "kill-all")

    assert result.problems == []
    assert [outcome.state for outcome in result.outcomes] == ["success", "success"]
