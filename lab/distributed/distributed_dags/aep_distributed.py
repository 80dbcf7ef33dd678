"""The delivery of `make distributed`, with all runs at once and quick to retry; and who hears of all deliveries."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, AssetAny, Param

from adobe_experience_platform import flow_run_asset
from adobe_experience_platform.pipeline import activation_pipeline

with DAG(
    dag_id="aep_distributed",
    description="Deliver audiences while parts of a cluster are killed.",
    schedule=None,
    catchup=False,
    max_active_runs=200,
    default_args={"owner": "distributed"},
    tags=["distributed"],
    params={
        "activation_info": Param(type="object"),
        "poll_interval": Param(2, type="number"),
    },
) as dag:
    activation_pipeline(
        activation_info=dag.param("activation_info"),
        poll_interval=dag.param("poll_interval"),
        export_timeout_minutes=20,
        activation_timeout_minutes=20,
        default_args={"retries": 3, "retry_delay": timedelta(seconds=5)},
    )

with DAG(
    dag_id="aep_distributed_watch",
    description="Hear of every delivery of AEP.",
    schedule=AssetAny(*(flow_run_asset(flow, poll_interval=2) for flow in ("crm", "mail", "shop"))),
    catchup=False,
    max_active_runs=1,
):
    EmptyOperator(task_id="noted")
