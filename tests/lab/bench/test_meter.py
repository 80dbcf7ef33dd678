"""The CPU seconds of an Airflow, by component."""

from __future__ import annotations

import subprocess
import sys

from lab.bench.meter import TASKS, cpu_seconds, execution_calls

PROGRAM = """
import subprocess, sys
burn = "import time\\nwhile time.process_time() < 0.3: pass"
if sys.argv[1] == "child":
    subprocess.run([sys.executable, "-c", burn], check=True)
else:
    exec(burn)
print("done", flush=True)
sys.stdin.read()
"""


def used_by(which: str, name: str) -> dict[str, float]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, which],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        used = cpu_seconds({name: process.pid})
        process.communicate()
    return used


def test_what_a_child_of_the_scheduler_uses_is_the_tasks() -> None:
    used = used_by("child", "scheduler")

    assert used[TASKS] >= 0.25  # of 0.3, counted in ticks
    assert used["scheduler"] < 0.25, "it does nothing but start its child"


def test_what_the_scheduler_itself_uses_is_its_own() -> None:
    used = used_by("itself", "scheduler")

    assert used == {"scheduler": used["scheduler"], TASKS: 0}
    assert used["scheduler"] >= 0.25  # of 0.3, counted in ticks


def test_children_of_another_component_belong_to_it() -> None:
    used = used_by("child", "dag-processor")

    assert used.keys() == {"dag-processor"}
    assert used["dag-processor"] >= 0.25  # of 0.3, counted in ticks


def test_what_tasks_ask_the_api_server_is_counted_and_nobody_elses_calls() -> None:
    own = "[info     ] request finished    method=PUT path=/execution/store/asset query= status_code=204"
    other = own.replace("/execution/store/asset", "/api/v2/dags")

    assert execution_calls("\n".join([own, other, own.replace("PUT", "GET")])) == 2
