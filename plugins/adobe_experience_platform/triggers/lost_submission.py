"""Waits until it is known what became of an activation whose answer was lost."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import TriggerEvent

from adobe_experience_platform.aep import Activation, Call, Pair
from adobe_experience_platform.delivery import Record, RunSearch, find
from adobe_experience_platform.errors import AepSubmissionError
from adobe_experience_platform.hooks import metrics

from . import polling
from .base import SharedPollTrigger, async_hook, event


class LostSubmissionTrigger(SharedPollTrigger):
    """Fires when it is known what became of an activation whose answer was lost.

    AEP may list a run late, and another's run may be listed before ours, so nothing is concluded before
    ``settle_seconds`` of this trigger's own clock (a restart begins anew, which is the safe side).

    :param record: the submission's record, as stored.
    :param aliases: audience id → external id, for imported audiences.
    :param settle_seconds: how long a run may take to show up.

    Event: ``{"status": "done" | "timeout" | "error", "message": str, "intent": str, "settled": bool,
    "found": [order, …]}``; ``settled``: whether the settling time of this intent is over.
    """

    POLL = "lost"

    def __init__(
        self,
        *,
        record: Mapping[str, Any],
        settle_seconds: float,
        aliases: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.record = dict(record)
        self.settle_seconds = float(settle_seconds)
        self.aliases = dict(aliases or {})
        self._unnamed: tuple[str, ...] = ()
        self._found: dict[Pair, Activation] = {}
        self._known: dict[Pair, Activation | None] = {}

    def shared_stream_key(self) -> None:
        """Return nothing to share: what is looked for belongs to one submission."""
        return

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for the lost activation until it is found or cannot appear any more."""
        if found := self._too_new():
            await self._hold_back(found)
            yield found
            return
        async with await async_hook(self.aep_conn_id, self.sandbox_name) as hook:
            while True:
                found = await self._round(hook)
                # The deadline is by another machine's clock, so it may only prolong the wait.
                if found is None and self._is_settled() and dt.datetime.now(tz=dt.UTC) >= self._ends_at:
                    found = self._end("timeout", "runs that name no audience: " + ", ".join(self._unnamed))
                if found is not None:
                    await self._hold_back(found)
                    yield found
                    return
                await asyncio.sleep(polling.next_pause(time.monotonic() - self._since, self.poll_interval))

    async def _round(self, hook: Any) -> TriggerEvent | None:
        tags = {"poll": self.POLL, "conn_id": self.aep_conn_id, "sandbox": self.sandbox_name or ""}
        metrics.count(metrics.POLLS, tags)
        try:
            look: RunSearch = await hook.call(self._look())
        except AepSubmissionError as error:  # the record cannot be read, and will not become readable
            return event("error", str(error), retriable=False)
        except Exception as error:  # noqa: BLE001 - counted and judged like a failed round of a shared poll
            metrics.count(metrics.POLLS_FAILED, tags)
            return self._failed(error)
        self._recovered()
        return self._judge(look)

    def _look(self) -> Call[RunSearch]:
        record = Record.from_json(self.record)
        self._known = {pair: record.orders[pair] for pair in record.sought}
        return (yield from find(record, self.aliases))

    def _judge(self, look: RunSearch) -> TriggerEvent | None:
        if look.unnamed != self._unnamed and look.unnamed:
            self.log.info("AEP lists young runs that name no audience yet: %s", ", ".join(look.unnamed))
        self._unnamed = look.unnamed
        for pair, run in look.found.items():
            if pair not in self._found and self._known[pair] is None:
                self.log.info("AEP lists the run %s for audience %s", run.id, pair.audience_id)
            self._found[pair] = Activation(*pair, run.id, adopted=True)
        if not self._is_settled():
            # What was found is recorded at once; the rest of the wait comes after.
            is_news = self._found.keys() == self._known.keys() and self._found != self._known
            return self._end("done") if is_news and not look.unnamed else None
        return None if look.unnamed else self._end("done")

    def _is_settled(self) -> bool:
        return time.monotonic() - self._since >= self.settle_seconds

    def _end(self, status: str, message: str = "") -> TriggerEvent:
        intent = self.record.get("intent") or {}
        found = [list(order) for order in self._found.values()]
        return event(status, message, intent=intent.get("id", ""), settled=self._is_settled(), found=found)
