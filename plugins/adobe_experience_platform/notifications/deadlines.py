"""Deadlines: "delivered by 09:00", "within 2 hours of the start", and a check for days on which no run began.

>>> day = CampaignDay("Europe/Berlin", due="09:00")
>>> with DAG(
...     "my_campaign",
...     schedule=export_or_due(segment_export_asset(), "09:00", "Europe/Berlin"),
...     deadline=delivered_by("09:00", "Europe/Berlin", callback),
...     max_active_runs=1,
... ):
...     activation_pipeline(activation_info={"<flow id>": ["<audience id>"]}, campaign_day=day)

Airflow's own references cannot say this: the logical date of a run that an asset or the API starts is None, so its
deadline is skipped in silence, and "queued at" is no time of day. Ours are registered by this package's plugin; a
scheduler that has not loaded it cannot read such a DAG.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable
from airflow.sdk.definitions.deadline import BaseDeadlineReference, DeadlineAlert

from adobe_experience_platform.delivery import CampaignDay, clock_time
from adobe_experience_platform.errors import AepInputError

if TYPE_CHECKING:
    from airflow.sdk import Asset
    from airflow.sdk.definitions.callback import AsyncCallback, SyncCallback
    from sqlalchemy.orm import Session


class _Reference(BaseDeadlineReference):
    """A moment that follows from when Airflow creates the run."""

    def _evaluate_with(self, *, session: Session, **_: Any) -> dt.datetime | None:
        return self.of(dt.datetime.now(tz=dt.UTC))

    def of(self, now: dt.datetime) -> dt.datetime | None:
        """Return the moment (UTC) for a run that is created now."""
        raise NotImplementedError

    def serialize_reference(self) -> dict[str, Any]:
        """Return what Airflow stores."""
        return {"reference_type": self.reference_name, **vars(self)}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> Self:
        """Read what Airflow has stored."""
        return cls(**{field.name: str(reference_data[field.name]) for field in fields(cls)})  # type: ignore[arg-type]


@dataclass(unsafe_hash=True)
class DeliveredBy(_Reference):
    """A time of the day (``HH:MM``) on which a run begins; none for a run that begins later: it misses nothing anew."""

    clock: str = "09:00"
    timezone: str = "UTC"

    def of(self, now: dt.datetime) -> dt.datetime | None:
        """Return the deadline of a run that begins now."""
        at = _on_day_of(now, self.clock, self.timezone)
        return at if now < at else None


@dataclass(unsafe_hash=True)
class CampaignStart(_Reference):
    """When a run begins to deliver: when it is created, but no sooner than ``not_before`` (``HH:MM``, or "")."""

    not_before: str = ""
    timezone: str = "UTC"

    def of(self, now: dt.datetime) -> dt.datetime:
        """Return the start of a run that is created now."""
        return max(now, _on_day_of(now, self.not_before, self.timezone)) if self.not_before else now


def _on_day_of(now: dt.datetime, clock: str, timezone: str) -> dt.datetime:
    return clock_time(now.astimezone(ZoneInfo(timezone)).date(), dt.time.fromisoformat(clock), timezone)


DEADLINE_REFERENCES: list[type[BaseDeadlineReference]] = [DeliveredBy, CampaignStart]
"""For the plugin."""


def delivered_by(clock: str | dt.time, timezone: str, callback: AsyncCallback | SyncCallback) -> DeadlineAlert:
    """Return what ``DAG(deadline=…)`` takes: a run that began before that time must have succeeded by then.

    Days on which no run begins in time are found by :func:`export_or_due`.

    :param clock: time of day, such as ``"09:00"``.
    :param timezone: name of a time zone.
    :param callback: what is called when the deadline is missed.
    :raises AepInputError: for an invalid time or time zone.
    """
    due = f"{_time_of_day(clock, timezone):%H:%M}"
    return DeadlineAlert(
        reference=DeliveredBy(due, timezone),
        interval=dt.timedelta(0),
        callback=callback,
        name=f"delivered by {due} ({timezone})",
    )


def delivered_within(
    limit: dt.timedelta,
    callback: AsyncCallback | SyncCallback,
    *,
    not_before: str | dt.time | None = None,
    timezone: str = "UTC",
) -> DeadlineAlert:
    """Return what ``DAG(deadline=…)`` takes: a run must have succeeded so long after it began.

    :param limit: more than zero.
    :param callback: what is called when the deadline is missed.
    :param not_before: the campaign's, such as ``"07:00"``: a run that waits for it begins then.
    :param timezone: of ``not_before``.
    :raises AepInputError: for an invalid limit, time or time zone.
    """
    if limit <= dt.timedelta(0):
        raise AepInputError([f"deadline is {limit}: enter a time span above zero"], intro="Invalid deadline.")
    opens = CampaignDay(timezone, not_before=not_before).not_before
    return DeadlineAlert(
        reference=CampaignStart(f"{opens:%H:%M}" if opens else "", timezone),
        interval=limit,
        callback=callback,
        name=f"delivered within {limit}",
    )


def export_or_due(asset: Asset, clock: str | dt.time, timezone: str) -> AssetOrTimeSchedule:
    """Return a schedule: the asset starts deliveries, and at ``clock`` a run checks that the day's was made.

    Give the same ``clock`` to the campaign's :class:`~.campaign_day.CampaignDay` as ``due``: it makes the run that
    the clock starts a check. The check fails, with the DAG's own failure callbacks, when no run has begun to deliver.

    :param asset: of :func:`~.assets.segment_export_asset`.
    :param clock: time of day, such as ``"09:00"``.
    :param timezone: name of a time zone.
    :raises AepInputError: for an invalid time or time zone.
    """
    due = _time_of_day(clock, timezone)
    # Without run_immediately a DAG that is added up to 10 % of a day after the time would check that day at once.
    cron = f"{due.minute} {due.hour} * * *"
    timetable = CronTriggerTimetable(cron, timezone=timezone, run_immediately=dt.timedelta(0))
    return AssetOrTimeSchedule(timetable=timetable, assets=asset)


def _time_of_day(clock: str | dt.time, timezone: str) -> dt.time:
    due = CampaignDay(timezone, due=clock).due
    if due is None:
        raise AepInputError(['due is missing: enter a time of day such as "09:00"'], intro="Invalid deadline.")
    return due
