"""The DAG files: cheap and harmless to parse, and built as the design says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, TriggerRule

REPOSITORY = Path(__file__).resolve().parents[3]
DAGS = REPOSITORY / "dags"
ADHOC = "aep_adhoc_activation"

PARAMS: dict[str, Any] = {
    "sandbox_name": None,
    "api_version": "v2",
    "max_audiences_per_job": 80,
    "max_export_age_hours": 36,
    "on_conflict": "wait",
    "on_partial_success": "fail",
    "on_failed_records": "warn",
    "size_guard": None,
    "dry_run": False,
    "poll_interval": 30,
    "export_timeout_minutes": 240,
    "activation_timeout_minutes": 180,
    "aep_conn_id": "aep_default",
}
CAMPAIGNS = {f"aep_campaign_{name}" for name in ("daily_newsletter", "flash_sale", "weekly_loyalty")}
TASKS = ["plan_jobs", "wait_for_segment_export", "get_latest_export_job", "activate", "wait_for_flow_runs", "report"]


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(DAGS)


@pytest.fixture(scope="module")
def adhoc(bag: DagBag) -> DAG:
    return bag.dags[ADHOC]


def parse(hash_seed: str = "0") -> dict[str, Any]:
    """Parse the DAG files in a process without network and with a broken database."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("parse_probe.py")), str(DAGS)],
        env={
            **os.environ,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/at/all/airflow.db",
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    return parse()


def test_every_file_is_imported_without_error(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert {ADHOC, "aep_catalog"} | CAMPAIGNS == set(bag.dags)


def test_parsing_needs_neither_network_nor_database(parsed: dict[str, Any]) -> None:
    assert parsed["import_errors"] == {}
    assert {ADHOC, "aep_catalog"} <= set(parsed["hashes"])


def test_parsing_imports_nothing_heavy(parsed: dict[str, Any], record_property: Any) -> None:
    """No HTTP client, no hook, no models but those of campaign files: they would cost more than all the rest."""
    record_property("parse_ms", parsed["ms"])
    sys.stdout.write(f"the DAG files and the package add {parsed['ms']} ms to airflow.sdk\n")
    heavy = ("requests", "aiohttp", "rich", "airflow.providers.http.hooks", "airflow.providers.http.operators", "yaml")
    heavy += tuple(f"adobe_experience_platform.{name}" for name in ("hooks.sync_hook", "hooks.async_hook", "web"))
    imported = [module for module in parsed["modules"] if module.startswith(heavy)]

    assert imported == []
    assert {name.rpartition(".")[0] for name in parsed["own_models"]} == {
        "adobe_experience_platform.delivery.blocks",
        "adobe_experience_platform.delivery.settings",
        "adobe_experience_platform.notifications.notices",
    }


def test_a_task_that_asks_aep_loads_neither_aiohttp_nor_the_http_provider(parsed: dict[str, Any]) -> None:
    """Each task process would load them anew: over a tenth of a second of CPU."""
    loaded = parsed["modules_of_a_task"]

    assert "requests" in loaded
    assert [module for module in loaded if module.startswith(("aiohttp", "airflow.providers.http"))] == []


def test_parsing_gives_the_same_dag_every_time(parsed: dict[str, Any]) -> None:
    """Otherwise every parse would make a new version of the DAG."""
    assert parse(hash_seed="77")["hashes"] == parsed["hashes"]


def test_every_dag_says_what_it_is_and_who_owns_it(bag: DagBag) -> None:
    for dag in bag.dags.values():
        assert dag.doc_md, dag.dag_id
        assert dag.description, dag.dag_id
        assert dag.tags, dag.dag_id
        assert dag.catchup is False, dag.dag_id
        assert dag.max_active_runs > 0, dag.dag_id
        assert {task.owner for task in dag.tasks} == {"marketing-operations"}, dag.dag_id
        assert all(task.retries for task in dag.tasks if task.task_id != "report"), dag.dag_id


def test_the_on_demand_dag_is_found_by_its_tag(adhoc: DAG) -> None:
    assert "aep-activation" in adhoc.tags
    assert adhoc.schedule is None


def test_the_params_are_those_of_the_design(adhoc: DAG) -> None:
    params = adhoc.params
    assert {name: params[name] for name in PARAMS} == PARAMS
    assert set(params) == {*PARAMS, "activation_info"}
    with pytest.raises(Exception, match="No value passed"):
        params.get_param("activation_info").resolve()


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("activation_info", [{"flow": ["audience"]}], ["text", ["list"], None, 1]),
        ("sandbox_name", [None, "dev"], [1, ["dev"]]),
        ("api_version", ["v1", "v2"], ["v3", None, 2]),
        ("max_audiences_per_job", [1, 80], [0, 81, 1.5, "80", None]),
        ("max_export_age_hours", [None, 0, 36.5], [-1, "36"]),
        ("on_conflict", ["wait", "adopt", "fail"], ["ignore", None]),
        ("on_partial_success", ["fail", "accept"], ["ignore", None]),
        ("on_failed_records", ["warn", "fail"], ["accept", None]),
        ("size_guard", [None, {"max_records": 1}], [{"max_record": 1}, {"max_records": -1}, "strict", 5]),
        ("dry_run", [True, False], ["true", None, 1]),
        ("poll_interval", [1, 30], [0, "30", None]),
        ("export_timeout_minutes", [0, 240], [-1, None]),
        ("activation_timeout_minutes", [0, 180], [-1, None]),
        ("aep_conn_id", ["aep_default"], ["", None]),
    ],
)
def test_the_form_takes_what_makes_sense_and_nothing_else(
    adhoc: DAG, name: str, good: list[Any], bad: list[Any]
) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    param = adhoc.params.get_param(name)
    for value in good:
        assert param.resolve(value) == value
    for value in bad:
        with pytest.raises(ParamValidationError):
            param.resolve(value)


