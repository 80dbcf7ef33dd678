"""What a run has left behind for a notice: read from its XComs, wherever Airflow runs a callback."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import Context, conf
from airflow.sdk.execution_time.xcom import XCom

from adobe_experience_platform.aep import one_line
from adobe_experience_platform.delivery import task_ids, xcom
from adobe_experience_platform.operators import DeliveryReportOperator

from .message import Delivered

log = logging.getLogger(__name__)


def reports_of(context: Context) -> list[DeliveryReportOperator]:
    """Return the report that the callback belongs to, or all of the DAG."""
    task = context.get("task")
    if isinstance(task, DeliveryReportOperator) and "reason" not in context:
        return [task]
    return [task for task in context["dag"].tasks if isinstance(task, DeliveryReportOperator)]


def known_of_run(context: Context, report: DeliveryReportOperator, *, failed: bool, why: str) -> Delivered:
    """Collect what the tasks of a run have left; what cannot be read is left out."""
    dag, dag_run = context["dag"], context.get("dag_run")
    run_id = str(context.get("run_id") or getattr(dag_run, "run_id", ""))
    result = _pull(dag.dag_id, run_id, report.task_id)
    reasons = []
    if failed:
        for task_id in report.delivery_task_ids:
            found = _pull(dag.dag_id, run_id, task_id, xcom.REASON, all_of_them=True)
            reasons += [(task_id, one_line(str(text), 1000)) for text in dict.fromkeys(found or [])][:5]
    known = _known(
        dag.dag_id,
        run_id,
        report.task_id.rpartition(".")[0],
        title=getattr(dag, "dag_display_name", "") or dag.dag_id,
        failed=failed,
        verdict=result.get("verdict") if isinstance(result, Mapping) else None,
        started_at=getattr(dag_run, "start_date", None),
        zone=getattr(dag, "timezone", None) or dt.UTC,
    )
    if isinstance(result, Mapping):
        known = replace(known, results=result.get("results") or [])
    if known.results:  # the watching task's reason repeats what the report says of each pair
        reasons = [item for item in reasons if item[0] != report.watch_task_id]
    return replace(known, reasons=[*reasons, *([("Airflow", why)] if why else [])])


def known_of_late_run(context: Mapping[str, Any], group: str, zone: str) -> Delivered:
    """Collect what is known of a run in the triggerer, where there is no DAG."""
    dag_run = context.get("dag_run") or {}
    started = dag_run.get("start_date")
    return _known(
        str(dag_run.get("dag_id", "")),
        str(dag_run.get("dag_run_id") or dag_run.get("run_id") or ""),
        group,
        title=str(dag_run.get("dag_display_name") or dag_run.get("dag_id", "")),
        started_at=dt.datetime.fromisoformat(started) if isinstance(started, str) else started,
        zone=ZoneInfo(zone) if zone else dt.UTC,
    )


def _known(dag_id: str, run_id: str, group: str, *, title: str, **more: Any) -> Delivered:
    """Read what the plan and the wait of a delivery have pushed."""
    prefix = f"{group}." if group else ""
    progress = _pull(dag_id, run_id, prefix + task_ids.WAIT_RUNS, xcom.PROGRESS)
    briefing = _pull(dag_id, run_id, prefix + task_ids.PLAN, xcom.BRIEFING)
    place, names = (briefing.get("place"), briefing.get("names")) if isinstance(briefing, Mapping) else (None, None)
    return Delivered(
        title=one_line(f"{title} ({group})" if group else title, 100),
        dag_id=dag_id,
        run_id=run_id,
        airflow_url=str(conf.get("api", "base_url", fallback="") or ""),
        sandbox_name=_text_in(place, "sandbox_name"),
        tenant=_text_in(place, "tenant"),
        names={str(key): str(name) for key, name in names.items() if name} if isinstance(names, Mapping) else {},
        results=(progress.get("results") or []) if isinstance(progress, Mapping) else [],
        **more,
    )


def _pull(dag_id: str, run_id: str, task_id: str, key: str = xcom.RETURN_VALUE, *, all_of_them: bool = False) -> Any:
    """Read an XCom, also outside of the task's own process; None where it is not there or cannot be read."""
    place = {"key": key, "dag_id": dag_id, "task_id": task_id, "run_id": run_id}
    read: Callable[..., Any] = XCom.get_all if all_of_them else XCom.get_one
    try:
        return read(**place)
    except Exception as error:  # noqa: BLE001 - a notice that knows less is better than none
        log.warning("The XCom %s of %s could not be read for the notice: %s", key, task_id, type(error).__name__)
        return None


def _text_in(value: object, key: str) -> str:
    return str(value.get(key) or "") if isinstance(value, Mapping) else ""
