"""The pace of an account against limiters of every usual kind, in a time of their own: nobody sleeps, nothing is sent.

The limiters know nothing of the pace: what they allow is told by themselves, asked without any pause of our choosing.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

import pytest

from adobe_experience_platform.aep import LONGEST_PAUSE, Pace
from adobe_experience_platform.aep.pace import FIRST_PAUSE, GROWTH

ANSWER = 0.15
"""Seconds that an answer takes."""
SLOWER = 1.3
"""How much longer than the limiter allows it may take."""
LIMITS = [(12, 6.0), (60, 60.0), (25, 60.0)]


class Limiter(Protocol):
    """Says at a time whether a request passes (None), or in how many seconds one will."""

    def __call__(self, now: float) -> float | None: ...


def windows(most: int, seconds: float, phase: float = 0.0) -> Limiter:
    """Count in windows that begin whoever asks."""
    counts: dict[int, int] = {}

    def ask(now: float) -> float | None:
        window = math.floor((now + phase) / seconds)
        counts[window] = counts.get(window, 0) + 1
        return None if counts[window] <= most else (window + 1) * seconds - phase - now

    return ask


def sliding(most: int, seconds: float) -> Limiter:
    """Count what has passed in the last seconds."""
    passed: deque[float] = deque()

    def ask(now: float) -> float | None:
        while passed and passed[0] <= now - seconds:
            passed.popleft()
        if len(passed) < most:
            passed.append(now)
            return None
        return passed[0] + seconds - now

    return ask


def bucket(most: int, seconds: float) -> Limiter:
    """Refill tokens one by one."""
    left, last = float(most), 0.0

    def ask(now: float) -> float | None:
        nonlocal left, last
        left, last = min(most, left + (now - last) * most / seconds), now
        if left < 1:
            return (1 - left) * seconds / most
        left -= 1
        return None

    return ask


KINDS: dict[str, Callable[[int, float], Limiter]] = {
    "windows": windows,
    "windows, begun before": lambda most, seconds: windows(most, seconds, seconds * 0.3),
    "windows, soon over": lambda most, seconds: windows(most, seconds, seconds * 0.7),
    "sliding": sliding,
    "bucket": bucket,
}


def allowed(limiter: Limiter, requests: int) -> float:
    """Return how long so many requests take at least: who knows the limiter waits exactly as long as it wants."""
    now = 0.0
    while requests:
        wait = limiter(now)
        requests -= wait is None
        now += ANSWER if wait is None else wait + 1e-6
    return now


def taken(limiter: Limiter, requests: int, *, tells: bool, pace: Pace | None = None) -> tuple[float, int]:
    """Return how long so many requests take at their pace, and how many were refused."""
    pace, now, refused, not_before = pace or Pace(), 0.0, 0, 0.0
    while requests:
        now += pace.pause(now)
        assert now >= not_before, "asked before the time that was told"
        pace.begin(began := now)
        wait = limiter(now)
        now += ANSWER
        if wait is None:
            requests -= 1
            pace.record(began, now, refused=False)
        else:
            refused += 1
            told = float(math.ceil(wait)) if tells else None
            not_before = now + (told or 0.0)
            pace.record(began, now, refused=True, told=told)
    return now, refused


def taken_together(limiter: Limiter, processes: int, each: int, *, tells: bool, late: float = 0.0) -> float:
    """Return how long processes take together that begin at once; of a pause that is told all of them know."""
    paces, told_until = [Pace() for _ in range(processes)], 0.0
    left, turns, end = [each] * processes, [(late, number) for number in range(processes)], 0.0
    while turns:
        now, number = heapq.heappop(turns)
        if (pause := max(paces[number].pause(now), told_until - now)) > 0:
            heapq.heappush(turns, (now + pause + 1e-6, number))
            continue
        paces[number].begin(now)
        wait, answered = limiter(now), now + ANSWER * (1 + number / 10)
        told = float(math.ceil(wait)) if tells and wait is not None else None
        paces[number].record(now, answered, refused=wait is not None, told=told)
        told_until = max(told_until, answered + (told or 0.0)) if told else told_until
        left[number] -= wait is None
        end = max(end, answered)
        if left[number]:
            heapq.heappush(turns, (answered, number))
    return end - late


@pytest.mark.parametrize("requests", [30, 61, 100, 400])
@pytest.mark.parametrize("tells", [True, False], ids=["tells", "is silent"])
@pytest.mark.parametrize("limit", LIMITS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_limit_allows_comes_through_hardly_later(kind, limit, tells, requests):
    seconds, refused = taken(KINDS[kind](*limit), requests, tells=tells)

    assert seconds <= SLOWER * allowed(KINDS[kind](*limit), requests)
    assert refused <= requests, "asking in vain costs AEP as much"


def test_a_sliding_limit_that_has_just_let_some_through_is_not_taken_for_closed():
    pace = Pace()
    for number in range(60):
        pace.record(number / 10, number / 10, refused=False)
    pace.record(6.0, 6.0, refused=True)
    for number in range(5):
        pace.record(60.0, 60.0 + number / 10, refused=False)
    pace.record(60.5, 60.5, refused=True)
    assert pace.pause(60.5) <= 54.0 * 5 / 60


@pytest.mark.parametrize("tells", [True, False], ids=["tells", "is silent"])
@pytest.mark.parametrize("limit", LIMITS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_processes_that_begin_together_do_not_slow_each_other_down_for_long(kind, limit, tells):
    """What a silent gateway lets through they find out each for itself, which takes them a while."""
    times = [taken_together(KINDS[kind](*limit), 5, 20, tells=tells, late=late) for late in (0.0, 0.1, 0.2)]
    least = allowed(KINDS[kind](*limit), 100)
    assert sorted(times)[1] <= (SLOWER if tells else 1.8) * least


def test_a_pause_of_forty_minutes_is_kept():
    pace, closed = Pace(), [True]

    def limiter(now: float) -> float | None:
        closed[0] = closed[0] and now < 2400
        return 2400.0 if closed[0] and now < 1 else None

    assert taken(limiter, 30, tells=True, pace=pace)[0] == pytest.approx(2400 + 31 * ANSWER)


def test_no_pause_lasts_for_ever():
    pace = Pace()
    pace.record(0.0, 0.1, refused=True, told=1e9)
    assert pace.pause(0.1) == LONGEST_PAUSE


def test_refusals_in_a_row_are_asked_for_less_and_less_often():
    asked: list[float] = []

    def never(now: float) -> float | None:
        asked.append(now)
        return None if now > 1000 else 1.0

    taken(never, 1, tells=False)
    gaps = [later - earlier - ANSWER for earlier, later in pairwise(asked)]
    assert gaps[0] == FIRST_PAUSE
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(gaps[1:]))
    assert asked[-1] <= 1000 * GROWTH + 1


def test_of_requests_that_were_under_way_together_the_first_refusal_counts():
    pace, alone = Pace(), Pace()
    assert alone.record(0.0, 0.1, refused=True)
    assert [pace.record(0.0, 0.1 + number / 100, refused=True) for number in range(8)] == [True, *[False] * 7]
    assert pace.pause(0.1) == alone.pause(0.1)


def test_what_passes_late_tells_nothing_of_a_later_refusal():
    pace = Pace()
    pace.record(1.0, 1.1, refused=True)
    pace.record(0.9, 1.2, refused=False)
    assert pace.pause(1.2) == pytest.approx(FIRST_PAUSE - 0.1)


def test_a_pause_of_no_seconds_is_none_that_could_be_kept():
    pace = Pace()
    pace.record(0.0, 0.1, refused=True, told=0.0)
    assert pace.pause(0.1) == FIRST_PAUSE
