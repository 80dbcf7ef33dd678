"""Rate limiting: bounded concurrency, and a shared pause when AEP asks for one.

A triggerer may watch for a thousand tasks; whatever they ask goes through one :class:`Throttle` per
account, so that a thousand are as polite as one.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

CONCURRENCY = 8
"""Requests to one account of AEP that a triggerer has under way at the same time, at most."""
SLOW_DOWN_FIRST = 1.0
SLOW_DOWN_LAST = 60.0
"""Seconds for which nothing is asked after a 429: doubled each time in a row, longer if AEP says so, within bounds."""
TOO_MANY = 429


class Throttle:
    """Lets requests through: a few at a time, none for a while after AEP has said that it is too many.

    After a 429 all wait, then half as many run at the same time; successes in a row add one after the other again.

    :param limit: requests under way at the same time, at most.
    """

    def __init__(self, limit: int = CONCURRENCY) -> None:
        self.limit = limit
        self.allowed = limit
        self.active = 0
        self._closed_until = 0.0
        self._strikes = 0
        self._good = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait for a turn and keep it for the length of the block; gives the time at which it began."""
        while (pause := self._closed_until - time.monotonic()) > 0 or self.active >= self.allowed:
            if pause > 0:
                await asyncio.sleep(pause)
                continue
            free: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(free)
            try:
                await free
            finally:
                self._waiting.discard(free)
        self.active += 1
        try:
            yield time.monotonic()
        finally:
            self.active -= 1
            for free in self._waiting:
                if not free.done():
                    free.set_result(None)

    def record_response(self, began: float, status: int, retry_after: float | None) -> None:
        """Adapt to a response.

        :param began: when its request began: of many that were under way together only the first counts.
        :param retry_after: seconds that AEP asks for, if it does.
        """
        if status != TOO_MANY and retry_after is None:
            self._good += 1
            if self._good >= self.allowed:
                self._good, self._strikes = 0, 0
                self.allowed = min(self.allowed + 1, self.limit)
            return
        self._good = 0
        news = began >= self._closed_until
        if news:
            self.allowed = max(1, self.allowed // 2)
            self._strikes += 1
        pause = max(retry_after or 0.0, SLOW_DOWN_FIRST * 2.0 ** (self._strikes - 1) if news else 0.0)
        self._closed_until = max(self._closed_until, time.monotonic() + min(pause, SLOW_DOWN_LAST))


_throttles: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Throttle]] = weakref.WeakKeyDictionary()


def throttle(account: Hashable) -> Throttle:
    """Return the throttle of an account in this event loop."""
    throttles = _throttles.setdefault(asyncio.get_running_loop(), {})
    if account not in throttles:
        throttles[account] = Throttle()
    return throttles[account]
