"""A notifier of somebody else's, for tests: it keeps what it was given."""

from __future__ import annotations

import time
from typing import Any

from airflow.sdk import BaseNotifier

TOLD: list[tuple[str, str]] = []


class Chat(BaseNotifier):
    """Keeps (channel, text)."""

    template_fields = ("text", "channel")

    def __init__(self, *, channel: str, text: str = "the default text", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channel, self.text = channel, text

    def notify(self, context: Any) -> None:
        """Keep it."""
        TOLD.append((self.channel, self.text))


class Broken(Chat):
    """Fails, and its error holds a secret."""

    def notify(self, context: Any) -> None:
        """Fail."""
        raise RuntimeError("404 for https://hooks.example.com/services/T0/s3cr3t")


class Hanging(Chat):
    """Does not end."""

    def notify(self, context: Any) -> None:
        """Hang."""
        time.sleep(60)
