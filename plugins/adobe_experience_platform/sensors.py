"""Sensors: wait for the segment export, wait for flow runs. Deferrable by default, fine without a triggerer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from . import metrics, polling
from .connection import DEFAULT_CONN_ID
from .errors import AepDeadlineError, AepInputError, AepTransientError
from .links import DestinationLink
from .models import Pair
from .planning import Job, parse_activation_info
from .results import is_terminal
from .retry import AEP_RETRY_POLICY
from .tasks import AepTask, deadline_of, info_of, now, read_event
from .watching import WatchingTask, deliveries_of

if TYPE_CHECKING:
    from airflow.sdk import Context, RetryPolicy


class SegmentExportSensor(AepTask, BaseSensorOperator):
    """Wait until no segment export of profiles is in progress.

    AEP refuses an ad-hoc activation in parallel with the daily export. With ``activation_info`` and
    ``on_conflict="wait"`` it also waits until no flow run in progress concerns these audiences.
    A job that has been in progress for over 24 hours is reported as stuck and not waited for.

    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``. (templated)
    :param sandbox_name: sandbox; None takes the connection's. (templated)
    :param activation_info: {flow id: [audience id, …]} or the jobs of ``plan_jobs``; optional. (templated)
    :param on_conflict: ``wait`` waits for flow runs too; ``adopt`` and ``fail`` do not. (templated)
    :param export_timeout_minutes: how long to wait, minutes; default 240. (templated)
    :param poll_interval: longest pause between two polls, seconds; default 30. (templated)
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
    )

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
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Look once; wait only if something is in progress."""
        deadline = deadline_of(context, "export", self.export_timeout_minutes)
        if not self.deferrable:
            self.poke_interval, self.timeout = poke_settings(self.poll_interval, self.export_timeout_minutes)
            return super().execute(context)
        if self._looks_clear():
            return None
        pairs, aliases = self._pairs()
        trigger = self._export_trigger(deadline, info_of(pairs), aliases, self.names, ends_task=True, said=self._said)
        self._defer_until(trigger, deadline)
        raise AssertionError("defer() does not return")

    def poke(self, context: Context) -> bool:
        """Ask AEP once, for sensors that do not use the triggerer."""
        if self._looks_clear():
            return True
        if now() >= deadline_of(context, "export", self.export_timeout_minutes):
            raise self._too_late(self._waiting)
        return False

    def execute_complete(self, context: Context, event: object = None) -> None:
        """Finish after the trigger; when the time is over, AEP is asked once more."""
        status, message = read_event(event)
        if status == "done":
            self.log.info("No segment export is in progress")
        elif not self._is_clear():
            raise self._too_late(message or self._waiting)

    _waiting: str = ""
    _said: Sequence[str] = ()
    _stuck: Sequence[str] = ()

    def _looks_clear(self) -> bool:
        """Ask AEP once; trouble on the way is no reason to end a wait."""
        try:
            return self._is_clear()
        except AepTransientError as error:
            self.log.warning("%s", error)
            self._waiting = self._waiting or f"AEP's answer ({error.call})"
            return False

    def _is_clear(self) -> bool:
        pairs, aliases = self._pairs()
        flow_ids = dict.fromkeys(pair.flow_id for pair in pairs)
        metrics.count(metrics.POLLS, {"poll": "export", **self._tags()})
        snapshot = self.hook.call(polling.export_call(flow_ids, now()))
        waiting, stuck = polling.blockers(snapshot, pairs, aliases, now(), self.names)
        for line in [item for item in stuck if item not in self._stuck]:
            self._stuck = [*self._stuck, line]
            self.log.warning("Not waiting for %s: it has been in progress for over 24 h and looks stuck", line)
        text = "; ".join(waiting[:20])
        if waiting and text != self._waiting:
            self.log.info("Waiting for %s", text)
            self._said = waiting[:20]
        if not waiting:
            self.log.info("No segment export%s is in progress", " and no delivery of these audiences" if pairs else "")
        self._waiting = text
        return not waiting

    def _pairs(self) -> tuple[list[Pair], dict[str, str]]:
        """Return the pairs whose runs are waited for, and their other ids."""
        if not self.activation_info or self.on_conflict != "wait":
            return [], {}
        if isinstance(self.activation_info, Mapping):
            return list(parse_activation_info(dict(self.activation_info))), {}
        jobs = [Job.from_json(item) for item in self.activation_info]
        aliases = {key: value for job in jobs for key, value in job.aliases.items()}
        return [pair for job in jobs for pair in job.pairs], aliases

    def _too_late(self, waiting_for: str) -> AepDeadlineError:
        hours = dt.timedelta(minutes=float(self.export_timeout_minutes))
        return AepDeadlineError(
            f"Waited {hours} (export_timeout_minutes = {float(self.export_timeout_minutes):g}) for {waiting_for}. "
            "Nothing was sent. Look under Monitoring in AEP why it takes so long, then clear this task to wait again."
        )


class FlowRunSensor(WatchingTask, BaseSensorOperator):
    """Watch flow runs to their end and fail unless every one delivered.

    :param orders: what :class:`~.operators.AdHocActivationOperator` returns (also the nested list of a
        mapped one), or plain run ids. (templated)
    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``. (templated)
    :param sandbox_name: sandbox; None takes the connection's. (templated)
    :param on_partial_success: ``fail`` (default) or ``accept``. (templated)
    :param activation_timeout_minutes: how long to wait, minutes; default 180. (templated)
    :param poll_interval: longest pause between two polls, seconds; default 30. (templated)
    :param names: id → name, to show names beside ids; optional. (templated)
    :param deferrable: wait in the triggerer (default); if False, as Airflow's ``mode`` says (``poke`` holds a worker
        slot, ``reschedule`` does not).

    Airflow's own ``timeout`` and ``poke_interval``, if given, stand for ``activation_timeout_minutes`` and
    ``poll_interval``.

    Returns ``{"summary": {…counts…}, "results": [{flow_id, audience_id, run_id, status, …}]}``; the XCom
    ``progress`` holds the same while it waits.

    Raises :class:`~.errors.AepDeliveryError` naming each run that failed, is partial or never ended.

    Source: Adobe, Flow Service API, ``GET /runs/{id}``.
    """

    template_fields: Sequence[str] = (
        "orders",
        "aep_conn_id",
        "sandbox_name",
        "on_partial_success",
        "activation_timeout_minutes",
        "poll_interval",
        "names",
    )
    operator_extra_links = (DestinationLink(),)

    def __init__(
        self,
        *,
        orders: Any = (),
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox_name: str | None = None,
        on_partial_success: str = "fail",
        activation_timeout_minutes: float = 180,
        poll_interval: float = 30,
        names: Any = None,
        deferrable: bool = True,
        retry_policy: RetryPolicy | None = AEP_RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.orders = orders
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self.on_partial_success = on_partial_success
        self.activation_timeout_minutes = self.timeout / 60 if "timeout" in kwargs else activation_timeout_minutes
        self.poll_interval = self.poke_interval if "poke_interval" in kwargs else poll_interval
        self.names = names
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Watch the runs."""
        deliveries = deliveries_of(self.orders or [])
        if not deliveries:
            raise AepInputError(
                ["orders is empty: pass what AdHocActivationOperator returns"], intro="Nothing to watch."
            )
        if flow_id := deliveries[0].pair.flow_id:
            self._push_link(context, flow_id)
        if not self.deferrable:
            deadline_of(context, "watch", self.activation_timeout_minutes)  # it begins now, not with the first answer
            self.poke_interval, self.timeout = poke_settings(self.poll_interval, self.activation_timeout_minutes)
            return super().execute(context)
        return self._verdict(context, self._watch(context, deliveries, {}, look_first=context["ti"].try_number > 1))

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Ask AEP once, for sensors that do not use the triggerer."""
        try:
            results = self._read_results(deliveries_of(self.orders), {})
        except AepTransientError as error:
            self.log.warning("%s", error)
            return False
        if all(map(is_terminal, results)) or now() >= deadline_of(context, "watch", self.activation_timeout_minutes):
            return PokeReturnValue(is_done=True, xcom_value=self._verdict(context, results))
        return False

    def execute_complete(self, context: Context, event: object = None) -> Any:
        """Judge the runs after the trigger; when the time is over, AEP is asked once more."""
        return self._verdict(context, self._watched(context, deliveries_of(self.orders or []), {}, event))


def poke_settings(poll_interval: float, minutes: float) -> tuple[float, float]:
    """Return Airflow's ``poke_interval`` and ``timeout`` for a sensor that does not use the triggerer.

    The time-out is but a backstop behind the deadline that ``poke`` knows: Airflow counts it from the first look
    of all, also after a reschedule, so it must not shrink with the time that is left.
    """
    return float(poll_interval), float(minutes) * 60 + 2 * float(poll_interval)
