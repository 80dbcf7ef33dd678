"""One task at a time, over a store that several tasks share and that has no "write if unchanged".

Airflow 3.3.2 fails a task whose asset event makes a new asset while another task's event makes the same one: both find
no row, both insert it, and the second one's task is set to failed although it has succeeded
(``TaskInstance.register_asset_changes_in_db`` and ``AssetManager.register_asset_change``, guarded by unique indexes
only; the same for the row that ties an asset to an alias). So tasks take turns at a flow's first event.

The way is Fischer's: write your name, wait, and go on if the name is still yours. It holds as long as a write arrives
within :data:`SETTLE` of the look before it; a turn that is not handed back ends after :data:`HELD`, by the clock of the
one who waits. Should it not hold, the damage is that of today: a red task, whose clear emits.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

SETTLE = 1.5
"""Seconds between writing a name and reading it again."""
HELD = 20.0
"""Seconds after which a name that has not changed is that of a task that is gone."""
PATIENCE = 120.0
"""Seconds that a task waits for its turn at most."""


class Store(Protocol):
    """What is needed of Airflow's state stores."""

    def get(self, key: str) -> Any:
        """Return a value, None if there is none."""

    def set(self, key: str, value: Any) -> None:
        """Write a value."""

    def delete(self, key: str) -> None:
        """Remove a value."""


def take(
    store: Store,
    name: str,
    needed: Callable[[], Collection[str]],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Wait until it is this task's turn at all keys that it needs, or until it needs none.

    :param store: shared by all who take turns.
    :param name: of this task's try, unlike that of any other.
    :param needed: which keys still need a turn; asked anew at each look, as another task may have done the work.

    Returns False when its turn has not come within :data:`PATIENCE`.
    """
    end = clock() + PATIENCE
    seen: dict[str, tuple[str, float]] = {}
    while keys := sorted(needed()):
        if clock() > end:
            return False
        for key in keys:
            holder = str(store.get(key) or "")
            if key not in seen or seen[key][0] != holder:
                seen[key] = (holder, clock())
        if any(holder and clock() - since < HELD for holder, since in map(seen.__getitem__, keys)):
            sleep(random.uniform(0.2, 0.6))  # noqa: S311 - no secret
            continue
        for key in keys:
            store.set(key, name)
        sleep(SETTLE)
        mine = [key for key in keys if store.get(key) == name]
        if mine == keys:
            return True
        # All or nothing: two that each hold a part would wait for each other.
        for key in mine:
            store.delete(key)
        sleep(random.uniform(0.2, 1.0))  # noqa: S311
    return True
