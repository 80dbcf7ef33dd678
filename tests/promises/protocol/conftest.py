"""A world for each test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.promises.protocol.world import OddAep, World, simulated
from tests.support.tasks import aep, context, local_aep, no_tokens

__all__ = ["aep", "context", "local_aep", "no_tokens"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """Return what makes a world, given what its AEP is like."""

    def make(**options: Any) -> World:
        return simulated(OddAep(**options), monkeypatch)

    return make
