"""How fast one account may ask: as AEP's gateway tells it, or as it lets through. Rules only: no clock, no sleep.

Adobe publishes no limits for these calls. A gateway that refuses with 429 may say for how long (``Retry-After``, then
nothing is asked before) or not. Then the pause is found out: it grows by a quarter with each refusal in a row, and the
next time starts near what was enough. Where few requests pass between two refusals, as with a bucket that is refilled
drop by drop, they are spaced evenly instead.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

TOO_MANY = 429
LONGEST_PAUSE = 3600.0
"""Seconds for which nothing is asked at most, whatever AEP says: gateways of Adobe have said over 2,000."""
FIRST_PAUSE = 0.5
"""Seconds after the first refusal of all, where AEP does not say."""
GROWTH = 1.25
"""How much longer each further refusal makes the time since the first: so much later than possible we go on at most."""
SHORTER = 0.6
"""Of the pause that was enough last time, what is tried next time, if as many requests have passed as then."""
FEW = 1
"""So few requests between two refusals are no burst: they are spaced."""
FASTER = 0.75
"""What becomes of the space between two requests with each that passes: other processes may have taken their turns."""
REMEMBERED = 20


class Pace:
    """What an account's requests have told about its limit; all times on one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._closed_until = -math.inf
        self._refused_since: float | None = None
        self._enough = 0.0
        self._space = 0.0
        self._last = -math.inf
        self._since_refusal = 0
        self._burst = 0
        self._passed: deque[float] = deque(maxlen=REMEMBERED)

    def pause(self, now: float) -> float:
        """Return for how long nothing may be asked, 0 if the next request may begin."""
        return max(0.0, self._closed_until - now, self._last + self._space - now)

    def closed_for(self, now: float) -> float:
        """Return for how long nothing may be asked because of a refusal, 0 if none forbids it."""
        return max(0.0, self._closed_until - now)

    def begin(self, now: float) -> None:
        """Note that a request begins."""
        self._last = now

    def record(self, began: float, now: float, *, refused: bool, told: float | None = None) -> bool:
        """Learn from an answer; return whether it was a refusal that is news.

        :param began: when its request began: of many that were under way together only the first refusal counts.
        :param refused: whether AEP has refused it for now: with 429, or with a pause to keep.
        :param told: the pause that AEP asks for, if it does.
        """
        if not refused:
            self._pass(began)
            return False
        is_news = began >= self._closed_until
        if told:
            self._enough = min(told, LONGEST_PAUSE)
            self._close(now + self._enough)
        elif not is_news:
            return False
        elif self._refused_since is not None:
            self._close(self._refused_since + max((now - self._refused_since) * GROWTH, FIRST_PAUSE))
        else:
            # Few may have passed because a limit that slides had just begun to let some through.
            share = min(1.0, self._since_refusal / self._burst) if self._burst else 1.0
            self._close(now + (self._enough * SHORTER * share or FIRST_PAUSE))
        if is_news:
            if self._refused_since is None:
                self._space_out()
                self._refused_since, self._burst = now, self._since_refusal
            self._since_refusal = 0
        return is_news

    def _close(self, until: float) -> None:
        self._closed_until = max(self._closed_until, until)

    def _pass(self, began: float) -> None:
        self._since_refusal += 1
        self._passed.append(began)
        self._space = self._space * FASTER if self._space > FIRST_PAUSE / 10 else 0.0
        if self._refused_since is not None and began >= self._refused_since:
            self._enough = began - self._refused_since
            self._refused_since = None

    def _space_out(self) -> None:
        """Where few have passed since the last refusal, let them begin one by one."""
        gaps = [later - earlier for earlier, later in pairwise(sorted(self._passed))]
        if self._enough and self._since_refusal <= FEW and gaps:
            wanted = max(self._space * GROWTH, self._enough / max(self._since_refusal, 1))
            self._space = min(wanted, sum(gaps) / len(gaps))
