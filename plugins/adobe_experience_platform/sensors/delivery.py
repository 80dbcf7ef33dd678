"""Waits for the next delivery of a destination flow, whoever started it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue

from adobe_experience_platform.aep import DEFAULT_CONN_ID, Activation, FlowRun, Pair, RunStatus, endpoints, named
from adobe_experience_platform.delivery import (
    check_name,
    is_delivered,
    is_lossy,
    line_of,
    losses_of,
    resolve,
    results_of,
    run_news,
    shorten,
)
from adobe_experience_platform.delivery.run_news import RunMark, Sought
from adobe_experience_platform.errors import AepDeliveryError, AepInputError, AepTransientError
from adobe_experience_platform.hooks import metrics
from adobe_experience_platform.operators import (
    AEP_RETRY_POLICY,
    Deadline,
    DestinationLink,
    TaskStore,
    WaitTimeoutError,
    now,
    poke_settings,
    read_event,
)
from adobe_experience_platform.triggers import DeliveryTrigger

from .base import AepSensor

if TYPE_CHECKING:
    from airflow.sdk import Context, RetryPolicy

NEXT = "next"
"""Store key: which delivery is the next one, fixed when the task first began; and which run it was."""


class DeliverySensor(AepSensor):
    """Wait for the next delivery of a destination flow, whoever starts it: AEP's schedule, its UI, another tool.

    The next delivery is the first one that **ends** after this task first began in its DAG run, or after ``since``. One
    that was in progress then counts. What had ended by then is noted: a retry, a clear or a restart goes on waiting for
    the same delivery, and once it is found the task always returns that one.

    :param flow: destination flow, by id or by name. (templated)
    :param audience: audience, by id or by name; None: the next delivery of any audience of the flow. (templated)
    :param since: a delivery that has ended since this time counts too, by AEP's clock; a datetime or ISO 8601 (UTC if
        it names no time zone), such as ``{{ data_interval_end }}``; None: since the task first began. (templated)
    :param on_failed_run: if the next delivery has failed: ``fail`` (default), or ``wait`` for the next one after it;
        what ``on_partial_success`` does not accept has failed too. (templated)
    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``. (templated)
    :param sandbox_name: sandbox; None takes the connection's. (templated)
    :param on_partial_success: ``fail`` (default) or ``accept``. (templated)
    :param on_failed_records: a success that lost records: ``warn`` (default) or ``fail``. (templated)
    :param activation_timeout_minutes: how long to wait, minutes; default 1440, a day. (templated)
    :param poll_interval: longest pause between two polls, seconds; default 60. (templated)
    :param deferrable: wait in the triggerer (default); if False, as Airflow's ``mode`` says (``poke`` holds a worker
        slot, ``reschedule`` does not).

    Airflow's own ``timeout`` and ``poke_interval``, if given here or in ``default_args``, stand for
    ``activation_timeout_minutes`` and ``poll_interval``.

    Returns ``{"run_id", "flow_id", "audience_ids" (at most 100), "audience_count", "status", "records_exported",
    "records_skipped", "records_failed", "files", "bytes", "created_at", "started_at", "completed_at", "error_code",
    "error"}``: records, files and bytes of the audience, or of the whole run where no audience was given; times in
    ISO 8601; None where AEP does not say.

    Raises :class:`~.errors.AepDeliveryError` if that delivery has failed, :class:`~.errors.AepDeadlineError` if none
    has ended in time. After a failure clear the task: it then waits for the next delivery after the failed one.

    Source: Adobe, Flow Service API, ``GET /runs``.
    """

    own_settings = (
        "aep_conn_id",
        "sandbox_name",
        "on_partial_success",
        "on_failed_records",
        "activation_timeout_minutes",
        "poll_interval",
    )
    template_fields: Sequence[str] = ("flow", "audience", "since", "on_failed_run", *own_settings)
    limited_by = "activation_timeout_minutes"
    operator_extra_links = (DestinationLink(),)

    def __init__(
        self,
        *,
        flow: Any,
        audience: Any = None,
        since: Any = None,
        on_failed_run: str = "fail",
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox_name: str | None = None,
        on_partial_success: str = "fail",
        on_failed_records: str = "warn",
        activation_timeout_minutes: float = 1440,
        poll_interval: float = 60,
        deferrable: bool = True,
        retry_policy: RetryPolicy | None = AEP_RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.flow = flow
        self.audience = audience
        self.since = since
        self.on_failed_run = on_failed_run
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self.on_partial_success = on_partial_success
        self.on_failed_records = on_failed_records
        self.activation_timeout_minutes = activation_timeout_minutes
        self.poll_interval = poll_interval
        self.deferrable = deferrable

    def _begin(self, context: Context) -> Any:
        """Fix which delivery is the next one, look once, and wait."""
        deadline = self._delivery_ends(context).at
        if not self.deferrable:
            self.poke_interval, self.timeout = poke_settings(
                self.options.poll_interval, self.options.activation_timeout_minutes
            )
            return self._poke_on(context)
        fixed = self._fixed(context)
        if (run := self._found(context)) is not None:
            return self._verdict(context, run)
        sought = self._sought(fixed)
        trigger = DeliveryTrigger(
            flow_id=sought.flow_id,
            audience_ids=sought.audience_ids,
            statuses=sorted(sought.statuses),
            ended_since=fixed["since"],
            mark=fixed["mark"],
            **self._trigger_arguments(deadline),
        )
        self.log.info("Waiting for %s, until %s UTC", self._title(fixed), f"{deadline:%Y-%m-%d %H:%M}")
        return self.execute_complete(context, self._wait(context, trigger, deadline))

    _trouble = ""
    _just_read: list[FlowRun] | None = None
    """What the first look has read, which serves as the second one too."""

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Ask AEP once, for sensors that do not use the triggerer."""
        try:
            run, self._trouble = self._found(context), ""
        except AepTransientError as error:
            if error.call != self._trouble:
                self.log.warning("%s", error)
            run, self._trouble = None, error.call
        if run is not None:
            return PokeReturnValue(is_done=True, xcom_value=self._verdict(context, run))
        if now() >= self._delivery_ends(context).at:
            raise self._too_late(context)
        return False

    def execute_complete(self, context: Context, event: object = None) -> Any:
        """Judge the delivery after the trigger; when the time is over, AEP is asked once more."""
        status, _ = read_event(event)
        if status == "done" and isinstance(event, dict):
            self._note(context, {**self._fixed(context), "run_id": str(event.get("run_id", ""))})
        run = self._found(context)
        if run is None:
            raise self._too_late(context)
        return self._verdict(context, run)

    # -- which one is the next

    def _fixed(self, context: Context) -> dict[str, Any]:
        """Return which delivery is the next one: fixed once in a DAG run, when the task first begins."""
        asked = [*self._asked, self._since_given]
        kept = TaskStore(context).get(NEXT)
        if isinstance(kept, dict) and kept["asked"] != asked:
            self.log.warning("This task waited for another delivery before it was changed: it begins anew")
            kept = None
        if not isinstance(kept, dict):
            self._note(context, {"asked": asked, "begun": now().isoformat()})
            return self._note(context, self._fix(asked, self._since_given))
        if "mark" not in kept:  # AEP could not be asked when the task began: then our own clock must do
            return self._note(context, self._fix(asked, self._since_given or str(kept["begun"])))
        if kept["failed"] and kept["max_tries"] != context["ti"].max_tries:
            passed = RunMark.require(kept["mark"]).with_told(kept["run_id"]).to_json()
            return self._note(context, {**kept, "mark": passed, "run_id": None, "failed": False})
        return kept

    def _fix(self, asked: list[str | None], since: str | None) -> dict[str, Any]:
        """Look up what is meant, and note what has ended so far."""
        fixed = {"asked": asked, "since": since, "run_id": None, "failed": False, **self._looked_up()}
        sought = self._sought(fixed)
        runs = self._just_read = self.hook.call(run_news.runs_call(sought.flow_id, [run_news.wanted(sought, None)]))
        settings = self.hook.settings
        place = f"{settings.org_id}/{settings.sandbox_name}"
        return {**fixed, "mark": run_news.first_mark(place, runs, now(), sought.ended_since).to_json()}

    def _note(self, context: Context, fixed: dict[str, Any]) -> dict[str, Any]:
        fixed = {**fixed, "max_tries": context["ti"].max_tries}
        TaskStore(context).set(NEXT, fixed)
        return fixed

    @cached_property
    def _asked(self) -> Pair:
        """The flow and the audience as they were given, checked; no audience is empty text."""
        flow, audience = self.given("flow"), self.given("audience") or ""
        faults = [fault] if (fault := check_name(flow, "flow")) else []
        if audience and (fault := check_name(audience, "audience")):
            faults.append(fault)
        if self.on_failed_run not in ("fail", "wait"):
            faults.append(f"on_failed_run is {self.on_failed_run!r}: choose fail or wait")
        if faults:
            raise AepInputError(faults)
        return Pair(flow, audience)

    @cached_property
    def _since_given(self) -> str | None:
        since: dt.datetime | None = self.given("since")
        return since.astimezone(dt.UTC).isoformat() if since else None

    def _looked_up(self) -> dict[str, Any]:
        """Return the ids of flow and audience, and their names."""
        findings = resolve([self._asked], self.hook.call)
        if findings.faults:
            raise AepInputError(shorten([str(fault) for fault in findings.faults]))
        for warning in shorten(findings.warnings):
            self.log.warning("%s", warning)
        [pair] = findings.pairs
        audience_ids = [pair.audience_id, findings.aliases.get(pair.audience_id, "")]
        return {
            "flow_id": pair.flow_id,
            "audience_ids": [ident for ident in audience_ids if ident],
            "names": findings.names([pair]),
        }

    def _sought(self, fixed: dict[str, Any]) -> Sought:
        sought = Sought(fixed["flow_id"], tuple(fixed["audience_ids"]))
        since = dt.datetime.fromisoformat(fixed["since"]) if fixed["since"] else None
        good = {RunStatus.SUCCESS.value, *([RunStatus.PARTIAL_SUCCESS.value] if self._accepts_partial else [])}
        statuses = frozenset(good) if self.on_failed_run == "wait" else sought.statuses
        return Sought(sought.flow_id, sought.audience_ids, statuses, since)

    @property
    def _accepts_partial(self) -> bool:
        return self.options.accepted["accept_partial"]

    def _found(self, context: Context) -> FlowRun | None:
        """Return the run that is the next delivery, once it has ended; it is noted when it is first seen."""
        fixed = self._fixed(context)
        metrics.count(metrics.POLLS, {"poll": DeliveryTrigger.POLL, **self._tags()})
        if fixed["run_id"]:
            run = self.hook.call(endpoints.run(fixed["run_id"]))
            if not run.status.is_terminal:  # it was listed as ended: a node of AEP's lags
                raise AepTransientError("GET /runs/{id}", text=f"run {run.id}, which had ended, is in progress")
            return run
        sought, mark = self._sought(fixed), RunMark.require(fixed["mark"])
        runs, self._just_read = self._just_read, None
        if runs is None:
            runs = self.hook.call(run_news.runs_call(sought.flow_id, [run_news.wanted(sought, mark)]))
        news = run_news.look(runs, mark, sought).news
        if not news:
            return None
        self._note(context, {**fixed, "run_id": news[0].id})
        return news[0]

    # -- what became of it

    def _verdict(self, context: Context, run: FlowRun) -> dict[str, object]:
        """Return the delivery, or fail if it is none.

        :raises AepDeliveryError: naming what was not delivered.
        """
        fixed = self._fixed(context)
        self._push_link(context, fixed["flow_id"])
        own, names = tuple(fixed["audience_ids"]), fixed["names"]
        pairs = [Pair(fixed["flow_id"], ident) for ident in (own[:1] or sorted(run.audiences))] or [Pair("", "")]
        aliases = dict([own]) if len(own) == 2 else {}
        results = results_of([Activation(*pair, run.id) for pair in pairs], {run.id: run}, aliases)
        for line in losses_of(results, names):
            self.log.warning("%s", line)
        bad = [item for item in results if not is_delivered(item, **self.options.accepted)]
        if bad:
            self._note(context, {**fixed, "run_id": run.id, "failed": True})
            listed = "\n".join(f"  - {line}" for line in shorten([line_of(item, names) for item in bad]))
            what = "lost records" if all(map(is_lossy, bad)) else "did not succeed"
            raise AepDeliveryError(
                f"The delivery that this task waited for {what}:\n{listed}\nClear this task to wait for the next one."
            )
        self.log.info("AEP has delivered: flow run %s, %s", run.id, self._title(fixed))
        return run_news.describe(run, self._sought(fixed))

    @staticmethod
    def _title(fixed: dict[str, Any]) -> str:
        audience = f"audience {named(fixed['audience_ids'][0], fixed['names'])} to " if fixed["audience_ids"] else ""
        return f"the next delivery of {audience}flow {named(fixed['flow_id'], fixed['names'])}"

    def _delivery_ends(self, context: Context) -> Deadline:
        return self._deadline(context, "delivery", self.options.activation_timeout_minutes)

    def _too_late(self, context: Context) -> WaitTimeoutError:
        title = self._title(self._fixed(context))
        self._delivery_ends(context).require(title)
        minutes = self.options.activation_timeout_minutes
        return WaitTimeoutError(
            f"Waited {dt.timedelta(minutes=minutes)} (activation_timeout_minutes = {minutes:g}) for {title}. Look "
            "under Destinations > Browse in AEP whether the flow is enabled and when it delivers, then clear this task "
            "to wait again."
        )
