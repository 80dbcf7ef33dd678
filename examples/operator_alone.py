"""Deliver audiences with the operators alone: three DAGs, from the shortest to the most explicit."""

from __future__ import annotations

from airflow.sdk import dag

from adobe_experience_platform import AdHocActivationOperator, FlowRunSensor, LatestSegmentExportOperator

NEWSLETTER = {"69245ed8-a016-5548-8762-dca344a9e201": ["439a96de-1866-5d4d-873b-c43eec1b5478"]}
FLASH_SALE = {"6495ebba-62c8-5b27-9ad6-44dc8e854363": ["a2cbd5db-ea1a-57ac-9985-8c48dfbfcaa7"]}
LOYALTY = {"961c946e-628f-5481-b922-d396ac3c96ec": ["5bfcca6c-4441-5f56-a76c-30fc81fe77d6"]}
"""{destination flow: [audience, …]}; the DAG aep_catalog lists yours."""

OWNER = {"owner": "marketing-operations", "retries": 3}


@dag(
    dag_id="example_aep_operator_alone",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=OWNER,
    tags=["aep-example"],
)
def deliver_with_one_task(activation_info: dict[str, list[str]] = NEWSLETTER) -> None:
    """One task that delivers.

    It submits exactly once, whatever happens to the task, then watches the flow runs to their end. What the
    DAG function takes are the params of a run.
    """
    AdHocActivationOperator(
        task_id="deliver",
        activation_info=activation_info,
        max_export_age_hours=36,
        wait_for_completion=True,
    )


@dag(
    dag_id="example_aep_operators_in_a_row",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=OWNER,
    tags=["aep-example"],
)
def deliver_a_named_export(activation_info: dict[str, list[str]] = FLASH_SALE) -> None:
    """Find the export, submit, watch.

    Version 1 of the activation API sends the id of the segment export: the output of one task is the input of
    the next. Other tasks can run between the submission and its end.
    """
    latest = LatestSegmentExportOperator(task_id="find_export", max_export_age_hours=36)
    submit = AdHocActivationOperator(
        task_id="submit",
        activation_info=activation_info,
        api_version="v1",
        export_job_id=latest.output,
    )
    FlowRunSensor(task_id="watch", orders=submit.output, on_partial_success="accept")


@dag(
    dag_id="example_aep_operators_without_triggerer",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=OWNER,
    tags=["aep-example"],
)
def deliver_without_a_triggerer(activation_info: dict[str, list[str]] = LOYALTY) -> None:
    """The same in an Airflow without a triggerer.

    `deferrable=False` waits in the worker; the sensor in reschedule mode gives its slot back between two looks.
    """
    submit = AdHocActivationOperator(task_id="submit", activation_info=activation_info, deferrable=False)
    FlowRunSensor(task_id="watch", orders=submit.output, deferrable=False, mode="reschedule", poll_interval=60)


deliver_with_one_task()
deliver_a_named_export()
deliver_without_a_triggerer()
