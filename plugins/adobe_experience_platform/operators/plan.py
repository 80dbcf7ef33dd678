"""``plan_jobs``: everything is validated, looked up and shown before anything is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import Context
from airflow.sdk.exceptions import DownstreamTasksSkipped

from adobe_experience_platform.aep import Pair, count, short_repr
from adobe_experience_platform.delivery import (
    MAX_PAIRS_PER_RUN,
    CampaignDay,
    DayAction,
    Findings,
    Job,
    Outlook,
    ids_of,
    labelled,
    look,
    preflight,
    read_activation_info,
    read_settings,
    shorten,
    split,
    xcom,
)
from adobe_experience_platform.errors import AepError, AepInputError, AepSubmissionError
from adobe_experience_platform.triggers import resume_pause, submissions_asset

from .base import AepTask, Deadline, clears_of, now
from .campaign_gate import DayGate
from .notes import NotedStore
from .owners import register
from .tables import folded, table

AIRFLOW_CONF_KEYS = frozenset({"openlineage"})
"""Keys that Airflow itself adds to a run's conf (TriggerDagRunOperator with OpenLineage)."""
PLAN_HEAD = ("Job", "Destination", "Audience", "Last delivery", "Audience size", "Flow id", "Audience id", "File name")
FIGURE_ATTEMPTS, FIGURE_PATIENCE = 2, 15.0
"""Attempts of each call for figures that are only shown, and seconds that it waits where AEP asks for a pause."""


