"""Run by the Python of a plain Airflow with only the wheel installed: what it sees, and one delivery.

python release_smoke.py CONF_OF_THE_DELIVERY    (JSON; the connection `aep_default` comes from the environment)
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from sysconfig import get_path

PROVIDER = "airflow-provider-adobe-experience-platform"
PACKAGE = "adobe_experience_platform"
READY = Path(get_path("purelib")) / PROVIDER.replace("-", "_") / "dags"


def main() -> int:
    """Look, deliver, and print what is wrong; the exit code is 0 only if nothing is."""
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(READY)  # before Airflow reads its configuration

    from airflow import plugins_manager
    from airflow.cli.cli_parser import airflow_commands
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag
    from airflow.providers_manager import ProvidersManager
    from airflow.utils.db import initdb

    initdb()
    manager = ProvidersManager()
    plugins_manager.ensure_plugins_loaded()
    bundles = {bundle.name: Path(str(bundle.path)) for bundle in DagBundlesManager().get_all_dag_bundles()}
    examples = bundles.get(f"{PROVIDER}-example-dags", Path("missing"))
    bags = {"examples": DagBag(examples), "ready DAGs": DagBag(READY)}
    hook = manager.hooks.get(PACKAGE)
    faults = {
        "the provider is unknown": PROVIDER not in manager.providers,
        "no connection type": hook is None,
        "the plugin is not loaded": PACKAGE not in {str(item["name"]) for item in plugins_manager.get_plugin_info()},
        f"import errors of plugins: {(errors := plugins_manager.get_import_errors())}": bool(errors),
        "no command `airflow aep`": "aep" not in {command.name for command in airflow_commands},
        **{f"no {what}": not bag.dags for what, bag in bags.items()},
        **{f"import errors of the {what}: {bag.import_errors}": bool(bag.import_errors) for what, bag in bags.items()},
    }
    found = [fault for fault, is_so in faults.items() if is_so]
    if not found:
        run = bags["ready DAGs"].dags["aep_adhoc_activation"].test(run_conf=json.loads(sys.argv[1]))
        found = [] if run.state == "success" else [f"the delivery ended as {run.state}"]
    for fault in found:
        print(f"ERROR: {fault}", file=sys.stderr)
    verdict = "FAILED" if found else "all is there, and it delivers"
    print(f"Airflow {version('apache-airflow')}, Python {sys.version.split()[0]}: {verdict}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
