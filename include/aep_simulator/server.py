"""Running the simulator: in the foreground, or on a thread of the caller."""

from __future__ import annotations

import ipaddress
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from .app import build_app
from .simulator import Simulator
from .wire import OpenProtocol

_START_SECONDS = 10.0


class _Server(uvicorn.Server):
    """uvicorn's server, which says where it listens once it does."""

    announcement: str | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.announcement and self.started:
            sys.stdout.write(f"{self.announcement}\n")
            sys.stdout.flush()


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _server(simulator: Simulator) -> _Server:
    config = uvicorn.Config(
        build_app(simulator),
        http=OpenProtocol,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return _Server(config)


def _url(host: str, listener: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def serve(simulator: Simulator, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; both end the process cleanly."""
    listener = _bind(host, port)
    server = _server(simulator)
    server.announcement = f"AEP simulator listening on {_url(host, listener)}"

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # uvicorn handles the signals while it runs and raises them again at its end: they end here.
        server.should_exit = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.run(sockets=[listener])


@contextmanager
def running(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve on a thread for the length of a ``with`` block; the block gets the URL."""
    listener = _bind(host, port)
    server = _server(simulator)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the simulator did not start")
        time.sleep(0.01)
    try:
        yield _url(host, listener)
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
