"""``wait_for_flow_runs``: the task of the pipeline that knows every planned pair and lets none get lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from airflow.sdk import Context

from adobe_experience_platform.aep import Activation, Pair, RunStatus, count
from adobe_experience_platform.delivery import NOT_SENT, UNKNOWN, Job, Record, Result, Submission, without_run, xcom
from adobe_experience_platform.errors import AepError, AepInputError, AepSubmissionError

from .base import TaskStore, clears_of, read_event
from .gates import is_unsent, require_gates, task_states
from .links import DestinationLink
from .notes import ATTEMPT, NotedStore
from .submit import PHASE, WATCHING, SubmittingTask, phase_of
from .watch import WatchingTask

REPAIR = "repair_{}"
FAILED = "failed_{}"
"""Store key of a job: the runs that a verdict has named as failed."""
UNSENT = "unsent"
"""Store key: up to which clear of the run a missing note has been a proof, see :func:`~.gates.is_unsent`."""
WHY = {
    NOT_SENT: "no activation was sent or accepted for it; the first failed task says why",
    UNKNOWN: "it is not known whether AEP started it",
}
SENT_AGAIN = "it was sent again after it failed, and it is not known whether AEP started it"


class DeliveryOperator(SubmittingTask, WatchingTask):
    """Watch all flow runs of a delivery to their end; after a person's clear, send again what failed.

    It runs also when some jobs were refused, so that the others are watched. It turns red when AEP fails a run, so it
    is what "clear only failed" clears: it then submits exactly the failed pairs again, by the same protocol, through
    the same gates, with a record of its own. The submitting tasks never send a pair twice; so one task owns each kind
    of sending.

    :param jobs: what ``plan_jobs`` returned. (templated)
    :param submit_task_id: the (mapped) task that submits.
    :param briefing: the XCom ``briefing`` of ``plan_jobs``. (templated)
    :param gate_task_ids: tasks that must have succeeded before anything is sent again.
    :param campaign_day: the XCom ``campaign_day`` of ``plan_jobs``; optional. (templated)
    :param deferrable: wait in the triggerer (default) instead of holding a worker slot.

    Returns ``{"summary": {…}, "results": […]}``. Raises :class:`~.errors.AepDeliveryError` naming every
    planned pair that has no run, failed, is partial, or never ended.
    """

    template_fields: Sequence[str] = ("jobs", "briefing", "campaign_day")
    operator_extra_links = (DestinationLink(),)

    def __init__(
        self,
        *,
        jobs: Any,
        submit_task_id: str,
        briefing: Any,
        gate_task_ids: Sequence[str] = (),
        campaign_day: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.jobs = jobs
        self.submit_task_id = submit_task_id
        self.briefing = briefing
        self.gate_task_ids = gate_task_ids
        self.campaign_day = campaign_day

    def execute(self, context: Context) -> Any:
        """Watch; if a person cleared this task, send failed pairs again first."""
        jobs = self._jobs()
        tries = context["ti"].max_tries
        attempt: dict[str, object] = {"max_tries": tries, "clears": clears_of(context)}
        store = NotedStore(context, [pair for job in jobs for pair in job.pairs])
        seen = _seen(store)
        # First of all: a try that dies before this is noted could not be told from a person's clear.
        store.set(ATTEMPT, attempt if seen is None else {"max_tries": seen[0], "clears": seen[1]})
        if jobs:
            self._link_to(jobs[0].pairs[0].flow_id)
        if seen is not None and tries > seen[0]:
            self._repair(context, jobs, seen[1])
            store.set(ATTEMPT, attempt)
        return self._go_on(context, jobs, [] if seen is None else self._repairs(context, jobs))

    def execute_complete(self, context: Context, event: object = None) -> Any:
        """Go on after a wait: of a repair, or for the flow runs."""
        self._is_resumed = True
        jobs = self._jobs()
        store = NotedStore(context, [pair for job in jobs for pair in job.pairs], resumed=True)
        seen = _seen(store)
        if seen is not None and TaskStore(context).get(ATTEMPT) is None:
            store.set(ATTEMPT, {"max_tries": seen[0], "clears": seen[1]})  # its rows are gone, the notes are not
        if seen is not None and context["ti"].max_tries > seen[0]:
            return self.execute(context)  # cleared while it ran: Airflow has kept the event of the wait before
        repairs = self._repairs(context, jobs)
        if repairs and not phase_of(context).get("watching"):
            read_event(event)
            return self._go_on(context, jobs, repairs, event)
        deliveries, without = self._state(context, jobs, repairs)
        results = self._watched(context, deliveries, self._aliases(jobs), event)
        return self._verdict(context, [*results, *without])

    def _go_on(self, context: Context, jobs: Sequence[Job], repairs: Sequence[Submission], event: object = None) -> Any:
        if open_pairs := {pair for submission in repairs for pair in submission.missing}:
            # Before anything is sent: should every process of this task die, the report must not call these failed.
            deliveries, without = self._state(context, jobs, repairs)
            results = self._read_results(
                [item for item in deliveries if item.pair not in open_pairs], self._aliases(jobs)
            )
            results += [without_run(pair, UNKNOWN, SENT_AGAIN) for pair in open_pairs]
            results += [item for item in without if (item["flow_id"], item["audience_id"]) not in open_pairs]
            context["ti"].xcom_push(key=xcom.PROGRESS, value=xcom.progress_note(results))
        try:
            self._submit(context, repairs, event)
        except AepError as error:
            if error.retriable:
                raise
            # What was sent is watched all the same; the pairs that could not be sent again stay failed.
            self.log.error("What failed could not be sent again: %s", error)
        deliveries, without = self._state(context, jobs, repairs)
        for result in without:
            self.log.warning("%s → %s: %s", result["audience_id"], result["flow_id"], result["error"])
        if repairs:  # else there is nothing to submit, and it can only watch
            TaskStore(context).set(PHASE, WATCHING)
        look_first = context["ti"].try_number > 1
        results = self._watch(context, deliveries, self._aliases(jobs), look_first=look_first, ends_task=not without)
        return self._verdict(context, [*results, *without])

    def _jobs(self) -> list[Job]:
        jobs = self.given("jobs")
        if not isinstance(jobs, list):
            raise AepInputError(["jobs is missing: pass what plan_jobs returned"])
        return [Job.from_json(item) for item in jobs]

    @staticmethod
    def _aliases(jobs: Sequence[Job]) -> dict[str, str]:
        return {key: value for job in jobs for key, value in job.aliases.items()}

    def _state(
        self, context: Context, jobs: Sequence[Job], repairs: Sequence[Submission]
    ) -> tuple[list[Activation], list[Result]]:
        """Return the runs to watch, and the planned pairs that have none or may have another one."""
        notes = context["ti"].xcom_pull(task_ids=self.submit_task_id, key=xcom.SUBMISSION)
        orders, missing = xcom.read_submissions(notes)
        doubtful: set[Pair] = set()
        for submission in repairs:
            orders |= {item.pair: item for item in submission.activations}
            doubtful |= set(submission.missing) if submission.is_doubtful else set()
        pairs = [pair for job in jobs for pair in job.pairs]
        unnoted = UNKNOWN
        if any(pair not in orders and pair not in missing for pair in pairs):
            store, states = TaskStore(context), task_states(context, [self.submit_task_id])
            if is_unsent(context, self.submit_task_id, notes, states, store.get(UNSENT)):
                store.set(UNSENT, {"clears": clears_of(context)})
                unnoted = NOT_SENT
        deliveries: list[Activation] = []
        without: list[Result] = []
        for pair in pairs:
            status = missing.get(pair, unnoted)
            if pair in doubtful:
                without.append(without_run(pair, UNKNOWN, SENT_AGAIN))
            elif pair in orders:
                deliveries.append(orders[pair])
            else:
                without.append(without_run(pair, status, WHY[status]))
        return deliveries, without

    def _repair(self, context: Context, jobs: Sequence[Job], seen: int) -> None:
        """Record which pairs failed in AEP and are to be sent again; called once per clear.

        Only what had failed when the person cleared: where tasks in front of this one began since, that is what a
        verdict has named.

        :param seen: how often the DAG run had been cleared when this task last began: a run that began after that is
            watched first, because nobody cleared it for having failed.
        """
        repairs = self._repairs(context, jobs)
        for submission in repairs:
            self.hook.call(submission.begin(resend_failed=True))
        deliveries, _ = self._state(context, jobs, repairs)
        results = self._read_results(deliveries, self._aliases(jobs))
        later = xcom.began_later(context["ti"].xcom_pull(task_ids=self.submit_task_id, key=xcom.SUBMISSION))
        failed = {Pair(item["flow_id"], item["audience_id"]) for item in results if _is_failed(item)}
        failed -= {pair for pair, clears in later.items() if clears > seen}
        if self._follows_others(context):
            told = {run_id for job in jobs for run_id in self._told(context, job)}
            failed &= {Pair(item["flow_id"], item["audience_id"]) for item in results if item["run_id"] in told}
        for job in jobs:
            again = [pair for pair in job.pairs if pair in failed]
            if again:
                known = self._repaired(context, job)
                submission = self._submission(context, job, [pair for pair in job.pairs if pair in {*known, *again}])
                submission.store.set(submission.key, submission.record.to_json())
                self.log.info(
                    "Cleared by a person: job %d sends %s again that failed in AEP",
                    job.number,
                    count(len(again), "audience"),
                )

    def _follows_others(self, context: Context) -> bool:
        """Whether tasks in front of this one have begun since the last clear, so that it was some time ago."""
        clears, tasks = clears_of(context), (*self.gate_task_ids, self.submit_task_id)
        found = [context["ti"].xcom_pull(task_ids=task, key=xcom.CLEARS) for task in tasks]
        return any(clears in (each if isinstance(each, list) else [each]) for each in found)

    def _verdict(self, context: Context, results: Sequence[Result]) -> dict[str, Any]:
        """Note first which runs are named as failed: a clear from now on means them."""
        failed = {(item["flow_id"], item["audience_id"]): item["run_id"] for item in results if _is_failed(item)}
        for job in self._jobs() if failed else ():
            run_ids = {str(failed[pair]) for pair in job.pairs if pair in failed}
            if run_ids - self._told(context, job):
                NotedStore(context, job.pairs).set(FAILED.format(job.number), {"run_ids": sorted(run_ids)})
        return super()._verdict(context, results)

    @staticmethod
    def _told(context: Context, job: Job) -> set[str]:
        """Return the runs of a job that a verdict has named as failed; what is not known was not told."""
        told = NotedStore(context, job.pairs).kept(FAILED.format(job.number))
        run_ids = told.get("run_ids") if isinstance(told, Mapping) else None
        return set(map(str, run_ids)) if isinstance(run_ids, list) else set()

    def _repairs(self, context: Context, jobs: Sequence[Job]) -> list[Submission]:
        """Return the repairs that this task has recorded."""
        repaired = ((job, self._repaired(context, job)) for job in jobs)
        return [self._submission(context, job, pairs) for job, pairs in repaired if pairs]

    def _repaired(self, context: Context, job: Job) -> list[Pair]:
        stored = NotedStore(context, job.pairs, resumed=self._is_resumed).get(REPAIR.format(job.number))
        known = Record.from_json(stored).orders if stored is not None else {}
        return [pair for pair in job.pairs if pair in known]

    def _submission(self, context: Context, job: Job, pairs: Sequence[Pair]) -> Submission:
        return self._submission_of(
            context,
            Job(job.number, job.of, tuple(pairs), job.aliases),
            NotedStore(context, job.pairs, resumed=self._is_resumed),
            key=REPAIR.format(job.number),
            grows=True,
            stopped=lambda: self._is_killed,
            gate=partial(require_gates, context, self.gate_task_ids, self.given("campaign_day")),
        )


def _is_failed(result: Result) -> bool:
    return result["status"] == RunStatus.FAILED


def _seen(store: NotedStore) -> tuple[int, int] | None:
    """Return ``max_tries`` and the run's clears when the task last began anew, None if it never has.

    :raises AepSubmissionError: for what cannot be read: a retry would pass for a person's clear.
    """
    seen = store.get(ATTEMPT)
    if seen is None:
        return None
    try:
        return int(seen["max_tries"]), int(seen["clears"])  # type: ignore[index]
    except (LookupError, TypeError, ValueError):
        raise AepSubmissionError(
            "The record of this task's tries is damaged: it may hide what was sent again. Check in AEP what was "
            "delivered and start a new run with the rest. Nothing more was sent."
        ) from None
