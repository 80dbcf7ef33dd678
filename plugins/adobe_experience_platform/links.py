"""Links from a task into the AEP user interface; they are built from ids, without any network call.

AEP's pages are addressed by a *tenant*, the short organization name in the browser's address, which no
API used here returns: without extra ``tenant`` in the connection there is no link.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

XCOM_KEY = "destination_link"
_UI = "https://experience.adobe.com/#"


def destination_url(tenant: str, sandbox_name: str, flow_id: str) -> str:
    """Return the address of a destination dataflow in AEP, "" without a tenant."""
    if not tenant or not flow_id:
        return ""
    place = f"@{quote(tenant, safe='')}/sname:{quote(sandbox_name, safe='')}"
    return f"{_UI}/{place}/platform/destination/browse/{quote(flow_id, safe='')}"


class DestinationLink(BaseOperatorLink):
    """Button on a task that opens its (first) destination's dataflow in AEP."""

    name = "AEP destination"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link that the task has pushed, "" if it has not (yet)."""
        from airflow.sdk.execution_time.xcom import XCom

        value = XCom.get_value(key=XCOM_KEY, ti_key=ti_key)
        if isinstance(value, str) and value.startswith('"'):
            value = json.loads(value)
        return value if isinstance(value, str) else ""
