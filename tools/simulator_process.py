"""The simulated AEP as a process of its own, and its control calls."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path

from tools.airflow_settings import REPOSITORY
from tools.process_session import ProcessSession
from tools.simulator_client import SimulatorClient, SimulatorError
from tools.startable import Startable

_ANNOUNCEMENT = re.compile(r"AEP simulator listening on (http://\S+)")
_START_SECONDS = 30.0
_POLL_SECONDS = 0.05

__all__ = ["SimulatorError", "SimulatorProcess"]


class SimulatorProcess(SimulatorClient, Startable):
    """A running simulator; `start` it, or use it as a context manager.

    :param speed: how many times faster than the real AEP it works
    :param port: to listen on (default: a free one)
    """

    def __init__(self, *, speed: float = 60, port: int = 0) -> None:
        super().__init__("")
        self._arguments = ["--host", "127.0.0.1", "--port", str(port), "--speed", f"{speed:g}"]
        self._home = tempfile.TemporaryDirectory(prefix="aep-simulator-")
        self._process: ProcessSession | None = None
        self.log = Path(self._home.name) / "simulator.log"

    def start(self) -> None:
        """Start it and wait until it says where it listens."""
        process = self._process = ProcessSession(
            "AEP simulator",
            [sys.executable, "-m", "include.aep_simulator", *self._arguments],
            log=self.log,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            cwd=REPOSITORY,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not (announcement := _ANNOUNCEMENT.search(self.log.read_text(errors="replace"))):
            if not process.alive or time.monotonic() > deadline:
                raise SimulatorError(f"the AEP simulator did not start\n{process.log_tail()}")
            time.sleep(_POLL_SECONDS)
        self.base_url = announcement[1]

    def stop(self) -> None:
        """Stop it, and remove its log."""
        if self._process:
            self._process.kill()
            self._process = None
        self._home.cleanup()
