"""The day rules of a recurring campaign: when a run may deliver. Pure: no Airflow, no I/O, the clock is an argument.

A *campaign day* is a calendar day in the campaign's time zone. An export belongs to the day on which it ended. Of all
runs that one day brings (several merge policies, an export by API, an event that is told twice), one delivers.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import model_validator

from adobe_experience_platform.aep import one_line

from .blocks import Path, Terms, fault_at
from .values import Date, TimeOfDay, Zone

LATE = dt.timedelta(hours=6)
"""An export that ended shortly before midnight is still delivered so long after it, for the day on which it ended."""


class DayAction(enum.StrEnum):
    """What a run does."""

    DELIVER = "deliver"
    WAIT = "wait"
    SKIP = "skip"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True)
class DayDecision:
    """What a run does on a campaign day, and why, in words for people; with ``WAIT``, until when (UTC)."""

    act: DayAction
    reason: str
    day: dt.date
    wait_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """The run that a campaign day belongs to.

    :param export_id: the export that started it, "" if none did.
    :param sent: whether it has begun to send.
    :param state: in Airflow, "" if unknown.
    :param since: when it took the day, or began to send.
    """

    run_id: str
    export_id: str
    sent: bool
    state: str = ""
    since: dt.datetime | None = None

    @property
    def name(self) -> str:
        """The run's id for people; whoever starts a run may choose it."""
        return repr(one_line(self.run_id))


