"""Waits until no segment export is in progress."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from adobe_experience_platform.aep import DEFAULT_CONN_ID, Pair, by_flow
from adobe_experience_platform.delivery import Job, is_uuid, parse_activation_info, rounds
from adobe_experience_platform.errors import AepTransientError
from adobe_experience_platform.hooks import metrics
from adobe_experience_platform.operators import (
    AEP_RETRY_POLICY,
    AepTask,
    WaitTimeoutError,
    deadline_of,
    now,
    poke_settings,
    read_event,
    resolve_once,
)
from adobe_experience_platform.triggers import ExportWait

if TYPE_CHECKING:
    from airflow.sdk import Context, RetryPolicy


class SegmentExportSensor(AepTask, BaseSensorOperator):
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
    :param settings: what ``plan_jobs`` has checked (its XCom ``settings``), instead of the single settings;
        optional. (templated)
    :param names: id → name, to show names beside ids; optional. (templated)
    :param deferrable: wait in the triggerer (default); if False, as Airflow's ``mode`` says (``poke`` holds a worker
        slot, ``reschedule`` does not).

    Airflow's own ``timeout`` and ``poke_interval``, if given, stand for ``export_timeout_minutes`` and
    ``poll_interval``.

    Returns nothing. Raises :class:`~.errors.AepDeadlineError` naming what it waited for and how long.

    Source: Adobe, "Activate audiences on-demand … via the ad-hoc activation API", guardrails.
    """

    template_fields: Sequence[str] = (
        "aep_conn_id",
        "sandbox_name",
        "activation_info",
        "on_conflict",
        "export_timeout_minutes",
        "poll_interval",
        "names",
        "settings",
    )
    own_settings = ("aep_conn_id", "sandbox_name", "on_conflict", "export_timeout_minutes", "poll_interval")

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
        settings: Any = None,
        deferrable: bool = True,
        retry_policy: RetryPolicy | None = AEP_RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self.activation_info = activation_info
        self.on_conflict = on_conflict
        self.export_timeout_minutes = self.timeout / 60 if "timeout" in kwargs else export_timeout_minutes
        self.poll_interval = self.poke_interval if "poke_interval" in kwargs else poll_interval
        self.names = names
        self.settings = settings
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Look once; wait only if something is in progress."""
        deadline = deadline_of(context, "export", self.options.export_timeout_minutes)
        if not self.deferrable:
            self.poke_interval, self.timeout = poke_settings(
                self.options.poll_interval, self.options.export_timeout_minutes
            )
            return super().execute(context)
        if self._looks_clear(context):
            return None
        wait = self._wait_of(context)
        info = by_flow(wait.pairs)
        trigger = self._export_trigger(deadline, info, wait.aliases, self.names, ends_task=True, said=wait.waiting)
        return self.execute_complete(context, self._wait(context, trigger, deadline))

    def poke(self, context: Context) -> bool:
        """Ask AEP once, for sensors that do not use the triggerer."""
        if self._looks_clear(context):
            return True
        if now() >= deadline_of(context, "export", self.options.export_timeout_minutes):
            raise self._too_late(str(self._export_wait or self._trouble))
        return False

    def execute_complete(self, context: Context, event: object = None) -> None:
        """Finish after the trigger; when the time is over, AEP is asked once more."""
        status, message = read_event(event)
        if status == "done":
            self.log.info("No segment export is in progress")
        elif not self._is_clear(context):
            raise self._too_late(message or str(self._export_wait))

    _trouble = ""
    _export_wait: ExportWait | None = None

    def _wait_of(self, context: Context) -> ExportWait:
        if self._export_wait is None:
            self._export_wait = ExportWait(self.log, *self._pairs(context), self.names)
        return self._export_wait

    def _looks_clear(self, context: Context) -> bool:
        """Ask AEP once; a failed request does not end the wait."""
        try:
            return self._is_clear(context)
        except AepTransientError as error:
            self.log.warning("%s", error)
            self._trouble = f"AEP's answer ({error.call})"
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
        if not self.activation_info or self.options.on_conflict != "wait":
            return [], {}
        if isinstance(self.activation_info, Mapping):
            asked = parse_activation_info(dict(self.activation_info), names=True)
            if all(is_uuid(text) for pair in asked for text in pair):
                return asked, {}
            return resolve_once(context, asked, self.hook.call, self.log)
        jobs = [Job.from_json(item) for item in self.activation_info]
        aliases = {key: value for job in jobs for key, value in job.aliases.items()}
        return [pair for job in jobs for pair in job.pairs], aliases

    def _too_late(self, waiting_for: str) -> WaitTimeoutError:
        hours = dt.timedelta(minutes=self.options.export_timeout_minutes)
        return WaitTimeoutError(
            f"Waited {hours} (export_timeout_minutes = {self.options.export_timeout_minutes:g}) for {waiting_for}. "
            "Look under Monitoring in AEP why it takes so long, then clear this task to wait again."
        )
