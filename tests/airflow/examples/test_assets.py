"""What a delivery tells other DAGs: asset events of its flows and of itself; and the claim on a campaign's day."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from airflow.sdk import DAG, Asset

from adobe_experience_platform import (
    AdHocActivationOperator,
    CampaignDay,
    activation_pipeline,
    delivered_flow_asset,
    delivery_asset,
)
from adobe_experience_platform.operators.owners import _flow_run_note
from adobe_experience_platform.triggers.assets import campaign_day_asset, submissions_asset
from tests.airflow.examples.conftest import Run
from tests.support.aep import SEED
from tests.support.dagtest import Played
from tools.simulator_process import SimulatorProcess


@pytest.fixture
def aep(simulator: SimulatorProcess) -> SimulatorProcess:
    simulator.reset(SEED)
    simulator.change_settings(speed=600)
    return simulator


def campaign(name: str, info: Any, **arguments: Any) -> DAG:
    with DAG(name, schedule=None, default_args={"retries": 0}) as dag:
        activation_pipeline(activation_info=info, poll_interval=1, emit_assets=True, **arguments)
    return dag


def events(played: Played) -> dict[str, dict[str, Any]]:
    """Return {uri: extra} of the events that a run has emitted of its delivery."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == played.run_id)).all()
        told = {event.asset.uri: dict(event.extra) for event in found}
    told.pop(submissions_asset().uri, None)  # of its plan, for other runs of ours
    return told


def kept(asset: Asset) -> dict[str, Any]:
    """Return what is kept in an asset's state store."""
    import json

    from airflow.models.asset import AssetModel
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = select(AssetStateStoreModel).join(AssetModel, AssetModel.id == AssetStateStoreModel.asset_id)
        rows = session.scalars(query.where(AssetModel.name == asset.name)).all()
        return {row.key: json.loads(row.value) for row in rows}


def test_each_delivered_flow_is_an_event(run: Run, aep: SimulatorProcess) -> None:
    played = run(campaign("emits", {"mail": ["gold", "silver"], "shop": ["bronze"]}))

    found = events(played)
    assert set(found) == {"aep://flows/mail", "aep://flows/shop", "aep://deliveries/emits"}
    mail = found[delivered_flow_asset("mail").uri]
    report = played.xcom("report")
    mine = [item for item in report["results"] if item["flow_id"] == "mail"]
    bodies = [aep.change_run(item["run_id"])["metrics"] for item in mine]
    assert mail == {
        "flow_id": "mail",
        "audiences": 2,
        "partly": 0,
        "adopted": 0,
        "records_exported": sum(body["recordSummary"]["outputRecordCount"] for body in bodies),
        "records_failed": None,  # AEP does not say that none did
        "files": sum(body["fileSummary"]["outputFileCount"] for body in bodies),
        "bytes": sum(body["sizeSummary"]["outputBytes"] for body in bodies),
        "runs": len({item["run_id"] for item in mine}),
        "run_ids": [item["run_id"] for item in mine],
        "dag_id": "emits",
        "dag_run_id": played.run_id,
    }


def test_the_dags_own_event_says_what_was_delivered_to_all_flows(run: Run, aep: SimulatorProcess) -> None:
    played = run(campaign("emits_all", {"mail": ["gold", "silver"], "shop": ["bronze"]}))

    told = events(played)[delivery_asset("emits_all").uri]
    assert [(flow["flow_id"], flow["audiences"]) for flow in told["flows"]] == [("mail", 2), ("shop", 1)]
    assert (told["flow_count"], told["dag_id"], told["dag_run_id"]) == (2, "emits_all", played.run_id)


def test_flows_that_only_a_run_knows_come_with_the_dags_own_event(run: Run, aep: SimulatorProcess) -> None:
    with DAG("emits_late", schedule=None, params={"info": {"mail": ["gold"]}}, default_args={"retries": 0}) as dag:
        activation_pipeline(activation_info=dag.param("info"), poll_interval=1, emit_assets=True)

    found = events(run(dag))

    assert set(found) == {"aep://deliveries/emits_late"}
    assert [flow["flow_id"] for flow in found["aep://deliveries/emits_late"]["flows"]] == ["mail"]


def test_an_outlet_that_a_dag_adds_stays_and_a_flow_without_a_delivery_is_left_out(
    run: Run, aep: SimulatorProcess
) -> None:
    dag = campaign("adds", {"mail": ["gold"]})
    report = dag.get_task("report")
    report.outlets += [Asset("mine", uri="x-mine://mine"), delivered_flow_asset("shop")]

    assert set(events(run(dag))) == {"aep://flows/mail", "aep://deliveries/adds", "x-mine://mine"}


def test_a_partly_failed_run_is_no_event(run: Run, aep: SimulatorProcess) -> None:
    aep.add_outcomes({"flow_id": "mail", "status": "failed"})

    played = run(campaign("emits_not", {"mail": ["gold"], "shop": ["bronze"]}))

    assert (played.state, events(played)) == ("failed", {})


def test_nothing_sent_is_no_event(run: Run, aep: SimulatorProcess) -> None:
    played = run(campaign("dry", {"mail": ["gold"]}, dry_run=True))

    assert (played.state, events(played)) == ("success", {})


def test_a_run_claims_its_day_in_airflows_own_store(run: Run, aep: SimulatorProcess) -> None:
    dag = campaign("claims", {"mail": ["gold"]}, campaign_day=CampaignDay("Europe/Berlin", not_before="07:00"))

    played = run(dag)

    assert played.state == "success", played.log
    today = CampaignDay("Europe/Berlin").day_of(dt.datetime.now(tz=dt.UTC)).isoformat()
    days = kept(campaign_day_asset("claims"))
    assert {day: (entry["run_id"], entry["sent"]) for day, entry in days.items()} == {
        f"plan_jobs/{today}": (played.run_id, False),
        f"plan_jobs/{today}/sent": (played.run_id, True),
    }
    assert played.xcom("plan_jobs", "campaign_day")["manual"] is True
    again = run(dag)
    assert again.state == "success"
    assert "A person has started this run, so it delivers although" in again.log
    assert [item["count"] for item in aep.deliveries()] == [2]


def test_what_was_sent_is_noted_in_airflows_own_store_beside_the_tasks(run: Run, aep: SimulatorProcess) -> None:
    with DAG("notes", schedule=None, default_args={"retries": 0}) as dag:
        AdHocActivationOperator.partial(task_id="deliver").expand(
            activation_info=[{"mail": ["gold"]}, {"shop": ["silver"]}]
        )

    assert run(dag).state == "success"

    found = kept(submissions_asset())
    notes = found.values()
    records = [note["record"] for note in notes if "record" in note and note["run"].startswith("notes/")]
    delivered = {item["flow_id"]: {item["audience_id"]: item["run_ids"][-1]} for item in aep.deliveries()}
    assert {flow_id: runs for record in records for flow_id, runs in record["orders"].items()} == delivered
    owners = [found[_flow_run_note(flow_id, run_id)] for flow_id, runs in delivered.items() for run_id in runs.values()]
    assert {owner["run"].split("/")[0] for owner in owners} == {"notes"}
