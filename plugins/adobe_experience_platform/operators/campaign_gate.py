"""Which run delivers a campaign day: the rules of :mod:`.campaign_day` applied to a run, and the claim that it makes.

The claims of a DAG are kept in the state store of an asset of its own (``aep_campaign_day/<dag id>``): they outlive
restarts, retries and clears, and people see them in the UI and over the REST API. Airflow's store has no "write if
unchanged", so each run says twice that a day is its own: when it is about to deliver, and directly before it sends. It
reads the first entry again after it wrote the second: of all runs at once, at most one finds itself in both.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowRuntimeError

from adobe_experience_platform.delivery import CampaignDay, DayAction, DayDecision, Holder, xcom
from adobe_experience_platform.errors import AepCampaignDayError
from adobe_experience_platform.triggers import campaign_day_asset

from .base import TaskStore, WaitTimeoutError, clears_of, now

STARTED_BY_AIRFLOW = ("asset_triggered", "scheduled", "backfill")
DAYS_KEPT = dt.timedelta(weeks=9)
JUDGED = "campaign_day"
"""Key in the task's own store: this run was to deliver its day."""


class Claims:
    """Which run each campaign day belongs to; ``name`` is the id of the planning task, one of several in a DAG."""

    def __init__(self, context: Context, name: str) -> None:
        ti = context["ti"]
        self._ti: Any = ti
        asset = campaign_day_asset(ti.dag_id)
        self._asset = asset.name
        self._store: Any = context["asset_state_store"][asset]
        self._name = name

    def of(self, day: dt.date) -> Holder | None:
        """Return the run that a day belongs to, None if to no run: one that sends outweighs one that is about to."""
        return self._read(f"{day}/sent") or self.first(day)

    def first(self, day: dt.date) -> Holder | None:
        """Return the run that has taken a day last, None if none has."""
        return self._read(f"{day}")

    def of_export(self, export_id: str) -> Holder | None:
        """Return the run that an export has started, None if none."""
        return (self._read(f"{export_id}/sent") or self._read(export_id)) if export_id else None

    def take(self, day: dt.date, export_id: str) -> None:
        """Make a day this run's, which is about to deliver.

        Each day has entries of its own: what two runs write into one at once, one of them loses.
        """
        self._write(day, self._entry(export_id))
        old = str(day - DAYS_KEPT)
        if (kept := self._store.get(self._key(old))) is not None:
            before = kept.get("export_id") if isinstance(kept, Mapping) else None
            for stale in filter(None, (old, before)):
                self._store.delete(self._key(stale))
                self._store.delete(self._key(f"{stale}/sent"))

    def begin(self, day: dt.date, export_id: str) -> Holder | None:
        """Say that this run sends, so that the day stays its own; return the run that the day belongs to."""
        self._write(day, {**self._entry(export_id), "sent": True})
        first = self.first(day)
        if first is not None and first.run_id != self._ti.run_id:
            self._write(day, {**self._store.get(self._key(str(day))), "sent": True})
        return first

    def _entry(self, export_id: str) -> dict[str, Any]:
        return {"run_id": self._ti.run_id, "export_id": export_id, "at": now().isoformat(), "sent": False}

    def _write(self, day: dt.date, entry: Mapping[str, Any]) -> None:
        for key in filter(None, (str(day), entry["export_id"])):
            self._store.set(self._key(key) + ("/sent" if entry["sent"] else ""), entry)

    def _key(self, key: str) -> str:
        return f"{self._name}/{key}"

    def _read(self, key: str) -> Holder | None:
        entry = self._store.get(self._key(key))
        if entry is None:
            return None
        try:
            run_id, export_id, sent = entry["run_id"], entry["export_id"], entry["sent"]
        except (LookupError, TypeError):
            run_id = export_id = sent = None
        if not (isinstance(run_id, str) and run_id and isinstance(export_id, str) and isinstance(sent, bool)):
            raise AepCampaignDayError(
                f"The claim {self._key(key)!r} in the state of the asset {self._asset} is damaged: it may hide a "
                "delivery. Check in AEP what was delivered that day; if nothing was, delete that entry and clear the "
                "failed tasks. Nothing was sent by this try."
            )
        state = "running" if run_id == self._ti.run_id else self._state(run_id)
        return Holder(run_id, export_id, sent, state, _moment(entry.get("at")))

    def _state(self, run_id: str) -> str:
        """Return a run's state, "" when it is gone."""
        try:
            return str(self._ti.get_dagrun_state(self._ti.dag_id, run_id))
        except AirflowRuntimeError as error:
            if (error.error.detail or {}).get("status_code") == 404:
                return ""
            raise


