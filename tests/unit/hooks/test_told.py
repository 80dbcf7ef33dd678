"""A pause that AEP has told one process: all processes of an Airflow keep to it, and to nothing that is not so."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import os
from types import SimpleNamespace

import pytest

from adobe_experience_platform.aep import LONGEST_PAUSE
from adobe_experience_platform.hooks import throttle, told
from adobe_experience_platform.hooks.throttle import SharedPace, account_of
from adobe_experience_platform.hooks.told import ToldPause
from tests.support.parts import settings

ACCOUNT = account_of(settings())
ANSWER = 0.15
"""Seconds that an answer takes."""


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Give the time of this test, the same for all of its processes."""
    now = SimpleNamespace(now=1_800_000_000.0)
    for module in (throttle, told):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now.now, time=lambda: now.now))
    return now


def process(account=ACCOUNT):
    """Return the pace of an account in a process of its own."""
    return SharedPace(ToldPause(account))


def test_what_one_process_was_told_the_others_keep_to_whether_they_began_before_or_after(clock):
    first, other = process(), process()
    first.record(clock.now, clock.now, refused=True, told=2400.0)
    later = process()
    clock.now += 2399
    assert [each.pause(clock.now) for each in (first, other, later)] == pytest.approx([1.0] * 3, abs=1e-3)
    clock.now += 1.001
    assert [each.pause(clock.now) for each in (first, other, later)] == [0.0] * 3


def test_other_accounts_are_asked_meanwhile(clock):
    process().record(clock.now, clock.now, refused=True, told=2400.0)
    assert process(account_of(settings(client_id="other"))).pause(clock.now) == 0.0


def test_the_longest_that_anybody_was_told_counts(clock):
    process().record(clock.now, clock.now, refused=True, told=100.0)
    process().record(clock.now, clock.now, refused=True, told=20.0)
    assert process().pause(clock.now) == pytest.approx(100.0, abs=1e-3)
    process().record(clock.now, clock.now, refused=True, told=200.0)
    assert process().pause(clock.now) == pytest.approx(200.0, abs=1e-3)


def test_a_pause_that_a_process_has_only_found_out_is_its_own(clock):
    process().record(clock.now, clock.now, refused=True)
    assert process().pause(clock.now) == 0.0


@pytest.mark.parametrize("ahead", [-10.0, LONGEST_PAUSE + 100, 1e8], ids=["over", "too long", "never over"])
def test_a_file_whose_time_cannot_be_a_pause_stops_nobody(ahead, clock):
    process().record(clock.now, clock.now, refused=True, told=50.0)
    [file] = told.folder().iterdir()
    os.utime(file, (clock.now + ahead,) * 2)
    assert process().pause(clock.now) == 0.0


def test_where_nothing_can_be_written_a_process_keeps_to_what_it_was_told_itself(monkeypatch, tmp_path, clock, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__PAUSES_FOLDER", str(tmp_path / "file" / "pauses"))
    mine = process()
    with caplog.at_level(logging.INFO):
        mine.record(clock.now, clock.now, refused=True, told=50.0)
    assert "Other processes will not know of AEP's pause of 50 s: Not a directory" in caplog.text
    assert (mine.pause(clock.now), process().pause(clock.now)) == (50.0, 0.0)


def test_machines_share_a_folder_of_their_choice(monkeypatch, tmp_path, clock):
    monkeypatch.setenv("AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__PAUSES_FOLDER", str(tmp_path / "shared"))
    process().record(clock.now, clock.now, refused=True, told=50.0)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "another machine"))
    assert process().pause(clock.now) == pytest.approx(50.0, abs=1e-3)


def windows(most, seconds):
    counts: dict[int, int] = {}

    def ask(now):
        window = math.floor(now / seconds)
        counts[window] = counts.get(window, 0) + 1
        return None if counts[window] <= most else (window + 1) * seconds - now

    return ask


def sliding(most, seconds):
    passed: list[float] = []

    def ask(now):
        passed[:] = [each for each in passed if each > now - seconds]
        if len(passed) < most:
            passed.append(now)
            return None
        return passed[0] + seconds - now

    return ask


@pytest.mark.parametrize(("most", "seconds"), [(12, 6.0), (60, 60.0), (25, 60.0)])
@pytest.mark.parametrize("limiter", [windows, sliding])
@pytest.mark.parametrize(("processes", "each"), [(6, 10), (5, 40)], ids=["a delivery of five jobs", "many requests"])
def test_processes_at_one_limit_come_through_and_none_asks_before_the_time_told(
    limiter, most, seconds, processes, each, clock
):
    """Five tasks and a triggerer, say; the gateway tells whole seconds."""
    limit, began, told_until = limiter(most, seconds), clock.now, -math.inf
    paces, left, order = [process() for _ in range(processes)], [each] * processes, itertools.count()
    events = [(began + number / 100, next(order), number, None) for number in range(processes)]
    refused, early = 0, 0
    while events:
        clock.now, _, number, asked = heapq.heappop(events)
        pace = paces[number]
        if asked is None:
            if (pause := pace.pause(clock.now)) > 0:
                heapq.heappush(events, (clock.now + pause, next(order), number, None))
                continue
            early += clock.now < told_until - 1e-3
            pace.begin(clock.now)
            heapq.heappush(events, (clock.now + ANSWER, next(order), number, (clock.now, limit(clock.now))))
            continue
        sent, refusal = asked
        if refusal is not None:
            refused, told_until = refused + 1, max(told_until, clock.now + math.ceil(refusal))
        left[number] -= refusal is None
        pace.record(sent, clock.now, refused=refusal is not None, told=refusal and float(math.ceil(refusal)))
        if left[number]:
            heapq.heappush(events, (clock.now, next(order), number, None))
    assert early == 0
    allowed = (processes * each - 1) // most * seconds
    rounding = processes * each // most  # seconds: what is told is rounded up, once for each window
    assert clock.now - began <= 1.3 * allowed + rounding + 1
    assert refused <= (processes * each // most + 1) * processes, "each process once a window"
