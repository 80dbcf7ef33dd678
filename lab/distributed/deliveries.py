"""The deliveries of `make distributed`: many DAG runs at once, each with pairs of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.chaos.arena import patiently
from lab.chaos.verdict import DeliveryOutcome, Pair
from lab.distributed.cluster import Cluster
from tools.airflow_client import TERMINAL_STATES
from tools.simulator_client import SimulatorClient

DAG = "aep_distributed"
# Pairs of each delivery, again and again; the largest takes two jobs of AEP.
SIZES = (1, 1, 2, 3, 5, 8, 1, 2, 13, 95)
FLOWS = ("crm", "mail", "shop")
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DrawnDelivery:
    """One DAG run.

    :param info: {flow id: audience ids}
    """

    run_id: str
    info: Mapping[str, list[str]]

    @property
    def pairs(self) -> list[Pair]:
        """What it delivers."""
        return [(flow, audience) for flow, audiences in self.info.items() for audience in audiences]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a delivery.

    :param seconds: from the start of all to its end
    :param retries: tries beyond the first, of all its task instances
    """

    delivery: DrawnDelivery
    outcome: DeliveryOutcome
    seconds: float
    retries: int


def draw(count: int) -> list[DrawnDelivery]:
    """Return so many deliveries; no audience is in two of them."""
    deliveries = []
    for number in range(count):
        audiences = [f"audience-{number:02}-{place:02}" for place in range(SIZES[number % len(SIZES)])]
        info: dict[str, list[str]] = {}
        for place, audience in enumerate(audiences):
            info.setdefault(FLOWS[(number + place) % len(FLOWS)], []).append(audience)
        deliveries.append(DrawnDelivery(f"delivery-{number:02}", info))
    return deliveries


def seed(deliveries: list[DrawnDelivery], run_seconds: float) -> dict[str, Any]:
    """Return what the simulated AEP is to hold for them.

    :param run_seconds: how long a flow run takes
    """
    audiences: dict[str, list[str]] = {flow: [] for flow in FLOWS}
    for delivery in deliveries:
        for flow, audience in delivery.pairs:
            audiences[flow].append(audience)
    return {
        "settings": {"speed": 1, "run_seconds": run_seconds, "run_variation": 0.5, "young_seconds": 2},
        "audiences": [{"id": name, "name": name} for names in audiences.values() for name in names],
        "flows": [{"id": flow, "name": flow.title(), "audiences": names} for flow, names in audiences.items()],
        "export_jobs": [{"age": "3h"}],
    }


def start(cluster: Cluster, deliveries: list[DrawnDelivery], dag_id: str = DAG) -> None:
    """Trigger all."""
    for delivery in deliveries:
        cluster.client.trigger_dag(dag_id, {"activation_info": delivery.info, "poll_interval": 2}, delivery.run_id)


def progress(cluster: Cluster, dag_id: str = DAG) -> dict[str, str]:
    """Return {run id: state}."""
    return {str(run["dag_run_id"]): str(run["state"]) for run in patiently(lambda: cluster.client.runs(dag_id))}


def wait_all(
    cluster: Cluster,
    simulator: SimulatorClient,
    deliveries: list[DrawnDelivery],
    began: float,
    limit: float,
    look: Callable[[], None],
    dag_id: str = DAG,
) -> Iterator[Ended]:
    """Yield each delivery when it has ended, or at the end of the time as it then is.

    :param began: when they were started, by `time.monotonic`
    :param limit: seconds from then on
    :param look: called now and then
    """
    waiting = {delivery.run_id: delivery for delivery in deliveries}
    while waiting:
        look()
        late = time.monotonic() > began + limit
        for run_id, state in progress(cluster, dag_id).items():
            if run_id in waiting and (late or state in TERMINAL_STATES):
                yield _ended(cluster, simulator, waiting.pop(run_id), state, time.monotonic() - began, dag_id)
        if late:
            return
        time.sleep(_LOOK_SECONDS if waiting else 0)


def _ended(
    cluster: Cluster, simulator: SimulatorClient, delivery: DrawnDelivery, state: str, seconds: float, dag_id: str
) -> Ended:
    tasks = patiently(lambda: cluster.client.task_instances(dag_id, delivery.run_id))
    report = patiently(lambda: cluster.client.xcom(dag_id, delivery.run_id, "report")) or {}
    results = report.get("results", [])
    own = set(delivery.pairs)
    outcome = DeliveryOutcome(
        run_id=delivery.run_id,
        state=state,
        expected=dict.fromkeys(delivery.pairs, 1),
        counted={pair: count for pair, count in counts(simulator).items() if pair in own},
        reported={(item["flow_id"], item["audience_id"]): item["status"] for item in results},
        adopted=sum(bool(item["adopted"]) for item in results),
    )
    return Ended(delivery, outcome, seconds, sum(max(0, int(task["try_number"]) - 1) for task in tasks))


def counts(simulator: SimulatorClient) -> dict[Pair, int]:
    """Return how often the simulated AEP was asked to deliver each pair, whoever asked."""
    return {(item["flow_id"], item["audience_id"]): int(item["count"]) for item in simulator.deliveries()}
