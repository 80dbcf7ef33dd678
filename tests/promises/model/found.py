"""Histories that broke a promise, as the explorers found them; those with a reason still do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .history import Action, History


@dataclass(frozen=True)
class Found:
    """A history by name.

    :param reason: why it is still broken; "" for what is mended.
    :param known: which problems of random histories are this one: a regular expression on ``kind: text``.
    """

    name: str
    setup: dict[str, Any]
    actions: tuple[Action, ...]
    reason: str = ""
    known: str = ""

    @property
    def history(self) -> History:
        return History(self.setup, list(self.actions))

    def covers(self, kind: str, text: str) -> bool:
        return bool(self.reason and self.known and re.search(self.known, f"{kind}: {text}"))


FOUND: tuple[Found, ...] = ()
