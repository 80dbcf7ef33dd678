"""What this package adds to Airflow's own surface, found by the entry point ``airflow.plugins``.

Every process of Airflow loads plugins, also each task's: nothing here may import the web code at once.
"""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk import conf
from airflow.sdk.execution_time import task_runner
from airflow.sdk.plugins_manager import AirflowPlugin

from adobe_experience_platform.notifications import DEADLINE_REFERENCES

PREFIX = "/adobe-experience-platform"
RUN_ROUTE = "aep-activation"
"""Last part of the tab's address: ``/dags/<DAG id>/runs/<run id>/plugin/aep-activation``."""
LIST_ROUTE = "aep-activations"
"""Last part of the page's address: ``/plugin/aep-activations``."""
DELIVER_ROUTE = "aep-deliver"
"""The same of the page that starts a delivery."""
NEEDED_BY_TASKS = ("adobe_experience_platform.pipeline", "adobe_experience_platform.hooks.sync_hook", "jinja2.ext")
"""Modules that each task of a delivery loads, with all that they import (``requests`` for one)."""


class AepPlugin(AirflowPlugin):
    """The Activation tab on each DAG run, the page with all deliveries, and the one that starts a delivery."""

    name = "adobe_experience_platform"
    deadline_references = DEADLINE_REFERENCES

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Load once, in the process that the LocalExecutor forks its tasks from, what each of them would load.

        The tasks of other DAGs load plugins too, where another executor starts them: they pay for none of it.
        """
        if not hasattr(task_runner, "SUPERVISOR_COMMS"):  # as Airflow tells a task's process
            for module in NEEDED_BY_TASKS:
                importlib.import_module(module)

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the application that serves the pages; only the API server asks for it."""
        from .web.app import create_app  # load time: the web framework takes over a second

        return [{"app": create_app(), "url_prefix": PREFIX, "name": "Adobe Experience Platform"}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return where Airflow's UI shows the pages."""
        # Airflow may live below a path of its server; its UI does not put that before the addresses of plugins.
        base = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/") + PREFIX
        tab, nav = {"destination": "dag_run"}, {"destination": "nav", "nav_top_level": True}
        pages = (
            ("Activation", tab, "activation?dag_id={DAG_ID}&run_id={RUN_ID}", RUN_ROUTE, "icon"),
            ("Activations", nav, "activations", LIST_ROUTE, "icon"),
            ("Deliver", nav, "deliver", DELIVER_ROUTE, "deliver"),
        )
        return [
            {"name": name, **where, "href": f"{base}/{page}", "url_route": route}
            | {"icon": f"{base}/{icon}.svg", "icon_dark_mode": f"{base}/{icon}-dark.svg"}
            for name, where, page, route, icon in pages
        ]
