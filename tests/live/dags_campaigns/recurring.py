"""Campaigns for the live tests: started by an export, checked by the clock, asking a person."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG, Param

from adobe_experience_platform import CampaignDay, activation_pipeline, delivered_flow_asset, segment_export_asset
from adobe_experience_platform.notifications.deadlines import export_or_due
from adobe_experience_platform.operators.approve import Approval

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
        notices={"email": "team@example.com"},
    )

PARAMS = {"activation_info": Param(type="object"), "aep_conn_id": Param("aep_default"), "poll_interval": Param(2)}

with DAG("live_approval", schedule=None, max_active_runs=16, params=PARAMS) as asked:
    activation_pipeline(
        activation_info=asked.param("activation_info"),
        aep_conn_id=asked.param("aep_conn_id"),
        poll_interval=asked.param("poll_interval"),
        approval=Approval(within=timedelta(seconds=12)),
    )
