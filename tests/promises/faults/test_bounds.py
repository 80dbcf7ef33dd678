"""No answer takes longer, or is larger, than it may; an activation has a connection of its own."""

from __future__ import annotations

import gzip
import json
import ssl
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adobe_experience_platform.aep import endpoints, transport
from adobe_experience_platform.errors import AepConnectionConfigError, AepLostAnswerError, AepTransientError
from tests.promises.faults.conftest import SHORT, Aep
from tests.promises.faults.play import PAIR, read
from tests.promises.faults.table import FLOW, FLOWS, JOBS, POST
from tests.support.certificates import write_certificate
from tests.support.sockets import raw_server

MakeHook = Callable[[], Any]
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
FLOW_LIST = b'{"items": [{"id": "mail"}]}'


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ATTEMPTS", 1)


@pytest.fixture
def connect_to(aep: Aep, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that points the connection at another server."""

    def change(url: str, **extra: Any) -> None:
        value = {
            "conn_type": "adobe_experience_platform",
            "host": url,
            "login": "client-1",
            "extra": {"org_id": "ORG@AdobeOrg", "access_token": "given", "timeout": 10, **extra},
        }
        monkeypatch.setenv("AIRFLOW_CONN_AEP_TEST", json.dumps(value))

    return change


# -- size


BUFFERS = 64_000_000
"""Bytes that the buffers of two sockets hold at most, as Linux is set up; the receiver's alone may grow to 33 MB."""


def endless(send: Callable[[bytes], None]) -> None:
    send(JSON + b'Transfer-Encoding: chunked\r\n\r\n10000\r\n{"' + b"x" * 0xFFFE + b"\r\n")
    while True:
        send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


@pytest.mark.parametrize("bound", [100_000, transport.MAX_BODY])
def test_a_body_above_the_bound_is_refused_without_reading_it_all(
    bound: int, make_hook: MakeHook, connect_to: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would send for ever: that the call ends shows that it stopped reading."""
    monkeypatch.setattr(transport, "MAX_BODY", bound)
    with raw_server(endless) as server:
        connect_to(server.url)
        with pytest.raises(AepTransientError, match=f"HTTP 200: the response is larger than {bound} bytes"):
            read(make_hook(), FLOW)
    assert server.sent < bound + BUFFERS


def test_a_body_just_below_the_bound_is_read(
    make_hook: MakeHook, connect_to: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", len(FLOW_LIST))
    with raw_server(lambda send: send(JSON + b"Content-Length: %d\r\n\r\n" % len(FLOW_LIST) + FLOW_LIST)) as server:
        connect_to(server.url)
        assert read(make_hook(), FLOWS) == ["mail"]


def test_the_size_that_counts_is_the_one_after_unpacking(
    make_hook: MakeHook, connect_to: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = gzip.compress(b'{"items": ["' + b"x" * 200_000_000, compresslevel=1)
    monkeypatch.setattr(transport, "MAX_BODY", 1_000_000)
    head = JSON + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with raw_server(lambda send: send(head + packed)) as server:
        connect_to(server.url)
        hook = make_hook()
        tracemalloc.start()
        try:
            with pytest.raises(AepTransientError, match="the response is larger than 1000000 bytes"):
                read(hook, FLOWS)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 50_000_000


# -- time


def dribbled(*parts: bytes) -> Callable[[Callable[[bytes], None]], None]:
    """Return an answer that sends its first part at once and the rest byte by byte, for several seconds."""

    def answer(send: Callable[[bytes], None]) -> None:
        send(parts[0])
        for byte in b"".join(parts[1:]):
            time.sleep(SHORT / 5)
            send(bytes([byte]))

    return answer


SLOW = {
    "status line": dribbled(b"", JSON),
    "headers": dribbled(JSON, b"X-Padding: " + b"x" * 80),
    "body with a length": dribbled(JSON + b"Content-Length: 200\r\n\r\n", b"x" * 200),
    "body until the connection ends": dribbled(JSON + b"\r\n", b"x" * 200),
    "body in chunks": dribbled(JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 40),
    "endless interim answers": dribbled(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("call", [FLOWS, POST])
def test_the_time_of_a_whole_answer_is_bounded(
    answer: Callable[[Callable[[bytes], None]], None],
    call: str,
    make_hook: MakeHook,
    connect_to: Callable[..., None],
) -> None:
    with raw_server(answer) as server:
        connect_to(server.url, timeout=SHORT)
        hook = make_hook()
        with pytest.raises((AepTransientError, AepLostAnswerError), match=f"response within {SHORT:g} s"):
            read(hook, call) if call != POST else hook.call(endpoints.activate([PAIR], export_id=None))


# -- connections


def test_an_activation_has_a_connection_of_its_own(aep: Aep, make_hook: MakeHook) -> None:
    """One that was kept alive may be closed by AEP at that very moment, and nobody knew whether it was taken."""
    aep.give_token()
    hook = make_hook()
    read(hook, JOBS)
    before = aep.wire.opened
    read(hook, JOBS)
    assert aep.wire.opened == before
    hook.call(endpoints.activate([PAIR], export_id=None))
    assert aep.wire.opened == before + 1


# -- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate of 127.0.0.1 that nobody trusts, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    write_certificate(path)
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def whole(send: Callable[[bytes], None]) -> None:
    send(JSON + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(FLOW_LIST) + FLOW_LIST)


def test_a_certificate_that_the_connection_names_is_trusted(
    tls: ssl.SSLContext, certificate: Path, make_hook: MakeHook, connect_to: Callable[..., None]
) -> None:
    with raw_server(whole, tls) as server:
        connect_to(server.url, verify=str(certificate))
        assert read(make_hook(), FLOWS) == ["mail"]


@pytest.mark.parametrize("call", [FLOWS, POST])
def test_a_certificate_that_is_not_trusted_sends_nothing(
    call: str, tls: ssl.SSLContext, make_hook: MakeHook, connect_to: Callable[..., None]
) -> None:
    """So an activation is not lost: it provably never left."""
    with raw_server(whole, tls) as server:
        connect_to(server.url)
        hook = make_hook()
        with pytest.raises(AepTransientError, match="TLS certificate was not accepted"):
            read(hook, call) if call != POST else hook.call(endpoints.activate([PAIR], export_id=None))
    assert server.received == b""


def test_the_time_of_an_answer_is_bounded_with_tls_too(
    tls: ssl.SSLContext, certificate: Path, make_hook: MakeHook, connect_to: Callable[..., None]
) -> None:
    with raw_server(SLOW["body with a length"], tls) as server:
        connect_to(server.url, verify=str(certificate), timeout=3 * SHORT)
        with pytest.raises(AepTransientError, match="no complete response within"):
            read(make_hook(), FLOWS)


@pytest.mark.parametrize(
    "extra", [{"verify": "/nowhere/ca.pem"}, {"cert": "/nowhere/client.pem"}], ids=["verify", "cert"]
)
def test_a_certificate_file_that_is_not_there_is_named_as_the_fault(
    extra: dict[str, str], make_hook: MakeHook, connect_to: Callable[..., None]
) -> None:
    connect_to("https://127.0.0.1:1", **extra)
    with pytest.raises(AepConnectionConfigError, match="extra 'verify' or 'cert' names a file that cannot be read"):
        read(make_hook(), FLOWS)
