"""Finds the newest segment export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from adobe_experience_platform.aep import DEFAULT_CONN_ID
from adobe_experience_platform.delivery import exports, xcom

from .base import AepTask, now


class LatestSegmentExportOperator(AepTask):
    """Find the newest segment export of profiles that succeeded and check its age.

    Version 1 of the activation API sends its id; both versions deliver its snapshot.

    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``. (templated)
    :param sandbox_name: sandbox; None takes the connection's. (templated)
    :param max_export_age_hours: refuse an older snapshot; None accepts any age; default 36. (templated)
    :param briefing: the XCom ``briefing`` of ``plan_jobs``, instead of the arguments above; optional. (templated)
    :param deferrable: spend a long pause that AEP asks for in the triggerer (default) instead of holding a worker slot.

    Returns the job's id as text. Raises :class:`~.errors.AepExportError` if there is none or it is too old.

    Source: Adobe, Segmentation Service API, ``GET /export/jobs``.
    """

    template_fields: Sequence[str] = ("briefing",)

    def __init__(
        self,
        *,
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox_name: str | None = None,
        max_export_age_hours: float | None = 36,
        briefing: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self.max_export_age_hours = max_export_age_hours
        self.briefing = briefing

    def execute(self, context: Context) -> str:
        """Read the list of exports, newest first."""
        moment = now()
        state = self.hook.call(exports.newest(moment, self.options.max_export_age_hours))
        latest = exports.require_fresh(state, moment, self.options.max_export_age_hours)
        if latest.snapshot_at is None:
            self.log.warning("AEP does not tell when segment export job %s ran, so its age is unknown", latest.id)
        for job in state.failed_since:
            self.log.warning(
                "%s FAILED after the newest that succeeded: the delivery uses the older snapshot of job %s",
                exports.describe(job, moment),
                latest.id,
            )
        self.log.info("Newest %s", exports.describe(latest, moment))
        if ended := latest.ended_at:
            note = xcom.ExportNote(id=latest.id, ended_at=ended.isoformat())
            context["ti"].xcom_push(key=xcom.EXPORT, value=note)
        return latest.id
