"""The requests that the pages make, as users of several rights: Airflow decides what each may see."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from adobe_experience_platform.plugin import PREFIX
from tests.airflow.web.conftest import Client
from tests.support.rights import ONE_DAG

OTHER_DAG = "aep_campaign_others"
RUN = "manual__1"
RUN_PATHS = (
    "dags/{dag}/dagRuns/{run}",
    "dags/{dag}/dagRuns/{run}/taskInstances",
    "dags/{dag}/dagRuns/{run}/taskInstances/~/xcomEntries",
    "dags/{dag}/dagRuns/{run}/taskInstances/report/xcomEntries/return_value",
    "dags/{dag}/dagRuns/{run}/taskInstances/plan_jobs/logs/1",
)


@pytest.fixture(scope="module", autouse=True)
def two_campaigns(as_user: Client) -> Iterator[None]:
    """Two DAGs with our tag, each with a run; one user may read the first only."""
    from airflow.models.dag import DagModel, DagTag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import delete

    moment = dt.datetime.now(tz=dt.UTC)
    dag_ids = (ONE_DAG, OTHER_DAG)
    with create_session() as session:
        session.merge(DagBundleModel(name="campaigns"))
        session.flush()
        for dag_id in dag_ids:
            session.add(
                DagModel(
                    dag_id=dag_id,
                    bundle_name="campaigns",
                    fileloc="campaigns.py",
                    is_stale=False,
                    is_paused=False,
                    tags=[DagTag(name="aep-activation", dag_id=dag_id)],
                )
            )
            session.flush()
            run = DagRun(
                dag_id=dag_id,
                run_id=RUN,
                run_type=DagRunType.MANUAL,
                run_after=moment,
                start_date=moment,
                state="success",
                triggered_by=DagRunTriggeredByType.TEST,
                conf={"activation_info": {f"flow-of-{dag_id}": ["a"]}},
            )
            session.add(run)
    yield
    with create_session() as session:
        for model in (DagRun, DagTag, DagModel):
            session.execute(delete(model).where(model.dag_id.in_(dag_ids)))


def listed(as_user: Client, user: str | None) -> tuple[int, Any, int, Any]:
    """Make the two requests that the list begins with."""
    client = as_user(user)
    dags = client.get("/api/v2/dags", params={"tags": "aep-activation"})
    body = {"dag_ids": [ONE_DAG, OTHER_DAG], "order_by": "-run_after", "page_limit": 100}
    runs = client.post("/api/v2/dags/~/dagRuns/list", json=body)
    return dags.status_code, dags.json(), runs.status_code, runs.json()


@pytest.mark.parametrize("user", ["admin", "viewer"])
def test_who_may_read_all_sees_all(as_user: Client, user: str) -> None:
    _, dags, _, runs = listed(as_user, user)

    assert {dag["dag_id"] for dag in dags["dags"]} >= {ONE_DAG, OTHER_DAG}
    assert {run["dag_id"] for run in runs["dag_runs"]} == {ONE_DAG, OTHER_DAG}


def test_who_may_read_one_dag_sees_that_one(as_user: Client) -> None:
    _, dags, _, runs = listed(as_user, "one")

    assert [dag["dag_id"] for dag in dags["dags"]] == [ONE_DAG]
    assert [run["dag_id"] for run in runs["dag_runs"]] == [ONE_DAG]
    assert runs["total_entries"] == dags["total_entries"] == 1
    assert OTHER_DAG not in str(dags) + str(runs)


@pytest.mark.parametrize("path", RUN_PATHS)
def test_who_may_read_one_dag_gets_nothing_of_a_run_of_another(as_user: Client, path: str) -> None:
    client = as_user("one")
    own, other = (client.get("/api/v2/" + path.format(dag=dag, run=RUN)) for dag in (ONE_DAG, OTHER_DAG))

    assert own.status_code in (200, 404)  # 404: this run has no such task
    assert other.status_code == 403
    assert "flow-of" not in other.text


@pytest.mark.parametrize(("user", "status"), [(None, 401), ("nobody", 403)])
def test_who_may_read_nothing_gets_nothing(as_user: Client, user: str | None, status: int) -> None:
    dags_status, dags, runs_status, runs = listed(as_user, user)

    assert dags_status == runs_status == status
    assert ONE_DAG not in str(dags) + str(runs)
    for path in RUN_PATHS:
        assert as_user(user).get("/api/v2/" + path.format(dag=ONE_DAG, run=RUN)).status_code == status


@pytest.mark.parametrize(("user", "may"), [("admin", True), ("op", True), ("user", True), ("viewer", False)])
def test_the_pages_are_told_what_airflow_would_say_to_a_trigger(as_user: Client, user: str, may: bool) -> None:
    client = as_user(user)
    answer = client.get(f"{PREFIX}/may-trigger/{ONE_DAG}")

    assert answer.status_code == 200
    assert answer.json() == {"dag_id": ONE_DAG, "may_trigger": may}
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    # The body lacks a field, so nothing is started: 403 comes before that.
    tried = client.post(f"/api/v2/dags/{ONE_DAG}/dagRuns", json={})
    assert (tried.status_code != 403) is may


@pytest.mark.parametrize(("user", "status"), [(None, 401), ("nobody", 403)])
def test_who_may_see_no_page_is_not_told(as_user: Client, user: str | None, status: int) -> None:
    assert as_user(user).get(f"{PREFIX}/may-trigger/{ONE_DAG}").status_code == status


def test_of_a_dag_that_one_may_not_read_one_is_told_no(as_user: Client) -> None:
    assert as_user("one").get(f"{PREFIX}/may-trigger/{OTHER_DAG}").json()["may_trigger"] is False


def test_a_viewer_can_start_nothing(as_user: Client) -> None:
    answer = as_user("viewer").post(f"/api/v2/dags/{ONE_DAG}/dagRuns", json={"logical_date": None})

    assert answer.status_code == 403
