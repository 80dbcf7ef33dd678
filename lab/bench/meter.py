"""What a running Airflow uses: CPU seconds, memory, task processes and the slots they hold."""

from __future__ import annotations

import datetime as dt
import os
import re
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
MEMORY_PAUSE = 1.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TASK_CALL = re.compile(
    r"^(?P<at>\S+) .*request finished.*method=PATCH path=/execution/task-instances/"
    r"(?P<id>[0-9a-f-]+)/(?P<what>run|state) .*status_code=(?P<status>\d+)"
)
_EXECUTION_CALL = re.compile(r"method=\w+ path=/execution/")


TASKS = "tasks"
_OWN, _WITH_CHILDREN = slice(11, 13), slice(11, 15)
"""Of /proc/…/stat behind the name: user and system time; the same with those of ended children."""


def _stats() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            yield int(entry.name), (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue  # it has just ended


def processes_of(sessions: Collection[int]) -> set[int]:
    """Return the ids of the processes in these sessions."""
    return {pid for pid, fields in _stats() if int(fields[3]) in sessions}


def cpu_seconds(sessions: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds that each component has used so far.

    A child's seconds move to its parent when it ends, so that a session's sum only grows. The LocalExecutor and the
    task processes are children of the scheduler; what they use is counted as that of the tasks.
    """
    names = {sid: name for name, sid in sessions.items()}
    found = dict.fromkeys([*sessions, *([TASKS] if "scheduler" in sessions else [])], 0.0)
    for pid, fields in _stats():
        name = names.get(int(fields[3]))
        if name is None:
            continue
        used = sum(map(int, fields[_WITH_CHILDREN])) / TICKS
        if name == "scheduler":
            own = sum(map(int, fields[_OWN])) / TICKS if pid == sessions[name] else 0.0
            found[name] += own
            found[TASKS] += used - own
        else:
            found[name] += used
    return found


def memory_mb(pids: Iterable[int]) -> float:
    """Return the memory of processes in MB; pages that they share count once (proportional set size)."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0])
    return total * 1024 / 1e6


class Meter:
    """Measures sessions for the length of a ``with`` block.

    :ivar cpu_s: CPU seconds used inside, by component.
    :ivar seconds: how long it lasted.
    :ivar peak_mb: highest memory seen, looked at once a second.
    """

    def __init__(self, sessions: Mapping[str, int]) -> None:
        self._sessions = dict(sessions)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch_memory, daemon=True)
        self.cpu_s: dict[str, float] = {}
        self.seconds = self.peak_mb = 0.0

    def __enter__(self) -> Self:
        self._before, self._began = cpu_seconds(self._sessions), time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu_s = {name: used - self._before[name] for name, used in cpu_seconds(self._sessions).items()}
        self.seconds = time.monotonic() - self._began
        self._stop.set()
        self._thread.join()

    def _watch_memory(self) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, memory_mb(processes_of(self._sessions.values())))
            if self._stop.wait(MEMORY_PAUSE):
                return


@dataclass(frozen=True, slots=True)
class Occupation:
    """One task process: which task instance, from when to when it held a worker slot."""

    instance_id: str
    begun: dt.datetime
    ended: dt.datetime


def occupations(log: str) -> list[Occupation]:
    """Read from the API server's log which task processes ran: each says when it begins and how it ends."""
    running: dict[str, dt.datetime] = {}
    found: list[Occupation] = []
    for line in log.splitlines():
        call = _TASK_CALL.match(_COLOURS.sub("", line))
        if call is None or not call["status"].startswith("2"):
            continue
        at = dt.datetime.fromisoformat(call["at"])
        if call["what"] == "run":
            running[call["id"]] = at
        elif call["id"] in running:
            found.append(Occupation(call["id"], running.pop(call["id"]), at))
    found += [Occupation(instance, at, at) for instance, at in running.items()]
    return found


def execution_calls(log: str) -> int:
    """Count what tasks and triggers have asked the API server, by its log."""
    return len(_EXECUTION_CALL.findall(_COLOURS.sub("", log)))


def waiting_seconds(found: Iterable[Occupation], waiting: Mapping[str, str]) -> float:
    """Return for how long slots were held by tasks that had looked already and found AEP not ready.

    :param waiting: id → name of the task instances that wait for AEP. The first process of each asks for the
        first time; those after it, and all of one that does not give its slot back, are waiting.
    """
    seen: set[str] = set()
    seconds = 0.0
    for item in sorted(found, key=lambda item: item.begun):
        if item.instance_id in waiting:
            if item.instance_id in seen:
                seconds += (item.ended - item.begun).total_seconds()
            seen.add(item.instance_id)
    return seconds
