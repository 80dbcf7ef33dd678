"""Which run delivers a campaign day: the rules of :mod:`.campaign_day` applied to a run, and the claim that it makes.

The claims of a DAG are kept in the state store of an asset of its own (``aep_campaign_day/<dag id>``): they outlive
restarts, retries and clears, and people see them in the UI and over the REST API. Airflow's store has no "write if
unchanged", so a claim is looked at again directly before the first activation: with ``max_active_runs`` above 1 two
runs could otherwise take one day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowRuntimeError

from adobe_experience_platform.delivery import CampaignDay, DayAction, DayDecision, Holder, xcom
from adobe_experience_platform.errors import AepCampaignDayError
from adobe_experience_platform.triggers import campaign_day_asset

from .base import TaskStore, WaitTimeoutError, now

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk._shared.logging.types import Logger

STARTED_BY_AIRFLOW = ("asset_triggered", "scheduled", "backfill")
DAYS_KEPT = 60
JUDGED = "campaign_day"
"""Key in the task's own store: this run was to deliver its day."""


class Claims:
    """Which run each campaign day belongs to.

    :param name: of the pipeline within its DAG: the id of its planning task.
    """

    def __init__(self, context: Context, name: str) -> None:
        ti = context["ti"]
        self._ti: Any = ti
        self._store: Any = context["asset_state_store"][campaign_day_asset(ti.dag_id)]
        self._name = name

    def of(self, day: dt.date) -> Holder | None:
        """Return the run that a day belongs to, None if to no run."""
        entry = self._days().get(day.isoformat())
        return self._holder(entry) if entry else None

    def of_export(self, export_id: str) -> Holder | None:
        """Return the run that an export has started, None if none."""
        found = [entry for entry in self._days().values() if export_id and entry.get("export_id") == export_id]
        return self._holder(found[-1]) if found else None

    def take(self, day: dt.date, export_id: str) -> None:
        """Make a day this run's."""
        days = self._days()
        entry = {"run_id": self._ti.run_id, "export_id": export_id, "at": now().isoformat(), "sent": False}
        kept = sorted({**days, day.isoformat(): entry}.items())[-DAYS_KEPT:]
        self._store.set(self._name, {"days": dict(kept)})

    def mark_sent(self, day: dt.date) -> None:
        """Note that this run begins to send: from now on the day stays its own."""
        days = self._days()
        days[day.isoformat()]["sent"] = True
        self._store.set(self._name, {"days": days})

    def _days(self) -> dict[str, dict[str, Any]]:
        stored = self._store.get(self._name)
        days = stored.get("days") if isinstance(stored, Mapping) else None
        return {str(day): dict(entry) for day, entry in days.items()} if isinstance(days, Mapping) else {}

    def _holder(self, entry: Mapping[str, Any]) -> Holder:
        run_id = str(entry.get("run_id", ""))
        state = "running" if run_id == self._ti.run_id else self._state(run_id)
        return Holder(run_id, str(entry.get("export_id", "")), bool(entry.get("sent")), state)

    def _state(self, run_id: str) -> str:
        """Return a run's state, "" when it is gone."""
        try:
            return str(self._ti.get_dagrun_state(self._ti.dag_id, run_id))
        except AirflowRuntimeError as error:
            if (error.error.detail or {}).get("status_code") == 404:
                return ""
            raise


