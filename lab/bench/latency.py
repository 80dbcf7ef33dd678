"""How often a flow run is asked for, and how late its end is noticed: adaptive polls against fixed ones.

Counted on the package's own rhythm with a clock that costs no time, so it is the same on every machine.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from unittest import mock

from adobe_experience_platform.triggers import polling
from adobe_experience_platform.triggers.polling import Subscription

DURATIONS = (30.0, 60.0, 400.0, 5880.0)
"""Seconds; the last two are those of Adobe's sample runs."""
INTERVAL = 30.0
SAMPLES = 400
_EVER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Latency:
    """What a rhythm costs and gains for runs that last about so long (give or take a tenth)."""

    rhythm: str
    seconds: float
    polls: float
    lag_mean_s: float
    lag_p99_s: float


def latencies() -> list[Latency]:
    """Return polls and lag of each rhythm, for each duration."""
    rhythms: tuple[tuple[str, Callable[[float, float], float]], ...] = (
        (f"adaptive, at most {INTERVAL:g} s", _adaptive),
        (f"every {INTERVAL:g} s", lambda now, began: now + INTERVAL),
        (f"every {polling.SHORTEST_PAUSE:g} s", lambda now, began: now + polling.SHORTEST_PAUSE),
    )
    found = [_measure(name, following, seconds) for seconds in DURATIONS for name, following in rhythms]
    for item in found:
        print(f"  {json.dumps(asdict(item))}", flush=True)
    return found


def _adaptive(now: float, began: float) -> float:
    with mock.patch.object(polling, "time", SimpleNamespace(monotonic=lambda: now)):
        return Subscription(set(), INTERVAL, _EVER).next_due(began)


def _measure(name: str, following: Callable[[float, float], float], seconds: float) -> Latency:
    chance = random.Random(7)  # noqa: S311 - samples, no secret
    polls, lags = [], []
    for _ in range(SAMPLES):
        began = chance.uniform(1000, 2000)
        ends = began + chance.uniform(0.9, 1.1) * seconds
        now, count = began, 1
        while now < ends:
            now, count = following(now, began), count + 1
        polls.append(count)
        lags.append(now - ends)
    lags.sort()
    return Latency(
        name,
        seconds,
        round(statistics.mean(polls), 1),
        round(statistics.mean(lags), 1),
        round(lags[int(len(lags) * 0.99)], 1),
    )
