"""What a Python with our package sees, as JSON: run by the tests in environments of their own.

python probe.py FOLDER_OF_DAGS RESULT_FILE
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from importlib import import_module
from pathlib import Path

from airflow import plugins_manager
from airflow.dag_processing.dagbag import DagBag
from airflow.providers_manager import ProvidersManager

PACKAGE = "adobe_experience_platform"


def probe(dags: str) -> dict[str, object]:
    """Load Airflow's plugins, then DAGs, then all modules of the package by name, and look at what is loaded."""
    plugins_manager.ensure_plugins_loaded()
    bag = DagBag(dags)
    package = import_module(PACKAGE)
    home = Path(str(package.__file__)).parent
    for path in home.glob("*.py"):
        import_module(f"{PACKAGE}.{path.stem}" if path.stem != "__init__" else PACKAGE)
    names = defaultdict(list)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).parent.name == PACKAGE:
            names[file].append(name)
    classes = {
        f"{item.__module__}.{item.__qualname__}": item is getattr(import_module(item.__module__), item.__qualname__)
        for dag in bag.dags.values()
        for task in dag.tasks
        if PACKAGE in (item := getattr(task, "operator_class", type(task))).__module__
    }
    manager = ProvidersManager()
    hook = manager.hooks.get(PACKAGE)
    return {
        "home": str(home),
        "public": all(hasattr(package, name) for name in package.__all__),
        "loaded": names,
        "classes": classes,
        "dags": sorted(bag.dags),
        "dag_errors": bag.import_errors,
        "plugin_errors": plugins_manager.get_import_errors(),
        "plugins": sorted(str(plugin["name"]) for plugin in plugins_manager.get_plugin_info()),
        "provider": "airflow-provider-adobe-experience-platform" in manager.providers,
        "hook": hook.hook_class_name if hook else None,
    }


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(probe(sys.argv[1])))
