"""What both hooks share around a socket: TLS and proxy settings, limits, and plain words for failures."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import requests

from adobe_experience_platform.aep import AepConnection, is_loopback, proxy_address, transport
from adobe_experience_platform.errors import AepConnectionConfigError

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection must be established."""


@dataclass(slots=True)
class Departure:
    """A request's first byte: who is asked before it leaves, and whether it has left.

    :param ask: what it raises keeps all bytes back.
    :param refusal: what it raised; the HTTP clients may wrap or swallow it.
    """

    ask: Callable[[], None] | None = None
    sent: bool = False
    refusal: Exception | None = None

    def leave(self) -> None:
        """Let the first byte leave; called by the connection, when it is open."""
        if not self.sent and self.ask is not None:
            try:
                self.ask()
            except Exception as error:
                self.refusal = error
                raise
        self.sent = True


def begun_answer(status: int, headers: Mapping[str, str]) -> transport.Received:
    """Return the beginning of an answer: its status and headers."""
    return transport.Received(status, {key.lower(): value for key, value in headers.items()}, b"")


def check_size(body: bytearray) -> None:
    """Refuse an answer that is larger than any of AEP's."""
    if len(body) > transport.MAX_BODY:
        raise BodyTooLargeError(f"the response is larger than {transport.MAX_BODY} bytes")


class BodyTooLargeError(ValueError):
    """The answer is not read to its end."""


def proxy_for(settings: AepConnection, url: str) -> str | None:
    """Return the proxy for a URL: the connection's own, else that of the environment, which loopback never uses."""
    parts = urlsplit(url)
    if parts.scheme in settings.proxies or not settings.trust_env or is_loopback(parts.hostname or ""):
        return settings.proxies.get(parts.scheme)
    found = requests.utils.get_environ_proxies(url)
    proxy = found.get(parts.scheme) or found.get("all")
    if proxy and not (address := proxy_address(proxy)):
        raise AepConnectionConfigError(
            f"The environment's proxy for {parts.scheme} is not an http or https address: correct {parts.scheme}_proxy "
            "or all_proxy, or set extra 'proxies' of the connection"
        )
    return address if proxy else None


def authorities(settings: AepConnection) -> bool | str:
    """Return whether certificates are checked, and with which file or folder if not the HTTP client's own."""
    if settings.verify is not True or not settings.trust_env:
        return settings.verify
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def tls(settings: AepConnection) -> ssl.SSLContext | bool:
    """Return how aiohttp checks certificates: its own way, not at all, or with files of the connection."""
    verify = authorities(settings)
    if verify is True and settings.cert is None:
        return True
    cert = (settings.cert,) if isinstance(settings.cert, str) else settings.cert or ()
    try:
        files = [path for path in (verify, *cert) if isinstance(path, str)]
        return _context(verify, cert, tuple(Path(path).stat().st_mtime_ns for path in files))
    except (OSError, ValueError):
        raise AepConnectionConfigError(
            f"Connection {settings.conn_id!r} cannot be used: extra 'verify' or 'cert' names a file that cannot be "
            "read as a certificate"
        ) from None


@lru_cache(maxsize=8)
def _context(verify: bool | str, cert: tuple[str, ...], _: tuple[int, ...]) -> ssl.SSLContext:
    """Read the files, which takes long enough to be noticed on an event loop; again when they have changed."""
    path = verify if isinstance(verify, str) else None
    folder = path is not None and Path(path).is_dir()
    context = ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
    if verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if cert:
        context.load_cert_chain(*cert)
    return context


def failure(
    error: Exception, settings: AepConnection, leaving: Departure, begun: transport.Received | None
) -> Exception:
    """Return the one error that both hooks raise for whatever a socket, a library or strange bytes can do."""
    if leaving.refusal is not None:
        return leaving.refusal
    reason, too_large = _reason(error, settings, leaving, begun), isinstance(error, BodyTooLargeError)
    return transport.TransportError(reason, sent=leaving.sent, begun=begun, too_large=too_large)


def _reason(error: Exception, settings: AepConnection, leaving: Departure, begun: transport.Received | None) -> str:
    """Say in plain words what happened; never the URL's query, a header or what a library says."""
    # By name, so that a worker need not load aiohttp, which takes as long as all the rest of a task.
    names = {kind.__name__ for item in _chain(error) for kind in type(item).__mro__}
    if isinstance(error, BodyTooLargeError):
        return str(error)
    if any("SSL" in name or "Certificate" in name for name in names):
        return "the TLS certificate was not accepted" if not leaving.sent else "the TLS connection broke"
    if names & {"ProxyError", "ClientProxyConnectionError", "ClientHttpProxyError"}:
        return "the proxy cannot be reached or refused the connection"
    if not leaving.sent and names & {"NewConnectionError", "ClientConnectorError"}:
        return "connection refused or host not found"
    if names & {"TimeoutError", "Timeout"}:
        if leaving.sent:
            return f"no {'complete ' if begun else ''}response within {settings.timeout:g} s"
        return f"no connection within {min(CONNECT_TIMEOUT, settings.timeout):g} s"
    if names & {"ConnectionError", "ClientConnectionError", "ClientPayloadError"}:
        return f"the connection was closed ({type(error).__name__})"
    what = "the response cannot be read" if leaving.sent else "the request cannot be sent"
    return f"{what} ({type(error).__name__})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, in the ways of both libraries."""
    seen: list[BaseException] = []
    found: object = error
    while isinstance(found, BaseException) and found not in seen:
        seen.append(found)
        yield found
        first = found.args[0] if found.args else None
        found = (
            getattr(first, "reason", first)
            if isinstance(first, BaseException)
            else found.__cause__ or found.__context__
        )
