"""Politeness: few requests at a time, all of them slower when AEP says so, and none before the time that it told."""

from __future__ import annotations

import asyncio
import logging
import time
from types import SimpleNamespace

import pytest

from adobe_experience_platform.aep import Pace, transport
from adobe_experience_platform.hooks import throttle
from adobe_experience_platform.hooks.throttle import PauseLog, Throttle, forget_all, pace_of
from tests.support.dagtest import captured
from tests.support.parts import received, settings

OK, SLOW = received(200, {}), received(429, {})


class Clock:
    """The time of one test: who sleeps moves it on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        monkeypatch.setattr(throttle, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(throttle, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": self.sleep}))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def in_loop(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def most_together(gate: Throttle, tasks: int) -> int:
    together, most = 0, 0

    async def one():
        nonlocal together, most
        async with gate.turn() as began:
            together += 1
            most = max(most, together)
            await asyncio.sleep(0)
            together -= 1
            gate.record_response(began, OK)

    async def scene():
        await asyncio.gather(*(one() for _ in range(tasks)))

    in_loop(scene())
    return most


async def ask(gate: Throttle, answer: transport.Received) -> None:
    async with gate.turn() as began:
        pass
    gate.record_response(began, answer)


def test_a_thousand_tasks_ask_as_few_at_a_time_as_one():
    assert most_together(Throttle(Pace(), 8), 1000) == 8
    assert most_together(Throttle(Pace(), 1), 20) == 1


def test_after_too_many_requests_all_wait_and_then_fewer_run_together(clock):
    gate = Throttle(Pace(), 8)
    in_loop(ask(gate, SLOW))
    in_loop(ask(gate, OK))
    assert len(clock.slept) == 1
    assert gate.allowed == 4
    assert most_together(gate, 4) == 4


def test_answers_of_requests_that_were_under_way_together_count_once():
    gate = Throttle(Pace(), 8)
    began = time.monotonic()
    for _ in range(8):
        gate.record_response(began, SLOW)
    assert gate.allowed == 4


def test_it_recovers_step_by_step():
    gate = Throttle(Pace(), 4)
    gate.record_response(time.monotonic(), SLOW)
    assert gate.allowed == 2
    for _ in range(2 + 3):
        gate.record_response(time.monotonic(), OK)
    assert gate.allowed == 4
    for _ in range(100):
        gate.record_response(time.monotonic(), OK)
    assert gate.allowed == 4


@pytest.mark.parametrize("answer", [received(429, {}, retry_after="45"), received(503, {"retryAfterMs": "45000"})])
def test_nobody_asks_before_the_time_that_aep_told(answer, clock):
    gate = Throttle(Pace())
    in_loop(ask(gate, answer))
    in_loop(ask(gate, OK))
    assert clock.slept == [45.0]


def test_a_pause_is_told_of_in_the_triggerers_log(clock):
    gate = Throttle(Pace())
    in_loop(ask(gate, OK))
    in_loop(ask(gate, received(429, {}, retry_after="20")))
    with captured() as lines:
        in_loop(ask(gate, OK))
    assert lines == ["AEP takes no more requests for now (1 answered so far): going on in 20 s"]


def test_a_pause_that_many_wait_for_is_told_of_once_and_short_ones_when_they_add_up(clock):
    pauses = PauseLog(logging.getLogger("test"))
    with captured() as lines:
        for _ in range(8):
            pauses.tell(20.0)
        assert len(lines) == 1
        clock.now += 20
        for _ in range(7):
            pauses.tell(4.0)
            clock.now += 4
        assert len(lines) == 1
        pauses.tell(4.0)
        assert len(lines) == 2


@pytest.mark.parametrize("seconds", [2400, 10**9])
def test_a_pause_that_no_call_waits_for_refuses_to_send_until_it_is_over(seconds, clock):
    gate = Throttle(Pace())
    in_loop(ask(gate, received(429, {}, retry_after=str(seconds))))
    with pytest.raises(transport.TransportError) as refused:
        in_loop(ask(gate, OK))
    assert refused.value.closed_for == min(seconds, 3600)
    clock.now += min(seconds, 3600)
    in_loop(ask(gate, OK))
    assert clock.slept == []


@pytest.mark.parametrize("answer", [OK, received(503, {}), received(404, {})])
def test_other_answers_ask_for_no_pause(answer, clock):
    gate = Throttle(Pace())
    in_loop(ask(gate, answer))
    in_loop(ask(gate, OK))
    assert clock.slept == []


def test_one_that_is_cancelled_while_it_waits_takes_nobodys_turn():
    gate = Throttle(Pace(), 1)

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


def test_a_throttle_belongs_to_an_account_and_an_event_loop_and_the_pace_to_the_process():
    async def scene():
        return throttle.throttle("a"), throttle.throttle("a"), throttle.throttle("b")

    first, again, other = in_loop(scene())
    assert first is again is not other
    later = in_loop(scene())[0]
    assert later is not first
    assert later.pace is first.pace is pace_of("a") is not other.pace


def test_an_account_has_one_pace_in_this_process():
    before = pace_of("a")
    assert before is pace_of("a") is not pace_of("b")
    forget_all()
    assert pace_of("a") is not before


def test_an_account_is_a_host_and_a_client_whatever_the_sandbox():
    mine = throttle.account_of(settings())
    assert throttle.account_of(settings(sandbox_name="dev")) == mine
    assert throttle.account_of(settings(client_id="other")) != mine
    assert throttle.account_of(settings(base_url="https://other.example")) != mine