class PlanJobsOperator(AepTask):
    """Validate a delivery, check it against AEP, split it into jobs and print what will happen.

    All faults come in one message, before anything is sent. The split is kept in the task's state store
    and returned unchanged when the task runs again, so that a cleared run keeps its jobs, and its names their ids.

    :param activation_info: {flow: [audience, …]}, each by its id or by its name as AEP shows it. (templated)
    :param settings: name → value of the delivery's settings, see :class:`~.settings.DeliverySettings`; what is left out
        has its default. (templated)
    :param check_conf: refuse conf keys that are no params of the DAG; default True.
    :param skip_on_dry_run: ids of the tasks that a dry run skips, or a run that must not deliver.
    :param campaign_day: the campaign's day rules, a :class:`~.campaign_day.CampaignDay`; None (default): no rules.
    :param labels: id → how people call it; shown beside AEP's own name.
    :param has_approval: whether a person is asked before anything is sent; default False.
    :param deferrable: wait for ``not_before`` in the triggerer (default) instead of holding a worker slot.

    Returns the jobs: ``[{"job", "of", "activation_info", "aliases"}, …]``; the XCom ``briefing`` is a
    :class:`~.xcom.Briefing`; the XCom ``campaign_day`` says whether the run delivers under its day rules, and why.

    Raises :class:`~.errors.AepInputError` with every fault, :class:`~.errors.AepCampaignDayError` when a day's
    delivery is overdue.
    """

    template_fields: Sequence[str] = ("activation_info", "settings")

    def __init__(
        self,
        *,
        activation_info: Any,
        settings: Mapping[str, Any] | None = None,
        check_conf: bool = True,
        skip_on_dry_run: Collection[str] = (),
        campaign_day: CampaignDay | None = None,
        labels: Mapping[str, str] | None = None,
        has_approval: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation_info = activation_info
        self.settings = settings
        self.check_conf = check_conf
        self.skip_on_dry_run = sorted(skip_on_dry_run)
        self.campaign_day = campaign_day
        self.labels = {str(ident): str(label) for ident, label in (labels or {}).items()}
        self.has_approval = has_approval
        self.inlets = [*self.inlets, submissions_asset()]
        self.outlets = [*self.outlets, submissions_asset()]

    @classmethod
    def lists_pairs(cls, given: Mapping[str, Any]) -> bool:
        """Every plan does."""
        return True

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Judge the day, validate, look up, plan."""
        kept, place, known, asks = self._kept(context)
        if kept:
            # First of all: should this try fail, the report still knows what the run is about.
            context["ti"].xcom_push(key=xcom.RETURN_VALUE, value=[job.to_json() for job in kept])
        gate = DayGate(context, self.campaign_day, self.log) if self.campaign_day else None
        if gate:
            self._ask_the_day(context, gate)
        self._options, setting_faults = read_settings(self.given("settings") or {})
        asked, faults = read_activation_info(self.given("activation_info"), names=True)
        if (guard := self.options.size_guard) and not self.has_approval:
            faults += guard.faults_without_approval()
        faults = [*self._conf_faults(context), *faults, *setting_faults]
        findings = self._look_up(asked, known, faults)
        pairs = findings.pairs
        faults += [str(fault) for fault in findings.faults]
        groups: list[tuple[Pair, ...]] = []
        if not any(fault.startswith("max_audiences_per_job") for fault in faults):
            try:
                groups = split(pairs, self.options.max_audiences_per_job)
            except AepInputError as error:
                faults += error.faults
        if kept and not faults:
            faults += self._changes(kept, place, pairs)
        if faults:
            self._refuse(context, faults)
        if gate and not self.options.dry_run and self._has_waited(context, gate):
            return self.execute(context)
        outlooks = self._look_ahead(findings)
        asks = self._guard(context, findings, outlooks, asks if kept else None)
        if gate and not self.options.dry_run:
            # Once more: the look-ups have taken their time, and another run may have taken the day.
            self._ask_the_day(context, gate)
            if self._has_waited(context, gate):
                return self.execute(context)
            gate.take()
        jobs = kept or self._split(context, groups, findings, asks)
        if self.has_approval or self.options.dry_run:
            found = asks if guard and guard.on_breach == "ask" else None
            context["ti"].xcom_push(key=xcom.OUTLOOK, value=xcom.outlook_note(outlooks, found, findings.warnings))
        return self._publish(context, jobs, findings, outlooks)

    @staticmethod
    def _refuse(context: Context, faults: Sequence[str]) -> NoReturn:
        intro = "This attempt sent nothing." if clears_of(context) else "Nothing was sent."
        raise AepInputError(shorten(faults), intro=intro)

    def _ask_the_day(self, context: Context, gate: DayGate) -> None:
        """Go on, or skip all other tasks, as the campaign's day says."""
        if gate.decide().act in (DayAction.SKIP, DayAction.TOO_LATE):
            gate.skip()
            self._skip_the_rest(context)

    def _has_waited(self, context: Context, gate: DayGate) -> bool:
        """Wait where the campaign's day says so; what has been looked up is old then."""
        decision = gate.decision
        if decision.wait_until is not None:
            self._wait_until(context, decision.wait_until, decision.reason)
        return decision.wait_until is not None

    def _look_ahead(self, findings: Findings) -> dict[Pair, Outlook]:
        """Ask AEP what is known of each pair before it is delivered; without a guard, little time is spent on it."""
        if self.options.size_guard:
            return look(findings, self.hook.call)
        # A hook of its own: for figures that are only shown, no pause of AEP's is waited for in the triggerer.
        hook = type(self.hook)(self.options.aep_conn_id, self.options.sandbox_name, self.hook.settings)
        hook.attempts, hook.patience = FIGURE_ATTEMPTS, FIGURE_PATIENCE
        return look(findings, hook.call)

    def _guard(
        self, context: Context, findings: Findings, outlooks: Mapping[Pair, Outlook], kept: Sequence[str] | None
    ) -> list[str]:
        """Refuse what the size guard forbids; return what a person is to decide on.

        :param kept: the same of a kept plan, None without one. A part of it may be delivered: nothing is refused then.
        """
        if (guard := self.options.size_guard) is None:
            return []
        ruling = guard.judge(findings, outlooks)
        findings.warnings += ruling.warnings
        if kept is not None:
            let_through = "this run goes on, because its plan was let through before"
            findings.warnings += [f"{fault} ({let_through})" for fault in ruling.faults]
            return list(dict.fromkeys([*ruling.asks, *kept]))
        if ruling.faults:
            self._warn(findings)  # they say why something is not known
            self._refuse(context, ruling.faults)
        return ruling.asks

    def _warn(self, findings: Findings) -> None:
        for warning in shorten(findings.warnings):
            self.log.warning("%s", warning)

    def _publish(
        self, context: Context, jobs: Sequence[Job], findings: Findings, outlooks: Mapping[Pair, Outlook]
    ) -> list[dict[str, Any]]:
        pairs = findings.pairs
        ids = {text: ident for pair, asked in findings.given.items() for text, ident in zip(asked, pair, strict=True)}
        labels = {ids.get(key, key): label for key, label in self.labels.items()}
        names = labelled(findings.names(pairs), labels)
        settings = self.hook.settings
        place = xcom.Place(sandbox_name=settings.sandbox_name, tenant=settings.tenant)
        briefing = xcom.Briefing(settings=self.options.to_json(), names=names, place=place)
        context["ti"].xcom_push(key=xcom.BRIEFING, value=briefing)
        self._show(jobs, names, findings, outlooks)
        if self.options.dry_run:
            self.log.info("Dry run: nothing was sent, and the tasks that follow are skipped.")
            self._skip_the_rest(context)
        register(context, [job.pairs for job in jobs])
        return [job.to_json() for job in jobs]

    def execute_complete(self, context: Context, event: object = None) -> list[dict[str, Any]]:
        """Plan after the wait for ``not_before``; what was looked up before it may have changed."""
        return self.execute(context)

    def _wait_until(self, context: Context, until: dt.datetime, reason: str) -> None:
        ends = self._try_ends(context)
        if ends is not None and ends < until:
            if now() >= ends:
                Deadline(ends, self.execution_timeout).require(f"the wait until {until:%Y-%m-%d %H:%M} UTC, {reason}")
            until = ends
        self.log.info("The plan is valid. Waiting until %s UTC: %s.", f"{until:%Y-%m-%d %H:%M}", reason)
        # Not shorter: Airflow would treat the resumed task as killed.
        moment = max(until, now() + dt.timedelta(seconds=resume_pause() if self.deferrable else 0))
        self._wait(context, DateTimeTrigger(moment=moment), moment)

    def _skip_the_rest(self, context: Context) -> NoReturn:
        context["ti"].xcom_push(key=xcom.RETURN_VALUE, value=[])
        raise DownstreamTasksSkipped(tasks=list(self.skip_on_dry_run))

    def _conf_faults(self, context: Context) -> list[str]:
        """Refuse keys that nobody reads: a misspelt ``dryrun`` must not deliver."""
        if not self.check_conf:
            return []
        conf: Mapping[str, Any] = context["dag_run"].conf or {}
        known = set(self.dag.params) | AIRFLOW_CONF_KEYS
        listed = ", ".join(sorted(self.dag.params)) or "none"
        return [
            f"conf key {short_repr(key)} is unknown: correct or remove it (this DAG's params: {listed})"
            for key in conf
            if key not in known
        ]

    def _look_up(self, asked: Sequence[Pair], known: Mapping[Pair, Pair], faults: list[str]) -> Findings:
        """Ask AEP about every flow; faults of the input and of AEP come together.

        :param known: what was asked for → its ids, as an earlier try has found them.
        """
        place_is_known = not any(fault.startswith(("aep_conn_id", "sandbox_name")) for fault in faults)
        if 0 < len(asked) <= MAX_PAIRS_PER_RUN and place_is_known:
            try:
                return preflight.inspect(asked, self.hook.call, now(), known)
            except AepError as error:
                if not faults:
                    raise
                faults.append(f"in addition, looking up the flows failed: {error}")
        return Findings(pairs=list(asked))

    def _kept(self, context: Context) -> tuple[list[Job], object, dict[Pair, Pair], list[str]]:
        """Return what an earlier try of this run has planned: jobs, where, what was asked for → its ids, what to ask.

        :raises AepSubmissionError: if some of them are missing; what the run has sent is not known then.
        """
        store = NotedStore(context, ())
        plan = store.kept("jobs")
        if plan is None:
            return [], None, {}, []
        try:
            kept: Any = plan
            stored: list[Any] = [store.kept(f"job_{number + 1}") for number in range(kept["count"])]
            known = ids_of(given for item in stored for given in item["given"])
            return [Job.from_json(item) for item in stored], kept["place"], known, list(kept.get("asks", ()))
        except (AepInputError, AttributeError, LookupError, TypeError):
            raise AepSubmissionError(
                "The plan that this run has kept is damaged, so it cannot go on. Look up in AEP what it delivered, and "
                "start a new run with only what is missing."
            ) from None

    def _changes(self, kept: Sequence[Job], place: object, pairs: Sequence[Pair]) -> list[str]:
        """Return what differs from the kept plan: a run is one delivery."""
        planned = [pair for job in kept for pair in job.pairs]
        differing = [("added", pair) for pair in pairs if pair not in set(planned)]
        differing += [("removed", pair) for pair in planned if pair not in set(pairs)]
        changes = [f"audience {pair.audience_id} of flow {pair.flow_id} was {how}" for how, pair in differing]
        if self.options.dry_run:
            changes.append("dry_run was switched on")
        if place != self._place():
            changes.append(f"the sandbox or the organization is another one ({self.hook.settings.sandbox_name})")
        return [
            f"{change} since this run was planned, and a run is one delivery: start a new run with only what is not "
            "delivered yet"
            for change in changes
        ]

    def _place(self) -> list[str]:
        return [self.hook.settings.org_id, self.hook.settings.sandbox_name]

    def _split(
        self, context: Context, groups: Sequence[tuple[Pair, ...]], findings: Findings, asks: Sequence[str]
    ) -> list[Job]:
        """Make the jobs, and keep them for later tries of this run."""
        jobs = []
        for number, group in enumerate(groups, start=1):
            ids = {pair.audience_id for pair in group}
            aliases = {key: value for key, value in findings.aliases.items() if key in ids}
            jobs.append(Job(number, len(groups), group, aliases))
        if not self.options.dry_run:
            store = NotedStore(context, ())
            store.note_run()
            if not self._is_alone(context):
                store.hold([pair for job in jobs for pair in job.pairs])
            store.announce(["jobs", *(f"job_{job.number}" for job in jobs)])
            for job in jobs:
                store.set(f"job_{job.number}", {**job.to_json(), "given": findings.named(job.pairs)})
            store.set("jobs", {"count": len(jobs), "place": self._place(), "asks": list(asks)})
        return jobs

    def _show(
        self, jobs: Sequence[Job], names: Mapping[str, str], findings: Findings, outlooks: Mapping[Pair, Outlook]
    ) -> None:
        """Print what will happen, with names beside ids, and what AEP tells of the last delivery and of the size."""
        settings, pairs = self.hook.settings, findings.pairs
        self.log.info(
            "Will deliver %s to %s in %s, from sandbox %s of %s, API %s",
            count(len(pairs), "audience"),
            count(len({pair.flow_id for pair in pairs}), "destination"),
            count(len(jobs), "job"),
            settings.sandbox_name,
            settings.org_id,
            self.options.api_version,
        )
        rows = []
        for job in jobs:
            for pair in job.pairs:
                last, size, file = outlooks[pair].cells
                called = (names.get(ident, "") for ident in pair)
                rows.append((str(job.number), *called, last, size, *pair, file))
        lines = table(PLAN_HEAD, rows)
        for line in folded(f"The plan: {count(len(pairs), 'audience')}", lines):
            self.log.info("%s", line)
        self._warn(findings)
