"""What is on the pictures: a few deliveries, each in a state worth seeing, of the simulated AEP's shop."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from include.aep_simulator.shop import audience_id, flow_id
from tools.airflow_client import AirflowApiError, AirflowClient, RunTimeoutError
from tools.demo import ACTIVATION_DAG, CATALOG_DAG
from tools.simulator_client import SimulatorClient
from tools.stack import Stack

LOYALTY_DAG = "aep_campaign_weekly_loyalty"
APPROVAL_DAG = "aep_campaign_flash_sale"
WATCHING_DAG, PARTNER = "partner_got_a_file", "Loyalty partner Azure Blob"
WATCHING = Path(__file__).parent / "watching_dags"
"""Folder of the DAG that makes Airflow hear of what others deliver to the partner."""
DAGS = (ACTIVATION_DAG, CATALOG_DAG, LOYALTY_DAG, APPROVAL_DAG, WATCHING_DAG)
LIST = "what_there_is"
DONE, PARTLY, REFUSED, DRY, RUNNING, LOYALTY, APPROVAL = (
    "friday_newsletter",
    "flash_sale_reminder",
    "old_audiences",
    "rehearsal",
    "weekend_leaflets",
    "loyalty_letter",
    "flash_sale",
)
RUN_SECONDS = 180.0
LOOKS_SECONDS = 20
"""In which a watcher that has begun to look tells of a delivery."""
LONG = 24 * 3600.0  # of the simulated AEP's clock

NEWSLETTER = {"Newsletter S3": ("Newsletter subscribers", "Lapsed buyers 180 days", "Wine and spirits fans")}
ORDERS: dict[str, dict[str, Sequence[str]]] = {
    DONE: {**NEWSLETTER, "Flash sale SFTP": ("Abandoned cart 7 days",)},
    PARTLY: {
        "Flash sale SFTP": ("High basket value", "App users with push"),
        PARTNER: ("Points expiring soon",),
    },
    REFUSED: {"Flash sale SFTP": ("Black Friday shoppers", "Spring collection preview", "Gift finder users")},
    DRY: {"Regional call centre SFTP": ("Families near Berlin", "Seniors near Vienna")},
    RUNNING: {
        "Regional leaflets S3": ("Families near Berlin", "Students near Leipzig", "Pet owners near Hamburg"),
        "Newsletter S3": ("Birthday this month", "Families with children"),
    },
}


def info(order: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return an order by names as the DAG takes it."""
    return {flow_id(flow): [audience_id(audience) for audience in audiences] for flow, audiences in order.items()}


def deliver(stack: Stack) -> None:
    """Play all deliveries that come to an end, and wait for that."""
    client, aep = stack.airflow.client, stack.simulator
    client.wait_dags(*DAGS)
    client.set_paused(WATCHING_DAG, False)
    aep.add_outcomes(
        {
            "flow_id": flow_id("Flash sale SFTP"),
            "audience_id": audience_id("App users with push"),
            "status": "failed",
        },
        {
            "flow_id": flow_id("Loyalty partner Azure Blob"),
            "audience_id": audience_id("Points expiring soon"),
            "status": "success",
            "records_skipped": 31,
        },
    )
    for run_id in (DONE, PARTLY, REFUSED, DRY):
        conf = {"activation_info": info(ORDERS[run_id]), "poll_interval": 2, "dry_run": run_id == DRY}
        client.trigger_dag(ACTIVATION_DAG, conf, run_id)
    client.trigger_dag(LOYALTY_DAG, {}, LOYALTY)
    client.trigger_dag(CATALOG_DAG, run_id=LIST)
    client.wait_run(CATALOG_DAG, LIST, RUN_SECONDS)
    for run_id in (DONE, PARTLY, REFUSED, DRY):
        client.wait_run(ACTIVATION_DAG, run_id, RUN_SECONDS)
    client.wait_run(LOYALTY_DAG, LOYALTY, RUN_SECONDS)


def deliver_elsewhere(client: AirflowClient, aep: SimulatorClient) -> None:
    """Let AEP's own schedule deliver to the partner, and wait until Airflow has heard of it.

    Airflow begins to look when it has read the DAG once more, and what has ended by then is no news: so AEP delivers
    again until one is heard of.
    """
    audiences = [audience_id("Points expiring soon")]
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        run = aep.start_run(flow_id(PARTNER), audience_ids=audiences, kind="scheduled", status="success", seconds=0)
        for _ in range(LOOKS_SECONDS):
            if _has_heard(client, run["id"]):
                return
            time.sleep(1)
    raise RunTimeoutError(f"Airflow has not heard of a delivery to the partner in {RUN_SECONDS:.0f} s")


def _has_heard(client: AirflowClient, run_id: str) -> bool:
    # Airflow 3.3.2 answers 500 as long as a run that an event starts is queued: it lists a time at which that began.
    with suppress(AirflowApiError):
        return run_id in str(client.get("/api/v2/assets/events", name_pattern="aep_flow_run/", order_by="-timestamp"))
    return False


def keep_going(client: AirflowClient, aep: SimulatorClient) -> None:
    """Start a delivery that stays half done, and a campaign that waits for a person."""
    slow = [("Regional leaflets S3", name) for name in ("Students near Leipzig", "Pet owners near Hamburg")]
    for flow, audience in (*slow, ("Newsletter S3", "Birthday this month")):
        aep.add_outcomes(
            {"flow_id": flow_id(flow), "audience_id": audience_id(audience), "status": "success", "seconds": LONG}
        )
    client.trigger_dag(ACTIVATION_DAG, {"activation_info": info(ORDERS[RUNNING]), "poll_interval": 2}, RUNNING)
    client.trigger_dag(APPROVAL_DAG, {}, APPROVAL)
    client.wait_task(APPROVAL_DAG, APPROVAL, "approve", "awaiting_input", timeout=RUN_SECONDS)
    client.wait_task(ACTIVATION_DAG, RUNNING, "wait_for_flow_runs", "deferred", timeout=RUN_SECONDS)
