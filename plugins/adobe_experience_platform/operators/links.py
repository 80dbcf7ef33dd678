"""Links from a task into the AEP user interface."""

from __future__ import annotations

import json

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom
from airflow.sdk.types import TaskInstanceKey

from adobe_experience_platform.delivery import xcom


class DestinationLink(BaseOperatorLink):
    """Button on a task that opens its (first) destination's dataflow in AEP."""

    name = "AEP destination"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link that the task has pushed, "" if it has not (yet)."""
        if pushed := getattr(operator, "pushed_link", ""):
            return str(pushed)  # the task itself asks, at its end
        value = XCom.get_value(key=xcom.LINK, ti_key=ti_key)
        if isinstance(value, str) and value.startswith('"'):
            value = json.loads(value)
        return value if isinstance(value, str) else ""
