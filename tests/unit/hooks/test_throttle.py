"""Politeness: few requests at a time, and all of them slower when AEP says so."""

from __future__ import annotations

import asyncio
import time

from adobe_experience_platform.hooks import throttle
from adobe_experience_platform.hooks.throttle import Throttle


def in_loop(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


def most_together(gate: Throttle, tasks: int) -> int:
    together, most = 0, 0

    async def one():
        nonlocal together, most
        async with gate.turn() as began:
            together += 1
            most = max(most, together)
            await asyncio.sleep(0)
            together -= 1
            gate.record_response(began, 200, None)

    async def scene():
        await asyncio.gather(*(one() for _ in range(tasks)))

    in_loop(scene())
    return most


def test_a_thousand_tasks_ask_as_few_at_a_time_as_one():
    assert most_together(Throttle(8), 1000) == 8
    assert most_together(Throttle(1), 20) == 1


def test_after_too_many_requests_all_wait_and_then_fewer_run_together(monkeypatch):
    monkeypatch.setattr(throttle, "SLOW_DOWN_FIRST", 0.1)
    gate = Throttle(8)

    async def scene():
        async with gate.turn() as began:
            gate.record_response(began, 429, None)
        start = time.monotonic()
        async with gate.turn():
            return time.monotonic() - start

    assert in_loop(scene()) >= 0.09
    assert gate.allowed == 4
    assert most_together(gate, 4) == 4


def test_answers_of_requests_that_were_under_way_together_count_once():
    gate = Throttle(8)
    began = time.monotonic()
    for _ in range(8):
        gate.record_response(began, 429, None)
    assert gate.allowed == 4


def test_it_recovers_step_by_step():
    gate = Throttle(4)
    gate.record_response(time.monotonic(), 429, None)
    assert gate.allowed == 2
    for _ in range(2 + 3):
        gate.record_response(time.monotonic(), 200, None)
    assert gate.allowed == 4
    for _ in range(100):
        gate.record_response(time.monotonic(), 200, None)
    assert gate.allowed == 4


def test_what_aep_asks_for_is_kept_and_an_endless_pause_is_not():
    async def pause_after(status, retry_after):
        gate = Throttle()
        gate.record_response(time.monotonic(), status, retry_after)
        try:
            async with asyncio.timeout(0.3), gate.turn():
                return 0
        except TimeoutError:
            return gate._closed_until - time.monotonic()

    assert 4 < in_loop(pause_after(503, 5)) <= 5
    assert in_loop(pause_after(429, 1e9)) <= throttle.SLOW_DOWN_LAST
    assert in_loop(pause_after(503, None)) == 0
    assert in_loop(pause_after(200, None)) == 0


def test_one_that_is_cancelled_while_it_waits_takes_nobodys_turn():
    gate = Throttle(1)

    async def scene():
        async with gate.turn():
            waiting = asyncio.ensure_future(one())
            await asyncio.sleep(0)
            waiting.cancel()
        async with asyncio.timeout(1):
            await one()

    async def one():
        async with gate.turn():
            return

    in_loop(scene())
    assert gate.active == 0


def test_a_throttle_belongs_to_an_account_and_an_event_loop():
    async def scene():
        return throttle.throttle("a"), throttle.throttle("a"), throttle.throttle("b")

    first, again, other = in_loop(scene())
    assert first is again is not other
    assert in_loop(scene())[0] is not first
