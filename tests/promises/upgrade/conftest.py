"""The simulated AEP, as the other tests of tasks have it."""

from __future__ import annotations

from tests.support.tasks import aep, local_aep, no_tokens, quick

__all__ = ["aep", "local_aep", "no_tokens", "quick"]
