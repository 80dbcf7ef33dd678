"""What Airflow itself costs: as many tasks, task processes and deferrals as a delivery has, and they do nothing.

`lab.bench` says how many jobs there are and how long AEP takes. The names of the tasks and their order are the
delivery's; the task that waits ends in the triggerer, as the delivery's does.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, Param

from lab.bench.bare_trigger import AtTimeTrigger


class Nothing(BaseOperator):
    """Do nothing, in a task process; Airflow starts none for an EmptyOperator."""

    def execute(self, context: Any) -> None:
        """Do nothing."""


class Jobs(BaseOperator):
    """Return one item for each job, which the next task is mapped over."""

    def execute(self, context: Any) -> list[int]:
        """Return the numbers of the jobs."""
        return list(range(context["params"]["jobs"]))


class Activate(BaseOperator):
    """Return when AEP would have delivered."""

    def __init__(self, *, job: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job = job

    def execute(self, context: Any) -> float:
        """Return the end of AEP's own time, which begins now."""
        return time.time() + float(context["params"]["seconds"])


class Wait(BaseOperator):
    """Wait in the triggerer until AEP would have delivered, and end there."""

    def __init__(self, *, ends: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ends = ends

    template_fields = ("ends",)

    def execute(self, context: Any) -> None:
        """Defer at once."""
        self.defer(trigger=AtTimeTrigger(at=max(self.ends)), method_name="execute")


with DAG(
    "bare_activation",
    schedule=None,
    catchup=False,
    tags=["benchmark"],
    default_args={"owner": "benchmark", "retries": 3, "retry_delay": timedelta(seconds=30)},
    params={"jobs": Param(1, type="integer"), "seconds": Param(10.0, type="number")},
):
    jobs = Jobs(task_id="plan_jobs")
    activate = Activate.partial(task_id="activate").expand(job=jobs.output)
    wait = Wait(task_id="wait_for_flow_runs", ends=activate.output)
    (
        jobs
        >> Nothing(task_id="wait_for_segment_export")
        >> Nothing(task_id="get_latest_export_job")
        >> activate
        >> wait
        >> Nothing(task_id="report", trigger_rule="all_done")
    )
