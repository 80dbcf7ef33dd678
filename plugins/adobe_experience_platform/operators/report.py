"""``report``: one table that a marketer can read, one small result, and a state that tells the truth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from adobe_experience_platform.aep import RunStatus, count
from adobe_experience_platform.delivery import (
    NOT_SENT,
    UNKNOWN,
    Job,
    Result,
    deliveries,
    submitted_only,
    summarize,
    without_run,
    xcom,
)
from adobe_experience_platform.hooks import metrics

from .lineage import fill_events, openlineage_of
from .tables import table

if TYPE_CHECKING:
    from airflow.sdk import Context

COUNTED = "counted"
"""Store key: what this run's metrics have counted already."""
FAILED_STATES = ("failed", "upstream_failed")
ROWS_SHOWN = 500


class DeliveryReportOperator(BaseOperator):
    """Print what became of every planned pair, push it, and be red if any task of the delivery is red.

    Runs in any case (trigger rule ALL_DONE), so it alone must not decide the run's colour: a leaf that
    succeeds turns a failed run green.

    :param plan_task_id: the task that plans.
    :param submit_task_id: the (mapped) task that submits.
    :param watch_task_id: the task that watches the flow runs.
    :param approve_task_id: the task that asks a person, if there is one.
    :param export_task_id: the task that finds the export, "" for none.
    :param task_ids: all other tasks of the delivery, in the order in which they run.

    Returns ``{"summary": {…counts…}, "results": [{flow_id, audience_id, run_id, status, records_exported,
    records_skipped, records_failed, started_at, completed_at, error_code, error, adopted}, …]}``. A green report
    emits the asset events of its ``outlets``, see :func:`~.triggers.delivery_outlets`.
    """

    def __init__(
        self,
        *,
        plan_task_id: str,
        submit_task_id: str,
        watch_task_id: str,
        task_ids: Sequence[str],
        approve_task_id: str | None = None,
        export_task_id: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan_task_id = plan_task_id
        self.submit_task_id = submit_task_id
        self.watch_task_id = watch_task_id
        self.approve_task_id = approve_task_id
        self.delivery_task_ids = list(task_ids)
        self._shown: tuple[list[Result], Mapping[str, str]] = ([], {})
        self.export_task_id = export_task_id

    def execute(self, context: Context) -> None:
        """Collect, print, push, and only then judge."""
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=self.delivery_task_ids, run_ids=[ti.run_id]).get(
            ti.run_id, {}
        )
        if states.get(self.plan_task_id) == "skipped":
            raise AirflowSkipException("A task before this delivery has skipped it: there is nothing to report.")
        names = ti.xcom_pull(task_ids=self.plan_task_id, key=xcom.NAMES) or {}
        results = self._results(ti)
        self._shown = results, names
        summary = summarize(results)
        self._show(results, summary, names)
        ti.xcom_push(key=xcom.RETURN_VALUE, value={"summary": summary, "results": results})
        failed = any(state in FAILED_STATES for state in states.values())
        self._measure(context, results, summary, failed=failed)
        if failed:
            raise AirflowFailException(self._refusal(ti, states) or self._verdict(states))
        # Airflow reads the outlets once the task has succeeded.
        self.outlets = fill_events(context, self.outlets, results)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Tell OpenLineage what was delivered, also when the run failed in part; only its provider calls this."""
        return openlineage_of(self._shown[0], self._shown[1])

    def _refusal(self, ti: Any, states: Mapping[str, str]) -> str:
        """Return what a person's no (or silence) means for this run, "" if nobody refused it."""
        if self.approve_task_id is None or states.get(self.approve_task_id) != "failed":
            return ""
        decision = ti.xcom_pull(task_ids=self.approve_task_id, key=xcom.APPROVAL)
        why = decision.get("why") if isinstance(decision, dict) else None
        return (
            f"NOT APPROVED, nothing was sent: {why or 'the task ' + self.approve_task_id + ' failed'}. Clear the "
            "failed tasks to be asked again; otherwise nothing needs to be done."
        )

    def _measure(
        self, context: Context, results: Sequence[Result], summary: Mapping[str, int], *, failed: bool
    ) -> None:
        """Count what is new since this run's last report: a repair must not count its successes twice."""
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        ti = context["ti"]
        try:
            place = ti.xcom_pull(task_ids=self.plan_task_id, key=xcom.PLACE) or {}
            export = (ti.xcom_pull(task_ids=self.export_task_id, key=xcom.EXPORT) if self.export_task_id else {}) or {}
            tags = {"dag_id": ti.dag_id, "sandbox": str(place.get("sandbox_name") or "")}
            store: Any = context["task_state_store"]
            before = store.get(COUNTED) or {}
            found = metrics.totals(results, summary, failed=failed)
            store.set(COUNTED, {key: max(found[key], before.get(key, 0)) for key in found}, retention=NEVER_EXPIRE)
            metrics.count_delivery(found, before, tags)
            if export.get("ended_at") and found["success"] > before.get("success", 0):
                metrics.since_export(results, export["ended_at"], tags)
        except Exception as error:  # noqa: BLE001 - a delivery must outlive trouble with its metrics
            self.log.warning("The metrics of this delivery could not be sent: %s", type(error).__name__)

    def _verdict(self, states: Mapping[str, str]) -> str:
        """Name the tasks to look at, the first that failed first; mapped ones come as ``activate_0``."""
        order = {task: number for number, task in enumerate(self.delivery_task_ids)}
        failed = [task for task, state in states.items() if state == "failed"]
        failed.sort(key=lambda task: (order.get(task, order.get(task.rsplit("_", 1)[0], 0)), task))
        if states.get(self.plan_task_id) == "failed":
            return (
                f"Nothing was sent: {self.plan_task_id} failed, its log says why. What a run was asked for cannot be "
                "changed: if the input is at fault, start a new run."
            )
        named_tasks = ", ".join(failed[:20]) or "a task before them"
        return (
            f"This delivery is not complete: {named_tasks} failed. Their logs say why, the first one first; clear only "
            "the failed tasks to finish what is missing."
        )

    def _results(self, ti: Any) -> list[Result]:
        """Take what the watching task has kept; where it kept nothing, say what is known of the submissions."""
        kept = ti.xcom_pull(task_ids=self.watch_task_id, key=xcom.PROGRESS)
        results: list[Result] = list(kept.get("results", [])) if isinstance(kept, dict) else []
        covered = {(item["flow_id"], item["audience_id"]) for item in results}
        jobs = [Job.from_json(item) for item in ti.xcom_pull(task_ids=self.plan_task_id) or []]
        if not jobs:
            return results
        found = ti.xcom_pull(task_ids=self.submit_task_id, key=xcom.SUBMISSION)
        orders, missing = xcom.read_submissions(found)
        for job in jobs:
            for pair in job.pairs:
                if pair in covered:
                    continue
                if pair in orders:
                    results.append(submitted_only(orders[pair]))
                else:
                    results.append(without_run(pair, missing.get(pair, NOT_SENT), ""))
        return results

    def _show(self, results: Sequence[Result], summary: Mapping[str, int], names: Mapping[str, str]) -> None:
        if not results:
            self.log.info("Nothing was delivered: there was no plan to carry out.")
            return
        right = ("Records", "Failed", "Duration")
        head = ("Destination", "Audience", "Status", *right, "Flow run", "What AEP says")
        for line in table(head, (row_of(result, names) for result in results[:ROWS_SHOWN]), right):
            self.log.info("%s", line)
        if len(results) > ROWS_SHOWN:
            self.log.info("… and %d more, see the XCom return_value", len(results) - ROWS_SHOWN)
        partly = f", {summary[RunStatus.PARTIAL_SUCCESS]} only partly" if summary[RunStatus.PARTIAL_SUCCESS] else ""
        self.log.info(
            "%d of %s delivered%s, %s",
            summary[RunStatus.SUCCESS],
            count(summary["pairs"], "audience"),
            partly,
            count(summary["records_exported"], "record"),
        )
        for result in results:
            if result["status"] in (RunStatus.SUCCESS, RunStatus.PARTIAL_SUCCESS) and result["records_exported"] == 0:
                self.log.warning(
                    "EMPTY DELIVERY: %s → %s delivered 0 records. Is the audience empty in the latest snapshot?",
                    names.get(result["audience_id"], result["audience_id"]),
                    names.get(result["flow_id"], result["flow_id"]),
                )
        if summary[UNKNOWN]:
            self.log.warning(
                "%s unknown: look in AEP whether they were delivered before you send them again.",
                deliveries(summary[UNKNOWN]),
            )


def row_of(result: Result, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return one row of the final table."""
    status = result["status"].replace("_", " ") + (" (adopted)" if result["adopted"] else "")
    said = f"[{result['error_code']}] {result['error']}" if result["error_code"] else result["error"]
    return (
        names.get(result["flow_id"]) or result["flow_id"],
        names.get(result["audience_id"]) or result["audience_id"],
        status,
        _number(result["records_exported"]),
        _number(result["records_failed"]),
        _duration(result["started_at"], result["completed_at"]),
        result["run_id"] or "-",
        said or "",
    )


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _duration(start: str | None, end: str | None) -> str:
    if not start or not end:
        return "-"
    seconds = int((dt.datetime.fromisoformat(end) - dt.datetime.fromisoformat(start)).total_seconds())
    minutes, seconds = divmod(max(seconds, 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
