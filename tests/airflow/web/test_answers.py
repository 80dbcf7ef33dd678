"""What the pages ask of a real run: Airflow's answers have what they read, and the fakes of their tests are true."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from adobe_experience_platform.delivery.run_figures import RunFigures
from tests.airflow.web.conftest import Client
from tests.support.aep import SEED, LocalAep
from tests.support.dagtest import play
from tests.support.pages import DAG, PARAMS, FakeAirflow, result
from tests.support.parts import run_json

DAGS = Path(__file__).resolve().parents[3] / "dags"
INFO = {"mail": ["gold", "silver"], "shop": ["gold"]}
RUN = f"dags/{DAG}/dagRuns/{{run}}"


@pytest.fixture(scope="module")
def run_id(as_user: Client) -> Iterator[str]:
    """Deliver in this process: real tasks, a real database, a simulated AEP."""
    with LocalAep(speed=600) as aep, pytest.MonkeyPatch.context() as patch:
        aep.reset(SEED)
        connection = aep.connection()
        connection["extra"]["tenant"] = "acmecorp"
        patch.setenv("AIRFLOW_CONN_AEP_DEFAULT", json.dumps(connection))
        dag = DagBag(DAGS).dags[DAG]
        played = play(dag, {"activation_info": INFO, "poll_interval": 1})
        assert played.state == "success"
        yield played.run_id


@pytest.fixture
def fake() -> FakeAirflow:
    """The fake's idea of the same run."""
    fake = FakeAirflow()
    fake.deliver("run", [result(flow, audience) for flow, audiences in INFO.items() for audience in audiences])
    return fake


