"""All flow runs, indexed so that ten thousand of them stay quick to search."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator

from .entities import Run


def _age_order(run: Run) -> tuple[int, int]:
    return (run.created_ms, run.number)


class RunStore:
    """Runs by id, by flow and by time of creation; plus those that have not ended yet."""

    def __init__(self) -> None:
        self._by_id: dict[str, Run] = {}
        self._by_flow: dict[str, list[Run]] = {}
        self._oldest_first: list[Run] = []
        self._unended: dict[str, Run] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, run: Run) -> None:
        """Add a run; an id that is taken is refused."""
        if run.id in self._by_id:
            raise ValueError(f"there is a run {run.id} already")
        self._by_id[run.id] = run
        insort(self._oldest_first, run, key=_age_order)
        insort(self._by_flow.setdefault(run.flow.id, []), run, key=_age_order)
        self._unended[run.id] = run

    def get(self, run_id: str) -> Run | None:
        """Return a run by id."""
        return self._by_id.get(run_id)

    def newest_first(self, flow_ids: Iterable[str] | None = None) -> Iterator[Run]:
        """Yield all runs, or those of some flows, newest first."""
        if flow_ids is None:
            return reversed(self._oldest_first)
        chosen = [self._by_flow.get(flow_id, []) for flow_id in dict.fromkeys(flow_ids)]
        if len(chosen) == 1:
            return reversed(chosen[0])
        return iter(sorted((run for runs in chosen for run in runs), key=_age_order, reverse=True))

    def in_progress(self, now_ms: int) -> list[Run]:
        """Return the runs AEP still works on."""
        for run_id in [i for i, run in self._unended.items() if not run.in_progress(now_ms)]:
            del self._unended[run_id]
        return list(self._unended.values())

    def reopened(self, run: Run) -> None:
        """Note that a run was changed by hand and may be in progress again."""
        run.final = None
        self._unended[run.id] = run
