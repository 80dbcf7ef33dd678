"""What a submission needs of its surroundings, and what it asks of them: the steps that it returns."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Protocol

from adobe_experience_platform.aep import Pair


class RecordStore(Protocol):
    """Where the record is kept: ``task_state_store`` in Airflow, a dictionary in tests."""

    def get(self, key: str) -> object:
        """Return the stored JSON value, None if there is none."""

    def set(self, key: str, value: dict[str, object]) -> None:
        """Store a JSON value durably before returning."""


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
