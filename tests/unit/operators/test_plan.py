"""The plan: its split, its memory, its faults."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import DownstreamTasksSkipped

from adobe_experience_platform.delivery import SETTINGS
from adobe_experience_platform.errors import AepConnectionConfigError, AepInputError
from adobe_experience_platform.operators.plan import PlanJobsOperator
from tests.support.aep import CROWD, LocalAep


def plan(**arguments: Any) -> PlanJobsOperator:
    arguments = {"activation_info": {"mail": ["gold", "silver"]}, "check_conf": False, **arguments}
    settings = {name: arguments.pop(name) for name in SETTINGS if name in arguments}
    return PlanJobsOperator(task_id="task", settings=settings, **arguments)


def test_jobs_hold_at_most_as_many_pairs_as_told(aep: LocalAep, context: Any) -> None:
    info = {"north": CROWD[:60], "south": CROWD[40:]}

    jobs = plan(activation_info=info, max_audiences_per_job=30).execute(context)

    sizes = [sum(map(len, job["activation_info"].values())) for job in jobs]
    assert (max(sizes), sum(sizes)) == (30, 120)
    audiences = [set().union(*job["activation_info"].values()) for job in jobs]
    assert sum(map(len, audiences)) == 100, "all pairs of an audience are in one job"
    assert [(job["job"], job["of"]) for job in jobs] == [(number + 1, len(jobs)) for number in range(len(jobs))]


def test_a_second_try_keeps_the_split(aep: LocalAep, context: Any) -> None:
    """Otherwise the mapped tasks would find records of other jobs than their own."""
    first = plan(max_audiences_per_job=1).execute(context)

    assert plan(max_audiences_per_job=80).execute(context.cleared()) == first
    assert len(first) == 2


def test_names_and_other_ids_travel_along(aep: LocalAep, context: Any) -> None:
    [job] = plan(activation_info={"mail": ["partner"]}).execute(context)

    assert job["aliases"] == {"partner": "partner-77"}
    assert context.ti.xcom_pull("task", "names") == {"mail": "Mail", "partner": "Partners"}


def test_a_dry_run_keeps_nothing_and_skips_the_rest(aep: LocalAep, context: Any) -> None:
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        plan(dry_run=True, skip_on_dry_run=["b", "a"]).execute(context)
    assert list(skipped.value.tasks) == ["a", "b"]
    assert context["task_state_store"] == {}
    assert context.ti.xcom_pull("task") == []


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"api_version": "v3"}, "api_version is 'v3': choose v2 or v1"),
        ({"on_partial_success": "ok"}, "on_partial_success is 'ok': choose fail or accept"),
        ({"max_audiences_per_job": 81}, "max_audiences_per_job is 81: enter a number from 1 to 80"),
        ({"max_audiences_per_job": 1.5}, "max_audiences_per_job is 1.5: enter a whole number"),
        ({"max_audiences_per_job": True}, "max_audiences_per_job is True"),
        ({"poll_interval": "soon"}, "poll_interval is 'soon': enter a number from 1 to 3600"),
        ({"dry_run": "maybe"}, "dry_run is 'maybe': choose true or false"),
        ({"dry_run": 1}, "dry_run is 1: choose true or false"),
        ({"sandbox_name": 5}, "sandbox_name 5 is not text"),
        ({"sandbox_name": "two words"}, "sandbox_name 'two words' is not a valid AEP id"),
        ({"activation_info": None}, "activation_info is missing"),
        ({"activation_info": "text"}, "activation_info is text"),
        ({"activation_info": []}, "activation_info is a list"),
        ({"activation_info": {"mail": "gold"}}, "flow mail: give its audiences as a list"),
        ({"activation_info": {"mail": ["partner-77"]}}, "is the external id of the imported audience 'Partners'"),
        ({"activation_info": {"north": ["x" * 300]}}, "is neither an id nor a name"),
    ],
)
def test_each_fault_says_what_to_do(aep: LocalAep, context: Any, arguments: Any, fault: str) -> None:
    with pytest.raises(AepInputError) as refused:
        plan(**arguments).execute(context)
    assert fault in str(refused.value)


def test_conf_keys_that_nobody_reads_are_refused(aep: LocalAep, context: Any) -> None:
    with DAG("mine", schedule=None, params={"dry_run": False}):
        task = plan(check_conf=True)
    context["dag_run"].conf = {"dry_run": False, "dryrun": True, "openlineage": {}, "x\n": 1}

    with pytest.raises(AepInputError, match="2 faults") as refused:
        task.execute(context)
    assert "conf key 'dryrun' is unknown: correct or remove it (this DAG's params: dry_run)" in str(refused.value)


def test_a_connection_of_another_type_gets_no_secret(
    aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = aep.connection()
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({**connection, "conn_type": "http"}))

    with pytest.raises(AepConnectionConfigError, match="no connection 'other' of type 'adobe_experience_platform'"):
        plan(aep_conn_id="other").execute(context)
    assert aep.requests() == []
