"""The one module of this folder that Airflow's plugin loader runs (see `.airflowignore`).

An installed package registers itself, by its entry point. A second registration under the same name would stay
in Airflow as an import error, so this one is for installations that only have this folder.
"""

from __future__ import annotations

from importlib.metadata import entry_points

if not any(entry.value.startswith("adobe_experience_platform.") for entry in entry_points(group="airflow.plugins")):
    from adobe_experience_platform.plugin import AepPlugin

    __all__ = ["AepPlugin"]
