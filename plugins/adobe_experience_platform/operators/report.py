"""``report``: one table that a marketer can read, one small result, and a state that tells the truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from adobe_experience_platform.aep import Pair, one_line
from adobe_experience_platform.delivery import (
    NOT_SENT,
    OF_RUN,
    UNKNOWN,
    Job,
    Outcomes,
    RedRun,
    Result,
    RunFigures,
    duration_text,
    error_of,
    explanations,
    failed_for,
    is_delivered,
    judge,
    loss_label,
    losses_of,
    message_of,
    read_settings,
    reasons_text,
    size_text,
    submitted_only,
    summarize,
    title_of,
    without_run,
    xcom,
)
from adobe_experience_platform.hooks import metrics

from .base import clears_of
from .gates import is_unsent, task_states
from .lineage import fill_events, openlineage_of
from .tables import folded, table

REPORTED = "reported"
"""Store key: what this run's metrics have ``counted`` already, and up to which of the run's ``clears`` a missing note
has been a proof, see :func:`~.gates.is_unsent`."""
FAILED_STATES = ("failed", "upstream_failed")
ROWS_SHOWN = 500
WHY = "What AEP says of skipped and failed records, and of files"
NUMBERS = ("Records", "Skipped", "Failed", "Files", "Size", "Duration")
HEAD = ("Destination", "Audience", "Status", *NUMBERS, "Flow run", "What AEP says")


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
    records_skipped, records_failed, started_at, completed_at, error_code, error, adopted, figures}, …], "verdict":
    {state, label, headline, advice, failed_tasks}}``, also when it is red. A green report emits the asset events of its
    ``outlets``, see :func:`~.triggers.delivery_outlets`.
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
        self._reported: tuple[list[Result], Mapping[str, str]] = ([], {})
        self.export_task_id = export_task_id

    def execute(self, context: Context) -> None:
        """Collect, print, push, and only then judge."""
        ti = context["ti"]
        notes = ti.xcom_pull(task_ids=self.submit_task_id, key=xcom.SUBMISSION)
        states = task_states(context, self.delivery_task_ids)  # after the notes, see is_unsent
        if states.get(self.plan_task_id) == "skipped":
            raise AirflowSkipException("A task before this delivery has skipped it: there is nothing to report.")
        briefing = ti.xcom_pull(task_ids=self.plan_task_id, key=xcom.BRIEFING) or {}
        names = briefing.get("names") or {}
        kept: Any = context["task_state_store"].get(REPORTED) or {}
        proven = is_unsent(context, self.submit_task_id, notes, states, kept)
        if proven:
            kept = {**kept, "clears": clears_of(context)}
        results, orders = self._results(context, notes, proven=proven)
        self._reported = results, names
        summary = summarize(results)
        accepted = read_settings(briefing.get("settings") or {})[0].accepted
        bad = [item for item in results if not is_delivered(item, **accepted)]
        # A task may have been marked as successful: the pairs have the last word.
        failed = bool(bad) or any(state in FAILED_STATES for state in states.values())
        verdict = judge(results, self._red_run(ti, states, bad, orders, proven=proven) if failed else None)
        self._show(results, names)
        report = xcom.Report(summary=summary, results=results, verdict=verdict)
        ti.xcom_push(key=xcom.RETURN_VALUE, value=report)
        self._measure(context, report, kept, briefing.get("place") or {}, failed=failed)
        if failed:
            raise AirflowFailException(message_of(verdict))
        say = self.log.warning if verdict["advice"] else self.log.info
        for line in (title_of(verdict), *verdict["advice"]):
            say("%s", line)
        # Airflow reads the outlets once the task has succeeded.
        self.outlets = fill_events(context, self.outlets, results)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Tell OpenLineage what was delivered, also when the run failed in part; only its provider calls this."""
        return openlineage_of(self._reported[0], self._reported[1])

    def _red_run(
        self, ti: Any, states: Mapping[str, str], bad: Sequence[Result], orders: Collection[Pair], *, proven: bool
    ) -> RedRun:
        """Collect what explains a red run: which tasks failed, the first one first, and whether a person said no."""
        order = {task: number for number, task in enumerate(self.delivery_task_ids)}
        # Mapped tasks come as ``activate_0``.
        of = {task: task if task in order else task.rpartition("_")[0] for task in states}
        failed = [task for task, state in states.items() if state == "failed"]
        failed.sort(key=lambda task: (order.get(of[task], 0), task))
        red = {of[task] for task, state in states.items() if state in FAILED_STATES}
        # Only the submitting task finds out what became of a pair that has no run.
        lost = list(filter(loss_label, bad))
        watched = {(item["flow_id"], item["audience_id"]) in orders for item in bad if item not in lost}
        wanted = {self.watch_task_id if is_watched else self.submit_task_id for is_watched in watched}
        day = ti.xcom_pull(task_ids=self.plan_task_id, key=xcom.CAMPAIGN_DAY)
        refused = self.approve_task_id is not None and states.get(self.approve_task_id) == "failed"
        decision = ti.xcom_pull(task_ids=self.approve_task_id, key=xcom.APPROVAL) if refused else None
        why = decision.get("why") if isinstance(decision, dict) else None
        return RedRun(
            failed_tasks=failed,
            plan_failed=states.get(self.plan_task_id) == "failed",
            overdue=isinstance(day, dict) and day.get("overdue") is True,
            refused=refused,
            why=one_line(why or f"the task {self.approve_task_id} failed", 1000) if refused else "",
            sent_before=not proven,
            loss_refused=bool(lost),
            marked=sorted(wanted - red, key=lambda task: order.get(task, 0)),
        )

    def _measure(
        self,
        context: Context,
        report: xcom.Report,
        kept: Mapping[str, Any],
        place: Mapping[str, str],
        *,
        failed: bool,
    ) -> None:
        """Count what is new since this run's last report: a repair must not count its successes twice."""
        ti = context["ti"]
        try:
            tags = {"dag_id": ti.dag_id, "sandbox": str(place.get("sandbox_name") or "")}
            before, results = kept.get("counted") or {}, report["results"]
            found = metrics.totals(results, report["summary"], failed=failed)
            counted = {key: max(found[key], before.get(key, 0)) for key in found}
            context["task_state_store"].set(REPORTED, {**kept, "counted": counted}, retention=NEVER_EXPIRE)
            metrics.count_delivery(found, before, tags)
            if self.export_task_id and found["success"] > before.get("success", 0):
                export = ti.xcom_pull(task_ids=self.export_task_id, key=xcom.EXPORT) or {}
                if export.get("ended_at"):
                    metrics.since_export(results, export["ended_at"], tags)
        except Exception as error:  # noqa: BLE001 - a delivery must outlive trouble with its metrics
            self.log.warning("The metrics of this delivery could not be sent: %s", type(error).__name__)

    def _results(self, context: Context, notes: object, *, proven: bool) -> tuple[list[Result], Collection[Pair]]:
        """Return what the watching task has kept, else what is known of the submissions.

        Without a plan, as after a clear, what was submitted before is known all the same. Also returned: the pairs that
        have a run by the submissions.

        :param notes: the XComs ``submission`` of all jobs.
        :param proven: whether no note is lost.
        """
        ti = context["ti"]
        progress = ti.xcom_pull(task_ids=self.watch_task_id, key=xcom.PROGRESS)
        jobs = [Job.from_json(item) for item in ti.xcom_pull(task_ids=self.plan_task_id) or []]
        orders, missing = xcom.read_submissions(notes)
        kept: dict[Pair, Result] = {}
        for item in progress.get("results", []) if isinstance(progress, dict) else []:
            pair = Pair(item["flow_id"], item["audience_id"])
            # Of a pair without a run the notes know better, but for one that was sent again.
            if item["run_id"] or (item["status"] == UNKNOWN and pair in orders):
                kept[pair] = item
        results = list(kept.values())
        for pair in dict.fromkeys([*(pair for job in jobs for pair in job.pairs), *orders, *missing]):
            if pair in orders and pair not in kept:
                results.append(submitted_only(orders[pair]))
            elif pair not in kept:
                results.append(without_run(pair, missing.get(pair, NOT_SENT if proven else UNKNOWN), ""))
        return results, orders.keys()

    def _show(self, results: Sequence[Result], names: Mapping[str, str]) -> None:
        if not results:
            self.log.info("Nothing was delivered: there was no plan to carry out.")
            return
        for line in table(HEAD, (row_of(result, names) for result in results[:ROWS_SHOWN]), NUMBERS):
            self.log.info("%s", line)
        if len(results) > ROWS_SHOWN:
            self.log.info("… and %d more, see the XCom return_value", len(results) - ROWS_SHOWN)
        if any(_is_shared(result.get("figures", {})) for result in results):
            self.log.info(
                "%s of the whole flow run: AEP does not say how much of it is of each of its audiences", OF_RUN
            )
        for line in folded(WHY, explanations(results, names)[:ROWS_SHOWN]):
            self.log.info("%s", line)
        for line in losses_of(results, names):
            self.log.warning("%s", line)
        for result in Outcomes(results).empty:
            audience, flow = (names.get(ident, ident) for ident in (result["audience_id"], result["flow_id"]))
            self.log.warning("EMPTY DELIVERY: %s → %s delivered 0 records", audience, flow)


