"""What both hooks share around a socket: TLS and proxy settings, limits, and plain words for failures."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import aiohttp
import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError, ReadTimeoutError, SSLError

from adobe_experience_platform.aep import CONN_TYPE, MAX_BODY, AepConnection, Received, TransportError
from adobe_experience_platform.errors import AepConnectionConfigError

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection must be established."""


def begun_answer(status: int, headers: Mapping[str, str]) -> Received:
    """Return the beginning of an answer: its status and headers."""
    return Received(status, {key.lower(): value for key, value in headers.items()}, b"")


def check_size(body: bytearray, begun: Received) -> None:
    """Refuse an answer that is larger than any of AEP's."""
    if len(body) > MAX_BODY:
        raise TransportError(f"the response is larger than {MAX_BODY} bytes", sent=True, begun=begun)


def no_certificates(settings: AepConnection) -> AepConnectionConfigError:
    """Say that a file of the connection cannot be read."""
    return AepConnectionConfigError(
        f"Connection {settings.conn_id!r} cannot be used: extra 'verify' or 'cert' names a file that cannot be read as "
        "a certificate"
    )


def no_connection(conn_id: str) -> AepConnectionConfigError:
    """Say that Airflow knows no such connection."""
    return AepConnectionConfigError(
        f"Connection {conn_id!r} does not exist: create one of type {CONN_TYPE!r} under Admin > Connections, or choose "
        "another."
    )


def proxy_for(settings: AepConnection, url: str) -> str | None:
    """Return the proxy for a URL: the connection's own, else that of the environment if it is trusted."""
    scheme = url.split(":", 1)[0]
    if scheme in settings.proxies or not settings.trust_env:
        return settings.proxies.get(scheme)
    found = requests.utils.get_environ_proxies(url)
    return found.get(scheme) or found.get("all")


def tls(settings: AepConnection) -> ssl.SSLContext | bool:
    """Return how certificates are checked: aiohttp's own way, not at all, or with files of the connection."""
    if settings.verify is False:
        return False
    if settings.verify is True and settings.cert is None:
        return True
    try:
        context = ssl.create_default_context(cafile=settings.verify if isinstance(settings.verify, str) else None)
        if settings.cert is not None:
            pair = (settings.cert,) if isinstance(settings.cert, str) else settings.cert
            context.load_cert_chain(*pair)
    except (OSError, ValueError):
        raise no_certificates(settings) from None
    return context


def was_sent(error: requests.RequestException | UnicodeError) -> bool:
    """Whether bytes of the request may have reached AEP; in doubt, yes."""
    if isinstance(error, UnicodeError):
        return False
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return False
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return False
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else None
    if isinstance(reason, SSLError):
        return "CERTIFICATE_VERIFY_FAILED" not in str(reason)
    return not isinstance(reason, NewConnectionError | ConnectTimeoutError | ProxyError)


def reason_of(error: BaseException, timeout: float, begun: Received | None) -> str:
    """Say in plain words what happened; never the URL's query or a header."""
    reason = getattr(error.args[0], "reason", error.args[0]) if getattr(error, "args", None) else error
    if isinstance(error, requests.exceptions.Timeout | TimeoutError) or isinstance(reason, ReadTimeoutError):
        return f"no {'complete ' if begun else ''}response within {timeout:g} s"
    kinds = type(reason).__name__ + type(error).__name__
    if "SSL" in kinds or "Certificate" in kinds:
        return "the TLS certificate was not accepted"
    if "Proxy" in kinds:
        return "the proxy cannot be reached or refused the connection"
    if isinstance(reason, NewConnectionError) or isinstance(error, aiohttp.ClientConnectorError):
        return "connection refused or host not found"
    return f"the connection was closed ({type(error).__name__})"
