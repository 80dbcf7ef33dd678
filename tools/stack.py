"""Everything the demo needs, on this machine: the simulated AEP, and an Airflow connected to it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tools.airflow_settings import REPOSITORY
from tools.local_airflow import LocalAirflow
from tools.simulator_process import SimulatorProcess

CONNECTION_ID = "aep_default"


@dataclass(frozen=True, slots=True)
class Stack:
    """The running pair."""

    airflow: LocalAirflow
    simulator: SimulatorProcess


@contextmanager
def local_stack(
    home: Path | None = None,
    port: int | None = None,
    *,
    more_dags: Sequence[Path] = (),
    config: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Run both until the block ends, however it ends: by Ctrl-C and SIGTERM too.

    :param home: AIRFLOW_HOME (default: a temporary one)
    :param port: of Airflow's API server and UI (default: a free one)
    :param more_dags: folders of DAG files besides this repository's
    :param config: Airflow's options, ``{"section.option": value}``
    """
    signal.signal(signal.SIGTERM, _exit)
    with SimulatorProcess() as simulator:
        connections = {CONNECTION_ID: simulator.connection()}
        folders = [REPOSITORY / "dags", *more_dags]
        airflow = LocalAirflow(home, port=port, dags_folders=folders, connections=connections, config=config)
        with airflow:
            yield Stack(airflow, simulator)


def _exit(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)
