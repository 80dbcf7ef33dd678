"""How long the runs of a flow usually take: a guess about when to look at AEP, never about what is so. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from adobe_experience_platform.aep import FlowRun, RunStatus

LAST = 10
"""Runs of a flow that count, the newest."""
MARGIN = 0.05
"""Of a run's length, by which the next may be shorter than the shortest or longer than the longest."""


class Usual(NamedTuple):
    """What the last runs of a flow took, seconds, with a margin."""

    shortest: float
    longest: float

    def joined(self, other: Usual | None) -> Usual:
        """Return the two as one."""
        return self if other is None else Usual(min(self.shortest, other.shortest), max(self.longest, other.longest))


def usual_lengths(runs: Mapping[str, Iterable[FlowRun]]) -> dict[str, Usual]:
    """Return flow id → how long the last successful ones of its runs (newest first) took, for flows that have any."""
    lengths: dict[str, list[float]] = defaultdict(list)
    for flow_id, listed in runs.items():
        for run in listed:
            if run.status is RunStatus.SUCCESS and run.started_at is not None and run.completed_at is not None:
                lengths[flow_id].append(max(0.0, (run.completed_at - run.started_at).total_seconds()))
    newest = {flow_id: taken[:LAST] for flow_id, taken in lengths.items()}
    return {flow_id: Usual(min(taken) * (1 - MARGIN), max(taken) * (1 + MARGIN)) for flow_id, taken in newest.items()}
