"""The trigger of the bare DAG, in a module that the triggerer can import."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent


class AtTimeTrigger(BaseTrigger):
    """End the task successfully at a time.

    :param at: seconds since the epoch
    """

    def __init__(self, at: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.at = at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of the class and its arguments."""
        return f"{__name__}.{type(self).__name__}", {"at": self.at}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep once."""
        await asyncio.sleep(max(0.0, self.at - time.time()))
        yield TaskSuccessEvent()
