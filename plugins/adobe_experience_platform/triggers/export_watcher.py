"""What an asset watcher remembers between its looks, and from one triggerer to the next."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from adobe_experience_platform.aep import count
from adobe_experience_platform.delivery import Snapshot, export_news

from .older_airflow import get_state, set_state

log = logging.getLogger(__name__)

WATERMARK = "watermark"
"""Key in the asset's state store: what was told."""
LINES_PER_ROUND = 20


class WatcherMemory:
    """What a watcher has told, kept in the asset's state store."""

    def __init__(self) -> None:
        self._mark: export_news.Mark | None = None
        self._loaded = False
        self._to_store: export_news.Mark | None = None
        self._waiting: list[str] = []
        self._stuck: set[str] = set()

    async def consider(self, snapshot: Snapshot, store: Any) -> dict[str, Any] | None:
        """Return what to tell, None for nothing; what is told is stored when this is called again.

        Nothing is told before the store was read: what was told before is not known until then. A store that cannot
        be written keeps nothing from being told: the runs de-duplicate.

        :param store: the trigger's ``asset_state_store``, None where there is none.
        """
        if not await self._load(store):
            return None
        await self._store(store)
        look = export_news.look(snapshot, self._mark, dt.datetime.now(tz=dt.UTC))
        self._say(look)
        if look.mark is None:
            return None
        before, self._mark, self._to_store = self._mark, look.mark, look.mark
        if look.news:
            newest = look.news[0]
            log.info("Segment export %s has finished: %s", newest.id, count(len(look.news), "new export"))
            return export_news.event_payload(look.news)
        if before is None:
            log.info("Watching segment exports of %s: what has finished so far is not news", look.mark.place)
        else:
            log.warning("The connection leads to %s and no more to %s: begin anew", look.mark.place, before.place)
        await self._store(store)
        return None

    async def _load(self, store: Any) -> bool:
        """Read the mark once; return whether it is known."""
        if self._loaded or store is None:
            return True
        try:
            self._mark = export_news.Mark.from_json(await get_state(store, WATERMARK))
        except Exception as error:  # noqa: BLE001 - the next round tries again; a watcher outlives such trouble
            log.warning("The watermark could not be read: %s", error)
            return False
        self._loaded = True
        return True

    async def _store(self, store: Any) -> None:
        """Write the mark if it has changed."""
        if self._to_store is None or store is None:
            return
        try:
            await set_state(store, WATERMARK, self._to_store.to_json())
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("The watermark could not be written: %s", error)
        else:
            self._to_store = None

    def _say(self, look: export_news.ExportNews) -> None:
        """Log changes only."""
        waiting = [job.id for job in look.waiting]
        if waiting and waiting != self._waiting:
            log.info("In progress: segment exports %s", ", ".join(waiting[:LINES_PER_ROUND]))
        self._waiting = waiting
        for job in [job for job in look.stuck if job.id not in self._stuck]:
            self._stuck.add(job.id)
            log.warning(
                "Not waiting for segment export job %s: it has been in progress for over 24 h and looks stuck", job.id
            )
