"""Access to the TCP connection below ASGI, for faults that are no HTTP responses."""

from __future__ import annotations

import asyncio
from typing import cast

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_KEY = "simulator_transport"


class OpenProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with the transport put into each request's scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the transport of a new connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, _KEY: transport}


async def hang_up(scope: Scope, receive: Receive, last_words: bytes = b"") -> None:
    """Write raw bytes and close the connection, below HTTP.

    Returns when the server has noticed, so that it does not complain about a missing response.
    """
    transport = cast(asyncio.Transport, scope["state"][_KEY])
    if last_words:
        transport.write(last_words)
        transport.close()
    else:
        transport.abort()
    await until_gone(receive)


async def until_gone(receive: Receive) -> None:
    """Wait until the client has hung up; the request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