class DayGate:
    """Decides for the planning task whether its run delivers."""

    def __init__(self, context: Context, rules: CampaignDay, log: Any) -> None:
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

    def decide(self) -> DayDecision:
        """Read the claim and return what this run does; it fails where a delivery would be lost in silence.

        That is where the check on a delivery finds none, or a run that was to deliver is too late.
        """
        self._holder = self._claims.of(self._rules.day_of(self._moment))
        self.decision = self._judge()
        if self._is_check:
            if self.decision.act is DayAction.TOO_LATE:
                self._note(overdue=True)
                raise AepCampaignDayError(f"OVERDUE: {self.decision.reason}.")
            return self.decision
        store = TaskStore(self._context)
        # A schedule promises a delivery from the start; an export of days ago promises none.
        was_to_deliver = isinstance(store.get(JUDGED), dict) or self._type == "scheduled"
        if self.decision.act is DayAction.TOO_LATE and was_to_deliver:
            if not clears_of(self._context):
                raise WaitTimeoutError(
                    f"This run should have delivered {self.decision.day} but is too late: {self.decision.reason}. "
                    "Nothing was sent. To deliver anyway, clear this run."
                )
            self._log.warning("A person has cleared this run, so it delivers although %s", self.decision.reason)
            self.decision = DayDecision(DayAction.DELIVER, "a person has cleared this run", self.decision.day)
        elif self.decision.act in (DayAction.DELIVER, DayAction.WAIT) and not was_to_deliver:
            store.set(JUDGED, {"day": self.decision.day.isoformat()})
        return self.decision

    def skip(self) -> None:
        """Say why this run does not deliver."""
        self._log.info("This run delivers nothing, and its other tasks are skipped: %s.", self.decision.reason)
        self._note()

    def take(self) -> None:
        """Make the day this run's, and say so."""
        other = self._holder if self._holder and self._holder.run_id != self._run_id else None
        day = self.decision.day
        if self._manual and other and other.sent:
            self._log.warning(
                "A person has started this run, so it delivers although run %s has already delivered %s",
                other.name,
                day,
            )
            self._note()
            return
        if other:
            state = other.state or "deleted"
            self._log.warning("Run %s (%s) sent nothing for %s: this run takes over", other.name, state, day)
        if other or not self._holder:
            self._claims.take(day, self._export_id)
        self._log.info("Campaign day %s (%s): %s", day, self._rules.timezone, self.decision.reason)
        self._note(held=True)

    @property
    def _is_check(self) -> bool:
        return self._rules.due is not None and self._type == "scheduled"

    def _judge(self) -> DayDecision:
        day, holder = self._rules.day_of(self._moment), self._holder
        if self._manual:
            other = holder is not None and holder.run_id != self._run_id and holder.sent
            if other and holder and holder.since and holder.since > self._moment and not clears_of(self._context):
                # It was queued meanwhile: who started it did not know of that delivery.
                why = f"run {holder.name} has delivered {day} since this run was started"
                return DayDecision(DayAction.SKIP, f"{why}; to deliver again, start another run or clear this one", day)
            return DayDecision(DayAction.DELIVER, "a person has started this run", day)
        if self._is_check:
            return self._rules.judge_overdue(self._moment, holder)
        return self._rules.judge(
            self._moment,
            now(),
            run_id=self._run_id,
            export_id=self._export_id,
            holder=holder,
            delivered=self._claims.of_export(self._export_id),
        )

    def _read_moment(self) -> dt.datetime:
        """Return what the run was started for: the newest export's end, its schedule's time, or when it was started."""
        moment: dt.datetime = self._run.run_after
        if self._type != "asset_triggered":
            return moment
        read = [_export_of(event) for events in self._context["triggering_asset_events"].values() for event in events]
        if not read:
            return moment
        moment, self._export_id = max(read)
        self._log.info(
            "Started by %d event(s) of %d segment export(s); the newest is %s, which ended at %s UTC",
            len(read),
            len({export_id for _, export_id in read}),
            self._export_id or "of no known export",
            f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}",
        )
        return moment

    def _note(self, *, held: bool = False, overdue: bool = False) -> None:
        window = self._rules.window(self.decision.day) if not self._manual else (None, None)
        note = xcom.DayNote(
            deliver=self.decision.act is DayAction.DELIVER and not overdue,
            overdue=overdue,
            day=self.decision.day.isoformat(),
            reason=self.decision.reason,
            export_id=self._export_id,
            manual=self._manual,
            held=held,
            not_after=window[1].isoformat() if window[1] else None,
            plan=self._context["ti"].task_id,
        )
        self._context["ti"].xcom_push(key=xcom.CAMPAIGN_DAY, value=note)


def hold_day(context: Context, note: object) -> None:
    """Read the claim once more, directly before a send, and note there that this run sends.

    :param note: the XCom ``campaign_day`` of the planning task; None where no rules are set.
    :raises AepCampaignDayError: another run has taken the day.
    :raises AepDeadlineError: ``not_after`` has passed while this run waited.
    """
    if not isinstance(note, Mapping) or not note.get("held"):
        return
    claims = Claims(context, str(note["plan"]))
    day = dt.date.fromisoformat(str(note["day"]))
    holder = claims.of(day)
    _require_own(context, day, holder)
    if holder is not None and holder.sent:
        return
    late = note.get("not_after")
    if late and now() > dt.datetime.fromisoformat(str(late)) and not clears_of(context):
        raise WaitTimeoutError(
            f"This task sends nothing more: not_after of {day} ({late}) passed while it waited. To deliver anyway, "
            "clear the failed tasks."
        )
    if holder is None:
        claims.take(day, str(note["export_id"]))
    _require_own(context, day, claims.begin(day, str(note["export_id"])))


def _require_own(context: Context, day: dt.date, holder: Holder | None) -> None:
    if holder is not None and holder.run_id != context["ti"].run_id:
        raise AepCampaignDayError(
            f"This task sends nothing more: {day} now belongs to run {holder.name}, and a campaign delivers once a "
            "day. To deliver anyway, start a new run manually."
        )


def _moment(text: object) -> dt.datetime | None:
    """Read an aware time, None if it is none."""
    try:
        found = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo else None


def _export_of(event: Any) -> tuple[dt.datetime, str]:
    """Read an asset event: (end of the export, its id); one that a person made has a time only."""
    extra = event.extra if isinstance(event.extra, Mapping) else {}
    payload = extra.get("payload")
    export = payload if isinstance(payload, Mapping) else {}
    export_id = export.get("export_id")
    return _moment(export.get("ended_at")) or event.timestamp, export_id if isinstance(export_id, str) else ""
