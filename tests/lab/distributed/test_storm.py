from __future__ import annotations

from typing import cast

import pytest

from lab.distributed import storm
from lab.distributed.cluster import Cluster
from lab.distributed.storm import Felt, Storm


class Recorder:
    """Stands for the cluster, and writes down what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def kill(self, replica: str) -> None:
        self.done.append(f"kill {replica}")

    def bring_back(self, replica: str) -> None:
        self.done.append(f"bring back {replica}")

    def restart(self, replica: str) -> None:
        self.done.append(f"restart {replica}")

    def terminate_backends(self) -> int:
        self.done.append("terminate")
        return 17


@pytest.fixture
def cluster() -> Recorder:
    return Recorder()


def make(cluster: Recorder) -> tuple[Storm, list[Felt]]:
    told: list[Felt] = []
    tempest = Storm(cast(Cluster, cluster), 100, told.append)
    tempest.begin()
    return tempest, told


def test_all_that_is_promised_befalls_in_the_midst(cluster: Recorder) -> None:
    tempest, _ = make(cluster)

    for ordered in range(100):
        tempest.look(ordered, ["running"])

    assert cluster.done == ["kill worker-1", "kill triggerer-1", "restart redis-1", "kill scheduler-1", "terminate"]
    assert tempest.is_over


def test_nothing_befalls_before_aep_was_asked_for_anything(cluster: Recorder) -> None:
    tempest, _ = make(cluster)

    tempest.look(9, ["running"])

    assert cluster.done == []
    assert not tempest.is_over


def test_what_was_killed_comes_back(cluster: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm, "AWAY_SECONDS", 0.0)
    tempest, told = make(cluster)

    tempest.look(10, ["running", "success"])
    tempest.look(11, ["queued", "running"])

    assert cluster.done == ["kill worker-1", "bring back worker-1"]
    assert [(felt.what, felt.running, felt.ordered) for felt in told] == [
        ("worker-1 killed, away for 0 s", 1, 10),
        ("worker-1 back", 2, 11),
    ]
