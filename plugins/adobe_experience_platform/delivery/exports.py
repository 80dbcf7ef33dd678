"""Rules about segment export jobs: is one in progress, which one is delivered, is it fresh enough.

No documented field separates the scheduled export from one that somebody made by API, but an export of single
audiences (with a segment filter) is never scheduled: it is waited for like the others, and never delivered. No I/O.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from adobe_experience_platform.aep import Call, ExportJob, ExportStatus, endpoints
from adobe_experience_platform.errors import AepExportError, AepNoExportError

LOOK_BACK = dt.timedelta(hours=24)
"""A job that has been in progress for longer is stuck: it is reported, not waited for."""


@dataclass(frozen=True, slots=True)
class ExportState:
    """What the list of profile exports says at one moment.

    :param in_progress: jobs to wait for; those in progress for longer than the look-back window are ``stuck``.
    :param latest: newest succeeded job of all audiences, None if there is none; those ``failed_since`` are newer.
    """

    in_progress: tuple[ExportJob, ...]
    stuck: tuple[ExportJob, ...]
    latest: ExportJob | None
    failed_since: tuple[ExportJob, ...]


def state_of(jobs: Sequence[ExportJob], now: dt.datetime) -> ExportState:
    """Read profile export jobs, given newest first."""
    running = [job for job in jobs if job.status is ExportStatus.IN_PROGRESS]
    stuck = [job for job in running if job.created_at is not None and now - job.created_at > LOOK_BACK]
    latest = next((job for job in jobs if job.is_snapshot), None)
    newer = jobs[: jobs.index(latest)] if latest else jobs
    return ExportState(
        in_progress=tuple(job for job in running if job not in stuck),
        stuck=tuple(stuck),
        latest=latest,
        failed_since=tuple(job for job in newer if job.status is ExportStatus.FAILED and not job.is_filtered),
    )


def describe(job: ExportJob, now: dt.datetime) -> str:
    """Return one line about a job: its id, state and age."""
    age = f", created {ago(now - job.created_at)} ago" if job.created_at else ""
    return f"segment export job {job.id} ({job.raw_status}{age})"


def ago(span: dt.timedelta) -> str:
    """Return a time span as people say it: ``3 h 20 min``."""
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 1:
        return f"{max(0, int(span.total_seconds()))} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def to_deliver(
    now: dt.datetime, max_age_hours: float | None, *, api_version: str, export_id: str | None
) -> Call[tuple[str, str | None]]:
    """Look at the exports before something is sent.

    :return: (what must end first, "" if nothing; version 1: id of the export to name, else None).
    :raises AepExportError: if there is none or it is too old.
    """
    needed = api_version == "v1" or max_age_hours is not None
    state = yield from newest(now, max_age_hours, needed=needed, waits=True)
    if state.in_progress:
        return describe(state.in_progress[0], now), None
    return "", (export_id or state.latest.id) if state.latest is not None and api_version == "v1" else None


def newest(
    now: dt.datetime, max_age_hours: float | None, *, needed: bool = True, waits: bool = False
) -> Call[ExportState]:
    """Read the exports and check the one that would be delivered, ``latest``.

    :param needed: whether there must be one at all.
    :param waits: whether none is needed while an export is in progress.
    :raises AepExportError: if there is none or it is too old; AEP is asked twice before, as its lists lag.
    """
    has_looked = False
    while True:
        state = state_of((yield from endpoints.profile_export_jobs(now - LOOK_BACK, newest_succeeded=needed)), now)
        if not needed or (waits and state.in_progress):
            return state
        try:
            require_fresh(state, now, max_age_hours)
            return state
        except AepExportError:
            if has_looked:
                raise
        has_looked = True


def require_fresh(state: ExportState, now: dt.datetime, max_age_hours: float | None) -> ExportJob:
    """Return the export that would be delivered; an :class:`AepExportError` if there is none or it is too old."""
    latest = state.latest
    if latest is None:
        raise AepNoExportError(
            "AEP lists no successful profile segment export, so there is nothing to deliver. Check under "
            "Monitoring whether the daily export ran, then clear the failed tasks."
        )
    taken = latest.snapshot_at
    if max_age_hours is not None and taken is not None and now - taken > dt.timedelta(hours=max_age_hours):
        failed = f" A newer one failed: {describe(state.failed_since[0], now)}." if state.failed_since else ""
        raise AepExportError(
            f"The newest segment export is {ago(now - taken)} old (job {latest.id}), older than "
            f"max_export_age_hours = {max_age_hours:g}, so it was not delivered.{failed} Wait for the next export, "
            "then clear the failed tasks; or start a new run with a larger max_export_age_hours and only what is not "
            "delivered yet."
        )
    return latest
