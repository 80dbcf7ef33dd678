"""Segment jobs (Segmentation Service): evaluations of audiences, and how large these were then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from .json_values import as_count, as_dict, as_id, as_text, as_time


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """An evaluation of audiences (``GET /segment/jobs``).

    :param is_done: whether it has succeeded: only then its counters are those of whole audiences.
    :param finished_at: end of the evaluation (UTC), or when it began where AEP does not say; None if neither.
    :param sizes: audience id → profiles in it, ``segmentedProfileCounter``.
    """

    id: str
    is_done: bool
    created_at: dt.datetime | None
    finished_at: dt.datetime | None
    sizes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> SegmentJob:
        """Parse one of the ``children``; a counter that is no number is left out."""
        metrics = as_dict(data.get("metrics"))
        created = as_time(data.get("creationTime"))
        ended = as_time(as_dict(metrics.get("totalTime")).get("endTimeInMs")) or as_time(data.get("updateTime"))
        counted = {
            as_id(key): as_count(value) for key, value in as_dict(metrics.get("segmentedProfileCounter")).items()
        }
        return cls(
            id=as_id(data.get("id")),
            is_done=as_text(data.get("status")).upper() == "SUCCEEDED",
            created_at=created,
            finished_at=ended or created,
            sizes={ident: number for ident, number in counted.items() if number is not None},
        )
