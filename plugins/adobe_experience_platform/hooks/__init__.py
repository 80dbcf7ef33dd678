"""The hooks: thin shells that carry the calls of :mod:`..aep`, one with requests, one with aiohttp; metrics; URIs.

Each is loaded when it is first used: they take a tenth of a second, which DAG files should not pay for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from . import asset_uris, metrics
from .connections import read_connection
from .throttle import CONCURRENCY

if TYPE_CHECKING:
    from .async_hook import AdobeExperiencePlatformAsyncHook
    from .http_hook import AdobeExperiencePlatformHook
    from .sync_hook import WorkerHook

__all__ = [
    "CONCURRENCY",
    "AdobeExperiencePlatformAsyncHook",
    "AdobeExperiencePlatformHook",
    "WorkerHook",
    "asset_uris",
    "metrics",
    "read_connection",
]

_HOMES = {
    "AdobeExperiencePlatformAsyncHook": "async_hook",
    "AdobeExperiencePlatformHook": "http_hook",
    "WorkerHook": "sync_hook",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
