"""The delivery that is disturbed on purpose: the pipeline of the package, quick to retry, with traps."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from adobe_experience_platform.pipeline import activation_pipeline
from lab.chaos import traps

with DAG(
    dag_id="aep_chaos",
    description="Deliver audiences while parts of Airflow are killed.",
    schedule=None,
    catchup=False,
    max_active_runs=64,
    default_args={"owner": "chaos"},
    tags=["chaos"],
    params={
        "activation_info": Param(type="object"),
        "aep_conn_id": Param("aep_default", type="string"),
        "on_conflict": Param("wait", type="string"),
        "poll_interval": Param(2, type="number"),
        "export_timeout_minutes": Param(10, type="number"),
        "activation_timeout_minutes": Param(10, type="number"),
    },
) as dag:
    activation_pipeline(
        activation_info=dag.param("activation_info"),
        aep_conn_id=dag.param("aep_conn_id"),
        on_conflict=dag.param("on_conflict"),
        poll_interval=dag.param("poll_interval"),
        export_timeout_minutes=dag.param("export_timeout_minutes"),
        activation_timeout_minutes=dag.param("activation_timeout_minutes"),
        default_args={"retries": 3, "retry_delay": timedelta(seconds=2), "pre_execute": traps.enter},
    )
