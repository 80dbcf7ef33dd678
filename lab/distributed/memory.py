"""How much memory each service takes at most."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import psutil

_INTERVAL_SECONDS = 10.0


class MemoryWatch:
    """Looks at the replicas' processes now and then, while its block runs.

    A page that several processes share counts for each in equal parts (PSS), where the system tells that.

    :param sessions: returns {replica: session id}
    """

    def __init__(self, sessions: Callable[[], Mapping[str, int]]) -> None:
        self.peaks: dict[str, int] = {}
        self._sessions = sessions
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(_INTERVAL_SECONDS):
            for replica, used in _used(self._sessions()).items():
                self.peaks[replica] = max(used, self.peaks.get(replica, 0))


def _used(sessions: Mapping[str, int]) -> dict[str, int]:
    """Return {replica: bytes}. PostgreSQL gives each of its children a session of its own: their parent's counts."""
    owners = {sid: replica for replica, sid in sessions.items()}
    used: dict[str, int] = defaultdict(int)
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            process = psutil.Process(pid)
            if replica := owners.get(os.getsid(pid)) or owners.get(process.ppid()):
                memory = process.memory_full_info()
                used[replica] += getattr(memory, "pss", memory.uss)
    return used
