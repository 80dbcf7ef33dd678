"""The shipped campaigns: the export starts one, the clock another, and a person agrees to the third."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.aep_simulator.shop import audience_id, flow_id
from tests.live.test_campaigns import read_again, watermark
from tests.support.aep import LocalAep
from tests.support.stage import Run, Scene
from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow

FLASH_SALE, LOYALTY, NEWSLETTER = (
    f"aep_campaign_{name}" for name in ("flash_sale", "weekly_loyalty", "daily_newsletter")
)


@pytest.fixture(scope="module")
def begun(live_airflow: LocalAirflow, campaigns_folder: Path) -> Iterator[None]:
    """Switch on what starts by itself, and add a faulty file: all that comes while the first test goes on."""
    live_airflow.client.wait_dags(FLASH_SALE, LOYALTY, NEWSLETTER)
    faulty = campaigns_folder / "faulty.yaml"
    faulty.write_text("when: manual\ndelivr: {flow: [audience]}\n", encoding="utf-8")
    for dag_id in (LOYALTY, NEWSLETTER):
        live_airflow.client.set_paused(dag_id, False)
    read_again(live_airflow.client, "dags", "campaigns.py", "campaign_faults.py")
    yield
    faulty.unlink()
    for dag_id in (LOYALTY, NEWSLETTER):
        live_airflow.client.set_paused(dag_id, True)


def pairs(flow: str, *audiences: str) -> dict[tuple[str, str], int]:
    return {(flow_id(flow), audience_id(audience)): 1 for audience in audiences}


def delivered(aep: LocalAep, flow: str) -> dict[tuple[str, str], int]:
    return {pair: number for pair, number in aep.delivered().items() if pair[0] == flow_id(flow)}


def answer(client: AirflowClient, run: Run, option: str) -> None:
    """Answer as slowly as a person: within seconds, Airflow takes the resumed task for killed, and asks again."""
    time.sleep(8)
    client.answer(run.dag_id, run.run_id, "approve", option)


def first_run(airflow: LocalAirflow, client: AirflowClient, dag_id: str) -> Run:
    found: list[dict[str, Any]] = Scene.until(lambda: client.runs(dag_id))
    return Run(airflow, client, found[0]["dag_run_id"], dag_id)


def test_nothing_is_sent_before_a_person_agrees(
    airflow: LocalAirflow, client: AirflowClient, shop_aep: LocalAep, begun: None
) -> None:
    run = Run(airflow, client, client.trigger_dag(FLASH_SALE, {}), FLASH_SALE)
    run.wait_task("approve", "awaiting_input")
    asked = client.question(FLASH_SALE, run.run_id, "approve")
    assert asked["subject"] == "Deliver Flash sale now?"
    for text in ("2 audiences to 1 destination", "Flash sale SFTP", "Bargain hunters", " records, "):
        assert text in asked["body"]
    assert delivered(shop_aep, "Flash sale SFTP") == {}

    answer(client, run, "Reject")

    assert run.wait() == "failed"
    assert delivered(shop_aep, "Flash sale SFTP") == {}
    assert {task: state for task, state in run.states().items() if state != "upstream_failed"} == {
        "plan_jobs": "success",
        "approve": "failed",
        "wait_for_flow_runs": "failed",
        "report": "failed",
    }
    assert "NOT APPROVED: nothing was sent: admin has rejected this delivery" in run.log("report")
    assert {item["status"] for item in run.report()["results"]} == {"not_sent"}
    assert run.tries()["approve"] == 1, "a no is no reason to ask again by itself"

    run.clear_failed()
    run.wait_task("approve", "awaiting_input")
    answer(client, run, "Approve")

    assert run.wait() == "success"
    assert delivered(shop_aep, "Flash sale SFTP") == pairs("Flash sale SFTP", "Flash sale opt-in", "Bargain hunters")
    assert client.xcom(FLASH_SALE, run.run_id, "approve")["by"] == "admin"


def test_the_clock_starts_a_campaign(
    airflow: LocalAirflow, client: AirflowClient, shop_aep: LocalAep, begun: None
) -> None:
    run = first_run(airflow, client, LOYALTY)

    assert run.wait() == "success"
    client.set_paused(LOYALTY, True)  # not sooner: Airflow does not go on with the runs of a paused DAG
    assert client.run(LOYALTY, run.run_id)["run_type"] == "scheduled"
    expected = pairs("Loyalty partner Azure Blob", "Loyalty gold members", "Loyalty silver members")
    assert run.statuses() == dict.fromkeys(expected, "success")
    sent = delivered(shop_aep, "Loyalty partner Azure Blob")
    assert sent.keys() == expected.keys()
    assert max(sent.values()) <= len(client.runs(LOYALTY)), "one delivery per run"


def test_the_end_of_the_export_starts_a_campaign(
    airflow: LocalAirflow, client: AirflowClient, shop_aep: LocalAep, begun: None
) -> None:
    Scene.until(lambda: watermark(client, "aep_shop"))
    assert client.runs(NEWSLETTER) == [], "an export that ended before is no reason"

    shop_aep.start_export_job(status="SUCCEEDED")

    run = first_run(airflow, client, NEWSLETTER)
    assert run.wait() == "success"
    assert client.run(NEWSLETTER, run.run_id)["run_type"] == "asset_triggered"
    sent = delivered(shop_aep, "Newsletter S3")
    assert sent == pairs("Newsletter S3", "Newsletter subscribers", "New customers 90 days")


def test_a_faulty_file_shows_in_the_banner_and_takes_nothing_down(client: AirflowClient, begun: None) -> None:
    [told] = Scene.until(
        lambda: [text for file, text in client.import_errors().items() if file.endswith("campaign_faults.py")]
    )
    assert "include/campaigns/faulty.yaml, line 2, delivr: the key 'delivr' is unknown: did you mean 'deliver'?" in told
    assert {FLASH_SALE, LOYALTY, NEWSLETTER} <= client.dags().keys()
