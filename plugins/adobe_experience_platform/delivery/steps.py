"""What a submission needs of its surroundings, and what it asks of them: the steps that it returns."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from adobe_experience_platform.aep import Activation, Pair
from adobe_experience_platform.errors import AepNotSentError

LEASE = 10.0
"""Seconds within which the first byte leaves after its intent is stored: another attempt may have read it then."""


def clocks() -> tuple[float, ...]:
    """Return the seconds of this machine's clocks that go on while it is suspended: one cannot be set, one may lag."""
    boot = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
    return boot, time.time()


@dataclass(slots=True)
class Lease:
    """Lets the first byte of a POST leave only shortly after its intent was stored: a process may stand still.

    :param clocks: seconds of each clock; the one that went furthest decides.
    :param stopped: whether the process was told to end.
    """

    clocks: Callable[[], tuple[float, ...]]
    stopped: Callable[[], bool]
    begun: tuple[float, ...] = ()

    def begin(self) -> None:
        """Start, just before the intent is stored."""
        self.begun = self.clocks()

    def require(self) -> None:
        """Refuse what must not leave any more: the record says that it may be under way, so AEP is asked next."""
        late = max(now - then for now, then in zip(self.clocks(), self.begun, strict=True))
        if self.stopped() or late > LEASE:
            why = "was told to end" if self.stopped() else f"stood still for {late:.0f} s"
            raise AepNotSentError(f"The activation was not sent: this process {why} on its way. It is sent later.")


class RecordStore(Protocol):
    """Where records are kept, and whose a flow run is: :mod:`~.operators.notes` in Airflow, a dictionary in tests."""

    def get(self, key: str) -> object:
        """Return the stored JSON value, None if there is none."""

    def set(self, key: str, value: dict[str, object]) -> None:
        """Store a JSON value durably before returning."""

    def claim(self, activations: Iterable[Activation]) -> None:
        """Note for all DAG runs that these flow runs are this DAG run's."""

    def read_others(self, flow_ids: Iterable[str]) -> None:
        """Read anew what other DAG runs were told of these flows; what :meth:`is_anothers` says is as old as that."""

    def is_anothers(self, flow_id: str, run_id: str) -> bool | None:
        """Return whether a flow run is another DAG run's; None where nobody could have noted it."""


class Log(Protocol):
    """The part of a logger that tells the story of a submission."""

    def info(self, event: Any, /, *args: Any) -> Any:
        """Log a step."""

    def warning(self, event: Any, /, *args: Any) -> Any:
        """Log what an operator on call should see."""


class OnConflict(enum.StrEnum):
    """What to do when another ad-hoc run for the audience is in progress."""

    WAIT = "wait"
    ADOPT = "adopt"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Done:
    """Every pair has a run."""


@dataclass(frozen=True, slots=True)
class Settle:
    """The outcome of a POST is unknown: wait, look again, and only then decide.

    :param unnamed: young runs that name no audience yet and may be ours.
    :param at_least: seconds that AEP asked to wait.
    """

    unnamed: tuple[str, ...]
    at_least: float = 0.0


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Something else must end first: a segment export, or another run for the same audience.

    :param conflict: the other run's pair, which may belong to a flow that this job does not deliver to.
    """

    reason: str
    conflict: Pair | None = None


Step = Done | Settle | WaitFor
