"""Parses the DAG files where there is no network and no database, and prints what it found as JSON."""

from __future__ import annotations

import importlib
import json
import runpy
import socket
import sys
import time
from pathlib import Path
from typing import Any


def forbid_network() -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a DAG file must not use the network")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.socket.connect_ex = refuse  # type: ignore[method-assign, assignment]
    socket.getaddrinfo = refuse  # type: ignore[assignment]


def main(folder: str) -> None:
    forbid_network()
    import airflow.sdk

    # What every DAG file needs; airflow.sdk imports lazily.
    names = (
        "DAG",
        "Param",
        "BaseOperator",
        "BaseOperatorLink",
        "BaseSensorOperator",
        "RetryPolicy",
        "TaskGroup",
        "conf",
    )
    for name in names:
        getattr(airflow.sdk, name)
    before, start = set(sys.modules), time.perf_counter()
    for file in sorted(Path(folder).glob("*.py")):
        runpy.run_path(str(file))
    seconds = time.perf_counter() - start
    found: dict[str, Any] = {"ms": round(seconds * 1000), "modules": sorted(set(sys.modules) - before)}
    importlib.import_module("adobe_experience_platform.hooks.sync_hook")
    found["modules_of_a_task"] = sorted(set(sys.modules) - before)

    from pydantic import BaseModel

    found["own_models"] = sorted(
        f"{kind.__module__}.{kind.__name__}"
        for kind in BaseModel.__subclasses__()
        if kind.__module__.startswith("adobe_experience_platform")
    )

    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import LazyDeserializedDAG

    bag = DagBag(folder)
    found["import_errors"] = bag.import_errors
    found["hashes"] = {dag_id: LazyDeserializedDAG.from_dag(dag).hash for dag_id, dag in bag.dags.items()}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
