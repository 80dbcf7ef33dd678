"""Waits until no segment export is in progress."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from adobe_experience_platform.aep import DEFAULT_CONN_ID, Pair, by_flow
from adobe_experience_platform.delivery import Job, is_uuid, parse_activation_info, rounds
from adobe_experience_platform.errors import AepTransientError
from adobe_experience_platform.hooks import metrics
from adobe_experience_platform.operators import (
    Deadline,
    TaskStore,
    WaitTimeoutError,
    now,
    read_event,
    resolve_once,
)
from adobe_experience_platform.triggers import ExportWait

from .base import AepSensor


class SegmentExportSensor(AepSensor):
    """Wait until no segment export of profiles is in progress.

    AEP refuses an ad-hoc activation in parallel with the daily export. With ``activation_info`` and
    ``on_conflict="wait"`` it also waits until no flow run in progress concerns these audiences.
    A job that has been in progress for over 24 hours is reported as stuck and not waited for.

    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``. (templated)
    :param sandbox_name: sandbox; None takes the connection's. (templated)
    :param activation_info: {flow: [audience, …]}, by id or by name, or the jobs of ``plan_jobs``; optional. (templated)
    :param on_conflict: ``wait`` waits for flow runs too; ``adopt`` and ``fail`` do not. (templated)
    :param export_timeout_minutes: how long to wait, minutes; default 240. (templated)
    :param poll_interval: longest pause between two polls, seconds; default 30. (templated)
    :param briefing: the XCom ``briefing`` of ``plan_jobs``, instead of settings and ``names``; optional. (templated)
    :param names: id → name, to show names beside ids; optional. (templated)
    :param deferrable: wait in the triggerer (default); if False, as Airflow's ``mode`` says (``poke`` holds a worker
        slot, ``reschedule`` does not).

    Airflow's own ``timeout`` and ``poke_interval``, if given here or in ``default_args``, stand for
    ``export_timeout_minutes`` and ``poll_interval``.

    Returns nothing. Raises :class:`~.errors.AepDeadlineError` naming what it waited for and how long.

    Source: Adobe, "Activate audiences on-demand … via the ad-hoc activation API", guardrails.
    """

    template_fields: Sequence[str] = ("activation_info", "names", "briefing")
    limited_by = "export_timeout_minutes"

    def __init__(
        self,
        *,
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox_name: str | None = None,
        activation_info: Any = None,
        on_conflict: str = "wait",
        export_timeout_minutes: float = 240,
        poll_interval: float = 30,
        names: Any = None,
        briefing: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self.activation_info = activation_info
        self.on_conflict = on_conflict
        self.export_timeout_minutes = export_timeout_minutes
        self.poll_interval = poll_interval
        self.names = names
        self.briefing = briefing

    def _begin(self, context: Context) -> Any:
        """Look once; wait only if something is in progress."""
        self._push_clears(context)
        TaskStore(context)  # refuses a store that forgets
        if not self.deferrable:
            self._export_ends(context)  # it begins now, not with the first answer
            return self._poke_on(context)
        if self._looks_clear(context):
            return None  # most often: a deadline that nobody needs would be two requests to Airflow
        deadline = self._export_ends(context).at
        wait = self._wait_of(context)
        said, stuck, info = wait.waiting, sorted(wait.stuck), by_flow(wait.pairs)
        trigger = self._export_trigger(deadline, info, wait.aliases, ends_task=True, said=said, stuck=stuck)
        return self.execute_complete(context, self._wait(context, trigger, deadline))

    def poke(self, context: Context) -> bool:
        """Ask AEP once, for sensors that do not use the triggerer."""
        if self._look_again(context) if self.reschedule else self._looks_clear(context):
            return True
        if now() >= self._export_ends(context).at:
            raise self._too_late(context)
        return False

    def _look_again(self, context: Context) -> bool:
        """Ask AEP once, in a process that knows nothing of the looks before it but what they have said."""
        store = TaskStore(context)
        before = store.get("said")
        if isinstance(before, dict):
            self._trouble = before["trouble"]
        is_clear = self._looks_clear(context, before)
        wait = self._export_wait or ExportWait(self.log)
        said: dict[str, object] = {"waiting": list(wait.waiting), "stuck": sorted(wait.stuck), "trouble": self._trouble}
        if said != before:
            store.set("said", said)
        return is_clear

    def execute_complete(self, context: Context, event: object = None) -> None:
        """Finish after the trigger; when the time is over, AEP is asked once more."""
        status, message = read_event(event)
        if status == "done":
            self.log.info("No segment export is in progress")
        elif not self._is_clear(context):
            raise self._too_late(context, message)

    _export_wait: ExportWait | None = None

    def _wait_of(self, context: Context, before: object = None) -> ExportWait:
        """Return the wait, with what an earlier process has said; its pairs are looked up when it is first needed."""
        if self._export_wait is None:
            self._export_wait = ExportWait(self.log, *self._pairs(context), self.known_names)
            if isinstance(before, dict):
                self._export_wait.waiting, self._export_wait.stuck = before["waiting"], {*before["stuck"]}
        return self._export_wait

    def _looks_clear(self, context: Context, before: object = None) -> bool:
        """Ask AEP once; a failed request does not end the wait."""
        try:
            self._wait_of(context, before)
            is_clear, self._trouble = self._is_clear(context), ""
            return is_clear
        except AepTransientError as error:
            self._note_trouble(error)
            return False

    def _is_clear(self, context: Context) -> bool:
        wait = self._wait_of(context)
        metrics.count(metrics.POLLS, {"poll": "export", **self._tags()})
        snapshot = self.hook.call(rounds.export_call(by_flow(wait.pairs), now()))
        if clear := wait.is_over(snapshot, now()):
            of_these = " and no delivery of these audiences" if wait.pairs else ""
            self.log.info("No segment export%s is in progress", of_these)
        return clear

    def _pairs(self, context: Context) -> tuple[Sequence[Pair], dict[str, str]]:
        """Return the pairs whose runs are waited for, and their other ids."""
        given = self.given("activation_info")
        if not given or self.options.on_conflict != "wait":
            return [], {}
        if not isinstance(given, list):
            asked = parse_activation_info(given, names=True)
            if all(is_uuid(text) for pair in asked for text in pair):
                return asked, {}
            return resolve_once(context, asked, self.hook.call, self.log)
        jobs = [Job.from_json(item) for item in given]
        aliases = {key: value for job in jobs for key, value in job.aliases.items()}
        return [pair for job in jobs for pair in job.pairs], aliases

    def _export_ends(self, context: Context) -> Deadline:
        return self._deadline(context, "export", self.options.export_timeout_minutes)

    def _too_late(self, context: Context, waiting_for: str = "") -> WaitTimeoutError:
        waiting_for = waiting_for or str(self._export_wait or "") or f"AEP's answer ({self._trouble})"
        self._export_ends(context).require(waiting_for)
        hours = dt.timedelta(minutes=self.options.export_timeout_minutes)
        return WaitTimeoutError(
            f"Waited {hours} (export_timeout_minutes = {self.options.export_timeout_minutes:g}) for {waiting_for}. "
            "Check under Monitoring in AEP why it is taking so long, then clear this task to wait again."
        )
