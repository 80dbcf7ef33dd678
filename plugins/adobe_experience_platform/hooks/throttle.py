"""Rate limiting: one pace per account in a process, pauses for all processes, bounded concurrency on an event loop.

A triggerer may watch for a thousand tasks; whatever they ask goes through one :class:`Throttle` per
account, so that a thousand are as polite as one. A worker's requests follow one another, at the same :class:`Pace`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import weakref
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any

from adobe_experience_platform.aep import TOO_MANY, AepConnection, Pace, transport

from .told import ToldPause

CONCURRENCY = 8
"""Requests to one account of AEP that a triggerer has under way at the same time, at most."""
SAID = 5.0
"""Seconds of a pause from which on the log tells of it."""
SILENT = 30.0
"""Seconds of shorter ones together after which it does."""

log = logging.getLogger(__name__)


def account_of(settings: AepConnection) -> Hashable:
    """Return whose limit a connection's requests count for."""
    return settings.base_url, settings.client_id


class SharedPace(Pace):
    """A pace whose told pauses all processes of this Airflow keep to.

    Pauses that were only found out are each process's own: shared, they would grow with the number of processes.
    """

    def __init__(self, told: ToldPause) -> None:
        super().__init__()
        self._told = told

    def pause(self, now: float) -> float:
        """Return for how long nothing may be asked: by what this process has learned, and by what others were told."""
        return max(super().pause(now), self._told.left())

    def record(self, began: float, now: float, *, refused: bool, told: float | None = None) -> bool:
        """Learn from an answer, and let the others know what it tells."""
        is_news = super().record(began, now, refused=refused, told=told)
        if told:
            self._told.extend(self.closed_for(now))
        return is_news


_paces: dict[Hashable, Pace] = {}


def pace_of(account: Hashable) -> Pace:
    """Return the pace of an account in this process: all that asks for it here is as fast together as one."""
    if account not in _paces:
        _paces[account] = SharedPace(ToldPause(account))
    return _paces[account]


def forget_all() -> None:
    """Forget what this process has learned of all accounts."""
    _paces.clear()


def record(pace: Pace, began: float, received: transport.Received) -> bool:
    """Let a pace learn from an answer; return whether it is a refusal that is news."""
    told = transport.retry_after_of(received)
    refused = received.status == TOO_MANY or told is not None
    return pace.record(began, time.monotonic(), refused=refused, told=told)


class PauseLog:
    """Tells of pauses, once of those that many wait for together.

    :param log: where.
    """

    def __init__(self, log: Any) -> None:
        self.answered = 0
        self._log = log
        self._unsaid = 0.0
        self._until = -math.inf

    def tell(self, pause: float) -> None:
        """Say how long nothing is asked, where that or what was not said yet is long."""
        now = time.monotonic()
        more = now + pause - max(now, self._until)
        self._until = max(self._until, now + pause)
        self._unsaid += max(more, 0.0)
        if more >= SAID or self._unsaid >= SILENT:
            self._unsaid = 0.0
            self._log.info(
                "AEP takes no more requests for now (%d answered so far): going on in %d s", self.answered, pause
            )


class Throttle:
    """Lets requests through: a few at a time, none while AEP has asked for a pause.

    After a refusal half as many run at the same time; successes in a row add one after the other again, up to a limit.
    """

    def __init__(self, pace: Pace, limit: int = CONCURRENCY) -> None:
        self.pace = pace
        self.limit = limit
        self.allowed = limit
        self.active = 0
        self.pauses = PauseLog(log)
        self._good = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait for a turn and keep it for the length of the block; gives the time at which it began.

        :raises transport.TransportError: if AEP has asked for a longer pause than a call waits for.
        """
        while (pause := self.pace.pause(time.monotonic())) > 0 or self.active >= self.allowed:
            if pause > 0:
                transport.require_open(pause)
                self.pauses.tell(pause)
                await asyncio.sleep(pause)
                continue
            free: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(free)
            try:
                await free
            finally:
                self._waiting.discard(free)
        self.active += 1
        began = time.monotonic()
        self.pace.begin(began)
        try:
            yield began
        finally:
            self.active -= 1
            for free in self._waiting:
                if not free.done():
                    free.set_result(None)

    def record_response(self, began: float, received: transport.Received) -> None:
        """Adapt to a response; of many whose requests were under way together only the first counts."""
        self.pauses.answered += received.status < 400
        if record(self.pace, began, received):
            self.allowed = max(1, self.allowed // 2)
            self._good = 0
        elif received.status < 400:
            self._good += 1
            if self._good >= self.allowed:
                self._good, self.allowed = 0, min(self.allowed + 1, self.limit)


_throttles: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Throttle]] = weakref.WeakKeyDictionary()


def throttle(account: Hashable) -> Throttle:
    """Return the throttle of an account in this event loop."""
    throttles = _throttles.setdefault(asyncio.get_running_loop(), {})
    if account not in throttles:
        throttles[account] = Throttle(pace_of(account))
    return throttles[account]
