"""Go on when AEP has delivered, whoever started it: its schedule, its UI, another tool."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from adobe_experience_platform import DeliverySensor

DOC = """
### Do something when the partner's file is there

`DeliverySensor` waits for the next delivery of a destination, of one audience to it, or of one audience to any
destination. What it waits for is fixed when the task first begins: a retry, a clear or a restart of Airflow neither
misses it nor takes another one. Nothing is sent.
"""

with DAG(
    dag_id="example_aep_wait_for_a_delivery",
    description="Wait for the next delivery of Adobe Experience Platform, then go on with tasks of your own.",
    doc_md=DOC,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing-operations", "retries": 2},
    tags=["aep-example"],
    params={
        "flow": Param(
            "69245ed8-a016-5548-8762-dca344a9e201",
            type=["null", "string"],
            title="Destination flow, by id or name; empty: any that has the audience",
        ),
        "audience": Param(
            "439a96de-1866-5d4d-873b-c43eec1b5478", type=["null", "string"], title="Audience; empty: any of the flow"
        ),
    },
) as dag:
    # Deferrable, the default: all tasks and watchers that wait for deliveries share one poll of AEP.
    delivered = DeliverySensor(
        task_id="wait_for_delivery",
        flow=dag.param("flow"),
        audience=dag.param("audience"),
        on_failed_run="wait",
        activation_timeout_minutes=24 * 60,
    )

    @task
    def go_on(delivery: Any) -> str:
        """Stand for whatever of yours needs the file to be there."""
        return f"Flow run {delivery['run_id']} has delivered {delivery['records_exported']} records."

    go_on(delivered.output)
