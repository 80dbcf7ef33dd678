"""Lets Airflow hear of every delivery to the partner, whoever started it."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from adobe_experience_platform import flow_run_asset
from include.aep_simulator.shop import flow_id

with DAG(
    "partner_got_a_file",
    schedule=flow_run_asset(flow_id("Loyalty partner Azure Blob"), poll_interval=2),
    catchup=False,
):
    EmptyOperator(task_id="noted")
