"""The smallest DAGs that use what the live tests rely on: mapping, deferral, the state store, retries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, dag, task
from airflow.sdk.exceptions import AirflowFailException


class DeferFor(BaseOperator):
    """Give the worker slot back for some seconds."""

    template_fields = ("seconds",)

    def __init__(self, *, seconds: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        self.log.info("deferring for %s s", self.seconds)
        context["task_state_store"].set("deferred", {"seconds": float(self.seconds)})
        trigger = TimeDeltaTrigger(timedelta(seconds=float(self.seconds)))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(minutes=2))

    def execute_complete(self, context: Any, event: Any = None) -> str:
        self.log.info("resumed")
        return "resumed"


# Longer than [workers] min_heartbeat_interval: Airflow takes a task that is resumed sooner for killed.
@dag(dag_id="smoke", schedule=None, catchup=False, params={"seconds": 8, "fail": False})
def smoke() -> None:
    @task
    def numbers() -> list[int]:
        return [1, 2]

    @task
    def double(number: int) -> int:
        return number * 2

    @task(multiple_outputs=False)
    def finish(doubled: Any, params: dict[str, Any]) -> dict[str, int]:
        if params["fail"]:
            raise AirflowFailException("as asked")
        return {"sum": sum(doubled)}

    doubled = double.expand(number=numbers())
    wait = DeferFor(task_id="wait", seconds="{{ params.seconds }}")
    wait >> finish(doubled)


smoke()
