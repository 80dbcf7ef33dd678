"""Traps: files that a task of the chaos DAG steps on, to be killed or held at an exact point of its work.

The tasks of `chaos_dags` call `enter` first of all. Nothing else knows of traps; the package does not.
"""

from __future__ import annotations

import glob
import os
import signal
import time
from collections.abc import Generator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.05


class Spot(StrEnum):
    """Where in a task's process a trap lies."""

    START = "start"
    """Before the task does anything, at its first execution and at each resumption."""
    POST = "post"
    """Right before the POST, after the intent was recorded."""
    ANSWER = "answer"
    """Right after AEP's answer, before it is recorded."""
    STORE = "store"
    """Where the record with the next intent is stored."""
    STORED = "stored"
    """Right after that, before the POST is allowed to leave."""
    ANSWERED = "answered"
    """Where the record is stored for the first time after AEP's answer."""


class Traps:
    """The traps of one Airflow.

    :param home: its AIRFLOW_HOME
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "traps"

    def kill(self, run_id: str, task_id: str, spot: Spot) -> None:
        """Let the next process of a task that comes to this spot die there by SIGKILL."""
        self._arm(run_id, task_id, spot, "kill")

    def hold(self, run_id: str, task_id: str, spot: Spot) -> None:
        """Let every process of a task that comes to this spot stay there until `release`."""
        self._arm(run_id, task_id, spot, "hold")

    def fail(self, run_id: str, task_id: str, spot: Spot) -> None:
        """Let the next process of a task that comes to this spot meet an error of Airflow's API."""
        self._arm(run_id, task_id, spot, "fail")

    def is_stepped_on(self, run_id: str, task_id: str, spot: Spot) -> bool:
        """Tell whether a process has come to a trap and is held there."""
        return self._file(run_id, task_id, spot).with_suffix(".held").exists()

    def held_index(self, run_id: str, task_id: str, spot: Spot) -> int:
        """Return the map index of the process that is held, -1 if the task is not mapped."""
        return int(self._file(run_id, task_id, spot).with_suffix(".held").read_text())

    def release(self, run_id: str, task_id: str, spot: Spot) -> None:
        """Take a trap away, sprung or not."""
        self._file(run_id, task_id, spot).unlink(missing_ok=True)

    def release_all(self, *run_ids: str) -> None:
        """Take away all traps of runs."""
        for run_id in run_ids:
            for file in self._folder.glob(f"{glob.escape(run_id)}.*"):
                file.unlink(missing_ok=True)

    def is_armed(self, run_id: str, task_id: str, spot: Spot) -> bool:
        """Tell whether a trap is still there; a deadly one is gone once it was stepped on."""
        return self._file(run_id, task_id, spot).exists()

    def step_on(self, run_id: str, task_id: str, spot: Spot, map_index: int = -1) -> None:
        """Suffer what is armed here; called in the task's process."""
        file = self._file(run_id, task_id, spot)
        try:
            what = file.read_text()
            if what in ("kill", "fail"):
                file.unlink()  # only one process dies, however many step on it
        except FileNotFoundError:
            return
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "fail":
            raise RuntimeError("the state store does not answer (a trap)")
        told = file.with_suffix(f".{os.getpid()}")
        told.write_text(str(map_index))
        told.rename(file.with_suffix(".held"))
        while file.exists():
            time.sleep(_POLL_SECONDS)

    def _arm(self, run_id: str, task_id: str, spot: Spot, what: str) -> None:
        file = self._file(run_id, task_id, spot)
        file.parent.mkdir(exist_ok=True)
        unfinished = file.with_suffix(".new")
        unfinished.write_text(what)
        unfinished.rename(file)

    def _file(self, run_id: str, task_id: str, spot: Spot) -> Path:
        return self._folder / f"{run_id}.{task_id}.{spot}.trap"


def enter(context: Mapping[str, Any]) -> None:
    """Lay the traps of a task's process; every task of the chaos DAG runs this first (``pre_execute``)."""
    from adobe_experience_platform.aep import endpoints
    from adobe_experience_platform.operators import TaskStore

    traps = Traps(Path(os.environ["AIRFLOW_HOME"]))
    ti = context["ti"]
    step_on = partial(traps.step_on, ti.run_id, ti.task_id, map_index=ti.map_index)
    step_on(Spot.START)
    send = endpoints.activate

    def activate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        before_bytes = kwargs["before_bytes"]

        def trapped() -> None:
            before_bytes()
            step_on(Spot.POST)

        orders = yield from send(*args, **{**kwargs, "before_bytes": trapped})
        step_on(Spot.ANSWER)
        answered.append(True)
        return orders

    def store(self: TaskStore, key: str, value: dict[str, object]) -> None:
        is_intent = "intent" in value
        if answered:
            answered.clear()
            step_on(Spot.ANSWERED)
        if is_intent:
            step_on(Spot.STORE)
        put(self, key, value)
        if is_intent:
            step_on(Spot.STORED)

    answered: list[bool] = []
    put = TaskStore.set
    endpoints.activate = activate
    TaskStore.set = store  # type: ignore[method-assign]
