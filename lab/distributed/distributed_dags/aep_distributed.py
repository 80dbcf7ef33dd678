"""The delivery of `make distributed`: the pipeline of the package, with all runs at once and quick to retry."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

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