def test_every_param_has_a_label(adhoc: DAG) -> None:
    assert all(adhoc.params.get_param(name).schema.get("title") for name in adhoc.params)


def test_the_tasks_come_in_the_order_of_the_design(adhoc: DAG) -> None:
    assert [task.task_id for task in adhoc.topological_sort()] == TASKS
    assert adhoc.task_dict["activate"].is_mapped
    for earlier, later in pairwise(TASKS):
        assert later in adhoc.task_dict[earlier].downstream_task_ids
    assert adhoc.task_dict["wait_for_flow_runs"].upstream_task_ids == {"plan_jobs", "activate"}


def test_failed_tasks_are_tried_again_three_times(adhoc: DAG) -> None:
    for task_id in TASKS:
        task = adhoc.task_dict[task_id]
        assert (task.retries, task.retry_delay) == (3, timedelta(seconds=30)), task_id


def test_what_cannot_heal_is_not_tried_again(adhoc: DAG) -> None:
    """The retry policy reaches every task that talks to AEP, the mapped one too."""
    for task_id in TASKS[:-1]:
        task = adhoc.task_dict[task_id]
        policy = task.partial_kwargs["retry_policy"] if task.is_mapped else task.retry_policy
        assert type(policy).__name__ == "AepRetryPolicy", task_id


def test_no_trigger_rule_can_turn_a_failed_run_green(adhoc: DAG) -> None:
    rules = {task_id: adhoc.task_dict[task_id].trigger_rule for task_id in TASKS}
    assert rules == {
        **dict.fromkeys(TASKS, TriggerRule.ALL_SUCCESS),
        "wait_for_flow_runs": TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
        "report": TriggerRule.ALL_DONE,
    }
    assert not any(adhoc.task_dict[task_id].is_teardown for task_id in TASKS)


def test_every_argument_of_a_person_reaches_the_tasks(adhoc: DAG) -> None:
    """Each param is used: one that nobody reads would promise what does not happen."""
    from airflow.sdk.definitions.param import DagParam

    plan = adhoc.task_dict["plan_jobs"]
    used = {value._name for value in (plan.activation_info, *plan.settings.values()) if isinstance(value, DagParam)}
    assert used == set(adhoc.params)
