"""`make distributed`: run docker-compose.yaml as processes, deliver, kill, count. Writes docs/distributed.md.

Exits with 0 only if every pair was delivered exactly once, and nothing false was said.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from lab.chaos.arena import IMPATIENT
from lab.chaos.verdict import Pair
from lab.distributed import deliveries, environment, paper, watchers
from lab.distributed.cluster import Cluster, ClusterError
from lab.distributed.memory import MemoryWatch
from lab.distributed.storm import Storm
from tools.airflow_client import AirflowClientError
from tools.airflow_settings import REPOSITORY
from tools.simulator_client import SimulatorClient, SimulatorError

# What is loaded in addition to the repository's own DAGs, and Airflow's patience; docs/distributed.md lists the latter.
DAGS_FOLDERS = {
    "dags-folder": REPOSITORY / "dags",
    "distributed": Path(__file__).parent / "distributed_dags",
}
PATIENCE = {key: value for key, value in IMPATIENT.items() if not key.startswith("adobe")}


def main() -> int:
    """Run it and return the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, _exit)
    try:
        environment.ensure()
        cluster = Cluster(
            profiles={"demo"},
            variables={"AIRFLOW_WORKER_CONCURRENCY": str(options.concurrency)},
            config={**PATIENCE, "dag_processor.dag_bundle_config_list": json.dumps(bundles(DAGS_FOLDERS))},
        )
        cluster.services.pop("demo")
        _say(f"Starting the services of docker-compose.yaml: {', '.join(cluster.services)}")
        with cluster:
            findings = _play(cluster, options)
            cluster.keep_home = bool(findings.problems)
    except (AirflowClientError, ClusterError, environment.EnvironmentMissingError, SimulatorError) as error:
        _say(f"The run could not start or finish: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    command = f"make distributed DELIVERIES={options.deliveries}"
    text = paper.document(command, cluster, findings)
    options.output.write_text(text, encoding="utf-8")
    _say(f"\n{text}\nWritten to {options.output}")
    if cluster.keep_home:
        _say(f"Logs: {cluster.home}")
    return 1 if findings.problems else 0


def _play(cluster: Cluster, options: argparse.Namespace) -> paper.DistributedFindings:
    whole = time.monotonic()
    simulator = SimulatorClient(cluster.simulator_url)
    everything = deliveries.draw(options.deliveries)
    pairs = len(deliveries.expected(everything))
    simulator.reset(deliveries.seed(everything, options.run_seconds))
    simulator.add_faults(*deliveries.faults(everything))
    connection = simulator.connection()
    cluster.client.create_connection("aep_default", {**connection, "extra": {**connection["extra"], "timeout": 5}})
    cluster.client.wait_dags(deliveries.DAG, timeout=120)
    watchers.begin(cluster, simulator)
    checks = {
        name: all(map(cluster.is_healthy, cluster.replicas(name)))
        for name, service in cluster.services.items()
        if service.healthcheck and name != "airflow-init"
    }
    _say(f"{sum(checks.values())} of {len(checks)} services are healthy, after {time.monotonic() - whole:.0f} s")
    storm = Storm(cluster, pairs, lambda felt: _say(paper.felt_line(felt)))
    with MemoryWatch(cluster.sids) as memory:
        deliveries.start(cluster, everything)
        began = storm.begin()
        _say(f"Started {len(everything)} deliveries of {pairs} pairs")

        def look() -> None:
            storm.look(len(deliveries.counts(simulator)), list(deliveries.progress(cluster).values()))

        ended = []
        for one in deliveries.wait_all(cluster, simulator, everything, began, options.minutes * 60, look):
            ended.append(one)
            _say("\n".join([paper.ended_line(one), *one.problems]))
        told = watchers.wait_told(cluster, simulator)
    problems = told.problems()
    problems += [problem for one in ended for problem in one.problems]
    if not storm.is_over:
        problems.append("CALM: the deliveries ended before every disruption had happened; use more of them")
    problems += [f"UNHEALTHY: the health check of {name} failed" for name, good in checks.items() if not good]
    problems += _strangers(deliveries.counts(simulator), set(deliveries.expected(everything)))
    return paper.DistributedFindings(
        ended=ended,
        felt=storm.felt,
        told=told,
        checks=checks,
        peaks=memory.peaks,
        restarts=cluster.restarts,
        patience=PATIENCE,
        seconds=time.monotonic() - whole,
        problems=problems,
    )


def _strangers(counted: Mapping[Pair, int], wanted: set[Pair]) -> list[str]:
    return [f"STRANGE: nobody wanted {pair}" for pair in sorted(counted.keys() - wanted)]


def bundles(folders: Mapping[str, Path]) -> list[dict[str, object]]:
    """Return folders of DAG files as `[dag_processor] dag_bundle_config_list` takes them."""
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    return [{"name": name, "classpath": local, "kwargs": {"path": str(path)}} for name, path in folders.items()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make distributed", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=50, help="DAG runs to start at once")
    parser.add_argument("--concurrency", type=int, default=4, help="tasks at once in each worker")
    parser.add_argument("--run-seconds", type=float, default=40, help="how long a flow run of AEP takes")
    parser.add_argument("--minutes", type=float, default=40, help="what still runs then is lost")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "distributed.md", help="file to write")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


def _exit(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
