"""What asset watchers have in common: a poll that never ends, and events without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from airflow.triggers.base import TriggerEvent

from adobe_experience_platform.delivery import Snapshot
from adobe_experience_platform.errors import AepError

from .base import FAILURES_ALLOWED, SharedPollTrigger, event
from .memory import News, WatcherMemory
from .polling import Subscription


class WatcherTrigger(SharedPollTrigger):
    """A trigger that waits for a task, or without a deadline watches for assets: then it fires again and again."""

    WHAT = ""
    """What is watched, for the log."""

    _memory: WatcherMemory[Any]

    def _news(self, snapshot: Snapshot, mark: Any) -> News[Any]:
        """Compare what AEP says with what was told."""
        raise NotImplementedError

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Snapshot]) -> AsyncIterator[TriggerEvent]:
        """Turn the shared snapshots into a waiting task's one event, or into a watcher's many."""
        if self.deadline is not None:
            async for found in super().filter_shared_stream(shared_stream):
                yield found
            return
        subscription = Subscription(self._wanted(), self.poll_interval, self._ends_at)
        with self._group(self.shared_stream_key()).joined(subscription):
            async for snapshot in self._unending(shared_stream):
                if not subscription.concerned(snapshot):
                    continue
                if (error := self._error_in(snapshot)) is not None:
                    self._failed(error)
                    continue
                self._recovered()
                look = partial(self._news, snapshot)
                while payloads := await self._memory.consider(look, self.asset_state_store):
                    for payload in payloads:
                        self.log.info("%s", self._line(payload))
                        yield event(**{"status": "done", **payload})
                    await self._memory.told(self.asset_state_store)
                subscription.wanted = self._wanted()

    def _line(self, payload: Mapping[str, Any]) -> str:
        """Return what the log says of an event."""
        raise NotImplementedError

    def _error_in(self, snapshot: Snapshot) -> Exception | None:
        """Return why a round says nothing of what is watched."""
        return snapshot.error

    async def _unending(self, stream: AsyncIterator[Snapshot]) -> AsyncIterator[Snapshot]:
        """Go on with a poll of one's own should the shared one end: a watcher that ends would start no DAG."""
        while True:
            try:
                async for snapshot in stream:
                    yield snapshot
                self.log.warning("The shared poll of %s has ended; this watcher goes on by itself", self.WHAT)
            except Exception:
                self.log.exception("The shared poll of %s has failed; this watcher goes on by itself", self.WHAT)
            await asyncio.sleep(self.poll_interval)
            stream = type(self).open_shared_stream(self.serialize()[1])

    def _failed(self, error: Exception) -> TriggerEvent | None:
        """Count a failed poll. A watcher goes on for ever, and says so now and then."""
        if self.deadline is not None:
            return super()._failed(error)
        self._failures += 1
        if self._failures == 1 or self._failures % FAILURES_ALLOWED == 0:
            self.log.warning(
                "%s are not watched: AEP (connection %s) could not be asked, %d times in a row. DAGs that start after "
                "them do not start meanwhile. The watcher goes on trying. Last: %s",
                self.WHAT[:1].upper() + self.WHAT[1:],
                self.aep_conn_id,
                self._failures,
                error if isinstance(error, AepError) else type(error).__name__,
                exc_info=None if isinstance(error, AepError) else error,
            )
        return None