class CampaignDay(Terms):
    """When the runs of a campaign may deliver: at most once per day, within bounds.

    Times are ``datetime.time`` or text such as ``"07:00"``, days ``datetime.date`` or text such as ``"2026-12-24"``.

    :param timezone: of the campaign, such as ``Europe/Berlin``; all that follows is meant in it.
    :param not_before: time of day; a run that is ready sooner waits, deferred, and delivers then.
    :param not_after: time of day; later than this nothing is sent for that day.
    :param start: first day. (Airflow ignores a DAG's start_date and end_date for runs that an asset starts.)
    :param end: last day.
    :param due: time of day; runs that the *clock* starts (``schedule``) do not deliver: they check that the day's
        delivery was made, and fail if none was. See :mod:`.deadlines`.

    Raises :class:`~.errors.AepInputError` with every fault.
    """

    fault_intro: ClassVar[str] = "Invalid campaign dates or times."

    timezone: Zone
    not_before: TimeOfDay | None = None
    not_after: TimeOfDay | None = None
    start: Date | None = None
    end: Date | None = None
    due: TimeOfDay | None = None

    def __init__(self, timezone: str, **rules: Any) -> None:
        super().__init__(timezone=timezone, **rules)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # see Terms

    @model_validator(mode="after")
    def _consistent(self) -> CampaignDay:
        if faults := list(self._contradictions()):
            raise fault_at(faults)
        return self

    def _contradictions(self) -> Iterator[tuple[Path, str]]:
        opens, closes = self.not_before, self.not_after
        if opens and closes and opens >= closes:
            yield (
                ("not_after",),
                f"{closes:%H:%M} is not later than not_before {opens:%H:%M}: both are times of one day",
            )
        if opens and self.due and opens >= self.due:
            yield ("due",), f"{self.due:%H:%M} is not later than not_before {opens:%H:%M}: no delivery could be in time"
        if self.start and self.end and self.start > self.end:
            yield ("end",), f"{self.end} is before start {self.start}: correct one"

    @property
    def zone(self) -> ZoneInfo:
        """The campaign's time zone."""
        return ZoneInfo(self.timezone)

    def day_of(self, moment: dt.datetime) -> dt.date:
        """Return the campaign day of a moment (aware time)."""
        return moment.astimezone(self.zone).date()

    def window(self, day: dt.date) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Return when a day's deliveries may begin, and until when (UTC).

        Where summer time skips the opening, the window stays open as long as usual, or for an hour.
        """
        opens = clock_time(day, self.not_before, self.timezone) if self.not_before else None
        closes = clock_time(day, self.not_after, self.timezone) if self.not_after else None
        if self.not_before and self.not_after and opens and closes:
            length = dt.datetime.combine(day, self.not_after) - dt.datetime.combine(day, self.not_before)
            if opens.astimezone(self.zone).time() != self.not_before:
                closes = max(closes, opens + min(length, dt.timedelta(hours=1)))
        return opens, closes

    def starts_or_ends(self, day: dt.date) -> str:
        """Return why a day is none of the campaign's, "" if it is one."""
        if self.start and day < self.start:
            return f"the campaign begins on {self.start}"
        if self.end and day > self.end:
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
        :param export_id: the export that started it, "" if none did.
        :param holder: the run that its day belongs to, None if to no run.
        :param delivered: the run that this very export has started before, None if none.
        """
        day = self.day_of(moment)
        own = holder if holder is not None and holder.run_id == run_id else None
        # What has begun to send is finished: skipped, it would be green.
        if (why := self.starts_or_ends(day)) and not (own and own.sent):
            return DayDecision(DayAction.SKIP, f"{day} is not a day of this campaign: {why}", day)
        if own:
            return DayDecision(DayAction.DELIVER, f"{day} belongs to this run", day)
        if delivered is not None and delivered.run_id != run_id and _keeps(delivered):
            why = f"segment export {export_id} has already started the run {_named(delivered)}"
            return DayDecision(DayAction.SKIP, why, day)
        if holder is not None and _keeps(holder):
            why = f"one delivery per day: {day} ({self.timezone}) belongs to the run {_named(holder)}"
            return DayDecision(DayAction.SKIP, why, day)
        if self.day_of(now) > day and now - moment > LATE:
            hours = f"{(now - moment).total_seconds() / 3600:.0f} h"
            return DayDecision(DayAction.TOO_LATE, f"{day} is over, and what started this run is {hours} old", day)
        opens, closes = self.window(day)
        if closes and now > closes:
            return DayDecision(DayAction.TOO_LATE, f"it is later than {self.not_after:%H:%M} (not_after) of {day}", day)
        if opens and now < opens:
            why = f"nothing is sent before {self.not_before:%H:%M} (not_before) of {day}"
            return DayDecision(DayAction.WAIT, why, day, opens)
        return DayDecision(DayAction.DELIVER, f"the delivery of {day}", day)

    def judge_overdue(self, moment: dt.datetime, holder: Holder | None) -> DayDecision:
        """Say what a run does that the clock starts to check on a day's delivery: skip if all is well."""
        day = self.day_of(moment)
        if why := self.starts_or_ends(day):
            return DayDecision(DayAction.SKIP, f"{day} is not a day of this campaign: {why}", day)
        if holder is None:
            why = f"no run has begun to deliver for {day}: no segment export has started one by {self.due:%H:%M}"
            return DayDecision(DayAction.TOO_LATE, why, day)
        if holder.state not in ("failed", ""):
            return DayDecision(DayAction.SKIP, f"nothing is overdue: {day} belongs to the run {_named(holder)}", day)
        why = f"the delivery of {day} is not complete: see the run {_named(holder)}"
        return DayDecision(DayAction.TOO_LATE, why, day)


def _keeps(holder: Holder) -> bool:
    """Whether a run keeps its day: not one that failed, or is gone, before it sent anything."""
    return holder.sent or holder.state not in ("failed", "")


def _named(holder: Holder) -> str:
    if holder.sent:
        told = {"success": "which has delivered", "failed": "which failed: clear its failed tasks to complete it"}
        return f"{holder.name}, {told.get(holder.state, 'which is delivering')}"
    told = {
        "success": "which ended without sending anything (it was not approved, or it was marked)",
        "failed": "which failed before it sent anything",
    }
    return f"{holder.name}, {told.get(holder.state, 'which is about to deliver')}"


def clock_time(day: dt.date, clock: dt.time, timezone: str) -> dt.datetime:
    """Return a time of a day in a time zone, as UTC; one that summer time skips is the moment after the gap."""
    return dt.datetime.combine(day, clock, tzinfo=ZoneInfo(timezone)).astimezone(dt.UTC)
