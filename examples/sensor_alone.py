"""Wait for AEP's daily segment export in a DAG of your own, in two ways; neither holds a worker slot while it waits."""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from adobe_experience_platform import SegmentExportSensor

DOC = """
### Do something after the daily segment export

`SegmentExportSensor` waits until AEP exports no profiles any more. Given what you deliver, it also waits for
deliveries of these audiences that are in progress. Nothing is sent.
"""

with DAG(
    dag_id="example_aep_sensor_alone",
    description="Wait for the daily segment export of Adobe Experience Platform, then go on with tasks of your own.",
    doc_md=DOC,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing-operations", "retries": 2},
    tags=["aep-example"],
    params={
        "activation_info": Param(
            {"69245ed8-a016-5548-8762-dca344a9e201": ["439a96de-1866-5d4d-873b-c43eec1b5478"]},
            type="object",
            title="Deliveries to wait for, too",
        ),
    },
) as dag:
    # Deferrable, the default: the triggerer waits, and all tasks that wait for the same thing share one poll.
    in_the_triggerer = SegmentExportSensor(
        task_id="wait_in_the_triggerer",
        activation_info=dag.param("activation_info"),
        export_timeout_minutes=120,
    )

    # Without a triggerer: the task ends after each look and is scheduled again for the next one.
    rescheduled = SegmentExportSensor(
        task_id="wait_in_reschedule_mode",
        deferrable=False,
        mode="reschedule",
        poll_interval=60,
        export_timeout_minutes=120,
    )

    @task
    def go_on() -> str:
        """Stand for whatever of yours needs the export to be over."""
        return "No segment export is in progress."

    [in_the_triggerer, rescheduled] >> go_on()
