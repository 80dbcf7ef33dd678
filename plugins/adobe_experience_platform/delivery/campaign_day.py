"""The day rules of a recurring campaign: when a run may deliver. Pure: no Airflow, no I/O, the clock is an argument.

A *campaign day* is a calendar day in the campaign's time zone. An export belongs to the day on which it ended. Of all
runs that one day brings (several merge policies, an export by API, an event that is told twice), one delivers.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from dataclasses import asdict, dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adobe_experience_platform.aep import short_repr
from adobe_experience_platform.errors import AepInputError

LATE = dt.timedelta(hours=6)
"""An export that ended shortly before midnight is still delivered so long after it, for the day on which it ended."""
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")


class DayAction(enum.StrEnum):
    """What a run does."""

    DELIVER = "deliver"
    WAIT = "wait"
    SKIP = "skip"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True)
class DayDecision:
    """What a run does, and why, in words for people.

    :param day: the campaign day that is meant.
    :param wait_until: with ``WAIT``: until when (UTC).
    """

    act: DayAction
    reason: str
    day: dt.date
    wait_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """The run that a campaign day belongs to.

    :param export_id: the export that started it, "" if none did.
    :param sent: whether it has begun to send.
    :param state: the run's state in Airflow, "" if unknown.
    """

    run_id: str
    export_id: str
    sent: bool
    state: str = ""


@dataclass(frozen=True)
class CampaignDay:
    """When the runs of a campaign may deliver: at most once per day, within bounds.

    :param timezone: of the campaign, such as ``Europe/Berlin``; all that follows is meant in it.
    :param not_before: ``HH:MM``; a run that is ready sooner waits, deferred, and delivers then.
    :param not_after: ``HH:MM``; later than this nothing is sent for that day.
    :param start: first day, ``YYYY-MM-DD``. (Airflow ignores a DAG's start_date and end_date for runs that an
        asset starts.)
    :param end: last day, ``YYYY-MM-DD``.
    :param due: ``HH:MM``; runs that the *clock* starts (``schedule``) do not deliver: they check that the day's
        delivery was made, and fail if none was. See :mod:`.deadlines`.

    Raises :class:`~.errors.AepInputError` with every fault.
    """

    timezone: str
    not_before: str | None = None
    not_after: str | None = None
    start: str | None = None
    end: str | None = None
    due: str | None = None

    def __post_init__(self) -> None:
        """Accept dates and times too, and check all at once."""
        faults = []
        for name in ("not_before", "not_after", "due"):
            value = getattr(self, name)
            if isinstance(value, dt.time):
                object.__setattr__(self, name, value.strftime("%H:%M"))
            elif value is not None and (fault := clock_fault(value, name)):
                faults.append(fault)
        for name in ("start", "end"):
            value = getattr(self, name)
            if isinstance(value, dt.date):
                object.__setattr__(self, name, (value.date() if isinstance(value, dt.datetime) else value).isoformat())
            elif value is not None and _date(value) is None:
                faults.append(f'{name} is {short_repr(value)}: enter a day such as "2026-03-31"')
        if fault := zone_fault(self.timezone):
            faults.append(fault)
        if not faults:
            faults = self._contradictions()
        if faults:
            raise AepInputError(faults, intro="These days and times cannot be.")

    def _contradictions(self) -> list[str]:
        faults = []
        times = [(name, value) for name in ("not_before", "not_after") if (value := getattr(self, name))]
        if len(times) == 2 and times[0][1] >= times[1][1]:
            faults.append(
                f"not_before {self.not_before} is not before not_after {self.not_after}: the two are times of one day"
            )
        if self.due and self.not_before and self.due <= self.not_before:
            faults.append(f"due {self.due} is not after not_before {self.not_before}: nothing can be delivered by then")
        if self.start and self.end and self.start > self.end:
            faults.append(f"start {self.start} is after end {self.end}")
        return faults

    @property
    def zone(self) -> ZoneInfo:
        """The campaign's time zone."""
        return ZoneInfo(self.timezone)

    def to_json(self) -> dict[str, str]:
        """Return the rules as JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def day_of(self, moment: dt.datetime) -> dt.date:
        """Return the campaign day of a moment (aware time)."""
        return moment.astimezone(self.zone).date()

    def at(self, day: dt.date, clock: str) -> dt.datetime:
        """Return a time of a campaign day (UTC)."""
        return clock_time(day, clock, self.timezone)

    def starts_or_ends(self, day: dt.date) -> str:
        """Return why a day is none of the campaign's, "" if it is one."""
        if self.start and day < dt.date.fromisoformat(self.start):
            return f"the campaign begins on {self.start}"
        if self.end and day > dt.date.fromisoformat(self.end):
            return f"the campaign has ended on {self.end}"
        return ""

    def judge(
        self,
        moment: dt.datetime,
        now: dt.datetime,
        *,
        run_id: str,
        export_id: str = "",
        holder: Holder | None = None,
        delivered: Holder | None = None,
    ) -> DayDecision:
        """Say what a run does that Airflow started.

        :param moment: what it was started for: the end of the export, or the time of its schedule.
        :param now: the present.
        :param export_id: the export that started it, "" if none did.
        :param holder: the run that its day belongs to, None if to no run.
        :param delivered: the run that this very export has started before, None if none.
        """
        day = self.day_of(moment)
        if why := self.starts_or_ends(day):
            return DayDecision(DayAction.SKIP, f"{day} is no day of this campaign: {why}", day)
        if holder is not None and holder.run_id == run_id:
            return DayDecision(DayAction.DELIVER, f"{day} belongs to this run", day)
        if delivered is not None and delivered.run_id != run_id and _keeps(delivered):
            return DayDecision(
                DayAction.SKIP, f"segment export {export_id} has already started the run {_named(delivered)}", day
            )
        if holder is not None and _keeps(holder):
            return DayDecision(
                DayAction.SKIP,
                f"one delivery per day: {day} ({self.timezone}) belongs to the run {_named(holder)}",
                day,
            )
        if self.day_of(now) > day and now - moment > LATE:
            return DayDecision(
                DayAction.TOO_LATE, f"{day} is over, and what started this run is {_hours(now - moment)} old", day
            )
        if self.not_after and now > self.at(day, self.not_after):
            return DayDecision(DayAction.TOO_LATE, f"it is later than {self.not_after} (not_after) of {day}", day)
        if self.not_before and now < (opens := self.at(day, self.not_before)):
            return DayDecision(
                DayAction.WAIT, f"nothing is sent before {self.not_before} (not_before) of {day}", day, opens
            )
        return DayDecision(DayAction.DELIVER, f"the delivery of {day}", day)

    def judge_overdue(self, moment: dt.datetime, holder: Holder | None) -> DayDecision:
        """Say what a run does that the clock starts to check on a day's delivery: skip if all is well."""
        day = self.day_of(moment)
        if why := self.starts_or_ends(day):
            return DayDecision(DayAction.SKIP, f"{day} is no day of this campaign: {why}", day)
        if holder is None:
            return DayDecision(
                DayAction.TOO_LATE,
                f"no run has begun to deliver for {day}: no segment export has started one by {self.due}",
                day,
            )
        if holder.state not in ("failed", ""):
            return DayDecision(DayAction.SKIP, f"nothing is overdue: {day} belongs to the run {_named(holder)}", day)
        return DayDecision(
            DayAction.TOO_LATE, f"the delivery of {day} is not complete: see the run {_named(holder)}", day
        )


