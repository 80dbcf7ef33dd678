from __future__ import annotations

import time
from collections import Counter
from typing import Any, cast

import pytest

from include.aep_simulator.seed import SeedDocument
from include.aep_simulator.simulator import Simulator
from lab.chaos.verdict import DeliveryOutcome
from lab.distributed import deliveries, paper
from lab.distributed.cluster import Cluster
from lab.distributed.storm import Felt
from tools.simulator_client import SimulatorClient


def test_deliveries_are_of_mixed_size_and_only_twins_share_audiences() -> None:
    drawn = deliveries.draw(50)

    audiences = Counter(audience for one in drawn for _, audience in one.pairs)
    sizes = {len(one.pairs) for one in drawn}
    assert len(drawn) == len({one.run_id for one in drawn}) == 50
    assert Counter(audiences.values())[2] == 5
    assert set(audiences.values()) == {1, 2}
    assert all(one.info == other.info for one, other in zip(drawn[0::10], drawn[1::10], strict=True))
    assert min(sizes) == 1
    assert max(sizes) > 80  # more than one job of AEP


def test_the_simulated_aep_holds_what_they_deliver() -> None:
    drawn = deliveries.draw(12)

    document = deliveries.seed(drawn, run_seconds=40)

    assert Simulator(SeedDocument.model_validate(document)).world
    held = {(flow["id"], audience) for flow in document["flows"] for audience in flow["audiences"]}
    assert held == {pair for one in drawn for pair in one.pairs}


def test_a_line_says_how_often_each_pair_was_delivered() -> None:
    delivery = deliveries.DrawnDelivery("delivery-07", {"mail": ["a", "b", "c"]})
    outcome = DeliveryOutcome(
        run_id="delivery-07",
        state="success",
        expected=dict.fromkeys(delivery.pairs, 1),
        counted={("mail", "a"): 1, ("mail", "b"): 2},
    )

    line = paper.ended_line(deliveries.Ended(delivery, outcome, seconds=125.4, retries=2))

    assert line == "| delivery-07 | 3 | 1 never, 1 once, 1 twice | success | 2:05 | 2 | 0 |"


def test_a_red_run_is_a_problem_although_it_tells_the_truth() -> None:
    delivery = deliveries.DrawnDelivery("delivery-07", {"mail": ["a"]})
    outcome = DeliveryOutcome(
        run_id="delivery-07",
        state="failed",
        expected=dict.fromkeys(delivery.pairs, 1),
        counted={("mail", "a"): 1},
        reported={("mail", "a"): "unknown"},
    )

    assert deliveries.Ended(delivery, outcome, 60.0, 0).problems == ["delivery-07: RED: the run is failed"]


def test_a_line_says_what_befell() -> None:
    assert paper.felt_line(Felt("Redis restarted", 61.0, 40, 123)) == "| 1:01 | Redis restarted | 40 | 123 |"


class Airflow:
    """Stands for the cluster and the simulated AEP: three DAG runs, of which one ends with every look."""

    def __init__(self) -> None:
        self.client = self
        self.looks = 0
        self.states = dict.fromkeys(("delivery-00", "delivery-01", "delivery-02"), "running")

    def look(self) -> None:
        self.looks += 1
        running = [run_id for run_id, state in sorted(self.states.items()) if state == "running"]
        self.states[running[-1]] = "success"

    def runs(self, dag_id: str) -> list[dict[str, str]]:
        return [{"dag_run_id": run_id, "state": state} for run_id, state in self.states.items()]

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return []

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> None:
        return None

    def deliveries(self) -> list[dict[str, Any]]:
        return [{"flow_id": "crm", "audience_id": "audience-00-00", "count": 2}]


def test_twins_are_judged_when_both_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_LOOK_SECONDS", 0)
    airflow = Airflow()
    cluster, simulator = cast(Cluster, airflow), cast(SimulatorClient, airflow)
    drawn = deliveries.draw(3)

    ended = {
        one.delivery.run_id: (airflow.looks, one.outcome.expected, one.outcome.counted)
        for one in deliveries.wait_all(cluster, simulator, drawn, time.monotonic(), 600, airflow.look)
    }

    twice = {("crm", "audience-00-00"): 2}
    assert ended["delivery-00"] == ended["delivery-01"] == (3, twice, twice)
    assert ended["delivery-02"][0] == 1
