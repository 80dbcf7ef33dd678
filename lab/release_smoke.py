"""Run by the Python of a plain Airflow with only the wheel installed: what it sees, and one delivery.

python release_smoke.py [CONF_OF_THE_DELIVERY]    (JSON; the connection `aep_default` comes from the environment)

Nothing of the repository is on the path, and there is no plugins folder: as where Airflow is somebody else's service.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from sysconfig import get_path

PROVIDER = "airflow-provider-adobe-experience-platform"
PACKAGE = "adobe_experience_platform"
READY = Path(get_path("purelib")) / PROVIDER.replace("-", "_") / "dags"
CAMPAIGN = "when: manual\ndeliver: {Newsletter S3: [Newsletter subscribers]}\n"
PAGES = ("deliver", "activations", "activation")


def main() -> int:
    """Look, deliver, and print what is wrong; the exit code is 0 only if nothing is."""
    with tempfile.TemporaryDirectory(prefix="campaigns-") as folder:
        (Path(folder) / "sale.yaml").write_text(CAMPAIGN, encoding="utf-8")
        # Before Airflow reads its configuration.
        os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(READY)
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "True"
        os.environ["AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__CAMPAIGNS_FOLDER"] = folder
        found = [fault for fault, is_so in look().items() if is_so]
        if not found and len(sys.argv) > 1:
            found = deliver(json.loads(sys.argv[1]))
    for fault in found:
        print(f"ERROR: {fault}", file=sys.stderr)
    verdict = "FAILED" if found else "all is there"
    print(f"Airflow {version('apache-airflow')}, Python {sys.version.split()[0]}: {verdict}")
    return 1 if found else 0


def look() -> dict[str, bool]:
    """Return {what would be wrong: whether it is}."""
    from airflow import plugins_manager
    from airflow.cli.cli_parser import airflow_commands
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag
    from airflow.providers_manager import ProvidersManager
    from fastapi.testclient import TestClient

    manager = ProvidersManager()
    plugins_manager.ensure_plugins_loaded()
    plugins = {str(item["name"]): item for item in plugins_manager.get_plugin_info()}
    apps = [item["app"] for item in plugins_manager.get_fastapi_plugins()[0] if "Adobe" in item["name"]]
    asked = [TestClient(app).get(f"/{page}").status_code for app in apps for page in PAGES]
    bundles = {bundle.name: Path(str(bundle.path)) for bundle in DagBundlesManager().get_all_dag_bundles()}
    bags = {
        "example DAGs": DagBag(bundles.get(f"{PROVIDER}-example-dags", Path("missing"))),
        "ready DAGs": DagBag(READY),
    }
    hook, errors = manager.hooks.get(PACKAGE), plugins_manager.get_import_errors()
    return {
        "the provider is unknown": PROVIDER not in manager.providers,
        "the connection type is unknown": hook is None,
        "the plugin is not loaded": PACKAGE not in plugins,
        f"the pages answer {asked} instead of asking who it is": asked != [401] * len(PAGES),
        f"import errors of plugins: {errors}": bool(errors),
        "the command `airflow aep` is unknown": "aep" not in {command.name for command in airflow_commands},
        "the campaign of the folder has no DAG": "aep_campaign_sale" not in bags["ready DAGs"].dags,
        **{f"no {what}": not bag.dags for what, bag in bags.items()},
        **{f"import errors of the {what}: {bag.import_errors}": bool(bag.import_errors) for what, bag in bags.items()},
    }


def deliver(conf: dict[str, object]) -> list[str]:
    """Play the ready DAG once; return what is wrong."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    initdb()
    run = DagBag(READY).dags["aep_adhoc_activation"].test(run_conf=conf)
    return [] if run.state == "success" else [f"the delivery ended as {run.state}"]


if __name__ == "__main__":
    sys.exit(main())
