"""Segment export jobs (Segmentation Service), parsed once, tolerant where Adobe's own sources differ."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass

from .json_values import as_count, as_dict, as_id, as_text, as_time
from .text import one_line

PROFILE_SCHEMA = "_xdm.context.profile"
"""``schema.name`` of an export of people; accounts and prospects carry other names."""


class ExportStatus(enum.StrEnum):
    """State of a segment export job, folded to what a waiting client must know."""

    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_ENDED = {"succeeded": ExportStatus.SUCCEEDED, "failed": ExportStatus.FAILED, "cancelled": ExportStatus.FAILED}
"""AEP's words for an end; NEW, QUEUED, PROCESSING, CANCELLING and unknown ones mean that it goes on."""


@dataclass(frozen=True, slots=True)
class ExportJob:
    """A segment export job (``GET /export/jobs``).

    Times are in UTC; they and the number of exported profiles (``records``) are None where AEP does not say.

    :param id: job id as text; the API answers integers, ``exportIds`` takes strings.
    :param status: folded from ``raw_status``; an unknown word counts as in progress until it is too old.
    :param is_filtered: whether it exports single audiences, as only jobs that somebody made by API do.
    """

    id: str
    status: ExportStatus
    raw_status: str
    schema_name: str
    created_at: dt.datetime | None
    finished_at: dt.datetime | None
    records: int | None
    is_filtered: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> ExportJob:
        """Parse one record of ``GET /export/jobs``."""
        metrics = as_dict(data.get("metrics"))
        total = as_dict(metrics.get("totalTime"))
        raw = as_text(data.get("status"))
        status = _ENDED.get(raw.lower(), ExportStatus.IN_PROGRESS)
        ended = status is not ExportStatus.IN_PROGRESS
        return cls(
            id=as_id(data.get("id")),
            status=status,
            raw_status=one_line(raw, 40) or "(no status)",
            schema_name=as_text(as_dict(data.get("schema")).get("name")),
            created_at=as_time(data.get("creationTime")),
            finished_at=(as_time(total.get("endTimeInMs")) or as_time(data.get("updateTime"))) if ended else None,
            records=as_count(metrics.get("totalExportedProfileCounter")),
            is_filtered=bool(as_dict(data.get("filter")).get("segments")),
        )

    @property
    def is_profile(self) -> bool:
        """Whether people are exported (and not accounts or prospects)."""
        return self.schema_name == PROFILE_SCHEMA

    @property
    def is_snapshot(self) -> bool:
        """Whether an on-demand delivery can be made of it: AEP ignores the data of exports of single audiences."""
        return self.status is ExportStatus.SUCCEEDED and not self.is_filtered

    @property
    def ended_at(self) -> dt.datetime | None:
        """When it ended, as precisely as AEP says."""
        return self.finished_at or self.created_at

    @property
    def snapshot_at(self) -> dt.datetime | None:
        """The time that the exported snapshot shows; its start is the cautious reading."""
        return self.created_at or self.finished_at
