"""The hooks: thin shells that carry the calls of :mod:`..aep`, one with requests, one with aiohttp; metrics; URIs.

Both hooks are loaded when they are first used: they take a tenth of a second, which DAG files should not pay for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from . import asset_uris, metrics
from .throttle import CONCURRENCY

if TYPE_CHECKING:
    from .async_hook import AdobeExperiencePlatformAsyncHook
    from .sync_hook import AdobeExperiencePlatformHook

__all__ = ["CONCURRENCY", "AdobeExperiencePlatformAsyncHook", "AdobeExperiencePlatformHook", "asset_uris", "metrics"]

_HOMES = {"AdobeExperiencePlatformAsyncHook": "async_hook", "AdobeExperiencePlatformHook": "sync_hook"}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
