"""Find names and ids: destination flows and their audiences, as a table and as JSON to paste."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from adobe_experience_platform import CatalogOperator

DOC = """
### Which destinations and audiences are there?

Lists the sandbox's destination flows with their audiences: names, ids, schedule, last run. The end of the
log of `list_destinations` is JSON, by name and by id, ready to paste into *What to deliver* of
**aep_adhoc_activation**. Nothing is sent.
"""

with DAG(
    dag_id="aep_catalog",
    dag_display_name="AEP: list destinations and audiences",
    description="List Adobe Experience Platform destination flows and their audiences, ready to paste.",
    doc_md=DOC,
    schedule=None,
    catchup=False,
    max_active_runs=4,
    default_args={"owner": "marketing-operations", "retries": 2},
    tags=["aep", "catalog"],
    params={
        "sandbox_name": Param(
            None,
            type=["null", "string"],
            title="Sandbox",
            description="Leave empty for the connection's sandbox.",
        ),
        "aep_conn_id": Param(
            "aep_default",
            type="string",
            minLength=1,
            title="Airflow connection",
            description="A connection of type Adobe Experience Platform.",
        ),
    },
) as dag:
    CatalogOperator(
        task_id="list_destinations",
        aep_conn_id=dag.param("aep_conn_id"),
        sandbox_name=dag.param("sandbox_name"),
    )
