"""How long the runs of a flow usually take: a guess about when to look at AEP, never about what is so. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter
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


class Lengths:
    """What the last runs of flows took that succeeded, as far as they were shown.

    The newest push out the oldest: a flow that becomes faster or slower, and the rest of a delivery most of which has
    ended, is expected as the last ones were.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, float]] = defaultdict(dict)

    def learn(self, runs: Iterable[FlowRun]) -> None:
        """Take in runs, in any order, also such as are known, go on or failed."""
        ended = [
            (run.completed_at, run.started_at, run)
            for run in runs
            if run.status is RunStatus.SUCCESS and run.started_at is not None and run.completed_at is not None
        ]
        for completed_at, started_at, run in sorted(ended, key=itemgetter(0)):
            if run.flow_id:
                known = self._known[run.flow_id]
                known[run.id] = max(0.0, (completed_at - started_at).total_seconds())
                for old in list(known)[:-LAST]:
                    del known[old]

    def usual(self) -> dict[str, Usual]:
        """Return flow id → what its runs usually take, for flows of which that is known."""
        return {
            flow_id: Usual(min(known.values()) * (1 - MARGIN), max(known.values()) * (1 + MARGIN))
            for flow_id, known in self._known.items()
        }
