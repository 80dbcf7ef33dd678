"""What the cluster's asset watchers tell of AEP's deliveries: each once, whichever triggerer dies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from lab.chaos.arena import patiently, until
from lab.distributed.cluster import Cluster
from lab.distributed.deliveries import FLOWS
from tools.simulator_client import SimulatorClient

DAG = "aep_distributed_watch"
LATE = 90.0
"""Seconds after the last delivery in which the watchers may still tell of it: one of a dead triggerer is awaited 30."""
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Told:
    """What the watchers have told.

    :param ended: AEP's runs that have ended.
    :param sure: run → how often it was told as new.
    :param repeats: run → how often it was told as what may have been told before.
    """

    ended: frozenset[str]
    sure: Counter[str]
    repeats: Counter[str]

    @property
    def untold(self) -> list[str]:
        """Runs that nobody has told of."""
        return sorted(self.ended - self.sure.keys() - self.repeats.keys())

    def problems(self) -> list[str]:
        """What went wrong, in sentences."""
        return [
            *(f"UNTOLD: no watcher has told of AEP's run {run_id}" for run_id in self.untold),
            *(
                f"TOLD TWICE: watchers have told {number} times of AEP's run {run_id} as if it were new"
                for run_id, number in sorted(self.sure.items())
                if number > 1
            ),
            *(
                f"STRANGE: a watcher has told of run {run_id}, which AEP does not know"
                for run_id in sorted((self.sure.keys() | self.repeats.keys()) - self.ended)
            ),
        ]


def begin(cluster: Cluster, simulator: SimulatorClient) -> None:
    """Let the watchers look for the first time: what had ended before is no news."""
    cluster.client.wait_dags(DAG, timeout=120)
    cluster.client.set_paused(DAG, False)

    def has_looked() -> bool:
        asked = [f"{call['path']} {call['query']}" for call in simulator.requests(method="GET")]
        return all(any("/runs" in call and flow in call for call in asked) for flow in FLOWS)

    until(has_looked, "the watchers to look at AEP")


def wait_told(cluster: Cluster, simulator: SimulatorClient) -> Told:
    """Return what was told, once all was, or what was when the time is over."""
    ended = {run_id for item in simulator.deliveries() for run_id in item["run_ids"]}
    deadline = time.monotonic() + LATE
    while (told := _told(cluster, ended)).untold and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return told


def _told(cluster: Cluster, ended: Collection[str]) -> Told:
    events = patiently(lambda: cluster.client.asset_events("aep_flow_run/"))
    payloads = [event["extra"]["payload"] for event in events]
    sure, repeats = (
        Counter(str(item["run_id"]) for item in payloads if item["possible_repeat"] is repeated)
        for repeated in (False, True)
    )
    return Told(frozenset(ended), sure, repeats)
