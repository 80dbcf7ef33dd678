"""Where the scenarios play: the simulated AEP, a task's context, and an ear for all that is said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, TaskDeferred

from adobe_experience_platform.aep import endpoints
from adobe_experience_platform.errors import AepError
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from adobe_experience_platform.triggers.base import EVENT_VERSION
from tests.support.aep import ADHOC, LocalAep
from tests.support.dagtest import captured
from tests.support.tasks import Context, in_seconds

DONE = {"v": EVENT_VERSION, "status": "done", "message": ""}
TIMEOUT = {**DONE, "status": "timeout"}
POST = {"method": "POST", "path": ADHOC}


class Stage:
    """What a scenario plays with.

    :param aep: the simulated AEP, in the state of ``tests.support.aep.SEED``.
    :param context: of one task.
    """

    def __init__(self, aep: LocalAep, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aep, self.context, self.monkeypatch = aep, context, monkeypatch
        self.said = ""

    def runs(self, work: Callable[[], Any]) -> Any:
        """Do what has to go well; what it logs is heard."""
        with captured() as lines:
            result = work()
        self.said += "\n".join(lines) + "\n"
        return result

    def defers(self, work: Callable[[], Any]) -> Any:
        """Do what has to end in a wait; return its trigger."""
        with captured() as lines, pytest.raises(TaskDeferred) as caught:
            work()
        self.said += "\n".join(lines) + "\n"
        return caught.value.trigger

    def fails(self, work: Callable[[], Any]) -> None:
        """Do what has to fail; what it logs and the error's text are heard."""
        with captured() as lines, pytest.raises((AepError, AirflowException)) as caught:
            work()
        self.said += "\n".join([*lines, str(caught.value)]) + "\n"

    def connect(self, extra: dict[str, Any] | None = None, **changes: Any) -> None:
        """Change the Airflow connection ``aep_default``."""
        connection = {**self.aep.connection(), **changes}
        connection["extra"] = {**connection["extra"], **(extra or {})}
        self.monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", json.dumps(connection))

    def asks(self, flow_id: str | None = None) -> Any:
        """Ask AEP for its flows, or for one, without trying again."""
        hook = AdobeExperiencePlatformHook()
        hook.attempts = 1
        return hook.call(endpoints.flow(flow_id) if flow_id else endpoints.destination_flows())

    def presses_test(self, extra: dict[str, Any] | None = None, **changes: Any) -> None:
        """Press *Test* of a changed connection."""
        self.connect(extra, **changes)
        self.said += AdobeExperiencePlatformHook().test_connection()[1] + "\n"

    def answers(self, path: str, status: int = 200, **fault: Any) -> None:
        """Let AEP answer something else at a path, from now on."""
        self.meets("status", path, status=status, **fault)

    def meets(self, kind: str, path: str, **fault: Any) -> None:
        """Let requests to a path meet a fault of the simulated AEP, from now on."""
        self.aep.add_faults({"kind": kind, "path": path, "times": None, **fault})

    def waits(self, trigger: Any, seconds: float = 20, *, kill_after: float | None = None) -> Any:
        """Run a trigger as ``dag.test`` does; return its event.

        :param kill_after: seconds after which a person marks the task, which ends the wait without an event.
        """

        async def first() -> Any:
            stream = trigger.run()
            try:
                return await asyncio.wait_for(anext(stream), kill_after or seconds)
            except TimeoutError:
                assert kill_after is not None, "the wait took too long"
                await trigger.on_kill()
                return None
            finally:
                await stream.aclose()

        return self.runs(lambda: asyncio.run(first()))

    def place(self, seconds: float = 15) -> dict[str, Any]:
        """Return a trigger's arguments that say where and how long."""
        return {
            "aep_conn_id": "aep_default",
            "sandbox_name": "prod",
            "deadline": in_seconds(seconds),
            "poll_interval": 0.2,
        }


Scenario = Callable[[Stage], None]
SCENARIOS: dict[str, tuple[Scenario, tuple[str, ...]]] = {}


def produces(*messages: str) -> Callable[[Scenario], Scenario]:
    """Register a scenario as the one that provokes these messages of docs/troubleshooting.md."""

    def register(scenario: Scenario) -> Scenario:
        assert scenario.__name__ not in SCENARIOS, "two scenarios of one name"
        SCENARIOS[scenario.__name__] = scenario, messages
        return scenario

    return register
