"""What Airflow 3.3.0 and 3.3.1 do otherwise than 3.3.2: all of it is here, and goes when they do."""

from __future__ import annotations

import asyncio
import re
from typing import Any, TypeVar

from airflow.sdk import RetryPolicy, __version__
from airflow.sdk.definitions.mappedoperator import OperatorPartial

Mapped = TypeVar("Mapped", bound="OperatorPartial")

LOSES_POLICIES = tuple(map(int, re.findall(r"\d+", __version__)[:3])) < (1, 3, 2)
"""Whether a mapped task has no ``retry_policy`` but one that is given to ``partial`` or in ``default_args``."""


async def get_state(store: Any, key: str) -> Any:
    """Read an asset's state store without blocking the event loop."""
    return await (store.aget(key) if hasattr(store, "aget") else asyncio.to_thread(store.get, key))


async def set_state(store: Any, key: str, value: Any) -> None:
    """Write an asset's state store without blocking the event loop."""
    await (store.aset(key, value) if hasattr(store, "aset") else asyncio.to_thread(store.set, key, value))


def keep_policy(mapped: Mapped, kwargs: dict[str, Any], policy: RetryPolicy) -> Mapped:
    """Give what ``partial`` returned for these arguments its class's own policy, unless the user has chosen one."""
    if LOSES_POLICIES and "retry_policy" not in kwargs and mapped.kwargs.get("retry_policy") is None:
        mapped.kwargs["retry_policy"] = policy
    return mapped
