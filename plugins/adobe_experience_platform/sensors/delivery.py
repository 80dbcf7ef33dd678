"""Waits for the next delivery of a destination flow or an audience, whoever started it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import Context, PokeReturnValue

from adobe_experience_platform.aep import DEFAULT_CONN_ID, FlowRun, Pair
from adobe_experience_platform.delivery import (
    Result,
    check_name,
    is_delivered,
    line_of,
    losses_of,
    next_delivery,
    resolve,
    run_lists,
    run_news,
    shorten,
    what_failed,
)
from adobe_experience_platform.delivery.next_delivery import Note
from adobe_experience_platform.delivery.run_news import RunMark, Sought
from adobe_experience_platform.errors import AepDeliveryError, AepInputError, AepTransientError
from adobe_experience_platform.hooks import metrics
from adobe_experience_platform.operators import (
    Deadline,
    DestinationLink,
    TaskStore,
    WaitTimeoutError,
    now,
    read_event,
)
from adobe_experience_platform.triggers import FAILURES_ALLOWED, DeliveryTrigger, resume_pause

from .base import AepSensor

NEXT = "next"
"""Store key: which delivery is the next one, fixed when the task first began; and which run it was."""


class DeliverySensor(AepSensor):
    """Wait for the next delivery of a flow or an audience, whoever starts it: AEP's schedule, its UI, another tool.

    The next delivery is the first one that **ends** after this task first began in its DAG run, or after ``since``. One
    that was in progress then counts. What had ended by then is noted: a retry, a clear or a restart goes on waiting for
    the same delivery, and once it is found the task always returns that one.

    :param flow: destination flow, by id or by name; None: any that the audience is mapped to, also one that gets it
        while the task waits. (templated)
    :param audience: audience, by id or by name; None: the next delivery of any audience of the flow. (templated)
    :param since: a delivery that has ended since this time counts too, by AEP's clock; a datetime or ISO 8601 (UTC if
        it names no time zone), such as ``{{ data_interval_end }}``; None: since the task first began. (templated)
    :param on_failed_run: if the next delivery has failed: ``fail`` (default), or ``wait`` for the next one after it;
        what ``on_partial_success`` does not accept has failed too. (templated)
    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``. (templated)
    :param sandbox_name: sandbox; None takes the connection's. (templated)
    :param on_partial_success: ``fail`` (default) or ``accept``. (templated)
    :param on_failed_records: a success that lost or may lack records: ``warn`` (default) or ``fail``. (templated)
    :param activation_timeout_minutes: how long to wait, minutes; default 1440, a day. (templated)
    :param poll_interval: longest pause between two polls, seconds; default 60. (templated)
    :param deferrable: wait in the triggerer (default); if False, as Airflow's ``mode`` says (``poke`` holds a worker
        slot, ``reschedule`` does not).

    Airflow's own ``timeout`` and ``poke_interval``, if given here or in ``default_args``, stand for
    ``activation_timeout_minutes`` and ``poll_interval``.

    Returns ``{"run_id", "flow_id", "audience_ids" (at most 100), "audience_count", "status", "records_exported",
    "records_skipped", "records_failed", "loss", "files", "bytes", "created_at", "started_at", "completed_at",
    "error_code", "error"}``: records, files and bytes of the audience, or of the whole run where no audience was given;
    ``loss`` says why a success may lack records, else it is ""; times in ISO 8601; None where AEP does not say.

    Raises :class:`~.errors.AepDeliveryError` if that delivery has failed, :class:`~.errors.AepDeadlineError` if none
    has ended in time. After a failure clear the task: it then waits for the next delivery after the failed one.

    Source: Adobe, Flow Service API, ``GET /runs``.
    """

    template_fields: Sequence[str] = ("flow", "audience", "since", "on_failed_run")
    limited_by = "activation_timeout_minutes"
    operator_extra_links = (DestinationLink(),)

    def __init__(
        self,
        *,
        flow: Any = None,
        audience: Any = None,
        since: Any = None,
        on_failed_run: str = "fail",
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox_name: str | None = None,
        on_partial_success: str = "fail",
        on_failed_records: str = "warn",
        activation_timeout_minutes: float = 1440,
        poll_interval: float = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
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
        self._mappings = run_lists.Mappings()

    def _begin(self, context: Context) -> Any:
        """Fix which delivery is the next one, look once, and wait."""
        deadline = self._delivery_ends(context).at
        if not self.deferrable:
            return self._poke_on(context)
        if (run := self._found_or_later(context)) is not None:
            return self._verdict(context, run)
        fixed = self._fixed(context)
        sought = self._sought(fixed)
        trigger = DeliveryTrigger(
            flow_id=sought.flow_id,
            audience_ids=sought.audience_ids,
            statuses=sorted(sought.statuses),
            ended_since=fixed["since"],
            mark=fixed["mark"],
            **self._trigger_arguments(deadline),
        )
        self.log.info("Waiting for %s, until %s UTC", next_delivery.title_of(fixed), f"{deadline:%Y-%m-%d %H:%M}")
        return self.execute_complete(context, self._wait(context, trigger, deadline))

    _just_read: list[FlowRun] | None = None
    """What the first look has read, which serves as the second one too."""

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Ask AEP once, for sensors that do not use the triggerer."""
        try:
            run, self._trouble = self._found(context), ""
        except AepTransientError as error:
            self._note_trouble(error)
            run = None
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
        run = self._found_or_later(context)
        if run is not None:
            return self._verdict(context, run)
        if status == "done":  # what the trigger has found is passed over
            return self._begin(context)
        raise self._too_late(context)

    _failures = 0
    """Looks in a row that have failed before this one."""

    def _found_or_later(self, context: Context) -> FlowRun | None:
        """Look once; a failed request does not end the wait, and is repeated by a later process."""
        try:
            return self._found(context)
        except AepTransientError as error:
            left = (self._delivery_ends(context).at - now()).total_seconds()
            if left <= 0 or self._failures + 1 >= FAILURES_ALLOWED:
                raise
            if not self._failures:
                self.log.warning("%s", error)
            pause = max(min(max(error.retry_after or 0.0, self.options.poll_interval), left), resume_pause())
            trigger = DateTimeTrigger(moment=now() + dt.timedelta(seconds=pause))
            self.defer(trigger=trigger, method_name="look_again", kwargs={"failures": self._failures + 1})
            raise AssertionError("defer() does not return") from None

    def look_again(self, context: Context, failures: int, event: object = None) -> Any:
        """Go on after the pause that follows a failed request."""
        self._failures = failures
        return self._begin(context)

    # -- which one is the next

    def _fixed(self, context: Context) -> Note:
        """Return which delivery is the next one: fixed once in a DAG run, when the task first begins."""
        asked = [*self._asked, self._since_given, self.connection.place]
        kept = next_delivery.read_note(TaskStore(context).get(NEXT))
        if kept is not None and kept["asked"] != asked:
            self.log.warning("This task waited for another delivery before it was changed: it starts over")
            kept = None
        if kept is None:
            self._note(context, {"asked": asked, "begun": now().isoformat()})
            return self._note(context, self._fix(asked, self._since_given))
        if "mark" not in kept:  # AEP could not be asked when the task began: then our own clock must do
            return self._note(context, self._fix(asked, self._since_given or str(kept["begun"])))
        if kept["failed"] and kept["max_tries"] != context["ti"].max_tries:
            return self._note(context, next_delivery.passed(kept, kept["run_id"]))
        return kept

    def _fix(self, asked: list[str | None], since: str | None) -> Note:
        """Look up what is meant, and note what has ended so far."""
        fixed = {"asked": asked, "since": since, "run_id": None, "failed": False, **self._looked_up()}
        sought = self._sought(fixed)
        self._just_read = runs = self._runs(sought, None)
        place, carriers = self.connection.place, self._mappings.of(sought.whose)
        return {**fixed, "mark": run_news.first_mark(place, runs, now(), sought.ended_since, carriers).to_json()}

    def _runs(self, sought: Sought, mark: RunMark | None) -> list[FlowRun]:
        return self.hook.call(
            run_lists.runs_call(sought.whose, [run_lists.wanted(sought, mark)], self._mappings, now())
        )

    def _note(self, context: Context, fixed: Note) -> Note:
        fixed = {**fixed, "max_tries": context["ti"].max_tries}
        TaskStore(context).set(NEXT, fixed)
        return fixed

    @cached_property
    def _asked(self) -> Pair:
        """The flow and the audience as they were given, checked; no audience is empty text."""
        flow, audience = self.given("flow"), self.given("audience") or ""
        if self.flow is None:  # not a template that renders to nothing
            flow, faults = "", [] if audience else ["flow and audience are missing: enter either, or both"]
        else:
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

    def _looked_up(self) -> Note:
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

    def _sought(self, note: Note) -> Sought:
        accept_partial = self.options.accepted["accept_partial"]
        return next_delivery.sought_of(note, accept_partial=accept_partial, wait_for_good=self.on_failed_run == "wait")

    def _found(self, context: Context) -> FlowRun | None:
        """Return the run that is the next delivery, once it has ended; it is noted when it is first seen."""
        fixed = self._fixed(context)
        metrics.count(metrics.POLLS, {"poll": DeliveryTrigger.POLL, **self._tags()})
        if fixed["run_id"]:
            run = self.hook.call(next_delivery.ended_run(fixed["run_id"]))
            if not self._passes_over(fixed, run):
                return run
            fixed = self._note(context, next_delivery.passed(fixed, run.id))
        sought, mark = self._sought(fixed), next_delivery.mark_of(fixed)
        runs, self._just_read = self._just_read, None
        runs = self._runs(sought, mark) if runs is None else runs
        found = run_news.look(runs, mark, sought, now(), carriers=self._mappings.of(sought.whose))
        if not self.deferrable:
            fixed = self._say(context, fixed, found.others)
        for run in found.news:
            if not self._passes_over(fixed, run):
                self._note(context, {**fixed, "run_id": run.id})
                return run
            fixed = self._note(context, next_delivery.passed(fixed, run.id))
        return None

    def _passes_over(self, fixed: Note, run: FlowRun) -> bool:
        return self.on_failed_run == "wait" and bool(self._bad(next_delivery.results_in(fixed, run)))

    def _say(self, context: Context, fixed: Note, others: Sequence[FlowRun]) -> Note:
        """Log what ended and does not count, once; a rescheduled sensor's next process does not know what was said."""
        said = list(fixed.get("said", []))
        if not (new := [run for run in others if run.id not in said]):
            return fixed
        for line in next_delivery.lines_of(new, self._sought(fixed)):
            self.log.warning("%s", line)
        return self._note(context, {**fixed, "said": [*said, *(run.id for run in new)][-next_delivery.MOST_SAID :]})

    # -- what became of it

    def _verdict(self, context: Context, run: FlowRun) -> dict[str, object]:
        """Return the delivery, or fail if it is none.

        :raises AepDeliveryError: naming what was not delivered.
        """
        fixed = self._fixed(context)
        self._link_to(fixed["flow_id"] or run.flow_id)
        names, results = self.hook.call(next_delivery.names_in(fixed, run)), next_delivery.results_in(fixed, run)
        for line in losses_of(results, names):
            self.log.warning("%s", line)
        if bad := self._bad(results):
            self._note(context, {**fixed, "run_id": run.id, "failed": True})
            listed = "\n".join(f"  - {line}" for line in shorten([line_of(item, names) for item in bad]))
            what = what_failed(bad)
            raise AepDeliveryError(
                f"The delivery that this task waited for {what}:\n{listed}\nClear this task to wait for the next one."
            )
        self.log.info("AEP has delivered: flow run %s, %s", run.id, next_delivery.title_of(fixed))
        return run_news.describe(run, self._sought(fixed))

    def _bad(self, results: Sequence[Result]) -> list[Result]:
        return [item for item in results if not is_delivered(item, **self.options.accepted)]

    def _delivery_ends(self, context: Context) -> Deadline:
        return self._deadline(context, "delivery", self.options.activation_timeout_minutes)

    def _too_late(self, context: Context) -> WaitTimeoutError:
        title = next_delivery.title_of(self._fixed(context))
        self._delivery_ends(context).require(title)
        minutes = self.options.activation_timeout_minutes
        return WaitTimeoutError(
            f"Waited {dt.timedelta(minutes=minutes)} (activation_timeout_minutes = {minutes:g}) for {title}. Look "
            "in AEP under Destinations > Browse what is enabled and when it delivers, then clear this task to wait "
            "again."
        )
