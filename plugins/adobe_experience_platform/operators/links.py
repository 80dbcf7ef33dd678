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
    xcom_key = xcom.LINK
    """Under which Airflow keeps the link when a task's process ends; the pages read it there too."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link that this process of the task has found, or an earlier one; "" if there is none."""
        if (found := getattr(operator, "destination_url", None)) is not None:
            return str(found)
        value = XCom.get_value(key=xcom.LINK, ti_key=ti_key)
        if isinstance(value, str) and value.startswith('"'):
            value = json.loads(value)
        return value if isinstance(value, str) else ""
