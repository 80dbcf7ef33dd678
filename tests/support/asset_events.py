"""Asset events as a task sees them: what it will tell with its success, and what others have told."""

from __future__ import annotations

import copy
import datetime as dt
import sys
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple


class Told(NamedTuple):
    """An event."""

    asset: str
    timestamp: dt.datetime
    extra: dict[str, Any]


class OutletEvents(dict[str, SimpleNamespace]):
    """``context["outlet_events"]``: by asset, with an ``extra`` to be set."""

    def __getitem__(self, asset: Any) -> SimpleNamespace:
        return self.setdefault(asset.name, SimpleNamespace(extra={}))

    def told(self, timestamp: dt.datetime) -> list[Told]:
        """Return the events that Airflow makes of them as the task succeeds."""
        return [Told(asset, timestamp, copy.deepcopy(event.extra)) for asset, event in self.items()]


class InletEvents:
    """``context["inlet_events"]``.

    :param events: returns all there are, oldest first.
    :param asked: told how many are asked for at most.
    """

    def __init__(self, events: Callable[[], Sequence[Told]], asked: Callable[[int], object] = int) -> None:
        self._events = events
        self._asked = asked

    def __getitem__(self, asset: Any) -> Listed:
        return Listed(lambda: [event for event in self._events() if event.asset == asset.name], self._asked)


class Listed:
    """The events of an asset, read anew whenever they are gone through."""

    def __init__(self, events: Callable[[], Sequence[Told]], asked: Callable[[int], object]) -> None:
        self._events = events
        self._asked = asked
        self._after: dt.datetime | None = None
        self._most = sys.maxsize
        self._order = 1

    def ascending(self, is_so: bool) -> Listed:
        self._order = 1 if is_so else -1
        return self

    def after(self, moment: str) -> Listed:
        self._after = dt.datetime.fromisoformat(moment)
        return self

    def limit(self, most: int) -> Listed:
        self._most = most
        return self

    def __iter__(self) -> Iterator[Told]:
        self._asked(self._most)
        found = [event for event in self._events() if self._after is None or event.timestamp >= self._after]
        return iter(found[:: self._order][: self._most])
