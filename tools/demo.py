"""`make demo`: deliver audiences from a simulated AEP with a real Airflow, and check what arrived.

Exits with 0 only when the run succeeded and the simulator counted every ordered pair exactly once.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from rich.console import Console

from tools.airflow_client import AirflowClient, AirflowClientError
from tools.demo_view import ProgressView, catalog_table, results_table, terminal
from tools.local_airflow import LocalAirflowError
from tools.simulator_client import SimulatorClient, SimulatorError
from tools.stack import local_stack

CATALOG_DAG = "aep_catalog"
ACTIVATION_DAG = "aep_adhoc_activation"
WAITING_TASK = "wait_for_flow_runs"
REPORT_TASK = "report"

# What a marketer might want today, by the names of the simulator's shop.
WANTED = {
    "Newsletter S3": ("Newsletter subscribers", "Lapsed buyers 180 days"),
    "Flash sale SFTP": ("Abandoned cart 7 days",),
}
RUN_SECONDS = 180.0
LOG_LINES = 40

# {flow id: [audience id, …]}, as the DAG takes it.
Activation = dict[str, list[str]]


class DemoError(Exception):
    """The demo did not deliver as expected."""


def main() -> int:
    """Run the demo and return the exit code."""
    console = terminal()
    console.print("Starting Airflow and a simulated Adobe Experience Platform (about 15 seconds)")
    try:
        with local_stack() as stack:
            try:
                play(stack.airflow, stack.simulator, console)
            except Exception:
                stack.airflow.keep_home = True  # with the logs
                raise
    except (AirflowClientError, DemoError, LocalAirflowError, SimulatorError) as error:
        console.print(f"\nThe demo failed: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    console.print("\nEach audience arrived exactly once. To look around in Airflow's UI: make up", style="green")
    return 0


class Airflow(Protocol):
    """A running Airflow."""

    @property
    def client(self) -> AirflowClient:
        """Its REST client."""

    @property
    def logs(self) -> object:
        """Where its logs are."""

    @property
    def url(self) -> str:
        """Where its UI is."""


def play(airflow: Airflow, simulator: SimulatorClient, console: Console) -> None:
    """Find out what there is, deliver some of it, check what arrived.

    :param simulator: the AEP that Airflow's connection ``aep_default`` leads to
    :raises DemoError: with the failed tasks' logs, when it did not go well
    """
    client = airflow.client
    console.print(f"Airflow is at {airflow.url}; its logs: {airflow.logs}", soft_wrap=True)

    catalog = read_catalog(client)
    console.print(catalog_table(catalog))
    activation = choose(catalog)
    names = names_in(catalog)

    run_id = client.trigger_dag(ACTIVATION_DAG, {"activation_info": activation, "poll_interval": 2})
    console.print(f"Started {ACTIVATION_DAG} for {sum(map(len, activation.values()))} deliveries")
    with ProgressView(console, names) as view:

        def show() -> None:
            progress = client.xcom(ACTIVATION_DAG, run_id, WAITING_TASK, "progress") or {}
            view.update(client.task_states(ACTIVATION_DAG, run_id), progress.get("results", ()))

        state = client.wait_run(ACTIVATION_DAG, run_id, RUN_SECONDS, on_poll=show, interval=1.0)
        show()

    report = client.xcom(ACTIVATION_DAG, run_id, REPORT_TASK) or {"results": []}
    console.print(results_table(report["results"], names, f"The run's report: {state}"))
    if problems := shortcomings(state, activation, report["results"], simulator.deliveries(), names):
        raise DemoError("\n".join([*problems, *failed_logs(airflow, ACTIVATION_DAG, run_id)]))


def read_catalog(client: AirflowClient) -> dict[str, Any]:
    """Run the catalog DAG and return what it found."""
    client.wait_dags(CATALOG_DAG, ACTIVATION_DAG)
    run_id = client.trigger_dag(CATALOG_DAG)
    state = client.wait_run(CATALOG_DAG, run_id, RUN_SECONDS)
    for task in client.task_instances(CATALOG_DAG, run_id):
        found = client.xcom(CATALOG_DAG, run_id, task["task_id"])
        if isinstance(found, dict) and "flows" in found:
            return found
    raise DemoError(f"the DAG {CATALOG_DAG} ended as {state} and found no flows")


def choose(catalog: Mapping[str, Any]) -> Activation:
    """Pick the wanted audiences by name; in another AEP whatever can be delivered first."""
    chosen: Activation = {}
    for flow in catalog["flows"]:
        wanted = WANTED.get(flow["name"], ())
        found = [item["audience_id"] for item in flow["audiences"] if item["name"] in wanted]
        if found:
            chosen[flow["flow_id"]] = found
    if not chosen:
        ready = [flow for flow in catalog["flows"] if flow["state"] == "enabled" and flow["audiences"]]
        chosen = {flow["flow_id"]: [flow["audiences"][0]["audience_id"]] for flow in ready[:2]}
    if not chosen:
        raise DemoError("the catalog has no flow with audiences")
    return chosen


def names_in(catalog: Mapping[str, Any]) -> dict[str, str]:
    """Return {id: name} of all flows and audiences."""
    names = {flow["flow_id"]: flow["name"] for flow in catalog["flows"]}
    for flow in catalog["flows"]:
        names.update((audience["audience_id"], audience["name"]) for audience in flow["audiences"])
    return names


def shortcomings(
    state: str,
    ordered: Activation,
    results: Iterable[Mapping[str, Any]],
    deliveries: Iterable[Mapping[str, Any]],
    names: Mapping[str, str],
) -> list[str]:
    """Compare what was ordered with what the run reports and what the simulator counted.

    :return: a sentence for each difference; empty when all is well
    """
    problems = [] if state == "success" else [f"The run ended as {state}."]
    pairs = {(flow, audience) for flow, audiences in ordered.items() for audience in audiences}
    reported = {(item["flow_id"], item["audience_id"]): item["status"] for item in results}
    counted = Counter({(item["flow_id"], item["audience_id"]): item["count"] for item in deliveries})
    for pair in sorted(pairs | reported.keys() | counted.keys()):
        flow, audience = (names.get(key, key) for key in pair)
        expected = 1 if pair in pairs else 0
        if counted[pair] != expected:
            problems.append(f"{audience} to {flow}: sent {counted[pair]} times instead of {expected}.")
        if pair in pairs and reported.get(pair) != "success":
            problems.append(f"{audience} to {flow}: reported as {reported.get(pair, 'nothing')}.")
    return problems


def failed_logs(airflow: Airflow, dag_id: str, run_id: str) -> list[str]:
    """Return the ends of the failed tasks' logs, and where the rest is."""
    lines = []
    for task in airflow.client.task_instances(dag_id, run_id):
        if task["state"] == "failed":
            log = airflow.client.task_log(
                dag_id, run_id, task["task_id"], try_number=task["try_number"], map_index=task["map_index"]
            )
            lines += [f"--- the end of the log of {task['task_id']}", *log.splitlines()[-LOG_LINES:]]
    return [*lines, f"All logs: {airflow.logs}"]


if __name__ == "__main__":
    sys.exit(main())
