"""The deliveries of `make distributed`: many DAG runs at once, some of which deliver the same as another one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.chaos.arena import ADHOC, patiently
from lab.chaos.verdict import DeliveryOutcome, Pair
from lab.distributed.cluster import Cluster
from tools.airflow_client import TERMINAL_STATES
from tools.simulator_client import SimulatorClient

DAG = "aep_distributed"
# Pairs of each delivery, again and again; the largest takes two jobs of AEP.
SIZES = (1, 1, 2, 3, 5, 8, 1, 2, 13, 95)
FLOWS = ("crm", "mail", "shop")
TWIN = 1
"""Of as many deliveries as there are sizes, this one delivers the same as the one before it."""
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

    @property
    def problems(self) -> list[str]:
        """What went wrong, in sentences; nothing that happens here needs a person."""
        red = [f"{self.delivery.run_id}: RED: the run is {self.outcome.state}"] * (self.outcome.state == "failed")
        return [*self.outcome.problems(), *red]


def draw(count: int) -> list[DrawnDelivery]:
    """Return so many deliveries; no audience is in two of them, but for those of twins."""
    deliveries: list[DrawnDelivery] = []
    for number in range(count):
        if number % len(SIZES) == TWIN:
            deliveries.append(DrawnDelivery(f"delivery-{number:02}", deliveries[-1].info))
            continue
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
    for flow, audience in expected(deliveries):
        audiences[flow].append(audience)
    return {
        "settings": {"speed": 1, "run_seconds": run_seconds, "run_variation": 0.5, "young_seconds": 2},
        "audiences": [{"id": name, "name": name} for names in audiences.values() for name in names],
        "flows": [{"id": flow, "name": flow.title(), "audiences": names} for flow, names in audiences.items()],
        "export_jobs": [{"age": "3h"}],
    }


def expected(deliveries: list[DrawnDelivery]) -> Counter[Pair]:
    """Return how often each pair is to be delivered: each DAG run is a delivery of its own."""
    return Counter(pair for delivery in deliveries for pair in delivery.pairs)


def faults(deliveries: list[DrawnDelivery]) -> list[dict[str, Any]]:
    """Return what AEP does to the first POSTs: some are lost on their way, of others only the answer is."""
    lost = {"method": "POST", "path": ADHOC, "times": max(1, len(deliveries) // len(SIZES))}
    return [{**lost, "kind": "close_before"}, {**lost, "kind": "close_after"}]


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
    """Yield each delivery when it and its twin have ended, or at the end of the time as it then is.

    :param began: when they were started, by `time.monotonic`
    :param limit: seconds from then on
    :param look: called now and then
    """
    waiting, ended = {delivery.run_id: delivery for delivery in deliveries}, dict[str, float]()
    wanted = expected(deliveries)
    while waiting:
        look()
        seconds = time.monotonic() - began
        states = progress(cluster, dag_id)
        for run_id in waiting.keys() & states.keys():
            if seconds > limit or states[run_id] in TERMINAL_STATES:
                ended.setdefault(run_id, seconds)
        unended = {pair for run_id, delivery in waiting.items() if run_id not in ended for pair in delivery.pairs}
        for delivery in [one for one in waiting.values() if not unended & set(one.pairs)]:
            del waiting[delivery.run_id]
            how_often = {pair: wanted[pair] for pair in delivery.pairs}
            state = states[delivery.run_id]
            yield _ended(cluster, simulator, delivery, state, ended[delivery.run_id], dag_id, how_often)
        if seconds > limit:
            return
        time.sleep(_LOOK_SECONDS if waiting else 0)


def _ended(
    cluster: Cluster,
    simulator: SimulatorClient,
    delivery: DrawnDelivery,
    state: str,
    seconds: float,
    dag_id: str,
    how_often: Mapping[Pair, int],
) -> Ended:
    tasks = patiently(lambda: cluster.client.task_instances(dag_id, delivery.run_id))
    report = patiently(lambda: cluster.client.xcom(dag_id, delivery.run_id, "report")) or {}
    results = report.get("results", [])
    outcome = DeliveryOutcome(
        run_id=delivery.run_id,
        state=state,
        expected=how_often,
        counted={pair: count for pair, count in counts(simulator).items() if pair in how_often},
        reported={(item["flow_id"], item["audience_id"]): item["status"] for item in results},
        adopted=sum(bool(item["adopted"]) for item in results),
    )
    return Ended(delivery, outcome, seconds, sum(max(0, int(task["try_number"]) - 1) for task in tasks))


def counts(simulator: SimulatorClient) -> dict[Pair, int]:
    """Return how often the simulated AEP was asked to deliver each pair, whoever asked."""
    return {(item["flow_id"], item["audience_id"]): int(item["count"]) for item in simulator.deliveries()}
