"""What people may do with the parts in a DAG of their own, beyond the examples."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, Context, RetryDecision, RetryPolicy, TaskGroup, task
from airflow.sdk.definitions.mappedoperator import MappedOperator

from adobe_experience_platform import (
    AdHocActivationOperator,
    DeliverySensor,
    FlowRunSensor,
    LatestSegmentExportOperator,
    SegmentExportSensor,
    activation_pipeline,
)
from adobe_experience_platform.operators.retry import AepRetryPolicy
from tests.airflow.examples.conftest import DEFERRED, Run, after_a_look
from tools.simulator_process import SimulatorProcess

INFO = {"69245ed8-a016-5548-8762-dca344a9e201": ["439a96de-1866-5d4d-873b-c43eec1b5478"]}
TASKS = ("plan_jobs", "wait_for_segment_export", "get_latest_export_job", "activate", "wait_for_flow_runs", "report")


class OwnPolicy(AepRetryPolicy):
    pass


def policy_of(dag: DAG, task_id: str) -> object:
    """Return the retry policy that a task has when it runs."""
    found = dag.get_task(task_id)
    if isinstance(found, MappedOperator):
        found = found.unmap({"job": {}})
    return found.retry_policy


@pytest.mark.parametrize(
    ("outer", "prefixed", "prefix"),
    [("", False, ""), ("", True, "mail."), ("campaign", False, ""), ("campaign", True, "campaign.mail.")],
)
def test_a_pipeline_may_lie_in_another_group(
    run: Run, simulator: SimulatorProcess, outer: str, prefixed: bool, prefix: str
) -> None:
    def build() -> None:
        activation_pipeline(activation_info=INFO, group_id="mail", prefix_group_id=prefixed, dry_run=True)

    with DAG(f"own_{outer}_{prefixed}", schedule=None) as dag:
        if outer:
            with TaskGroup(outer):
                build()
        else:
            build()

    played = run(dag)

    assert played.state == "success"
    assert played.states() == {f"{prefix}{name}": "success" if name == "plan_jobs" else "skipped" for name in TASKS}
    assert simulator.requests(path="*/adhocrun") == []


def test_what_to_deliver_may_come_from_one_of_several_outputs(run: Run, simulator: SimulatorProcess) -> None:
    with DAG("own_outputs", schedule=None) as dag:

        @task(multiple_outputs=True)
        def choose() -> dict[str, Any]:
            return {"info": INFO, "dry": True}

        chosen = choose()
        activation_pipeline(activation_info=chosen["info"], dry_run=chosen["dry"])

    assert run(dag).states()["plan_jobs"] == "success"
    assert dag.get_task("plan_jobs").upstream_task_ids == {"choose"}


def test_a_task_decides_at_run_time_what_the_operator_sends(run: Run, simulator: SimulatorProcess) -> None:
    with DAG("own_operator", schedule=None) as dag:

        @task(multiple_outputs=False)
        def choose() -> dict[str, list[str]]:
            return INFO

        AdHocActivationOperator.partial(task_id="deliver", wait_for_completion=True).expand(activation_info=[choose()])

    assert run(dag).state == "success"
    assert [item["successful"] for item in simulator.deliveries()] == [1]


def test_a_dags_own_retries_count_and_ours_where_it_names_none() -> None:
    with DAG("own_retries", schedule=None, default_args={"retries": 7, "retry_delay": timedelta(minutes=2)}) as own:
        activation_pipeline(activation_info=INFO)
        activation_pipeline(activation_info=INFO, group_id="second", prefix_group_id=True, default_args={"retries": 1})
    with DAG("no_retries", schedule=None) as plain:
        activation_pipeline(activation_info=INFO)

    retries = {name: own.get_task(name).retries for name in ("plan_jobs", "activate", "second.activate")}
    assert retries == {"plan_jobs": 7, "activate": 7, "second.activate": 1}
    assert own.get_task("second.activate").retry_delay == timedelta(minutes=2)
    assert (plain.get_task("activate").retries, plain.get_task("activate").retry_delay) == (3, timedelta(seconds=30))


@pytest.mark.parametrize("task_id", [name for name in TASKS if name != "report"])
def test_every_task_knows_what_may_be_retried_mapped_or_not(task_id: str) -> None:
    with DAG("policy", schedule=None) as dag:
        activation_pipeline(activation_info=INFO)
    with DAG("own_policy", schedule=None, default_args={"retry_policy": OwnPolicy()}) as own:
        activation_pipeline(activation_info=INFO)

    assert type(policy_of(dag, task_id)) is AepRetryPolicy
    assert type(policy_of(own, task_id)) is OwnPolicy


def test_no_task_of_a_pipeline_without_a_triggerer_defers() -> None:
    with DAG("own_worker", schedule=None) as dag:
        activation_pipeline(activation_info=INFO, deferrable=False)

    for made in map(dag.get_task, TASKS[:-1]):
        assert (made.partial_kwargs["deferrable"] if made.is_mapped else made.deferrable) is False, made.task_id


def test_a_pipeline_delivers_without_a_triggerer(run: Run, simulator: SimulatorProcess) -> None:
    job = simulator.start_export_job(duration=3600)
    with DAG("own_worker", schedule=None) as dag:
        activation_pipeline(activation_info=INFO, deferrable=False, poll_interval=1)

    with after_a_look(simulator, "*/export/jobs", lambda: simulator.end_export_job(job["id"])):
        played = run(dag)

    assert played.state == "success"
    assert DEFERRED not in played.log
    assert [(item["count"], item["successful"]) for item in simulator.deliveries()] == [(1, 1)]
    assert played.xcom("report")["summary"]["success"] == 1


class RetryAlways(RetryPolicy):
    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        return RetryDecision.retry(delay=timedelta(0))


def test_a_wait_that_took_too_long_is_never_retried_whatever_the_retry_policy(
    run: Run, simulator: SimulatorProcess
) -> None:
    simulator.start_export_job(duration=3600)
    with DAG("own_patience", schedule=None) as dag:
        SegmentExportSensor(task_id="wait", export_timeout_minutes=0, deferrable=False, retry_policy=RetryAlways())

    played = run(dag, retries=2)

    assert played.states() == {"wait": "failed"}
    assert played.log.count("Waiting for segment export job") == 1


def test_sensors_take_the_words_of_airflows_sensors() -> None:
    export = SegmentExportSensor(task_id="a", mode="reschedule", poke_interval=300, timeout=7200)
    runs = FlowRunSensor(task_id="b", orders=["r"], poke_interval=timedelta(minutes=1), timeout=timedelta(hours=3))

    next_one = DeliverySensor(task_id="c", flow="f", poke_interval=120, timeout=3600)
    assert (next_one.options.poll_interval, next_one.options.activation_timeout_minutes) == (120, 60)
    assert (export.options.poll_interval, export.options.export_timeout_minutes) == (300, 120)
    assert (runs.options.poll_interval, runs.options.activation_timeout_minutes) == (60, 180)


def test_default_args_may_name_the_connection() -> None:
    with DAG("own_connection", schedule=None, default_args={"aep_conn_id": "aep_other", "sandbox_name": "dev"}):
        tasks = [
            SegmentExportSensor(task_id="a"),
            LatestSegmentExportOperator(task_id="b"),
            AdHocActivationOperator(task_id="c", activation_info=INFO),
            FlowRunSensor(task_id="d", orders=["r"]),
            DeliverySensor(task_id="e", flow="f"),
        ]

    assert {(item.aep_conn_id, item.sandbox_name) for item in tasks} == {("aep_other", "dev")}
