"""Connections to the simulated AEP, right and wrong."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adobe_experience_platform.aep import auth
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from tools.simulator_process import SimulatorProcess

Press = Callable[..., tuple[bool, str]]


@pytest.fixture(autouse=True)
def no_tokens() -> Iterator[None]:
    """Start and end without tokens: they live as long as the process."""
    auth.forget_all()
    yield
    auth.forget_all()


@pytest.fixture
def press(simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Press:
    """Return a function that changes the demo account's connection and presses *Test*."""

    def press(extra: dict[str, Any] | None = None, **changes: Any) -> tuple[bool, str]:
        connection = {**simulator.connection(), **changes}
        connection["extra"] = {**connection["extra"], **(extra or {})}
        monkeypatch.setenv("AIRFLOW_CONN_AEP_TRIED", json.dumps(connection))
        return AdobeExperiencePlatformHook("aep_tried").test_connection()

    return press


@pytest.fixture
def nobody() -> Iterator[str]:
    """Give an address of this machine at which nobody answers: the port is taken, but not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
