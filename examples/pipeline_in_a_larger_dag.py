"""The whole delivery between tasks of your own: one decides what is delivered, one reads how it went."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from adobe_experience_platform import activation_pipeline

NEWSLETTER_FLOW = "69245ed8-a016-5548-8762-dca344a9e201"
AUDIENCES = {
    "subscribers": "439a96de-1866-5d4d-873b-c43eec1b5478",
    "openers": "92f818d8-4931-5e33-98db-fb2b69a42859",
}
GROUPS = list(AUDIENCES)


@dag(
    dag_id="example_aep_pipeline_in_a_larger_dag",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing-operations"},
    tags=["aep-example"],
)
def newsletter(groups: list[str] = GROUPS, dry_run: bool = False) -> None:
    """A delivery as a part of something larger.

    `choose` decides what is delivered (nothing: the rest is skipped), `delivery` delivers it exactly once, and
    `announce` runs when everything was delivered.
    """

    @task(multiple_outputs=False)
    def choose(groups: list[str]) -> dict[str, list[str]]:
        """Return {destination flow: [audience, …]}."""
        if not groups:
            raise AirflowSkipException("There is nothing to deliver today.")
        return {NEWSLETTER_FLOW: [AUDIENCES[group] for group in groups]}

    @task
    def announce(report: dict[str, Any]) -> str:
        """Say how it went.

        To hear of failures, give the DAG an ``on_failure_callback``: a last task that also runs after a failure
        would make the failed run look green.
        """
        counts = {item["audience_id"]: item["records_exported"] for item in report["results"]}
        # AEP does not always say how many.
        lines = [f"{audience}: {'?' if number is None else number} records" for audience, number in counts.items()]
        return "\n".join([f"{report['summary']['success']} of {report['summary']['pairs']} delivered", *lines])

    delivery = activation_pipeline(activation_info=choose(groups), dry_run=dry_run, max_export_age_hours=36)
    announce(delivery.output)


newsletter()