def real(as_user: Client, path: str, run_id: str, **params: Any) -> Any:
    answer = as_user("viewer").get("/api/v2/" + path.format(run=run_id), params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_run_and_its_tasks(as_user: Client, run_id: str, fake: FakeAirflow) -> None:
    run = real(as_user, RUN, run_id)
    tasks = real(as_user, f"{RUN}/taskInstances", run_id, limit=100)["task_instances"]

    assert set(fake.runs[DAG, "run"]) <= set(run)
    assert set(fake.tasks[DAG, "run"][0]) <= set(tasks[0])
    operators = {(task["task_id"], task["map_index"]): task["operator_name"] for task in tasks}
    assert operators == {(t["task_id"], t["map_index"]): t["operator_name"] for t in fake.tasks[DAG, "run"]}


def test_the_list_of_runs_and_dags(as_user: Client, run_id: str, fake: FakeAirflow) -> None:
    body = {"dag_ids": [DAG], "order_by": "-run_after", "page_limit": 100, "page_offset": 0}
    runs = as_user("viewer").post("/api/v2/dags/~/dagRuns/list", json=body).json()
    params = {"tags": "aep-activation", "order_by": "dag_display_name", "limit": 100}
    dags = as_user("viewer").get("/api/v2/dags", params=params)

    assert run_id in [run["dag_run_id"] for run in runs["dag_runs"]]
    assert dags.status_code == 200
    for dag in dags.json()["dags"]:
        assert set(fake.dags[DAG]) <= set(dag)


def test_the_details_of_the_dag_have_the_settings(as_user: Client, run_id: str, fake: FakeAirflow) -> None:
    details = real(as_user, f"dags/{DAG}/details", run_id)
    alone = real(as_user, f"dags/{DAG}", run_id)

    assert {"is_paused", "is_stale", "has_import_errors"} <= set(fake.dags[DAG]) & set(alone)
    assert list(details["params"]) == list(PARAMS)
    for name, imagined in PARAMS.items():
        found = details["params"][name]
        assert found["value"] == imagined["value"]
        assert found["description"] == imagined["description"]
        assert found["schema"].items() >= imagined["schema"].items()


def test_a_run_is_started_with_an_id_of_ones_own_once(as_user: Client, run_id: str) -> None:
    conf = {"activation_info": INFO, "dry_run": True}
    body = {"dag_run_id": "deliver__2026-05-20T12:00:00+00:00__0123456789ab", "logical_date": None, "conf": conf}
    path = f"/api/v2/dags/{DAG}/dagRuns"
    first, second = (as_user("user").post(path, json=body) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 409)
    assert first.json()["conf"] == conf
    assert second.json()["detail"]["reason"] == "Unique constraint violation"
    newest = real(as_user, f"dags/{DAG}/dagRuns", run_id, state="success", order_by="-end_date", limit=10)
    assert newest["dag_runs"][0]["dag_run_id"] == run_id


def test_xcoms_have_the_values_that_the_pages_read(as_user: Client, run_id: str, fake: FakeAirflow) -> None:
    entries = real(as_user, f"{RUN}/taskInstances/~/xcomEntries", run_id, limit=100)["xcom_entries"]
    there = {(entry["task_id"], entry["map_index"], entry["key"]) for entry in entries}

    assert set(fake.xcoms[DAG, "run"]) <= there
    assert all(entry["timestamp"] for entry in entries)
    for (task, index, key), (_, imagined) in fake.xcoms[DAG, "run"].items():
        path = f"{RUN}/taskInstances/{task}/xcomEntries/{key}"
        value = real(as_user, path, run_id, map_index=index, deserialize=False)["value"]
        if key == "briefing":
            assert value.keys() == imagined.keys()
            assert (value["names"]["mail"], value["names"]["gold"]) == ("Mail", "Gold customers")
            continue
        assert shape(value) == shape(imagined), (task, key)
        if key == "destination_link":
            assert value == imagined


@pytest.fixture
def told() -> Iterator[dict[str, Any]]:
    """Put an event of a watcher into Airflow's database; give the fake's idea of it."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session

    fake = FakeAirflow()
    fake.tell(run_json("theirs", "mail", audiences=["gold"]), "gold")
    [imagined] = fake.events
    asset = AssetModel(name=imagined["name"], uri=imagined["uri"], group=imagined["group"])
    with create_session() as session:
        session.add(asset)
        session.flush()
        event = AssetEvent(asset_id=asset.id, extra=imagined["extra"])
        session.add(event)
    yield imagined
    with create_session() as session:
        session.delete(event)
        session.delete(asset)


def test_what_watchers_have_told_is_listed_to_those_who_may_read_assets(as_user: Client, told: dict[str, Any]) -> None:
    path, names = "/api/v2/assets/events", {"name_pattern": "aep_flow_run/", "order_by": "-timestamp", "limit": 100}
    since = {"timestamp_gte": (dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=1)).isoformat()}
    answers = {user: as_user(user).get(path, params={**names, **since}) for user in ("viewer", "one", "nobody", None)}

    assert {user: answer.status_code for user, answer in answers.items()} == {
        "viewer": 200,
        "one": 200,  # no DAG is the source of what a watcher has told
        "nobody": 403,
        None: 401,
    }
    [event] = answers["viewer"].json()["asset_events"]
    assert event["extra"] == told["extra"]
    assert set(told) <= set(event)
    assert (event["name"], event["uri"], event["source_dag_id"]) == (told["name"], told["uri"], None)
    later = {"timestamp_gte": (dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=1)).isoformat()}
    assert as_user("viewer").get(path, params={**names, **later}).json()["total_entries"] == 0


def test_events_can_be_counted_while_one_cannot_be_listed(as_user: Client, told: dict[str, Any]) -> None:
    """Airflow 3.3.2 lists no event whose run is still queued: it has no start yet."""
    from airflow.models.asset import AssetEvent
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import select

    moment = dt.datetime.now(tz=dt.UTC)
    kinds = {"run_type": DagRunType.ASSET_TRIGGERED, "triggered_by": DagRunTriggeredByType.ASSET}
    run = DagRun(dag_id=DAG, run_id="queued", run_after=moment, state="queued", **kinds)
    with create_session() as session:
        session.add(run)
        event = session.scalars(select(AssetEvent).where(AssetEvent.asset.has(name=told["name"]))).one()
        event.created_dagruns.append(run)
    path, names = "/api/v2/assets/events", {"name_pattern": "aep_flow_run/"}
    page, number = (as_user("viewer").get(path, params={**names, "limit": limit}) for limit in (100, 0))
    with create_session() as session:
        session.delete(session.merge(run))

    assert page.status_code in (200, 500)
    assert (number.status_code, number.json()["total_entries"]) == (200, 1)


def shape(value: Any) -> Any:
    """Return the form of a value: the keys of objects, the forms in lists."""
    if isinstance(value, dict):
        if "mail" in value:
            return "ids"
        if value.keys() <= RunFigures.__annotations__.keys():
            return "figures"  # those that AEP tells
        return {key: shape(item) if key not in ("error_code", "aliases") else "" for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "text" if isinstance(value, str) else "number"  # a number that AEP does not tell is None