class DayGate:
    """Decides for the planning task whether its run delivers.

    :param rules: of the campaign.
    :param log: the task's.
    """

    def __init__(self, context: Context, rules: CampaignDay, log: Logger) -> None:
        self._context = context
        self._rules = rules
        self._log = log
        self._run: Any = context["dag_run"]
        self._run_id = context["ti"].run_id
        self._claims = Claims(context, context["ti"].task_id)
        self._type = str(getattr(self._run.run_type, "value", self._run.run_type))
        self._manual = self._type not in STARTED_BY_AIRFLOW
        self._export_id = ""
        self._moment = self._read_moment()
        self._holder = self._claims.of(rules.day_of(self._moment))
        self.verdict = self._judge()

    def require(self) -> DayDecision:
        """Return what this run does; it fails where a delivery would be lost in silence.

        :raises AepCampaignDayError: the check on a delivery finds none.
        :raises AepDeadlineError: the run was to deliver, but failed, or did not begin, until it was too late.
        """
        if self._is_check:
            if self.verdict.act is DayAction.TOO_LATE:
                self._tell(overdue=True)
                raise AepCampaignDayError(f"OVERDUE: {self.verdict.reason}.")
            return self.verdict
        store = TaskStore(self._context)
        # A schedule promises a delivery from the start; an export of days ago promises none.
        was_to_deliver = isinstance(store.get(JUDGED), dict) or self._type == "scheduled"
        if self.verdict.act is DayAction.TOO_LATE and was_to_deliver:
            if not _cleared(self._run):
                raise WaitTimeoutError(
                    f"This run was to deliver {self.verdict.day} and has not come to it in time: "
                    f"{self.verdict.reason}. Nothing was sent. Clear this run to deliver all the same."
                )
            self._log.warning("A person has cleared this run, so it delivers although %s", self.verdict.reason)
            self.verdict = DayDecision(DayAction.DELIVER, "a person has cleared this run", self.verdict.day)
        elif self.verdict.act in (DayAction.DELIVER, DayAction.WAIT) and not was_to_deliver:
            store.set(JUDGED, {"day": self.verdict.day.isoformat()})
        return self.verdict

    def skip(self) -> None:
        """Say why this run does not deliver."""
        self._log.info("This run delivers nothing, and the tasks that follow are skipped: %s.", self.verdict.reason)
        self._tell()

    def take(self) -> None:
        """Make the day this run's, and say so."""
        other = self._holder if self._holder and self._holder.run_id != self._run_id else None
        if self._manual and other and other.sent:
            self._log.warning(
                "A person has started this run, so it delivers although %s was delivered by the run %s",
                self.verdict.day,
                other.name,
            )
            self._tell(held=False)
            return
        if other:
            self._log.warning(
                "%s belonged to the run %s, which sent nothing (%s): this run delivers it instead",
                self.verdict.day,
                other.name,
                other.state or "it is gone",
            )
        if other or not self._holder:
            self._claims.take(self.verdict.day, self._export_id)
        self._log.info("Campaign day %s (%s): %s", self.verdict.day, self._rules.timezone, self.verdict.reason)
        self._tell(held=True)

    @property
    def _is_check(self) -> bool:
        return self._rules.due is not None and self._type == "scheduled"

    def _judge(self) -> DayDecision:
        if self._manual:
            return DayDecision(DayAction.DELIVER, "a person has started this run", self._rules.day_of(self._moment))
        if self._is_check:
            return self._rules.judge_overdue(self._moment, self._holder)
        return self._rules.judge(
            self._moment,
            now(),
            run_id=self._run_id,
            export_id=self._export_id,
            holder=self._holder,
            delivered=self._claims.of_export(self._export_id),
        )

    def _read_moment(self) -> dt.datetime:
        """Return what the run was started for: the newest export's end, its schedule's time, or when it was started."""
        moment: dt.datetime = self._run.run_after
        if self._type != "asset_triggered":
            return moment
        told = [_export_of(event) for events in self._context["triggering_asset_events"].values() for event in events]
        if not told:
            return moment
        moment, self._export_id = max(told)
        exports = len({export_id for _, export_id in told})
        self._log.info(
            "Started by %d event(s) of %d segment export(s); the newest is %s, which ended at %s UTC",
            len(told),
            exports,
            self._export_id or "of no known export",
            f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}",
        )
        return moment

    def _tell(self, *, held: bool = False, overdue: bool = False) -> None:
        delivers = self.verdict.act is DayAction.DELIVER and not overdue
        not_after = self._rules.not_after
        late = self._rules.at(self.verdict.day, not_after) if not_after and not self._manual else None
        self._context["ti"].xcom_push(
            key=xcom.CAMPAIGN_DAY,
            value={
                "deliver": delivers,
                "overdue": overdue,
                "day": self.verdict.day.isoformat(),
                "reason": self.verdict.reason,
                "export_id": self._export_id,
                "manual": self._manual,
                "held": held,
                "not_after": late.isoformat() if late else None,
                "plan": self._context["ti"].task_id,
            },
        )


def require_day(context: Context, told: object) -> None:
    """Look at the claim once more, directly before a run sends for the first time, and note that it sends.

    :param told: the XCom ``campaign_day`` of the planning task; None where no rules are set.
    :raises AepCampaignDayError: another run has taken the day meanwhile.
    :raises AepDeadlineError: ``not_after`` has passed while this run waited.
    """
    if not isinstance(told, Mapping) or not told.get("held"):
        return
    claims = Claims(context, str(told["plan"]))
    day = dt.date.fromisoformat(str(told["day"]))
    holder = claims.of(day)
    if holder is None or (holder.run_id == context["ti"].run_id and holder.sent):
        return
    if holder.run_id != context["ti"].run_id:
        raise AepCampaignDayError(
            f"Nothing was sent by this task: {day} belongs to the run {holder.name} meanwhile, and a campaign "
            "delivers once per day. To deliver all the same, start a new run by hand."
        )
    late = told.get("not_after")
    if late and now() > dt.datetime.fromisoformat(str(late)) and not _cleared(context["dag_run"]):
        raise WaitTimeoutError(
            f"Nothing was sent: while this run waited, not_after of {day} ({late}) has passed. Clear the failed tasks "
            "to deliver all the same."
        )
    claims.mark_sent(day)


def _cleared(run: Any) -> bool:
    """Whether a person has cleared anything of this run: then somebody looks after it."""
    return bool(getattr(run, "clear_number", 0))


def _export_of(event: Any) -> tuple[dt.datetime, str]:
    """Read an asset event: (end of the export, its id); one that a person made tells only when."""
    extra = event.extra if isinstance(event.extra, Mapping) else {}
    payload = extra.get("payload")
    told = payload if isinstance(payload, Mapping) else {}
    export_id, ended = told.get("export_id"), told.get("ended_at")
    moment = event.timestamp
    if isinstance(ended, str):
        try:
            found = dt.datetime.fromisoformat(ended)
        except ValueError:
            found = moment
        moment = found if found.tzinfo else moment
    return moment, export_id if isinstance(export_id, str) else ""
