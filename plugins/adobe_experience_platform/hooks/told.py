"""Until when an account is not to be asked, for all processes of an Airflow: what one was told, the others keep to.

A file for each account, whose time of change is the end of the pause: a look at it costs microseconds before a request,
and it is written only where AEP refuses. It holds nothing, and the most that it can do is make somebody wait an hour.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Hashable
from pathlib import Path

from airflow.sdk import conf

from adobe_experience_platform.aep import LONGEST_PAUSE

log = logging.getLogger(__name__)


def folder() -> Path:
    """Return where the files are: Airflow's option ``pauses_folder``, else in Airflow's home."""
    chosen = conf.get("adobe_experience_platform", "pauses_folder", fallback="")
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser()
    return Path(chosen).expanduser() if chosen else home / "aep_pauses"


class ToldPause:
    """The pause of one account.

    :param account: whose limit it is; it must be the same in all processes, and JSON can hold it.
    """

    def __init__(self, account: Hashable) -> None:
        self._path = folder() / hashlib.sha256(json.dumps(account).encode()).hexdigest()[:24]

    def left(self) -> float:
        """Return for how many seconds nothing may be asked, 0 if nobody was told so."""
        try:
            left = self._path.stat().st_mtime - time.time()
        except OSError:
            return 0.0
        return left if 0 < left <= LONGEST_PAUSE else 0.0

    def extend(self, seconds: float) -> None:
        """Let nobody ask for so many seconds; what was told for longer stays."""
        if seconds <= self.left():
            return
        until = time.time() + seconds
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o666))  # leaves the time of one that exists
            os.utime(self._path, (until, until))
        except OSError as error:
            log.info("Other processes will not know of AEP's pause of %d s: %s", seconds, error.strerror)
