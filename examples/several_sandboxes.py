"""Two deliveries in one DAG, each from a sandbox of its own: first a rehearsal in development, then production."""

from __future__ import annotations

from airflow.sdk import DAG

from adobe_experience_platform import activation_pipeline

DOC = """
### A rehearsal, then the real delivery

Each delivery is a task group whose name is the prefix of its tasks. They use connections of their own, so that
the credential for development cannot reach production. A failed rehearsal keeps production from being sent.
"""

with DAG(
    dag_id="example_aep_several_sandboxes",
    description="Deliver from two sandboxes of Adobe Experience Platform, one after the other.",
    doc_md=DOC,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing-operations"},
    tags=["aep-example"],
):
    rehearsal = activation_pipeline(
        group_id="development",
        prefix_group_id=True,
        activation_info={"70dc7d15-07e7-58d0-99bc-4c08b6df8605": ["038b9224-3142-57b7-b75c-9ac798e84c8c"]},
        aep_conn_id="aep_development",
        sandbox_name="dev",
    )
    delivery = activation_pipeline(
        group_id="production",
        prefix_group_id=True,
        activation_info={"69245ed8-a016-5548-8762-dca344a9e201": ["439a96de-1866-5d4d-873b-c43eec1b5478"]},
    )
    rehearsal >> delivery
