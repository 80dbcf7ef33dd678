"""What a task that waits for flow runs shows meanwhile: lines of its log, and the XCom ``progress``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.execution_time.xcom import XCom

from adobe_experience_platform.delivery import Result, deliveries, is_terminal, line_of, xcom

LINES_PER_ROUND = 20
SHORTEST_PAUSE = 2.0
"""Seconds between two writings of the XCom; it grows with the number of results."""


class Progress:
    """Tells and writes what has become of the runs, each change once."""

    def __init__(self, names: Mapping[str, str], log: Any) -> None:
        self._names = names
        self._log = log
        self._lines: list[str] = []
        self._written: tuple[float, Sequence[Result]] = (0.0, [])

    def holds(self, results: Sequence[Result]) -> bool:
        """Whether these results have been written."""
        return self._written[1] == results

    def note(self, news: Sequence[str], results: Sequence[Result], *, first: bool) -> None:
        """Keep in mind what there is to tell of the runs whose status has changed, or the ``first`` time of all."""
        changed = [result for result in results if result["run_id"] in news]
        for result in changed if len(changed) <= LINES_PER_ROUND else [r for r in changed if r["status"] == "failed"]:
            self._lines.append(line_of(result, self._names))
        if news or first:
            self._lines.append(f"{sum(map(is_terminal, results))} of {deliveries(len(results))} ended")

    async def say(self, *more: str, warnings: Sequence[str] = ()) -> None:
        """Log what there is to tell, from a thread: a log is a pipe that is full while its reader is busy."""
        lines, self._lines = [*self._lines, *more], []
        if lines:
            await asyncio.to_thread(self._say, lines, warnings)

    def _say(self, lines: Sequence[str], warnings: Sequence[str]) -> None:
        for line in warnings:
            self._log.warning("%s", line)
        for line in lines:
            self._log.info("%s", line)

    async def write(self, task_instance: Any, results: Sequence[Result], *, last: bool) -> None:
        """Keep the XCom up to date, the ``last`` time at once; it decorates the UI, so no error of it is a failure."""
        if self.holds(results):
            return
        if not last and time.monotonic() - self._written[0] < max(SHORTEST_PAUSE, len(results) / 100):
            return
        if await self.push(task_instance, xcom.PROGRESS, xcom.progress_note(results)):
            self._written = (time.monotonic(), results)

    async def push(self, task_instance: Any, key: str, value: Any) -> bool:
        """Write an XCom of the waiting task; returns whether it was written."""
        if (ti := task_instance) is None:
            return False
        try:
            if hasattr(ti, "xcom_push"):  # the trigger runs in the task's own process
                await asyncio.to_thread(ti.xcom_push, key, value)
                return True
            await XCom.aset(key, value, dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index)
        except Exception as error:  # noqa: BLE001 - the wait must outlive trouble of the metadata database
            self._log.warning("The XCom '%s' could not be written: %s", key, type(error).__name__)
            return False
        return True
