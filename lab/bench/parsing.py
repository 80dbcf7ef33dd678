"""Many campaign files: what reading them costs, all by the DAG processor and one by a task process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.bench.scene import ident
from tools.airflow_settings import REPOSITORY

SIZES = (5, 50, 500, 1_000)
DAG_FILE = REPOSITORY / "dags" / "campaigns.py"
AUDIENCES = 10
_FOLDER = "AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__CAMPAIGNS_FOLDER"
_PROBE = """
import os, sys, time
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import LazyDeserializedDAG
import adobe_experience_platform.pipeline
path, dag_id = sys.argv[1:3]
if dag_id:
    os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = dag_id  # as Airflow tells a task process which DAG it needs
began = time.process_time()
bag = DagBag(path)
if not dag_id:  # the DAG processor also makes what the scheduler reads
    for dag in bag.dags.values():
        LazyDeserializedDAG.from_dag(dag)
used = time.process_time() - began
assert not bag.import_errors, bag.import_errors
print(len(bag.dags), used)
"""


@dataclass(frozen=True, slots=True)
class Parsed:
    """CPU seconds for a folder of campaign files."""

    campaigns: int
    all_s: float
    """What the DAG processor pays at each parse: to read the files, and to write down the DAGs for the scheduler."""
    one_s: float
    """What a task process pays, which needs the DAG of one campaign."""


def parse(sizes: Sequence[int] = SIZES) -> list[Parsed]:
    """Measure each number of campaign files, in processes of their own; the least of three tries."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="aep-campaigns-") as folder:
            for number in range(size):
                Path(folder, f"campaign_{number:03}.yaml").write_text(_campaign(number))
            everything = min(_parse(folder, "", size) for _ in range(3))
            one = min(_parse(folder, f"aep_campaign_campaign_{size // 2:03}", 1) for _ in range(3))
        found.append(Parsed(size, round(everything, 3), round(one, 3)))
        print(f"  {json.dumps(asdict(found[-1]))}", flush=True)
    return found


def _campaign(number: int) -> str:
    audiences = "".join(f"      - {ident(f'audience {number} {which}')}\n" for which in range(AUDIENCES))
    return (
        f"description: What campaign {number} is for\n"
        "owner: benchmark\n"
        "deliver:\n"
        f"  - flow: {ident(f'flow {number}')}\n"
        f"    audiences:\n{audiences}"
        f"when: {number % 60} 7 * * *\n"
        "timezone: Europe/Berlin\n"
        "policies:\n"
        "  on_conflict: wait\n"
    )


def _parse(folder: str, dag_id: str, expected: int) -> float:
    with tempfile.TemporaryDirectory(prefix="airflow-") as home:
        environment = {
            **os.environ,
            _FOLDER: folder,
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",  # CPU is measured, however busy the machine is
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
        }
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _PROBE, str(DAG_FILE), dag_id],
            env=environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
    number, used = done.stdout.split()[-2:]
    if int(number) != expected:
        raise RuntimeError(f"{number} DAGs were made of campaign files, not {expected}\n{done.stderr}")
    return float(used)
