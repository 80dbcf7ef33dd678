"""Processes that take all they started with them when they stop, and when we die.

Airflow gives every task process a process group of its own, so that killing a component's group leaves
its tasks running. A session id stays with all of them, so a session is the unit here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

_POLL_SECONDS = 0.05
_KILL_SECONDS = 5.0
# The command begins when it is told to: its session is watched by then. If we die in between, it never begins.
_WHEN_TOLD = 'read -r go && exec "$@" </dev/null'


class ProcessSession:
    """One command, run in a session of its own, with its output in a file.

    :param name: what to call it in messages
    :param command: the program and its arguments
    :param log: the file that its output is appended to
    :param env: its whole environment
    :param cwd: its working directory
    :param user: id of the user and group to run it as, if we are root (default: ours)
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        user: int | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _WHEN_TOLD, name, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                user=user,
                group=user,
                extra_groups=None if user is None else (),
                start_new_session=True,  # also keeps the terminal's Ctrl-C away: we stop it in order
            )
        _Guardian.get().watch(self.sid)
        assert self._process.stdin is not None  # noqa: S101  (it was asked for above)
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(b"go\n")

    @property
    def sid(self) -> int:
        """The id of the session, which is also that of its first process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the first process still runs."""
        return self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """What the first process ended with."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask the first process to end, and do not wait: it knows best how to stop its own."""
        if self.alive:
            self._process.terminate()

    def wait(self, timeout: float) -> None:
        """Wait for the end of a terminated process; whatever is then left of the session is killed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self.kill()

    def kill(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to every process of the session; after SIGKILL wait until all are gone."""
        if sig is not signal.SIGKILL:
            _signal_sessions([self.sid], sig)
            return
        _kill_sessions([self.sid])
        self._process.wait(_KILL_SECONDS)
        _Guardian.get().forget(self.sid)

    def log_tail(self, lines: int = 30) -> str:
        """Return the last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def stop_all(sessions: Sequence[ProcessSession], grace: float = 5.0) -> None:
    """Stop several at once, which takes as long as the slowest and not as their sum.

    :param grace: how many seconds they have to end by themselves; 0 kills them at once
    """
    deadline = time.monotonic() + grace
    if grace:
        for session in sessions:
            session.terminate()
    for session in sessions:
        session.wait(max(0.0, deadline - time.monotonic()))


class _Guardian:
    """A small process that kills the watched sessions if this process ends without stopping them.

    It holds the reading end of a pipe; however this process dies, the kernel closes the other end.
    """

    _instance: _Guardian | None = None

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    @classmethod
    def get(cls) -> _Guardian:
        """Return the guardian of this process; a forked child needs another one than its parent."""
        if cls._instance is None or cls._instance._owner != os.getpid():
            cls._instance = cls()
        return cls._instance

    def watch(self, sid: int) -> None:
        self._say(f"watch {sid}")

    def forget(self, sid: int) -> None:
        self._say(f"forget {sid}")

    def _say(self, line: str) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101  (it was asked for above)
        with contextlib.suppress(BrokenPipeError):
            pipe.write(line + "\n")
            pipe.flush()


def _guard(lines: IO[str]) -> None:
    """Be the guardian: keep the list of sessions until the pipe ends, then end what is left."""
    watched: set[int] = set()
    for line in lines:
        action, sid = line.split()
        if action == "watch":
            watched.add(int(sid))
        else:
            watched.discard(int(sid))
    if watched:
        _signal_sessions(watched, signal.SIGTERM)
        _await_end(watched, _KILL_SECONDS)
        _kill_sessions(watched)


def _members(sids: Iterable[int]) -> list[int]:
    """List the living processes of the sessions."""
    wanted = set(sids)
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(pid) in wanted and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                members.append(pid)
    return members


def _signal_sessions(sids: Iterable[int], sig: signal.Signals) -> None:
    for pid in _members(sids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)


def _await_end(sids: Iterable[int], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while _members(sids):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _kill_sessions(sids: Iterable[int]) -> None:
    """Kill until nothing is left: what is forked between a listing and its kill is in the next listing."""
    deadline = time.monotonic() + _KILL_SECONDS
    while _members(sids) and time.monotonic() < deadline:
        _signal_sessions(sids, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _guard(sys.stdin)
