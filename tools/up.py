"""`make up`: Airflow's UI with the simulated AEP behind it, until Ctrl-C. What happened in it stays."""

from __future__ import annotations

import fcntl
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from tools.airflow_client import AirflowClient, AirflowClientError
from tools.airflow_settings import REPOSITORY
from tools.demo import ACTIVATION_DAG, CATALOG_DAG, DemoError, choose, read_catalog
from tools.demo_view import terminal
from tools.local_airflow import LocalAirflowError, port_is_free
from tools.simulator_process import SimulatorError
from tools.stack import CONNECTION_ID, Stack, local_stack

STATE = REPOSITORY / ".local"
PREFERRED_PORT = 8080


class AlreadyUpError(Exception):
    """Another `make up` of this repository runs."""


def main() -> int:
    """Bring everything up, say how to use it, and stay until Ctrl-C."""
    console = terminal()
    try:
        with only_one():
            console.print("Starting Airflow and a simulated Adobe Experience Platform (about 20 seconds)")
            port = PREFERRED_PORT if port_is_free(PREFERRED_PORT) else None
            with local_stack(STATE / "airflow", port) as stack:
                explain(stack, console)
                while not (ended := stack.airflow.ended()):
                    time.sleep(1)
                raise LocalAirflowError(f"{', '.join(ended)} ended; the logs are in {stack.airflow.logs}")
    except (AirflowClientError, AlreadyUpError, DemoError, LocalAirflowError, SimulatorError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped. `make up` continues with the same runs; `make clean` deletes them.")
    return 0


def explain(stack: Stack, console: Console) -> None:
    """Print where to go and what to press, with ids that can be pasted."""
    airflow = stack.airflow
    activation = choose(read_catalog(airflow.client))
    airflow.client.set_paused(ACTIVATION_DAG, False)
    console.print(
        f"""
Airflow        {airflow.url}
Log in with    admin / {airflow.passwords["admin"]}
               marketer / {airflow.passwords["marketer"]} may deliver, viewer / {airflow.passwords["viewer"]} may look
Simulated AEP  {stack.simulator.base_url}   (60 times faster than the real one)

Deliver audiences: {airflow.url}/plugin/aep-deliver
Or open the DAG "{title_of(airflow.client, ACTIVATION_DAG)}" ({ACTIVATION_DAG}),
press Trigger, and replace the {{}} in the field "What to deliver" by this:
{json.dumps(activation, indent=2)}
How it went is in the run's tab Activation. Other flows and audiences: the run of {CATALOG_DAG} lists them.
The connection {CONNECTION_ID} comes from the environment, so Admin > Connections does not show it.

Ctrl-C stops everything.""",
        markup=False,
        soft_wrap=True,
    )


def title_of(client: AirflowClient, dag_id: str) -> str:
    """Return the name under which Airflow's UI lists a DAG."""
    return str(client.dags()[dag_id]["dag_display_name"])


@contextmanager
def only_one() -> Iterator[None]:
    """Refuse a second one: both would write the same database."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUpError("`make up` is already running in another terminal.") from None
        yield


if __name__ == "__main__":
    sys.exit(main())
