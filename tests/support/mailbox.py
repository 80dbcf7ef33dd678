"""A real SMTP server on this machine that keeps what it is sent."""

from __future__ import annotations

import email
import socket
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller


class _Keep:
    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        message["X-Recipients"] = ", ".join(envelope.rcpt_tos)
        self.messages.append(message)
        return "250 OK"


class Mailbox:
    """Use it as ``with Mailbox() as mailbox``; :attr:`messages` is what has arrived."""

    def __init__(self) -> None:
        self._handler = _Keep()
        self.port = _free_port()
        self._controller = Controller(self._handler, hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def messages(self) -> list[EmailMessage]:
        """What has arrived, oldest first."""
        return list(self._handler.messages)

    def connection(self) -> dict[str, Any]:
        """Return Airflow's connection (JSON form) to this server."""
        return smtp_connection(self.port)


def smtp_connection(port: int) -> dict[str, Any]:
    """Return Airflow's connection (JSON form) to an SMTP server on this machine."""
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com", "timeout": 30}
    return {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """Return the text of a mail's part, ``plain`` or ``html``."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def _free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
