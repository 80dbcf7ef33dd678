"""What Airflow promises of every task, promised of a delivery too: docs/airflow.md has a row for each."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, setup, task, teardown

from adobe_experience_platform import (
    AdHocActivationOperator,
    CampaignDay,
    FlowRunSensor,
    LatestSegmentExportOperator,
    SegmentExportSensor,
    activation_pipeline,
    segment_export_asset,
)
from adobe_experience_platform.pipeline import ActivationTaskGroup
from tests.support.aep import SEED, LocalAep
from tests.support.dagtest import Played, empty_bundle, play, store

INFO = {"mail": ["gold"]}
NO_RETRY = {"retries": 0}
IDS = ["007", "1e5", "None", "True"]
"""Ids of audiences that look like something else."""
TASKS = (
    "plan_jobs",
    "approve",
    "wait_for_segment_export",
    "get_latest_export_job",
    "activate",
    "wait_for_flow_runs",
    "report",
)

Run = Callable[..., Played]


@pytest.fixture
def run(airflow_db: None, aep: LocalAep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a DAG in this process."""
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([empty_bundle(tmp_path)]))

    def run(dag: DAG, **conf: Any) -> Played:
        store(dag)
        return play(dag, conf)

    return run


def deliver(**arguments: Any) -> ActivationTaskGroup:
    return activation_pipeline(**{"activation_info": INFO, "poll_interval": 1, "default_args": NO_RETRY, **arguments})


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
def test_templates(run: Run, aep: LocalAep, native: bool) -> None:
    """Of the task group: text becomes what it says, and ids stay what they are, native rendering or not."""
    flow = {"id": "1e3", "name": "0x10", "audiences": IDS}
    aep.reset({**SEED, "audiences": [{"id": name, "name": name, "size": 1} for name in IDS], "flows": [flow]})
    with DAG(
        f"templates_{native}",
        schedule=None,
        render_template_as_native_obj=native,
        params={"info": {"1e3": IDS}, "hours": 36, "sandbox": None},
    ) as dag:
        deliver(
            activation_info="{{ params.info }}",
            max_export_age_hours="{{ params.hours }}",
            max_audiences_per_job="{{ 40 * 2 }}",
            on_conflict="{{ none }}",
            dry_run="{{ params.hours == 35 }}",
            sandbox_name="{{ params.sandbox }}",
        )

    played = run(dag)

    assert played.state == "success", played.log
    assert aep.delivered() == {("1e3", name): 1 for name in IDS}
    assert played.xcom("plan_jobs", "briefing")["settings"]["max_audiences_per_job"] == 80


def test_mapped_outputs(run: Run, aep: LocalAep) -> None:
    """Airflow hands them over as lazy sequences: to the task group, to an operator, to a sensor."""
    with DAG("mapped_outputs", schedule=None) as dag:

        @task
        def choose(name: str) -> str:
            return name

        chosen = choose.expand(name=["gold", "silver"])
        group = deliver(activation_info={"mail": chosen})
        again = AdHocActivationOperator.partial(task_id="again", on_conflict="wait", poll_interval=1).expand(
            activation_info=[{"shop": chosen}]
        )
        watch = FlowRunSensor(task_id="watch", orders=again.output, poll_interval=1)
        templated = FlowRunSensor(
            task_id="watch_by_template", orders="{{ ti.xcom_pull(task_ids='again') }}", poll_interval=1
        )
        group >> again >> [watch, templated]

    played = run(dag)

    assert played.state == "success", played.log
    assert aep.delivered() == {(flow, name): 1 for flow in ("mail", "shop") for name in ("gold", "silver")}
    assert played.xcom("watch")["summary"]["success"] == played.xcom("watch_by_template")["summary"]["success"] == 2


def test_retries(run: Run, aep: LocalAep) -> None:
    """Of `default_args`: a task that AEP's trouble has failed runs again, after the delay that is asked for."""
    aep.add_faults({"kind": "status", "status": 403, "path": "*/export/jobs", "times": 1})
    with DAG("retries", schedule=None, default_args={"retries": 1, "retry_delay": dt.timedelta(0)}) as dag:
        LatestSegmentExportOperator(task_id="task", retry_policy=None)

    played = run(dag)

    assert played.state == "success", played.log
    assert len(aep.requests(path="*/export/jobs")) >= 2


@pytest.mark.parametrize(
    "argument",
    [
        {"pool": "aep", "pool_slots": 2},
        {"queue": "slow"},
        {"priority_weight": 7},
        {"max_active_tis_per_dag": 3},
        {"depends_on_past": True},
        {"execution_timeout": dt.timedelta(hours=1)},
        {"retries": 5, "retry_delay": dt.timedelta(minutes=7)},
        {"on_failure_callback": print},
    ],
    ids=lambda argument: next(iter(argument)),
)
def test_default_args(argument: dict[str, Any]) -> None:
    """Reach every task of the group, from the DAG and from the group itself, the mapped one too."""
    with DAG("of_the_dag", schedule=None, default_args=argument) as outer:
        activation_pipeline(activation_info=INFO, approval=True)
    with DAG("of_the_group", schedule=None) as inner:
        activation_pipeline(activation_info=INFO, approval=True, default_args=argument)

    for dag in (outer, inner):
        assert set(dag.task_ids) == set(TASKS)
        for name, value in argument.items():
            for each in dag.tasks:
                found = getattr(each, name)
                # While a person is asked, the answer's own time-out holds it: see tests/unit/operators/test_limits.py.
                if name == "execution_timeout" and each.task_id == "approve":
                    assert each.response_timeout == value
                elif name.startswith("on_"):
                    assert value in found
                else:
                    assert found == value, (each.task_id, name)


