"""The hook for your own code, and for the form of connections: the workers' hook as one of Airflow's HTTP hooks."""

from __future__ import annotations

from typing import Any

import requests
from airflow.providers.http.hooks.http import HttpHook

from adobe_experience_platform.aep import CONN_TYPE, DEFAULT_CONN_ID

from .sync_hook import WorkerHook


class AdobeExperiencePlatformHook(WorkerHook, HttpHook):
    """Call Adobe Experience Platform from a worker.

    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``.
    :param sandbox_name: sandbox to work in; None takes the connection's.

    Errors are :class:`~.errors.AepError`; transient trouble of reading calls is retried inside.
    """

    conn_name_attr = "aep_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONN_TYPE
    hook_name = "Adobe Experience Platform"

    def __init__(self, aep_conn_id: str = DEFAULT_CONN_ID, sandbox_name: str | None = None) -> None:
        super().__init__(aep_conn_id, sandbox_name, method="GET", http_conn_id=aep_conn_id)

    def get_conn(
        self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None
    ) -> requests.Session:
        """Create a session with the connection's transport options; client id and secret never become Basic auth."""
        session = super().get_conn()
        self.base_url, self._base_url_initialized = self.settings.base_url, True
        session.headers.update(headers or {})
        return session
