"""The simulator's one source of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime


class Clock:
    """AEP's clock: the wall clock, plus an optional skew against the client's.

    :param source: function that returns epoch seconds; tests pass their own.
    :param skew: seconds that AEP's clock is ahead of the source's.
    """

    def __init__(self, source: Callable[[], float] = time.time, skew: float = 0.0) -> None:
        self._source = source
        self.skew = skew

    def seconds(self) -> float:
        """Return the time in epoch seconds."""
        return self._source() + self.skew

    def ms(self) -> int:
        """Return the time in epoch milliseconds, AEP's usual unit."""
        return int(self.seconds() * 1000)

    def today(self) -> date:
        """Return today's date in UTC, the zone of AEP's activation schedules."""
        return datetime.fromtimestamp(self.seconds(), UTC).date()
