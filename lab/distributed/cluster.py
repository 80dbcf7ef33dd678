"""The services of docker-compose.yaml as processes of this machine.

Commands, environments, dependencies, health checks, restart policies and the numbers of replicas are those of
the file. What a container has of its own, and one machine has only once, is given to each replica here: a host
name, ports, and folders. `local_settings` lists all that differs.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from lab.distributed import compose, environment
from lab.local_postgres import LocalPostgres
from tools import compose_env
from tools.airflow_client import AirflowClient
from tools.airflow_settings import REPOSITORY
from tools.local_airflow import free_port
from tools.process_session import ProcessSession, stop_all
from tools.startable import Startable

# Service -> the port it listens on in its container.
PORTS = {"postgres": 5432, "redis": 6379, "api-server": 8080, "scheduler": 8974, "flower": 5555, "simulator": 8090}
# Added to commands: all workers would have the name of this machine.
LOCAL_ARGUMENTS = {
    "celery worker": ["--celery-hostname", "celery@$HOSTNAME"],
}
_CURL = """#!/bin/sh
exec python -c 'import sys, urllib.request as u; u.urlopen(sys.argv[-1], timeout=10)' "$@"
"""
_HEALTH_SECONDS = 240.0
_CHECK_SECONDS = 45.0
_POLL_SECONDS = 0.3


class ClusterError(Exception):
    """A service did not come up; the message ends with its log."""


class Cluster(Startable):
    """All services of some profiles; use it as a context manager.

    :param profiles: those of docker-compose.yaml to include
    :param variables: over the generated secrets, as in `.env`
    :param config: {"section.option": value} over the file's settings, for all of Airflow
    """

    def __init__(
        self,
        *,
        profiles: Collection[str] = (),
        variables: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="airflow-distributed-"))
        self.keep_home = False
        self.logs = self.home / "output"
        self.ports = {name: free_port() for name in PORTS}
        self.variables = {**compose_env.strong_values(), "AIRFLOW_PORT": str(self.ports["api-server"])}
        self.variables |= variables or {}
        services = compose.read(REPOSITORY / "docker-compose.yaml", self.variables)
        self.services = {
            name: one for name, one in services.items() if not one.profiles or one.profiles & set(profiles)
        }
        self.url = f"http://127.0.0.1:{self.ports['api-server']}"
        self.simulator_url = f"http://127.0.0.1:{self.ports['simulator']}"
        self.client = AirflowClient(self.url, "admin", self.variables["AIRFLOW_ADMIN_PASSWORD"])
        # What the image does: a user and a database by the name of its environment. Both are called airflow.
        image = services["postgres"].environment
        self.postgres = LocalPostgres(
            image["POSTGRES_DB"],
            password=image["POSTGRES_PASSWORD"],
            program=environment.postgres_folder(),
            settings={},
        )
        self.ports["postgres"] = self.postgres.port
        self.restarts: Counter[str] = Counter()
        self._config = dict(config or {})
        self._health_ports: dict[str, int] = {}
        self._running: dict[str, ProcessSession] = {}
        self._away: set[str] = set()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def start(self) -> None:
        """Start all services in the order of their dependencies; if one does not come up, what it wrote stays."""
        try:
            self._start_in_order()
        except BaseException:
            self.keep_home = True
            raise
        self._supervisor.start()

    def _start_in_order(self) -> None:
        self._lay_out()
        for service in self.services.values():
            for other, condition in service.depends_on.items():
                if condition == "service_healthy" and other in self.services:
                    self.wait_healthy(other)
            for replica in self.replicas(service.name):
                self._launch(replica)
            if service.name == "postgres":
                self.wait_healthy("postgres")
                self.postgres.create_database()
            if any(one.depends_on.get(service.name) == "service_completed_successfully" for one in self._others()):
                self._await_success(service)

    def stop(self) -> None:
        """Kill all that runs, and remove what it wrote, unless `keep_home`."""
        self._stopping.set()
        with self._lock:
            stop_all(list(self._running.values()), grace=0.0)
        self.postgres.stop()
        if not self.keep_home:
            shutil.rmtree(self.home, ignore_errors=True)

    def replicas(self, *services: str) -> list[str]:
        """Return the names of the replicas of services (default: of all)."""
        chosen = [self.services[name] for name in services or self.services]
        return [f"{one.name}-{number}" for one in chosen for number in range(1, one.replicas + 1)]

    def kill(self, replica: str) -> None:
        """Kill all processes of a replica, task processes included; it stays away until `bring_back`."""
        with self._lock:
            self._away.add(replica)
            self._running[replica].kill()

    def bring_back(self, replica: str) -> None:
        """Start a killed replica again."""
        with self._lock:
            self._away.discard(replica)
            self._launch(replica)

    def restart(self, replica: str) -> None:
        """Stop a replica in order, within its grace period, and start it again."""
        with self._lock:
            self._away.add(replica)
            stop_all([self._running[replica]], grace=self._service(replica).grace)
            self.bring_back(replica)

    def terminate_backends(self) -> int:
        """End every connection to the database, as a failover of it does; return how many."""
        sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        return int(self.postgres.query(f"{sql} WHERE datname IN ('airflow', 'celery') AND pid <> pg_backend_pid()"))

    def is_healthy(self, replica: str) -> bool:
        """Run the health check of the replica's service."""
        check = [self._localized(word, replica) for word in self._service(replica).healthcheck]
        try:
            done = subprocess.run(
                check,
                env=self.environment(replica),
                cwd=self.home / "airflow",
                capture_output=True,
                timeout=_CHECK_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def wait_healthy(self, *services: str, seconds: float = _HEALTH_SECONDS) -> None:
        """Wait until the health checks of all replicas of services succeed.

        :raises ClusterError: when one dies, or is not healthy in time
        """
        deadline = time.monotonic() + seconds
        for replica in self.replicas(*services):
            while not self.is_healthy(replica):
                session = self._running[replica]
                if time.monotonic() > deadline or not (session.alive or self._supervisor.is_alive()):
                    raise ClusterError(f"{replica} is not healthy\n{session.log_tail()}")
                time.sleep(_POLL_SECONDS)

    def sids(self) -> dict[str, int]:
        """Return {replica: session id} of all that run."""
        with self._lock:
            return {replica: session.sid for replica, session in self._running.items() if session.alive}

    def environment(self, replica: str) -> dict[str, str]:
        """Return the whole environment of a replica: the image's, the file's, and what is local."""
        airflow = self.home / "airflow"
        own_tmp = self.home / "tmp" / replica
        own_tmp.mkdir(parents=True, exist_ok=True)
        values = {
            "AIRFLOW_HOME": str(airflow),
            "HOME": str(self.home),
            "HOSTNAME": replica,
            "LANG": "C.UTF-8",
            "NO_PROXY": "*",
            "PATH": os.pathsep.join([str(self.home / "bin"), environment.path()]),
            "PYTHONPATH": os.pathsep.join([str(airflow), str(REPOSITORY)]),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(own_tmp),
        }
        if self._service(replica).name == "postgres":
            return {**values, **self.postgres.environment(), "PATH": values["PATH"]}
        given = {name: self._localized(value, replica) for name, value in self._service(replica).environment.items()}
        if "AIRFLOW__CORE__EXECUTOR" in given:
            for key, value in {**self.local_settings(replica), **self._config}.items():
                section, option = key.split(".", 1)
                given[f"AIRFLOW__{section.upper()}__{option.upper()}"] = value
        return {**values, **given}

    def local_settings(self, replica: str) -> dict[str, str]:
        """Return {"section.option": value} of what containers of their own would not need."""
        return {
            "api.host": "127.0.0.1",
            "api.port": str(self.ports["api-server"]),
            "core.hostname_callable": "lab.distributed.hostname.hostname",
            "scheduler.scheduler_health_check_server_host": "127.0.0.1",
            "scheduler.scheduler_health_check_server_port": str(self._own_port(replica)),
        }

    def command(self, replica: str) -> list[str]:
        """Return what the image would run: `entrypoint`, or Airflow's own entry point."""
        service = self._service(replica)
        words = [self._localized(word, replica) for word in service.command]
        if service.entrypoint or service.image.startswith("redis:"):
            return [*service.entrypoint, *words]
        if words[0] == "python":
            return words
        for prefix, added in LOCAL_ARGUMENTS.items():
            if shlex.join(words).startswith(prefix):
                words += [word.replace("$HOSTNAME", replica) for word in added]
        return ["airflow", *words]

    def _service(self, replica: str) -> compose.ComposeService:
        return self.services[replica.rpartition("-")[0]]

    def _others(self) -> list[compose.ComposeService]:
        return list(self.services.values())

    def _own_port(self, replica: str) -> int:
        """Return the port that a replica listens on; schedulers have one each."""
        name = self._service(replica).name
        if name != "scheduler":
            return self.ports.get(name, 0)
        return self._health_ports.setdefault(replica, free_port())

    def _localized(self, text: str, replica: str) -> str:
        """Let a text of the file point to this machine: hosts, ports, and the folder of a volume."""
        service = self._service(replica)
        text = text.replace("/tmp/", f"{self.home}/tmp/{replica}/")  # noqa: S108 - the container's own
        for name, port in self.ports.items():
            text = re.sub(rf"(?<=[@/]){name}(:{PORTS[name]})?(?=[/\s]|$)", f"127.0.0.1:{port}", text)
        if own := PORTS.get(service.name):
            text = re.sub(rf"((?<=localhost:)|(?<=--port[ =])){own}\b", str(self._own_port(replica)), text)
            text = re.sub(rf"^{own}$", str(self._own_port(replica)), text).replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        for source, target in service.volumes:
            if "/" not in source:
                text = re.sub(rf"(?<!\S){re.escape(target)}(?!\S)", str(self.home / "volumes" / source), text)
        return text

    def _lay_out(self) -> None:
        """Make the folders that the image and the volumes have, and programs that know our ports."""
        for folder in ("airflow", "bin", "output", "volumes/logs", "volumes/redis"):
            (self.home / folder).mkdir(parents=True)
        for service in self.services.values():
            for source, target in service.volumes:
                link = self.home / "airflow" / Path(target).name
                if target.startswith("/opt/airflow/") and not link.exists():
                    link.symlink_to(REPOSITORY / source if "/" in source else self.home / "volumes" / source)
        redis, port = environment.redis_folder(), self.ports["redis"]
        self._program("redis-server", f'#!/bin/sh\nexec "{redis}/redis-server" "$@" --bind 127.0.0.1 --port {port}\n')
        self._program("redis-cli", f'#!/bin/sh\nexec "{redis}/redis-cli" -p {port} "$@"\n')
        if not shutil.which("curl"):
            self._program("curl", _CURL)
        self.postgres.initialise()

    def _program(self, name: str, text: str) -> None:
        file = self.home / "bin" / name
        file.write_text(text)
        file.chmod(0o755)

    def _launch(self, replica: str) -> None:
        log = self.logs / f"{replica}.log"
        with self._lock:
            if self._service(replica).name == "postgres":
                self._running[replica] = self.postgres.launch(log)
                return
            self._running[replica] = ProcessSession(
                replica,
                self.command(replica),
                log=log,
                env=self.environment(replica),
                cwd=self.home / "airflow",
            )

    def _await_success(self, service: compose.ComposeService) -> None:
        for replica in self.replicas(service.name):
            session = self._running[replica]
            deadline = time.monotonic() + _HEALTH_SECONDS
            while session.alive and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            if session.returncode != 0:
                raise ClusterError(f"{replica} failed\n{session.log_tail()}")

    def _supervise(self) -> None:
        """Start again what has ended, as the restart policy says."""
        while not self._stopping.wait(_POLL_SECONDS):
            with self._lock:
                for replica, session in list(self._running.items()):
                    lives = session.alive or replica in self._away or self._stopping.is_set()
                    if not lives and self._service(replica).restart != "no":
                        self.restarts[replica] += 1
                        session.kill()  # what its first process left behind
                        print(f"  {replica} ended with {session.returncode}, started again", file=sys.stderr)
                        self._launch(replica)
