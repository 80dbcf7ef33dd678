"""What is done to the cluster while it delivers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.distributed.cluster import Cluster

# How long a killed replica stays away: longer than the patience of those who may take over its work.
AWAY_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Blow:
    """One disruption.

    :param what: in words
    :param done: pairs that AEP was asked for by then, which is when it comes
    :param strike: does it, and may return a detail to tell
    :param mend: undoes it, `AWAY_SECONDS` later
    """

    what: str
    done: float
    strike: Callable[[], str]
    mend: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Felt:
    """A blow that fell.

    :param seconds: from the start of the deliveries
    :param running: deliveries under way
    :param ordered: pairs that AEP had been asked for
    """

    what: str
    seconds: float
    running: int
    ordered: int


def blows(cluster: Cluster) -> list[Blow]:
    """Return the disruptions, in order."""

    def killing(replica: str, done: float) -> Blow:
        def strike() -> str:
            cluster.kill(replica)
            return f"away for {AWAY_SECONDS:.0f} s"

        return Blow(f"{replica} killed", done, strike, lambda: cluster.bring_back(replica))

    def restart_redis() -> str:
        cluster.restart("redis-1")
        return ""

    def terminate() -> str:
        return f"{cluster.terminate_backends()} of them"

    return [
        killing("worker-1", 0.1),
        killing("triggerer-1", 0.25),
        Blow("Redis restarted", 0.4, restart_redis),
        killing("scheduler-1", 0.55),
        Blow("all PostgreSQL backends terminated", 0.7, terminate),
    ]


class Storm:
    """Lets the blows fall when the deliveries have come as far as each wants.

    :param pairs: how many pairs are to be delivered in all
    :param tell: called with each blow that fell
    """

    def __init__(self, cluster: Cluster, pairs: int, tell: Callable[[Felt], None]) -> None:
        self.felt: list[Felt] = []
        self._coming = blows(cluster)
        self._pairs = pairs
        self._tell = tell
        self._mending: list[tuple[float, Blow]] = []
        self._began = time.monotonic()

    def begin(self) -> float:
        """Start the clock, and return its time."""
        self._began = time.monotonic()
        return self._began

    def look(self, ordered: int, states: Sequence[str]) -> None:
        """Strike and mend what is due.

        :param ordered: pairs that AEP was asked for so far
        :param states: of the DAG runs
        """
        now = time.monotonic()
        for due, blow in [item for item in self._mending if item[0] <= now]:
            self._mending.remove((due, blow))
            if blow.mend:
                blow.mend()
                self._feel(blow.what.replace("killed", "back"), ordered, states)
        if self._coming and ordered >= self._coming[0].done * self._pairs:
            blow = self._coming.pop(0)
            detail = blow.strike()
            if blow.mend:
                self._mending.append((time.monotonic() + AWAY_SECONDS, blow))
            self._feel(f"{blow.what}, {detail}" if detail else blow.what, ordered, states)

    @property
    def is_over(self) -> bool:
        """Whether every blow fell while deliveries were under way."""
        return not self._coming

    def _feel(self, what: str, ordered: int, states: Sequence[str]) -> None:
        running = sum(state in ("queued", "running") for state in states)
        self.felt.append(Felt(what, time.monotonic() - self._began, running, ordered))
        self._tell(self.felt[-1])
