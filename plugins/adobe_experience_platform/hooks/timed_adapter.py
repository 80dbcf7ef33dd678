"""A requests adapter whose answers must be complete in time, however slowly their bytes come.

The read timeout of requests and urllib3 restarts with every byte, so a server that sends one now and then
holds a worker forever. Here it is the time for the whole answer, from its status line to its last byte.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from adobe_experience_platform.aep import transport

from .wire import BodyTooLargeError, Departure

departure: ContextVar[Departure | None] = ContextVar("departure", default=None)
"""The first byte of the request that is on its way in this thread."""
MAX_RAW = 4 * transport.MAX_BODY
"""Bytes that an answer may take on its way: chunks of one byte, headers and interim answers count too."""

KEEP_ALIVE = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 20}.items()
        if hasattr(socket, name)
    ),
]
"""The options that Airflow's HTTP provider gives its sockets."""


class _TimedReader(io.RawIOBase):
    """Reads from a socket until the timeout that it has now is over, or too many bytes have come."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        limit = sock.gettimeout()
        self._end = float("inf") if limit is None else time.monotonic() + limit
        self._left = MAX_RAW

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left if left < float("inf") else None)
        number = self._raw.readinto(buffer)
        self._left -= number or 0
        if self._left < 0:
            raise BodyTooLargeError(f"the response is larger than {MAX_RAW} bytes")
        return number

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReader(sock))


class _TimedHTTPConnection(HTTPConnection):
    """A connection that asks before its first byte; what it says to a proxy to reach AEP is no byte of the request."""

    response_class = _TimedResponse
    _connecting = False

    def connect(self) -> None:
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        if not self._connecting and (leaving := departure.get()) is not None:
            if self.sock is None:
                self.connect()
            leaving.leave()
        super().send(data)


class _TimedHTTPSConnection(_TimedHTTPConnection, HTTPSConnection):
    pass


class _TimedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _TimedHTTPConnection


class _TimedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPSConnection


_POOLS = {"http": _TimedHTTPPool, "https": _TimedHTTPSPool}


class TimedAdapter(HTTPAdapter):
    """Bounds the time of a whole answer, and keeps connections alive through networks that forget silent ones."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        """Make the pools (called by requests)."""
        super().init_poolmanager(connections, maxsize, block, socket_options=KEEP_ALIVE, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools for a proxy (called by requests)."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