def _keeps(holder: Holder) -> bool:
    """Whether a run keeps its day: not one that failed, or is gone, before it sent anything."""
    return holder.sent or holder.state not in ("failed", "")


def _named(holder: Holder) -> str:
    if holder.sent:
        told = {"success": "which has delivered", "failed": "which failed: clear its failed tasks to complete it"}
        return f"{holder.run_id!r}, {told.get(holder.state, 'which is delivering')}"
    told = {
        "success": "which ended without sending anything (it was not approved, or it was marked)",
        "failed": "which failed before it sent anything",
    }
    return f"{holder.run_id!r}, {told.get(holder.state, 'which is about to deliver')}"


def _hours(span: dt.timedelta) -> str:
    return f"{span.total_seconds() / 3600:.0f} h"


def zone_fault(name: object) -> str | None:
    """Return what is wrong with the name of a time zone, None if nothing."""
    try:
        if isinstance(name, str) and name:
            ZoneInfo(name)
            return None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    return f'timezone is {short_repr(name)}: enter a name such as "Europe/Berlin" or "UTC"'


def clock_fault(value: object, what: str) -> str | None:
    """Return what is wrong with a time of day, None if nothing."""
    if isinstance(value, str) and _CLOCK.match(value):
        return None
    return f'{what} is {short_repr(value)}: enter a time such as "07:30"'


def clock_time(day: dt.date, clock: str, timezone: str) -> dt.datetime:
    """Return a time of a day in a time zone, as UTC; one that summer time skips is the moment after the gap."""
    hours, minutes = clock.split(":")
    local = dt.datetime.combine(day, dt.time(int(hours), int(minutes)), tzinfo=ZoneInfo(timezone))
    return local.astimezone(dt.UTC)


def _date(value: object) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None
