"""At Adobe's limits: field cases 7 and 8, and further samples of their kinds.

A gateway that takes so many requests in so many seconds stands before the simulated AEP, in a time of its own: who
waits moves it on. What is counted are the requests that came to it.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from adobe_experience_platform.aep import endpoints, transport
from adobe_experience_platform.errors import AepTransientError
from adobe_experience_platform.hooks import sync_hook, throttle, told
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from adobe_experience_platform.hooks.sync_hook import WorkerHook
from adobe_experience_platform.operators import long_pauses
from adobe_experience_platform.operators.catalog import CatalogOperator
from adobe_experience_platform.operators.plan import PlanJobsOperator
from tests.support.aep import LocalAep
from tests.support.dagtest import captured

LIMITS = [(12, 6), (60, 60), (25, 60)]
MANY = 100
MEMORY = 150 * 2**10
"""Kilobytes that reading a full sandbox may take at its peak."""


class Gateway:
    """Takes ``most`` requests in a window of ``seconds``; ``says`` whether it tells for how long it takes no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most, self.seconds, self.says = 10**9, 1.0, True
        self.now = 0.0
        self.slept: list[float] = []
        self.came: list[tuple[float, int]] = []
        self.not_before = 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now, time=lambda: self.now, sleep=self.sleep)
        for module in (sync_hook, throttle, told):
            monkeypatch.setattr(module, "time", clock)
        self._send = WorkerHook._send_with
        gateway = self

        def send(hook: WorkerHook, session: Any, effect: transport.Send) -> transport.Received:
            return gateway.pass_on(lambda: self._send(hook, session, effect))

        monkeypatch.setattr(WorkerHook, "_send_with", send)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pass_on(self, send: Callable[[], transport.Received]) -> transport.Received:
        assert self.now >= self.not_before, "asked before the time that was told"
        window = self.now // self.seconds
        passed = sum(status < 400 and moment // self.seconds == window for moment, status in self.came)
        if passed >= self.most:
            left = (window + 1) * self.seconds - self.now
            return self.refuse(math.ceil(left) if self.says else None)
        answer = send()
        self.came.append((self.now, answer.status))
        self.now += 0.1
        return answer

    def refuse(self, told: int | None) -> transport.Received:
        self.came.append((self.now, 429))
        self.now += 0.1
        self.not_before = self.now + (told or 0)
        headers = {} if told is None else {"retry-after": str(told)}
        body = {"error_code": "429050", "message": "Too many requests"}
        return transport.Received(429, headers, json.dumps(body).encode())

    @property
    def passed(self) -> int:
        return sum(status < 400 for _, status in self.came)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    return Gateway(monkeypatch)


@pytest.fixture
def many(aep: LocalAep) -> dict[str, list[str]]:
    """Give AEP a hundred flows of four audiences each; return what delivers them all."""
    info = {f"flow-{number:03}": [f"audience-{number * 4 + each:03}" for each in range(4)] for number in range(MANY)}
    flows = [{"id": flow_id, "name": flow_id.title(), "audiences": audiences} for flow_id, audiences in info.items()]
    audiences = [{"id": each, "name": each.title()} for listed in info.values() for each in listed]
    aep.reset({"settings": {"daily_export": False}, "audiences": audiences, "flows": flows})
    return info


def plan(info: dict[str, list[str]], context: Any) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = PlanJobsOperator(task_id="task", activation_info=info, check_conf=False).execute(
        context
    )
    return jobs


# -- 8: limits over time


@pytest.mark.parametrize("says", [True, False], ids=["says for how long", "does not say"])
@pytest.mark.parametrize(("most", "seconds"), LIMITS)
def test_a_plan_of_a_hundred_flows_and_the_catalogue_come_through_at_the_first_try(
    most: int, seconds: int, says: bool, gateway: Gateway, many: dict[str, list[str]], context: Any
) -> None:
    gateway.most, gateway.seconds, gateway.says = most, float(seconds), says
    jobs = plan(many, context)
    assert sum(len(audiences) for job in jobs for audiences in job["activation_info"].values()) == 4 * MANY
    assert gateway.passed <= 6, "a list answers for many flows"
    assert len(CatalogOperator(task_id="task").execute(context)["flows"]) == MANY


@pytest.mark.parametrize("says", [True, False], ids=["says for how long", "does not say"])
@pytest.mark.parametrize(("most", "seconds"), LIMITS)
@pytest.mark.parametrize("requests", [50, 130])
def test_what_must_ask_often_comes_through_hardly_later_than_the_limit_allows(
    requests: int, most: int, seconds: int, says: bool, gateway: Gateway, many: dict[str, list[str]]
) -> None:
    gateway.most, gateway.seconds, gateway.says = most, float(seconds), says
    hook = AdobeExperiencePlatformHook()
    for number in range(requests):
        hook.call(endpoints.flow(f"flow-{number % MANY:03}"))
    asked = requests + 1  # and the token
    allowed = asked // most * seconds + (asked % most or 1) * 0.1
    assert gateway.now <= 1.3 * allowed
    assert gateway.passed == asked


def test_a_long_pause_is_told_of_in_the_log(gateway: Gateway, many: dict[str, list[str]]) -> None:
    gateway.most, gateway.seconds = 25, 60.0
    hook = AdobeExperiencePlatformHook()
    with captured() as lines:
        for flow_id in many:
            hook.call(endpoints.flow(flow_id))
    told = [line for line in lines if "AEP takes no more requests for now" in line]
    assert len(told) == len([pause for pause in gateway.slept if pause >= throttle.SAID]) == 4
    assert "(25 answered so far): going on in" in told[0]


def test_many_short_pauses_are_told_of_too(gateway: Gateway, many: dict[str, list[str]]) -> None:
    gateway.most, gateway.seconds, gateway.says = 12, 6.0, False
    hook = AdobeExperiencePlatformHook()
    with captured() as lines:
        for flow_id in many:
            hook.call(endpoints.flow(flow_id))
    assert max(gateway.slept) < throttle.SAID
    told = [line for line in lines if "AEP takes no more requests for now" in line]
    assert 1 <= len(told) <= sum(gateway.slept) / throttle.SILENT


def pauses(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Let the gateway ask once, at the second request, for a pause of so many seconds."""
    passed = gateway.pass_on

    def once(send: Callable[[], transport.Received]) -> transport.Received:
        return gateway.refuse(seconds) if len(gateway.came) == 1 else passed(send)

    monkeypatch.setattr(gateway, "pass_on", once)


def test_a_pause_of_forty_minutes_is_spent_in_the_triggerer_and_the_try_goes_on(
    gateway: Gateway, many: dict[str, list[str]], context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses(gateway, monkeypatch, 2400)
    monkeypatch.setattr(long_pauses, "get_current_context", lambda: context)
    task = PlanJobsOperator(task_id="task", activation_info=many, check_conf=False)
    with captured() as lines, pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    assert "AEP has asked not to be asked until" in "\n".join(lines)
    assert (gateway.slept, len(gateway.came)) == ([], 2)
    again = PlanJobsOperator(task_id="task", activation_info=many, check_conf=False)
    gateway.now += 2400
    kwargs = {**json.loads(json.dumps(deferred.value.kwargs)), "event": "2026-01-01T00:00:00+00:00"}
    jobs = again.resume_execution(deferred.value.method_name, kwargs, context)
    assert len(jobs) == 5
    assert context.ti.try_number == 1


def test_a_try_that_would_end_before_the_pause_fails_with_it(
    gateway: Gateway, many: dict[str, list[str]], context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deferred, it would only be ended later; its retry comes when AEP takes requests again."""
    pauses(gateway, monkeypatch, 2400)
    monkeypatch.setattr(long_pauses, "get_current_context", lambda: context)
    for minutes, expected in ((30, AepTransientError), (60, TaskDeferred)):
        gateway.came.clear()
        limit = dt.timedelta(minutes=minutes)
        task = PlanJobsOperator(task_id="task", activation_info=many, check_conf=False, execution_timeout=limit)
        with pytest.raises(expected):
            task.execute(context)


def test_an_interrupted_resumption_is_resumed_with_its_own_event(
    gateway: Gateway, many: dict[str, list[str]], context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses(gateway, monkeypatch, 2400)
    monkeypatch.setattr(long_pauses, "get_current_context", lambda: context)
    seen: list[object] = []

    class Task(CatalogOperator):
        def execute_complete(self, context: Any, event: object = None) -> object:
            seen.append(event)
            return self.execute(context)

    with pytest.raises(TaskDeferred) as deferred:
        Task(task_id="task").resume_execution("execute_complete", {"event": {"v": 1, "status": "done"}}, context)
    gateway.now += 2400
    kwargs = {**(deferred.value.kwargs or {}), "event": "a moment"}
    assert Task(task_id="task").resume_execution(deferred.value.method_name, kwargs, context)["flows"]
    assert seen == [{"v": 1, "status": "done"}] * 2


def test_where_nothing_defers_the_worker_waits(
    gateway: Gateway, many: dict[str, list[str]], context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses(gateway, monkeypatch, 2400)
    task = PlanJobsOperator(task_id="task", activation_info=many, check_conf=False, deferrable=False)
    assert len(task.execute(context)) == 5
    assert gateway.slept == [2400]


def test_a_hook_of_ones_own_fails_with_the_pause_and_asks_nothing_before(
    gateway: Gateway, many: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses(gateway, monkeypatch, 2400)
    hook = AdobeExperiencePlatformHook()
    for _ in range(3):  # the gateway refuses whoever asks before
        with pytest.raises(AepTransientError) as error:
            hook.call(endpoints.destination_flows())
        gateway.now += 500
    assert 0 < (error.value.retry_after or 0) <= 2400 - 1000
    gateway.now += 2400
    assert len(hook.call(endpoints.destination_flows())) == MANY


# -- 7: large answers


def entry(number: int, audiences: int, name: str) -> dict[str, Any]:
    selectors = [
        {
            "type": "PLATFORM_SEGMENT",
            "value": {
                "id": f"{number:08}-{each:04}-4d3b-873b-c43eec1b5478",
                "name": f"{name} {number}/{each}",
                "description": "x" * 300,
                "filenameTemplate": "%DESTINATION_NAME%_%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%",
                "exportMode": "DAILY_FULL_EXPORT",
                "schedule": {"frequency": "ONCE", "triggerType": "SCHEDULED", "startDate": "2026-01-01"},
                "createTime": "1700000000",
                "updateTime": "1700000000",
            },
        }
        for each in range(audiences)
    ]
    return {
        "id": f"{number:08}-1866-5d4d-873b-c43eec1b5478",
        "name": f"{name} {number}",
        "state": "enabled",
        "inheritedAttributes": {"properties": {"isDestinationFlow": True}},
        "transformations": [{"name": "GeneralTransform", "params": {"segmentSelectors": {"selectors": selectors}}}],
    }


@pytest.fixture(scope="module")
def full() -> list[bytes]:
    """Give the flows of a sandbox that is as full as Adobe's guardrails allow: over 20 MiB in one page."""
    return [
        json.dumps(entry(number, 250, "Kundinnen und Kunden der Niederlassung Süd")).encode() for number in range(100)
    ]


@pytest.fixture
def full_aep(aep: LocalAep, full: list[bytes], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Answer for the list of flows with the full sandbox; give the sizes of the pages that were asked for."""
    asked: list[int] = []
    send = WorkerHook._send_with

    def answered(hook: WorkerHook, session: Any, effect: transport.Send) -> transport.Received:
        params = dict(effect.params)
        if not effect.url.endswith(endpoints.FLOWS) or "name==" in params.get("property", ""):
            return send(hook, session, effect)
        asked.append(limit := int(params["limit"]))
        start = int(params.get("continuationToken", 0))
        end = min(len(full), start + limit)
        link = f', "_links": {{"next": {{"href": "/flows?continuationToken={end}"}}}}' if end < len(full) else ""
        body = b'{"items": [' + b",".join(full[start:end]) + b"]" + link.encode() + b"}"
        if len(body) > transport.MAX_BODY:
            begun = transport.Received(200, {}, b"")
            raise transport.TransportError("the response is larger", sent=True, begun=begun, too_large=True)
        return transport.Received(200, {}, body)

    monkeypatch.setattr(WorkerHook, "_send_with", answered)
    return asked


@contextmanager
def small_memory() -> Iterator[None]:
    """Let this take so little more memory that a task's process stays below 300 MB: half of that is Airflow's."""
    if not (refs := Path("/proc/self/clear_refs")).exists():  # only Linux tells
        yield
        return
    refs.write_text("5")  # the peak begins anew
    before = _kilobytes("VmRSS")
    yield
    assert _kilobytes("VmHWM") - before < MEMORY


def _kilobytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_a_sandbox_as_full_as_adobe_allows_is_read_by_catalogue_test_and_plan(
    full_aep: list[int], full: list[bytes], context: Any
) -> None:
    assert sum(map(len, full)) > transport.MAX_BODY
    with small_memory():
        catalog = CatalogOperator(task_id="task").execute(context)
    assert catalog["parts"] > 1
    with small_memory():
        ok, said = AdobeExperiencePlatformHook().test_connection()
    assert (ok, "100 destination flows" in said) == (True, True)
    names = [json.loads(flow)["name"] for flow in full]
    info = {name: [f"{name.removesuffix(f' {number}')} {number}/249"] for number, name in enumerate(names)}
    with small_memory():
        assert len(plan(info, context)) == 2
    assert [limit for limit in full_aep if limit > 25] == [100] * 3
    assert set(full_aep) == {100, 25}