def test_settings_of_default_args(run: Run) -> None:
    """A setting that the call does not name is taken from `default_args`."""
    with DAG("settings", schedule=None, default_args={"aep_conn_id": "aep_nowhere", "poll_interval": 9}) as dag:
        activation_pipeline(activation_info=INFO, poll_interval=7)

    assert dag.get_task("plan_jobs").settings == {"aep_conn_id": "aep_nowhere", "poll_interval": 7}


def test_trigger_rule(run: Run, aep: LocalAep) -> None:
    """Of `default_args`: it says when the delivery begins, and lets nothing go on after a plan that failed."""
    with DAG("trigger_rule", schedule=None, default_args={"trigger_rule": "all_done"}) as dag:

        @task(trigger_rule="all_success")
        def before() -> None:
            raise ValueError

        before() >> deliver(activation_info={"nowhere": ["gold"]})

    played = run(dag)

    states = played.states()
    assert states["plan_jobs"] == states["report"] == "failed"
    assert {states[name] for name in TASKS[2:-1]} == {"upstream_failed"}
    assert aep.posts() == []


@pytest.mark.parametrize("broken", ["setup", "delivery"])
def test_setup_and_teardown(run: Run, aep: LocalAep, broken: str) -> None:
    """Around the group and as single tasks: the teardown follows any delivery, and hides no failure."""
    if broken == "delivery":
        aep.add_outcomes({"audience_id": "gold", "status": "failed"})
    with DAG(f"setup_{broken}", schedule=None, default_args=NO_RETRY) as dag:

        @setup
        def open_gate() -> None:
            if broken == "setup":
                raise ValueError

        @teardown
        def close_gate() -> None:
            pass

        opened = open_gate()
        wait = SegmentExportSensor(task_id="wait", poll_interval=1).as_setup()
        with close_gate().as_teardown(setups=[opened, wait]):
            deliver()
        opened >> wait

    played = run(dag)

    states = played.states()
    assert played.state == "failed", played.log
    own = {name: states[name] for name in ("wait", "close_gate", "report")}
    if broken == "setup":
        assert set(own.values()) == {"upstream_failed"}, "Airflow runs nothing that a setup stands before"
    else:
        assert own == {"wait": "success", "close_gate": "success", "report": "failed"}
    assert len(aep.posts()) == (0 if broken == "setup" else 1)


def test_depends_on_past(run: Run, aep: LocalAep) -> None:
    """A run whose delivery failed holds the next one back, until its tasks are well."""
    from airflow.models.dagrun import DagRun
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with DAG("depends_on_past", schedule=None, default_args={**NO_RETRY, "depends_on_past": True}) as dag:
        deliver(activation_info={"nowhere": ["gold"]})
    first = run(dag)
    assert first.state == "failed"

    moment = dt.datetime.now(tz=dt.UTC)
    with create_session() as session:
        following = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).create_dagrun(
            run_id=DagRun.generate_run_id(run_type=DagRunType.MANUAL, logical_date=moment, run_after=moment),
            logical_date=moment,
            data_interval=(moment, moment),
            run_after=moment,
            run_type=DagRunType.MANUAL,
            state="running",
            triggered_by=DagRunTriggeredByType.TEST,
            session=session,
        )

        def schedulable() -> list[str]:
            return [ti.task_id for ti in following.task_instance_scheduling_decisions(session=session).schedulable_tis]

        assert schedulable() == []
        for ti in first.task_instances(session):
            ti.state = "success"
        session.flush()
        assert schedulable() == ["plan_jobs"]
        session.rollback()


@pytest.fixture
def started_by(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that lets the next run be one that Airflow has started; `dag.test` knows manual ones only."""
    from airflow.serialization.definitions.dag import SerializedDAG

    create = SerializedDAG.create_dagrun

    def started_by(kind: str, **changes: Any) -> None:
        from airflow.utils.types import DagRunType

        monkeypatch.setattr(
            SerializedDAG,
            "create_dagrun",
            lambda self, **kwargs: create(
                self, **{**kwargs, "run_type": DagRunType(kind), "run_id": f"{kind}__1", **changes}
            ),
        )

    return started_by


@pytest.mark.parametrize("rules", [True, False], ids=["campaign", "plain"])
def test_backfill(run: Run, aep: LocalAep, started_by: Callable[..., None], rules: bool) -> None:
    """AEP delivers what is newest: day rules let a run of a past day send nothing; without them each run sends."""
    started_by("backfill", run_after=dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=3))
    with DAG(f"backfill_{rules}", schedule="@daily", start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
        deliver(campaign_day=CampaignDay("UTC") if rules else None)

    played = run(dag)

    assert played.state == "success", played.log
    assert len(aep.posts()) == (0 if rules else 1)
    assert played.states()["report"] == ("skipped" if rules else "success")


def test_asset_triggered(run: Run, aep: LocalAep, started_by: Callable[..., None]) -> None:
    """Such a run has no logical date; nothing needs one."""
    started_by("asset_triggered", logical_date=None, data_interval=None)
    with DAG("asset_triggered", schedule=segment_export_asset()) as dag:
        deliver(campaign_day=CampaignDay("UTC"))

    played = run(dag)

    assert played.state == "success", played.log
    assert aep.delivered() == {("mail", "gold"): 1}
