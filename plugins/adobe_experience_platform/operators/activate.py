"""Submits an ad-hoc activation exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Context

from adobe_experience_platform.aep import DEFAULT_CONN_ID, count
from adobe_experience_platform.delivery import KEY, MAX_PAIRS_PER_JOB, Job, Submission, xcom
from adobe_experience_platform.errors import AepError, AepInputError

from .base import Resolvable, TaskStore, read_event
from .gates import require_gates
from .links import DestinationLink
from .notes import NotedStore, note_attempt, resolve_once
from .submit import PHASE, WATCHING, SubmittingTask, phase_of, settled_by
from .watch import WatchingTask


class AdHocActivationOperator(SubmittingTask, WatchingTask):
    """Deliver audiences to file destinations now, exactly once.

    A record in the task's state store keeps a retry, a crash or a cleared task from sending anything
    twice, see :mod:`.submission`.

    :param activation_info: {flow: [audience, …]}, by id or by name, at most 80 pairs. (templated)
    :param job: a job of ``plan_jobs``, instead of ``activation_info``. (templated)
    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``. (templated)
    :param sandbox_name: sandbox; None takes the connection's. (templated)
    :param api_version: ``v2`` (default) or ``v1``, which sends the export's id. (templated)
    :param export_job_id: v1: the export to send; None (default) takes the newest that succeeded. (templated)
    :param max_export_age_hours: refuse an older snapshot; None (default) accepts any. (templated)
    :param on_conflict: another run for the audience is in progress: ``wait`` (default), ``adopt`` or
        ``fail``. (templated)
    :param export_timeout_minutes: how long to wait for exports and conflicts, minutes; default 240. (templated)
    :param poll_interval: longest pause between two polls, seconds; default 30. (templated)
    :param briefing: the XCom ``briefing`` of ``plan_jobs``, instead of settings and ``names``; optional. (templated)
    :param wait_for_completion: watch the flow runs to their end too; default False. (templated)
    :param on_partial_success: with ``wait_for_completion``: ``fail`` (default) or ``accept``. (templated)
    :param on_failed_records: with ``wait_for_completion``: a success that lost or may lack records: ``warn``
        (default) or ``fail``. (templated)
    :param activation_timeout_minutes: with ``wait_for_completion``: how long, minutes; default 180. (templated)
    :param resend_failed: after a person clears the task, send again what failed in AEP; default True.
        (templated)
    :param names: id → name, to show names beside ids; optional. (templated)
    :param campaign_day: the XCom ``campaign_day`` of ``plan_jobs``; optional. (templated)
    :param gate_task_ids: tasks that must have succeeded before anything is sent; default none.
    :param deferrable: wait in the triggerer (default) instead of holding a worker slot.

    Returns ``[{"flow_id", "audience_id", "run_id", "adopted"}, …]``; with ``wait_for_completion`` what
    :class:`~.sensors.FlowRunSensor` returns. The XCom ``submission`` says the same while it works.

    Raises :class:`~.errors.AepError`; what may heal is retried, what a person must decide is not.

    Source: Adobe, Ad-hoc Activation API 2.0, ``POST /adhocrun``.
    """

    template_fields: Sequence[str] = (
        *("activation_info", "job", "export_job_id", "names", "briefing", "campaign_day"),
        *("wait_for_completion", "resend_failed"),
    )
    operator_extra_links = (DestinationLink(),)
    _pushed: xcom.SubmissionNote | None = None

    def __init__(
        self,
        *,
        activation_info: Any = None,
        job: Any = None,
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox_name: str | None = None,
        api_version: str = "v2",
        export_job_id: Resolvable = None,
        max_export_age_hours: float | None = None,
        on_conflict: str = "wait",
        export_timeout_minutes: float = 240,
        poll_interval: float = 30,
        wait_for_completion: bool = False,
        on_partial_success: str = "fail",
        on_failed_records: str = "warn",
        activation_timeout_minutes: float = 180,
        resend_failed: bool = True,
        names: Any = None,
        briefing: Any = None,
        campaign_day: Any = None,
        gate_task_ids: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation_info = activation_info
        self.job = job
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self.api_version = api_version
        self.export_job_id = export_job_id
        self.max_export_age_hours = max_export_age_hours
        self.on_conflict = on_conflict
        self.export_timeout_minutes = export_timeout_minutes
        self.poll_interval = poll_interval
        self.wait_for_completion = wait_for_completion
        self.on_partial_success = on_partial_success
        self.on_failed_records = on_failed_records
        self.activation_timeout_minutes = activation_timeout_minutes
        self.resend_failed = resend_failed
        self.names = names
        self.briefing = briefing
        self.campaign_day = campaign_day
        self.gate_task_ids = gate_task_ids

    @classmethod
    def lists_pairs(cls, given: Mapping[str, Any]) -> bool:
        """Where it is not given what ``plan_jobs`` has checked."""
        return given.get("briefing") is None

    @property
    def job_title(self) -> str:
        """Label of a mapped task in the grid."""
        job = self.given("job")
        return self.task_id if job is None else Job.from_json(job, names=True).title

    def execute(self, context: Context) -> Any:
        """Submit what has no run yet; never what has one."""
        note_attempt(context)
        self._pushed = None  # what a try before has pushed is gone
        self._push_clears(context)
        submission = self._submission(context)
        self._push(context, submission)
        job, known = submission.job, len(submission.activations)
        self._link_to(job.pairs[0].flow_id)
        self.log.info("Delivering %s, API %s", job.title, self.options.api_version)
        if known:
            self.log.info("%s already submitted by this run: not sent again", count(known, "audience"))
        self.hook.call(submission.begin(resend_failed=self.given("resend_failed")))
        return self._go_on(context, submission)

    def execute_complete(self, context: Context, event: object = None) -> Any:
        """Go on after a wait: for an export, a conflict, a lost answer, or the flow runs."""
        self._is_resumed = True
        submission = self._submission(context)
        if submission.is_cleared:  # while it ran: Airflow has kept the event of the wait before
            settled_by(submission, event)  # what was found stays found
            return self.execute(context)
        if not phase_of(context).get("watching"):
            read_event(event)
            return self._go_on(context, submission, event)
        results = self._watched(context, submission.activations, submission.job.aliases, event)
        return self._verdict(context, results)

    def _go_on(self, context: Context, submission: Submission, event: object = None) -> Any:
        self._submit(context, [submission], event)
        deliveries = submission.activations
        if self.given("wait_for_completion"):
            TaskStore(context).set(PHASE, WATCHING)
            look_first = context["ti"].try_number > 1
            results = self._watch(context, deliveries, submission.job.aliases, look_first=look_first)
            return self._verdict(context, results)
        return [item._asdict() for item in deliveries]

    def _submission(self, context: Context) -> Submission:
        job = self._job(context)
        submission: Submission

        def after_set(key: str, value: dict[str, object]) -> None:
            if key == KEY:
                self._push(context, submission)

        is_own = self.lists_pairs({"briefing": self.given("briefing")})
        is_own_list = is_own and context["ti"].map_index != -1

        def gate() -> None:
            # First the note: whoever marks this task from now on is not told that nothing was sent.
            self._push(context, submission, is_sending=True)
            try:
                require_gates(context, self.gate_task_ids, self.given("campaign_day"))
                store.require_held(submission.missing)
            except AepError:
                self._push(context, submission)
                raise

        store = NotedStore(
            context,
            job.pairs,
            after_set,
            movable=is_own_list,
            exclusive=is_own and not self._is_alone(context),
            resumed=self._is_resumed,
            planned=not is_own,
        )
        submission = self._submission_of(
            context,
            job,
            store,
            gate=gate,
            # Once more after the intent is noted: who takes the pairs from now on reads that.
            stopped=lambda: self._is_killed or not store.holds(submission.missing),
            export_id=self.given("export_job_id"),
        )
        return submission

    def _job(self, context: Context) -> Job:
        job = self.given("job")
        given = {"activation_info": self.given("activation_info")} if job is None else job
        is_planned = isinstance(given, Mapping) and "aliases" in given
        job = Job.from_json(given, names=not is_planned)
        if len(job.pairs) > MAX_PAIRS_PER_JOB:
            too_many = f"{len(job.pairs)} pairs are more than the {MAX_PAIRS_PER_JOB} that AEP takes in one job"
            raise AepInputError([too_many])
        if is_planned:
            return job
        resolved = resolve_once(context, job.pairs, self.hook.call, self.log, resumed=self._is_resumed)
        return Job(job.number, job.of, *resolved)

    def _push(self, context: Context, submission: Submission, *, is_sending: bool = False) -> None:
        """Tell later tasks what is known, where that is new."""
        note = xcom.submission_note(submission, is_sending=is_sending)
        if note != self._pushed:
            context["ti"].xcom_push(key=xcom.SUBMISSION, value=note)
            self._pushed = note
