"""Tasks that watch given flow runs and begin in the triggerer, so that no worker is measured with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import StartTriggerArgs

from lab.bench.scene import WATCH_PLAN


class WatchInTriggerer(BaseOperator):
    """Watch flow runs without ever starting on a worker."""

    start_from_trigger = True

    def __init__(self, *, orders: list[list[Any]], poll_interval: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="adobe_experience_platform.triggers.FlowRunTrigger",
            trigger_kwargs={
                "orders": orders,
                "ends_task": True,
                "aep_conn_id": "aep_default",
                "sandbox_name": "prod",
                "deadline": "2099-01-01T00:00:00+00:00",
                "poll_interval": poll_interval,
            },
            next_method="execute_complete",
            next_kwargs=None,
            timeout=None,
        )

    def execute(self, context: Any) -> None:
        """Refuse: the task is to begin and end in the triggerer."""
        raise RuntimeError("this task does not run on workers")

    def execute_complete(self, context: Any, event: Any = None) -> None:
        """Refuse what is no success: the benchmark's runs all deliver."""
        raise RuntimeError(str(event))


for dag_id, plan in json.loads(Path(os.environ[WATCH_PLAN]).read_text()).items():
    with DAG(dag_id, schedule=None, catchup=False, tags=["benchmark"], default_args={"owner": "benchmark"}) as dag:
        WatchInTriggerer(task_id="watch", orders=plan["orders"], poll_interval=plan["poll_interval"])
    globals()[dag_id] = dag
