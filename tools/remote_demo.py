"""The demo of `docker compose --profile demo up`: `make demo`, with an Airflow and a simulated AEP that run already.

Connects the two first, by the connection `aep_default`. If there is one that leads elsewhere, nothing is sent.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass

from tools.airflow_client import AirflowClient, AirflowClientError
from tools.demo import ACTIVATION_DAG, CATALOG_DAG, DemoError, play
from tools.demo_view import terminal
from tools.simulator_client import SimulatorClient, SimulatorError
from tools.stack import CONNECTION_ID

_ENVIRONMENT = f"AIRFLOW_CONN_{CONNECTION_ID.upper()}"


@dataclass(frozen=True, slots=True)
class RemoteAirflow:
    """An Airflow that runs already."""

    client: AirflowClient
    url: str
    logs: str


def main(arguments: list[str] | None = None) -> int:
    """Connect, deliver, check; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.remote_demo", description=__doc__)
    parser.add_argument("--airflow", required=True, help="URL of the API server; ADMIN_PASSWORD is its admin's")
    parser.add_argument("--simulator", required=True, help="URL of the simulated AEP, as Airflow reaches it")
    options = parser.parse_args(arguments)
    console = terminal()
    client = AirflowClient(options.airflow, "admin", os.environ["ADMIN_PASSWORD"])
    simulator = SimulatorClient(options.simulator)
    try:
        connect(client, simulator)
        client.wait_dags(CATALOG_DAG, ACTIVATION_DAG)
        play(RemoteAirflow(client, options.airflow, "docker compose logs"), simulator, console)
    except (AirflowClientError, DemoError, SimulatorError) as error:
        console.print(f"\nThe demo failed: {error}", style="red", markup=False)
        return 1
    console.print("\nEach audience arrived exactly once. Airflow and the simulated AEP stay up.", style="green")
    return 0


def connect(client: AirflowClient, simulator: SimulatorClient) -> None:
    """Make Airflow's connection lead to the simulated AEP.

    :raises DemoError: when it leads elsewhere already: what is there might be real
    """
    if os.environ.get(_ENVIRONMENT):
        raise DemoError(f"{_ENVIRONMENT} is set. The demo delivers to the simulated AEP only: unset it, also in .env.")
    wanted = simulator.connection()
    there = client.connection(CONNECTION_ID)
    if there is None:
        # Between containers it is plain HTTP, which the package takes to other hosts when told to.
        client.create_connection(CONNECTION_ID, {**wanted, "extra": {**wanted["extra"], "allow_http": True}})
    elif there["host"] != wanted["host"]:
        raise DemoError(
            f"The connection {CONNECTION_ID} leads to {there['host']}. The demo delivers to {wanted['host']} only:"
            f" delete the connection, or use a project name of its own (docker compose --project-name demo)."
        )


if __name__ == "__main__":
    sys.exit(main())
