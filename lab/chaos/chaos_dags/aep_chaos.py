"""The deliveries that are disturbed on purpose: the pipeline of the package, quick to retry, with traps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from adobe_experience_platform import CampaignDay
from adobe_experience_platform.pipeline import activation_pipeline
from lab.chaos import traps

KINDS: dict[str, dict[str, Any]] = {
    "aep_chaos": {},
    "aep_chaos_asked": {"approval": True},
    "aep_chaos_daily": {"campaign_day": CampaignDay(timezone="UTC")},
}
SETTINGS: dict[str, Any] = {
    "aep_conn_id": Param("aep_default", type="string"),
    "on_conflict": Param("wait", type="string"),
    "poll_interval": Param(2, type="number"),
    "max_audiences_per_job": Param(80, type="integer"),
    "export_timeout_minutes": Param(10, type="number"),
    "activation_timeout_minutes": Param(10, type="number"),
}

for dag_id, kind in KINDS.items():
    with DAG(
        dag_id=dag_id,
        description="Deliver audiences while parts of Airflow are killed.",
        schedule=None,
        catchup=False,
        max_active_runs=64,
        default_args={"owner": "chaos"},
        tags=["chaos"],
        params={"activation_info": Param(type="object"), **SETTINGS},
    ) as dag:
        chosen: dict[str, Any] = {name: dag.param(name) for name in SETTINGS}
        activation_pipeline(
            activation_info=dag.param("activation_info"),
            **chosen,
            default_args={"retries": 3, "retry_delay": timedelta(seconds=2), "pre_execute": traps.enter},
            **kind,
        )
    globals()[dag_id] = dag
