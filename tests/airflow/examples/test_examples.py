"""The examples do what they say, and stand alone."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from tests.airflow.examples.conftest import DEFERRED, EXAMPLES, Run, after_a_look
from tools.simulator_process import SimulatorProcess

FILES = sorted(EXAMPLES.glob("*.py"))
POST = "*/adhocrun"
RESCHEDULED = "UP_FOR_RESCHEDULE"


@pytest.fixture
def quick(examples: DagBag) -> None:
    """Look more often than the examples do: in a real AEP a minute is little."""
    for dag in examples.dags.values():
        for task in dag.tasks:
            if getattr(task, "mode", "") == "reschedule":
                task.poll_interval = 1


def test_all_can_be_imported(examples: DagBag) -> None:
    assert examples.import_errors == {}
    assert len(examples.dags) == 7


def test_each_says_what_it_is_for(examples: DagBag) -> None:
    for dag in examples.dags.values():
        assert dag.doc_md, dag.dag_id
        assert dag.owner == "marketing-operations"
        assert dag.tags == {"aep-example"}
        assert not dag.catchup


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_can_be_copied_anywhere(path: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in getattr(node, "names", ()) if isinstance(node, ast.Import)]
        )
    }

    assert imported <= {"__future__", "typing", "airflow", "adobe_experience_platform"}
    assert f"`{path.name}`" in (EXAMPLES / "README.md").read_text()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("task_id", "way"), [("wait_in_the_triggerer", DEFERRED), ("wait_in_reschedule_mode", RESCHEDULED)]
)
def test_a_sensor_waits_for_the_export(
    examples: DagBag, simulator: SimulatorProcess, run: Run, task_id: str, way: str
) -> None:
    dag = examples.dags["example_aep_sensor_alone"]
    others = "|".join(task.task_id for task in dag.tasks if task.task_id != task_id)
    job = simulator.start_export_job(duration=3600)

    with after_a_look(simulator, "*/export/jobs", lambda: simulator.end_export_job(job["id"])):
        finished = run(dag, leave_out=others)

    assert set(finished.states().values()) == {"success"}
    assert "PROCESSING" not in simulator.state()["export_jobs"]
    assert len(simulator.requests(path="*/export/jobs")) > 1
    assert way in finished.log


def test_tasks_of_ones_own_go_on_after_the_sensors(example: Run, simulator: SimulatorProcess) -> None:
    finished = example("example_aep_sensor_alone")

    assert finished.states() == dict.fromkeys(("wait_in_the_triggerer", "wait_in_reschedule_mode", "go_on"), "success")
    assert simulator.deliveries() == []


@pytest.mark.parametrize("conf", [{}, {"flow": None}], ids=["to the flow", "to any"])
def test_a_sensor_waits_for_a_delivery_that_somebody_else_starts(
    examples: DagBag, simulator: SimulatorProcess, run: Run, conf: dict[str, Any]
) -> None:
    simulator.change_settings(young_seconds=0)
    dag = examples.dags["example_aep_wait_for_a_delivery"]
    flow, audience = dag.params["flow"], dag.params["audience"]
    begun = simulator.start_run(flow, audience_ids=[audience], status="inProgress", seconds=None)["id"]

    def end() -> None:
        simulator.start_run(flow, audience_ids=[audience], status="failed", seconds=0)
        simulator.change_run(begun, status="success")

    with after_a_look(simulator, "*/flowservice/runs", end):
        finished = run(dag, **conf)

    assert finished.states() == {"wait_for_delivery": "success", "go_on": "success"}
    delivery = finished.xcom("wait_for_delivery")
    assert (delivery["run_id"], delivery["status"], delivery["audience_ids"]) == (begun, "success", [audience])
    assert begun in finished.xcom("go_on")
    assert DEFERRED in finished.log
    assert simulator.deliveries() == []


def test_one_operator_delivers(example: Run, simulator: SimulatorProcess) -> None:
    finished = example("example_aep_operator_alone")

    assert finished.states() == {"deliver": "success"}
    result = finished.xcom("deliver")
    assert result["summary"]["success"] == 1
    assert delivered(simulator) == [(item["flow_id"], item["audience_id"], 1) for item in result["results"]]


def test_one_operator_delivers_what_a_run_asks_for(example: Run, simulator: SimulatorProcess) -> None:
    flow = next(flow for flow in simulator.state()["flows"] if flow["name"] == "Regional leaflets S3")
    audience = flow["audiences"][3]["id"]

    example("example_aep_operator_alone", activation_info={flow["id"]: [audience]})

    assert delivered(simulator) == [(flow["id"], audience, 1)]


def test_the_export_of_one_task_is_sent_by_the_next(example: Run, simulator: SimulatorProcess) -> None:
    finished = example("example_aep_operators_in_a_row")

    assert finished.states() == dict.fromkeys(("find_export", "submit", "watch"), "success")
    (post,) = simulator.requests(path=POST)
    assert post["json"]["exportIds"] == [finished.xcom("find_export")]
    assert "version=2" not in post["headers"].get("accept", "")
    assert finished.xcom("watch")["summary"]["success"] == 1
    assert [item["run_id"] for item in finished.xcom("watch")["results"]] == simulator.deliveries()[0]["run_ids"]


@pytest.mark.usefixtures("quick")
def test_delivers_without_a_triggerer(example: Run, simulator: SimulatorProcess) -> None:
    simulator.add_outcomes({"status": "success", "seconds": 3600})

    def end_run() -> None:
        simulator.change_run(simulator.deliveries()[0]["run_ids"][0], status="success")

    with after_a_look(simulator, "*/flowservice/runs/*", end_run):
        finished = example("example_aep_operators_without_triggerer")

    assert finished.states() == {"submit": "success", "watch": "success"}
    assert RESCHEDULED in finished.log
    assert [(item["count"], item["successful"]) for item in simulator.deliveries()] == [(1, 1)]


class TestPipelineInALargerDag:
    ID = "example_aep_pipeline_in_a_larger_dag"

    def test_what_one_task_chooses_is_delivered_and_the_last_reads_the_report(
        self, example: Run, simulator: SimulatorProcess
    ) -> None:
        finished = example(self.ID)

        assert set(finished.states().values()) == {"success"}
        assert [item["count"] for item in simulator.deliveries()] == [1, 1]
        assert finished.xcom("announce").splitlines()[0] == "2 of 2 delivered"

    def test_a_dry_run_sends_nothing_and_skips_what_follows(self, example: Run, simulator: SimulatorProcess) -> None:
        finished = example(self.ID, groups=["openers"], dry_run=True)

        assert finished.state == "success"
        ran = {"choose": "success", "plan_jobs": "success"}
        assert finished.states() == {**dict.fromkeys(finished.states(), "skipped"), **ran}
        assert simulator.requests(path=POST) == []

    def test_nothing_to_deliver_skips_the_delivery(self, example: Run, simulator: SimulatorProcess) -> None:
        finished = example(self.ID, groups=[])

        assert finished.state == "success"
        assert set(finished.states().values()) == {"skipped"}
        assert simulator.requests() == []

    def test_a_failed_delivery_is_red_and_ends_the_dag(self, example: Run, simulator: SimulatorProcess) -> None:
        simulator.add_outcomes({"status": "failed", "code": "ACTIVATION_BATCH-0001-FAILED", "message": "Disk full."})

        finished = example(self.ID)

        assert finished.state == "failed"
        red = {"wait_for_flow_runs": "failed", "report": "failed", "announce": "upstream_failed"}
        assert finished.states().items() >= red.items()
        assert finished.xcom("report")["summary"]["failed"] == 1


class TestSeveralSandboxes:
    ID = "example_aep_several_sandboxes"

    def test_delivers_from_each_over_its_own_connection(self, example: Run, simulator: SimulatorProcess) -> None:
        finished = example(self.ID)

        assert set(finished.states().values()) == {"success"}
        assert sandboxes(simulator) == ["dev", "prod"]
        for group in ("development", "production"):
            assert finished.xcom(f"{group}.report")["summary"]["success"] == 1

    def test_a_failed_rehearsal_keeps_production_from_being_sent(
        self, example: Run, simulator: SimulatorProcess
    ) -> None:
        simulator.add_outcomes({"status": "failed", "message": "Disk full."})

        finished = example(self.ID)

        assert finished.state == "failed"
        assert sandboxes(simulator) == ["dev"]
        assert finished.states()["production.plan_jobs"] == "upstream_failed"


def delivered(simulator: SimulatorProcess) -> list[tuple[str, str, int]]:
    return [(item["flow_id"], item["audience_id"], item["successful"]) for item in simulator.deliveries()]


def sandboxes(simulator: SimulatorProcess) -> list[Any]:
    return [request["headers"]["x-sandbox-name"] for request in simulator.requests(path=POST)]
