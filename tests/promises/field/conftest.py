"""The simulated AEP and the parts of a task, as the unit tests have them."""

from __future__ import annotations

from tests.support.tasks import aep, context, local_aep, no_tokens, quick

__all__ = ["aep", "context", "local_aep", "no_tokens", "quick"]
