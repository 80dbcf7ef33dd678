"""One DAG per file in include/campaigns/: recurring deliveries, each with its own schedule."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG

from adobe_experience_platform.campaigns import campaign_dags, campaigns_folder

FOLDER = campaigns_folder(Path(__file__).resolve().parent.parent / "include" / "campaigns")

dag: DAG
for dag in campaign_dags(FOLDER):
    globals()[dag.dag_id] = dag
