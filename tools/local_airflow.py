"""A real Airflow on this machine: every component a process of its own, on SQLite, in its own home."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.airflow_client import AirflowClient, AirflowUnreachableError
from tools.airflow_settings import REPOSITORY, airflow_environment
from tools.process_session import ProcessSession, stop_all
from tools.startable import Startable

# Component -> the arguments of the `airflow` command. The log servers are for workers on other machines.
COMPONENTS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
USERS = {"admin": "admin", "marketer": "user", "viewer": "viewer"}
START_SECONDS = 120.0
STOP_SECONDS = 6.0
_POLL_SECONDS = 0.2


class LocalAirflowError(Exception):
    """A component did not come up; the message ends with its log."""


class LocalAirflow(Startable):
    """Airflow with LocalExecutor and the simple auth manager, bound to 127.0.0.1.

    Use it as a context manager, or call `start` and `stop`. Single components can be killed and started
    again in between. What it leaves behind is its home, unless that was temporary.

    :param home: AIRFLOW_HOME; None makes a temporary one, removed by `stop` (see `keep_home`)
    :param dags_folders: folders of DAG files (default: this repository's); names must differ
    :param plugins_folder: (default: this repository's)
    :param connections: {connection id: connection in Airflow's JSON form}
    :param config: {"section.option": value} over the settings of `airflow_settings`
    :param port: of the API server (default: a free one)
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        dags_folders: Sequence[Path] = (REPOSITORY / "dags",),
        plugins_folder: Path = REPOSITORY / "plugins",
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        config: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.keep_home = home is not None
        self.home = home or Path(tempfile.mkdtemp(prefix="airflow-"))
        self.logs = self.home / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.passwords = self._keep_passwords()
        self.environment = airflow_environment(
            self.home,
            self.port,
            users=USERS,
            dags_folders=dags_folders,
            plugins_folder=plugins_folder,
            connections=connections or {},
            config=config or {},
        )
        self.client = AirflowClient(self.url, "admin", self.passwords["admin"])
        self._running: dict[str, ProcessSession] = {}
        self._started_at: dict[str, datetime] = {}
        self._migrated = False

    def start(self, *components: str, timeout: float = START_SECONDS) -> None:
        """Start components (default: all that do not run) and wait until they are healthy.

        :raises LocalAirflowError: when one dies or is not healthy in time
        """
        if not self._migrated:
            self._migrate()
        starting = components or tuple(name for name in COMPONENTS if not self.alive(name))
        for name in starting:
            self._started_at[name] = datetime.now(UTC)
            self._running[name] = ProcessSession(
                name,
                [sys.executable, "-m", "airflow", *COMPONENTS[name]],
                log=self.component_log(name),
                env=self.environment,
                cwd=REPOSITORY,
            )
        self.wait_healthy(*starting, timeout=timeout)

    def stop(self, *components: str) -> None:
        """Stop components; without names all of them, and remove the temporary home.

        In a home that stays they may end their work in order; in a temporary one there is nothing to lose.
        """
        names = components or tuple(self._running)
        stopping = [self._running.pop(name) for name in names if name in self._running]
        stop_all(stopping, grace=STOP_SECONDS if self.keep_home or components else 0.0)
        if not components and not self.keep_home:
            shutil.rmtree(self.home, ignore_errors=True)

    def kill(self, component: str, sig: signal.Signals = signal.SIGKILL) -> None:
        """Kill a component and all its processes at once, as a crash of its machine would."""
        self._running[component].kill(sig)

    def alive(self, component: str) -> bool:
        """Tell whether a component's process runs."""
        return component in self._running and self._running[component].alive

    def ended(self) -> list[str]:
        """Return the started components whose processes no longer run."""
        return [name for name, process in self._running.items() if not process.alive]

    def wait_healthy(self, *components: str, timeout: float = START_SECONDS) -> None:
        """Wait until components (default: all that were started) run and have said so to the database.

        Airflow calls a killed component healthy for another half minute, so a heartbeat counts only
        when it is younger than the component's start.
        """
        waiting = set(components or self._running)
        deadline = time.monotonic() + timeout
        while waiting:
            for name in waiting:
                if not self.alive(name):
                    raise LocalAirflowError(f"{name} ended\n{self._running[name].log_tail()}")
            waiting -= self._healthy(waiting)
            if waiting and time.monotonic() > deadline:
                logs = "\n".join(f"--- {name}\n{self._running[name].log_tail()}" for name in sorted(waiting))
                raise LocalAirflowError(f"not healthy after {timeout:.0f} s: {sorted(waiting)}\n{logs}")
            if waiting:
                time.sleep(_POLL_SECONDS)

    def sessions(self) -> dict[str, int]:
        """Return {component: id of the session that all of its processes belong to}."""
        return {name: process.sid for name, process in self._running.items()}

    def component_log(self, component: str) -> Path:
        """Return the file that a component's output is in (of all its starts)."""
        return self.logs / f"{component}.log"

    def command(self, *arguments: str) -> str:
        """Run an `airflow` command in this Airflow's environment and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self.environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LocalAirflowError(f"airflow {' '.join(arguments)} failed\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def _healthy(self, components: set[str]) -> set[str]:
        try:
            health = self.client.health()
        except AirflowUnreachableError:
            return set()
        healthy = {"api-server"}
        for name in components - healthy:
            key = name.replace("-", "_")
            heartbeat = health[key].get(f"latest_{key}_heartbeat")
            if heartbeat and datetime.fromisoformat(heartbeat) >= self._started_at[name]:
                healthy.add(name)
        return components & healthy

    def _migrate(self) -> None:
        # Also writes airflow.cfg with this Airflow's own keys, which the components have to share.
        self.command("db", "migrate")
        self._migrated = True

    def _keep_passwords(self) -> dict[str, str]:
        """Read the users' passwords, or make them: SimpleAuthManager would print its own to a log."""
        path = self.home / "passwords.json"
        path.touch(mode=0o600)
        kept: dict[str, str] = json.loads(path.read_text() or "{}")
        passwords = {user: kept.get(user) or secrets.token_urlsafe(8) for user in USERS}
        path.write_text(json.dumps(passwords))
        return passwords


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    """Tell whether a port of 127.0.0.1 can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
