"""What an asset watcher remembers between its looks, and from one triggerer to the next.

An event that a triggerer fires is in Airflow's database seconds later, or it is lost with the triggerer, and no watcher
that comes after it can ask which. So a watcher notes in the asset's state store what it is about to tell, tells it, and
notes that it was told. Where a triggerer dies or freezes in between, another one tells it again, rather than never, and
says so.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from .older_airflow import get_state, set_state

log = logging.getLogger(__name__)

WATERMARK = "watermark"
"""Key in the asset's state store: the mark; under ``telling`` what is being told and by whom, under ``unsure`` what may
have been told by a watcher that is gone."""
CLAIM_SECONDS = 1.0
"""Until a watcher believes its own note: of two that note at once, the one that noted last tells."""
LONGEST_CLAIM_SECONDS = 15.0
"""A note that took longer is void: a triggerer that was frozen meanwhile may have been replaced."""
STORED_SECONDS = 5.0
"""Until Airflow has an event in its database. The triggerer hands events over once a second."""
HAND_OVER_SECONDS = 30.0
"""Until a note of another watcher that is still about to tell is taken for one of a dead one."""

M = TypeVar("M", bound="Mark")


class Mark(Protocol):
    """What a watcher remembers."""

    @property
    def place(self) -> str:
        """Organization and sandbox."""

    def to_json(self) -> dict[str, object]:
        """Return the mark as it is stored."""

    def merged(self: M, other: M) -> M:
        """Return the mark of all that either knows."""


@dataclass(frozen=True, slots=True)
class News(Generic[M]):
    """What one look means: key → payload of each event to fire, and the mark after that, None if nothing is new."""

    events: Mapping[str, dict[str, Any]]
    mark: M | None


class _Note(NamedTuple, Generic[M]):
    """What the store says.

    :param by: the watcher that is about to tell ``ids``, and which time it is; "" if there is none.
    :param unsure: what may have been told.
    """

    mark: M | None
    by: str = ""
    ids: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()


class WatcherMemory(Generic[M]):
    """What a watcher has told (of the ends of ``what``), kept in the asset's state store."""

    def __init__(self, read: Callable[[object], M | None], what: str) -> None:
        self.mark: M | None = None
        self._read = read
        self._what = what
        self._me = uuid.uuid4().hex
        self._claims = itertools.count()
        self._loaded = False
        self._unstored: tuple[M | None, frozenset[str]] | None = None
        self._other: tuple[str, float] = ("", 0.0)

    async def consider(self, look: Callable[[M | None], News[M]], store: Any) -> list[dict[str, Any]]:
        """Return the events to fire; once they are fired, :meth:`told` must be called.

        Nothing is told before the store was read, or while it cannot be written: it is in the database that an event
        must reach.

        :param look: compares what AEP says with a mark.
        """
        try:
            if store is not None and not await self._in_step(store):
                return []
            news = look(self.mark)
            if news.mark is None:
                return []
            claims = bool(news.events) and store is not None
            unsure = await self._claim(store, news) if claims else frozenset()
            if unsure is None:
                return []
        except Exception as error:  # noqa: BLE001 - the next round tries again; a watcher outlives such trouble
            log.warning("What was told of %s could not be read or noted: %s", self._what, error)
            return []
        before, self.mark = self.mark, news.mark
        self._unstored = before, frozenset(news.events)
        if news.events:
            return [{**payload, "possible_repeat": key in unsure} for key, payload in news.events.items()]
        if before is None:
            log.info("Watching %s in %s: what has ended so far is not news", self._what, news.mark.place)
        elif before.place != news.mark.place:
            log.warning("The connection now leads to %s instead of %s: starting over", news.mark.place, before.place)
        await self._store(store)
        return []

    async def told(self, store: Any) -> None:
        """Note that the events were fired, when they are in Airflow's database."""
        if store is not None:
            await asyncio.sleep(STORED_SECONDS)
        await self._store(store)

    async def _in_step(self, store: Any) -> bool:
        """Whether the mark is in the store."""
        if not self._loaded:
            self.mark = (await self._stored(store)).mark
            self._loaded = True
        return self._unstored is None or await self._store(store)

    async def _claim(self, store: Any, news: News[M]) -> frozenset[str] | None:
        """Note what is about to be told; return what may have been told before, None if another watcher tells it."""
        begun = time.monotonic()
        stored = await self._stored(store)
        if self._differs(stored, self.mark):
            return None
        unsure = stored.unsure
        if stored.by and not self._is_mine(stored):  # what this one noted and did not tell is told for the first time
            if stored.by != self._other[0]:
                self._other = stored.by, time.monotonic()
            if time.monotonic() - self._other[1] < HAND_OVER_SECONDS:
                return None
            log.warning("Another watcher was about to tell of %s, and is gone: told again", self._what)
            unsure |= stored.ids
        mine = f"{self._me}/{next(self._claims)}"
        await self._write(store, _Note(self.mark, mine, frozenset(news.events), unsure))
        await asyncio.sleep(CLAIM_SECONDS)
        holds = (await self._stored(store)).by == mine and time.monotonic() - begun <= LONGEST_CLAIM_SECONDS
        return unsure if holds else None

    def _is_mine(self, stored: _Note[M]) -> bool:
        return stored.by.split("/")[0] == self._me

    async def _store(self, store: Any) -> bool:
        """Write the mark, unless another watcher has written since; return whether the store was reached."""
        if store is None or self._unstored is None:
            self._unstored = None
            return True
        before, told = self._unstored
        mark = self.mark
        try:
            stored = await self._stored(store)
            is_mine = self._is_mine(stored)
            self._unstored = None
            if not self._differs(stored, before) and (is_mine or not told):
                done = stored._replace(by="", ids=frozenset()) if is_mine else stored
                await self._write(store, done._replace(mark=mark, unsure=stored.unsure - told))
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("What was told of %s could not be noted: %s", self._what, error)
            self._unstored = before, told
            return False
        return True

    def _differs(self, stored: _Note[M], mark: M | None) -> bool:
        """Whether another mark is stored; then both count, as either may be of a triggerer that was frozen."""
        found = stored.mark
        if found is None or (mark is not None and found.to_json() == mark.to_json()):
            return False
        if self.mark is not None and self.mark.place == found.place:
            self.mark = self.mark.merged(found)
            self._unstored = (found, frozenset()) if self.mark != found else None
        else:
            self.mark = found
        return True

    async def _stored(self, store: Any) -> _Note[M]:
        data = await get_state(store, WATERMARK)
        telling, unsure = (data.get("telling"), data.get("unsure")) if isinstance(data, Mapping) else (None, None)
        by, ids = (telling.get("by"), telling.get("ids")) if isinstance(telling, Mapping) else ("", ())
        return _Note(self._read(data), str(by or ""), frozenset(ids or ()), frozenset(unsure or ()))

    async def _write(self, store: Any, note: _Note[M]) -> None:
        value: dict[str, object] = note.mark.to_json() if note.mark is not None else {}
        if note.by:
            value["telling"] = {"by": note.by, "ids": sorted(note.ids)}
        if note.unsure:
            value["unsure"] = sorted(note.unsure)
        await set_state(store, WATERMARK, value)
