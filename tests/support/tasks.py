"""Tasks and triggers outside of Airflow's processes: a context of plain parts, AEP over a socket."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from adobe_experience_platform.aep import auth
from tests.support.aep import SEED, LocalAep
from tests.support.asset_events import InletEvents, OutletEvents


class Store(dict[str, Any]):
    """``task_state_store``: it keeps JSON, and outlives a try; ``calls`` are what Airflow's API server was asked."""

    def __init__(self, *kept: Any) -> None:
        super().__init__(*kept)
        self.calls: list[str] = []

    def get(self, key: str, default: Any = None) -> Any:
        self.calls.append(f"get {key}")
        return super().get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        assert retention is NEVER_EXPIRE, "a record that expires would let a delivery be sent twice"
        kept = json.loads(json.dumps(value))
        assert kept == value, "Airflow's store takes JSON values only: no tuples"
        self.calls.append(f"set {key}")
        self[key] = kept


class TaskInstance:
    """The parts of a running task instance that are used."""

    def __init__(self, max_tries: int = 3, try_number: int = 1) -> None:
        self.max_tries = max_tries
        self.try_number = try_number
        self.task_id, self.dag_id, self.run_id, self.map_index = "task", "dag", "run", -1
        self.xcoms: dict[Any, Any] = {}
        self.states: dict[str, str] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.task_id, key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids: str | None = None, key: str = "return_value", map_indexes: Any = None) -> Any:
        return self.xcoms.get((task_ids, key))

    def get_task_states(self, *, task_ids: list[str], **_: Any) -> dict[str, dict[str, str]]:
        own = self.task_id if self.map_index < 0 else f"{self.task_id}_{self.map_index}"
        states = {own: "running", **self.states}
        wanted = {task: state for task, state in states.items() if {task, task.rpartition("_")[0]} & set(task_ids)}
        return {self.run_id: wanted}


class Context(dict[str, Any]):
    """A task's context; :meth:`retried` and :meth:`cleared` give that of the next try.

    The task is alone in its DAG unless ``dag`` is given.
    """

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self.setdefault("dag", SimpleNamespace(tasks=[]))
        self.setdefault("outlet_events", OutletEvents())
        self.setdefault("inlet_events", InletEvents(list))

    @property
    def ti(self) -> TaskInstance:
        found: TaskInstance = self["ti"]
        return found

    def retried(self) -> Context:
        self.ti.try_number += 1
        return self

    def cleared(self) -> Context:
        self.ti.max_tries = self.ti.try_number + 3
        return self.retried()


@pytest.fixture(autouse=True)
def no_tokens() -> Iterator[None]:
    """Start and end without tokens: they live as long as the process."""
    auth.forget_all()
    yield
    auth.forget_all()


@pytest.fixture
def context() -> Context:
    return Context(ti=TaskInstance(), task_state_store=Store(), dag_run=SimpleNamespace(conf={}))


@pytest.fixture(scope="session")
def local_aep() -> Iterator[LocalAep]:
    with LocalAep(speed=600) as aep:
        yield aep


@pytest.fixture
def aep(local_aep: LocalAep, monkeypatch: pytest.MonkeyPatch) -> LocalAep:
    """Give the simulated AEP in its first state, as the connection `aep_default`."""
    local_aep.reset(SEED)
    connection = local_aep.connection()
    connection["extra"]["timeout"] = 3
    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__SETTLE_MARGIN_SECONDS", "0")
    return local_aep


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll without the pauses that spare the real AEP."""
    from adobe_experience_platform.aep import transport
    from adobe_experience_platform.triggers import memory, polling

    monkeypatch.setattr(polling, "SHORTEST_PAUSE", 0.1)
    monkeypatch.setattr(polling, "NEWCOMER_GAP", 0.05)
    monkeypatch.setattr(transport, "BACKOFF_LAST", 0.1)
    for name, seconds in {"CLAIM_SECONDS": 0.02, "STORED_SECONDS": 0.05, "HAND_OVER_SECONDS": 0.3}.items():
        monkeypatch.setattr(memory, name, seconds)


def in_seconds(seconds: float) -> str:
    """Return a deadline."""
    return (dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=seconds)).isoformat()


@pytest.fixture
def place() -> dict[str, Any]:
    """Return a trigger's arguments that say where and how long."""
    return {
        "aep_conn_id": "aep_default",
        "sandbox_name": "prod",
        "deadline": in_seconds(100),
        "poll_interval": 0.2,
    }
