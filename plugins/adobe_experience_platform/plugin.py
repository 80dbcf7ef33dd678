"""What this package adds to Airflow's own surface, found by the entry point ``airflow.plugins``.

Every process of Airflow loads plugins, also each task's: nothing here may import the web code at once.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from .deadlines import DEADLINE_REFERENCES

PREFIX = "/adobe-experience-platform"


class AepPlugin(AirflowPlugin):
    """The Activation pages."""

    name = "adobe_experience_platform"
    deadline_references = DEADLINE_REFERENCES

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the pages' web application; only the API server asks for it."""
        return []
