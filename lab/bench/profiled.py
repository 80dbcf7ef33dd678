"""What `make profile` looks into: a whole delivery in one process, or the poll of ten thousand flow runs.

``python -m lab.bench.profiled delivery|watching``; py-spy runs it and draws where the time goes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.bench.scene import MEASURED, info_of, seed_of
from lab.bench.watching import RUNS_PER_FLOW, plan_of
from tools.airflow_settings import REPOSITORY
from tools.simulator_process import SimulatorProcess

RUNS, TASKS, SECONDS = 10_000, 500, 60.0
AUDIENCES = 80


def main(arguments: list[str] | None = None) -> None:
    """Profile both, or be what is profiled."""
    parser = argparse.ArgumentParser(prog="python -m lab.bench.profiled", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "program",
        nargs="?",
        choices=("delivery", "watching"),
        help="what to run, for py-spy; profile both if not given",
    )
    if program := parser.parse_args(arguments).program:
        {"delivery": deliver, "watching": watch}[program]()
        return
    folder = MEASURED / "profiles"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="airflow-") as home, SimulatorProcess(speed=100) as aep:
        environment = _environment(home, aep.connection())
        _prepare(environment)
        programs: tuple[tuple[str, Callable[[], Any]], ...] = (
            ("delivery", lambda: aep.reset(seed_of(AUDIENCES))),
            ("watching", lambda: aep.reset({**seed_of(RUNS, per_flow=RUNS_PER_FLOW), "runs": plan_of(RUNS, TASKS)[0]})),
        )
        for name, prepare in programs:
            prepare()
            file = folder / f"{name}.svg"
            spy = ["record", "--output", str(file), "--rate", "200", "--nonblocking", "--"]
            command = [str(Path(sys.executable).parent / "py-spy"), *spy, sys.executable, "-m", "lab.bench.profiled"]
            subprocess.run([*command, name], env=environment, cwd=REPOSITORY, check=True)
            print(f"wrote {file.relative_to(REPOSITORY)}")


def _environment(home: str, connection: Mapping[str, Any]) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW_CONN_AEP_DEFAULT": json.dumps(connection),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
    }


def _prepare(environment: Mapping[str, str]) -> None:
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=environment, cwd=REPOSITORY, check=True, capture_output=True)


def deliver() -> None:
    """Run the on-demand DAG in this process."""
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(REPOSITORY / "dags" / "adhoc_activation.py").dags["aep_adhoc_activation"]
    conf = {"activation_info": info_of(seed_of(AUDIENCES), AUDIENCES), "poll_interval": 2}
    state = dag.test(run_conf=conf).state
    if state != "success":
        sys.exit(f"the delivery ended as {state}")


def watch() -> None:
    """Watch flow runs for some time, with Airflow's own shared stream, and say what it cost."""
    asyncio.run(_watch())


async def _watch() -> None:
    import structlog
    from airflow.triggers.shared_stream import SharedStreamManager

    from adobe_experience_platform.triggers import FlowRunTrigger

    streams = SharedStreamManager(log=structlog.get_logger())

    async def wait(number: int, orders: list[list[Any]]) -> None:
        trigger = FlowRunTrigger(orders=orders, sandbox_name="prod", deadline="2099-01-01T00:00:00+00:00")
        stream = streams.subscribe(trigger_id=number, trigger=trigger, key=trigger.shared_stream_key())
        async for _ in trigger.filter_shared_stream(stream):
            return

    parts = [orders for tasks in plan_of(RUNS, TASKS)[1].values() for orders in tasks]
    began, before = time.monotonic(), time.process_time()
    waits = [asyncio.ensure_future(wait(number, orders)) for number, orders in enumerate(parts)]
    await asyncio.sleep(SECONDS)
    used = (time.process_time() - before) / (time.monotonic() - began)
    print(f"{RUNS:,} flow runs, {TASKS} waits: {used:.1%} of a core")
    for item in waits:
        item.cancel()
    await streams.stop_all()


if __name__ == "__main__":
    main()
