"""The environment in which the local Airflow's processes run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent

# "section.option": value. Chosen for a quick start, quick reactions and an idle machine in between; the
# defaults suit a server that runs for months.
QUICK_AND_SMALL = {
    "api.workers": "1",
    "core.executor": "LocalExecutor",
    "core.load_examples": "False",
    "core.parallelism": "4",  # the default forks 32 workers
    "core.test_connection": "Enabled",
    "dag_processor.bundle_refresh_check_interval": "1",
    "dag_processor.min_file_process_interval": "60",  # a changed file is read at once all the same
    "dag_processor.parsing_processes": "1",
    "dag_processor.refresh_interval": "5",  # how soon a new file is seen
    "logging.colored_console_log": "False",
    "scheduler.scheduler_idle_sleep_time": "0.3",
    "scheduler.trigger_timeout_check_interval": "5",
}


def airflow_environment(
    home: Path,
    port: int,
    *,
    users: Mapping[str, str],
    dags_folders: Sequence[Path],
    plugins_folder: Path,
    connections: Mapping[str, Mapping[str, Any]],
    config: Mapping[str, str],
) -> dict[str, str]:
    """Build the whole environment of an Airflow that lives in `home` and serves on `port`.

    Nothing of the caller's Airflow leaks in (its settings, its connections), and no proxy: all that this
    Airflow talks to is on this machine.

    :param home: AIRFLOW_HOME
    :param port: of the API server, on 127.0.0.1
    :param users: {user: role} of the simple auth manager
    :param dags_folders: each becomes a DAG bundle with the folder's name
    :param plugins_folder: Airflow's plugins folder
    :param connections: {connection id: connection in Airflow's JSON form}
    :param config: {"section.option": value}, over the defaults here
    """
    url = f"http://127.0.0.1:{port}"
    settings = {
        **QUICK_AND_SMALL,
        "api.base_url": url,
        "api.host": "127.0.0.1",
        "api.port": str(port),
        "core.dags_folder": str(dags_folders[0]),
        "core.execution_api_server_url": f"{url}/execution/",
        "core.hostname_callable": "tools.airflow_settings.loopback",
        "core.plugins_folder": str(plugins_folder),
        "core.simple_auth_manager_passwords_file": str(home / "passwords.json"),
        "core.simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in users.items()),
        "dag_processor.dag_bundle_config_list": json.dumps([_bundle(folder) for folder in dags_folders]),
        **config,
    }
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
        and not name.lower().endswith("_proxy")
        and name != "PYTHONDONTWRITEBYTECODE"  # would compile all of Airflow at every start: 5 s each
    }
    environment.update(
        AIRFLOW_HOME=str(home),
        NO_PROXY="*",
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        # DAG files import from include/, and triggers are looked up by name in the triggerer.
        PYTHONPATH=os.pathsep.join([str(REPOSITORY), str(plugins_folder)]),
        PYTHONUNBUFFERED="1",
    )
    for key, value in settings.items():
        section, option = key.split(".", 1)
        environment[f"AIRFLOW__{section.upper()}__{option.upper()}"] = value
    for conn_id, connection in connections.items():
        environment[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)
    return environment


def loopback() -> str:
    """Return the host name that the components know each other by: no lookup of this machine's own."""
    return "127.0.0.1"


def _bundle(folder: Path) -> dict[str, Any]:
    return {
        "name": folder.name,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(folder)},
    }
