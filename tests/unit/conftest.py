"""What the unit tests share: no token left over from another test, tasks without Airflow's processes, quick polls."""

from __future__ import annotations

from tests.support.tasks import aep, context, local_aep, no_tokens, place, quick

__all__ = ["aep", "context", "local_aep", "no_tokens", "place", "quick"]
