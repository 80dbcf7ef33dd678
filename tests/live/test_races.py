"""Two DAG runs for one audience at the same time: each is a delivery of its own, and does what `on_conflict` says.

Runs that overlap in part are raced by ``make chaos``, twenty times.
"""

from __future__ import annotations

import pytest

from lab.chaos import races
from lab.chaos.arena import Lane
from lab.chaos.races import Kind, Race
from tests.support.stage import Scene, Stage


class Row:
    """A race, played on a scene."""

    def __init__(self, race: Race) -> None:
        self.race = race
        self.__name__ = race.name

    def __call__(self, scene: Scene) -> None:
        finish = races.run(Lane(scene.conn_id, scene.aep, scene.client), self.race)

        assert finish.problems == ()


@pytest.mark.parametrize(
    "row", [Row(race) for race in races.races(3) if race.kind is Kind.TWINS], ids=lambda row: row.__name__
)
def test_both_runs_do_as_on_conflict_says(stage: Stage, row: Row) -> None:
    stage.result(row)