def row_of(result: Result, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return one row of the final table."""
    figures = result.get("figures", RunFigures())
    of_run = OF_RUN if _is_shared(figures) else ""
    return (
        names.get(result["flow_id"]) or result["flow_id"],
        names.get(result["audience_id"]) or result["audience_id"],
        result["status"].replace("_", " ") + "".join(f" ({note})" for note in _notes(result)),
        _number(result["records_exported"], result.get("records_exported_in_run")),
        _number(result["records_skipped"]),
        _number(result["records_failed"], result.get("records_failed_in_run")),
        f"{figures['files']:,}{of_run}" if "files" in figures else "-",
        f"{size_text(figures['bytes'])}{of_run}" if "bytes" in figures else "-",
        duration_text(figures["seconds"]) if "seconds" in figures else "-",
        result["run_id"] or "-",
        "; ".join(filter(None, (result.get("loss"), reasons_text(failed_for(result)), error_of(result)))),
    )


def _notes(result: Result) -> list[str]:
    return [*filter(None, ("adopted" * result["adopted"], loss_label(result).lower()))]


def _is_shared(figures: RunFigures) -> bool:
    return figures.get("audiences", 1) > 1


def _number(value: int | None, in_run: int | None = None) -> str:
    if in_run is not None:
        return f"{in_run:,}{OF_RUN}"
    return "-" if value is None else f"{value:,}"
