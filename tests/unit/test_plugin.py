"""What the plugin does when Airflow loads it."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner

from adobe_experience_platform import plugin


@pytest.fixture
def loaded(monkeypatch: Any) -> list[str]:
    """Return the names of modules that are loaded, as they come."""
    names: list[str] = []
    real = importlib.import_module

    def load(name: str, *package: str) -> Any:
        names.append(name)
        return real(name, *package)

    monkeypatch.setattr(importlib, "import_module", load)
    monkeypatch.delattr(task_runner, "SUPERVISOR_COMMS", raising=False)
    return names


def test_the_process_that_forks_tasks_loads_what_each_would_load(loaded: list[str]) -> None:
    plugin.AepPlugin.on_load()

    assert {"adobe_experience_platform.pipeline", "adobe_experience_platform.hooks.sync_hook"} <= set(loaded)
    assert "requests" in sys.modules


def test_a_task_of_any_dag_loads_none_of_it(loaded: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", object(), raising=False)

    plugin.AepPlugin.on_load()

    assert loaded == []
