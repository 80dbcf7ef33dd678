"""Campaigns for the live tests: started by an export, checked by the clock, late on purpose."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG, Param
from airflow.sdk.definitions.callback import AsyncCallback

from adobe_experience_platform import CampaignDay, activation_pipeline, delivered_flow_asset, segment_export_asset
from adobe_experience_platform.deadlines import delivered_within, export_or_due
from tests.live.witness import deadline_missed

WATCHED = "aep_watched"
DUE = os.environ.get("AEP_LIVE_DUE", "23:59")

for number in (1, 2):
    with DAG(
        f"live_after_export_{number}",
        schedule=segment_export_asset(WATCHED, poll_interval=2),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": "tests", "retries": 0},
    ):
        activation_pipeline(
            activation_info={"mail": ["gold" if number == 1 else "silver"]},
            aep_conn_id=WATCHED,
            poll_interval=2,
            campaign_day=CampaignDay("UTC"),
            emit_assets=True,
        )

with DAG("live_after_delivery", schedule=delivered_flow_asset("mail"), catchup=False, max_active_runs=16) as after:
    activation_pipeline(activation_info={"mail": ["bronze"]}, aep_conn_id=WATCHED, dry_run=True)

with DAG(
    "live_overdue",
    schedule=export_or_due(segment_export_asset(WATCHED, "quiet", poll_interval=30), DUE, "UTC"),
    catchup=False,
    is_paused_upon_creation=False,  # the due time comes soon, long before the test
    max_active_runs=1,
    default_args={"owner": "tests", "retries": 0},
):
    activation_pipeline(
        activation_info={"mail": ["gold"]},
        aep_conn_id=WATCHED,
        sandbox_name="quiet",
        campaign_day=CampaignDay("UTC", due=DUE),
    )

with DAG(
    "live_deadline",
    schedule=None,
    deadline=delivered_within(timedelta(seconds=2), AsyncCallback(deadline_missed, kwargs={"word": "late"})),
    max_active_runs=16,
    params={"activation_info": Param(type="object"), "aep_conn_id": Param("aep_default"), "poll_interval": Param(2)},
) as late:
    activation_pipeline(
        activation_info=late.param("activation_info"),
        aep_conn_id=late.param("aep_conn_id"),
        poll_interval=late.param("poll_interval"),
    )
