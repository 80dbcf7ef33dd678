"""Answers that no honest server gives, byte by byte: a table of strange ones, and as many drawn ones as wanted."""

from __future__ import annotations

import gzip
import json
import random
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
FLOWS = json.dumps(
    {"items": [{"id": "mail", "name": "Mail"}], "order": [{"segment": "gold", "order": "mail"}]}
).encode()


def whole(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return an answer with a right length."""
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body), b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _chunked(rest: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + rest


def _redirect(location: bytes, status: bytes = b"307 Moved") -> bytes:
    return whole(b"", b"Location: " + location, status=status)


ZIPPED = b"Content-Encoding: gzip"
BOMB = gzip.compress(b" " * 100_000_000, compresslevel=1)
FIVE_MILLION = gzip.compress(b'{"items":[' + b"{}," * 4_999_999 + b"{}]}", compresslevel=9)

LOCATIONS = [
    *(
        b"",
        b"/",
        b"?",
        b"#",
        b"//",
        b"///x",
        b"\\\\evil.example",
        b"http:",
        b"http://",
        b"https://[broken",
        b"https://[::1",
    ),
    *(
        b"https://evil.example/",
        b"//evil.example/",
        b"http://user:pw@evil.example",
        b"ftp://evil.example",
        b"data:text/plain,x",
    ),
    *(
        b"javascript:alert(1)",
        b"http://127.0.0.1:99999/",
        b"http://127.0.0.1:x/",
        b"http://127.0.0.1:0/",
        b"http://a b/",
    ),
    *(
        b"http://\x00/",
        b"/\xff\xfe\x80",
        b"/\xc3\xa9?x=\xe2\x80\xae",
        b"/%00%0d%0aX: y",
        b"/" + b"a/../" * 1500,
        b"x" * 8000,
    ),
    *(
        b"http://xn--a/",
        b"http://" + b"a" * 300 + b"/",
        b"http://.../",
        b"http://a..b/",
        b"http://\xe2\x98\x83.example/",
    ),
]
STATUSES = [b"300 M", b"301 M", b"302 M", b"303 M", b"304 M", b"305 M", b"307 M", b"308 M", b"399 M"]

STRANGE: dict[str, bytes] = {
    **{f"redirect to {location[:20]!r}": _redirect(location) for location in LOCATIONS},
    **{f"redirect {status.decode()}": _redirect(b"https://evil.example", status) for status in STATUSES},
    "redirect without a location": whole(b"", status=b"302 Found"),
    "redirect with two locations": whole(b"", b"Location: /a", b"Location: //evil.example", status=b"302 Found"),
    "redirect with a gzip bomb": whole(BOMB, ZIPPED, b"Location: https://evil.example", status=b"302 Found"),
    "redirect with broken gzip": whole(b"no gzip", ZIPPED, b"Location: /a", status=b"302 Found"),
    "redirect cut short": _redirect(b"/a")[:-2],
    # the status line
    "nothing": b"",
    "a line break": b"\r\n\r\n",
    "garbage": b"GARBAGE\r\n\r\n",
    "NULs": b"\x00" * 200,
    "TLS": b"\x15\x03\x01\x00\x02\x02\x28",
    "no code": b"HTTP/1.1\r\n\r\n",
    "a word as code": b"HTTP/1.1 abc OK\r\n\r\n",
    "a huge code": b"HTTP/1.1 99999999999999999999 OK\r\n\r\n",
    "a negative code": b"HTTP/1.1 -200 OK\r\n\r\n",
    "a code of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "code 0": b"HTTP/1.1 000 OK\r\n\r\n",
    "code 999": whole(FLOWS, status=b"999 What"),
    "another protocol": b"SSH-2.0-OpenSSH_9.0\r\n",
    "a strange version": b"HTTP/9.9 200 OK\r\n\r\n",
    "version 0.9": b'{"items": []}',
    "a long reason": b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
    "a reason that is no text": b"HTTP/1.1 200 \xff\x1b[31m\x00\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    "continue, then nothing": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    # headers
    "10,000 headers": HEAD + b"X-A: b\r\n" * 10_000 + b"\r\n",
    "a long header": HEAD + b"X-A: " + b"b" * 200_000 + b"\r\n\r\n",
    "a header without a colon": HEAD + b"nonsense\r\n\r\n{}",
    "a header without a name": HEAD + b": value\r\n\r\n{}",
    "a NUL in a header": HEAD + b"X-A: b\x00c\r\nContent-Length: 2\r\n\r\n{}",
    "a lone line feed": HEAD.replace(b"\r\n", b"\n") + b"\n{}",
    "a lone return": HEAD + b"X-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\n{}",
    "a folded header": HEAD + b"X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
    "bytes that are no text": HEAD + b"X-\xff: \xfe\r\nx-request-id: \xff\x1b\r\nContent-Length: 2\r\n\r\n{}",
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\n{}",
    "a huge length": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    "a length that is no number": HEAD + b"Content-Length: many\r\n\r\n{}",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}",
    "a length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown transfer encoding": HEAD + b"Transfer-Encoding: nonsense\r\n\r\n{}",
    "a strange charset": whole(FLOWS, b"Content-Type: application/json; charset=\xff-nonsense"),
    "cookies": whole(FLOWS, *[b"Set-Cookie: a%d=\xff; Domain=.; Expires=never" % n for n in range(50)]),
    "a retry that never comes": whole(b"", b"Retry-After: 1e400", status=b"429 No"),
    # packed bodies
    "gzip that is none": whole(b"no gzip", ZIPPED),
    "gzip cut short": whole(gzip.compress(FLOWS)[:-9], ZIPPED),
    "gzip with a wrong sum": whole(gzip.compress(FLOWS)[:-8] + b"12345678", ZIPPED),
    "gzip of gzip of …": whole(gzip.compress(gzip.compress(FLOWS)), b"Content-Encoding: " + b"gzip, " * 300 + b"gzip"),
    "deflate that is none": whole(b"\xff" * 50, b"Content-Encoding: deflate"),
    "raw deflate": whole(zlib.compress(FLOWS)[2:-4], b"Content-Encoding: deflate"),
    "brotli that is none": whole(b"\xff" * 50, b"Content-Encoding: br"),
    "zstd that is none": whole(b"\xff" * 50, b"Content-Encoding: zstd"),
    "an unknown content encoding": whole(FLOWS, b"Content-Encoding: nonsense"),
    "a gzip bomb": whole(BOMB, ZIPPED),
    "five million empty items": whole(FIVE_MILLION, ZIPPED),
    "a gzip bomb as a refusal": whole(FIVE_MILLION, ZIPPED, status=b"400 Bad Request"),
    # chunks
    "no chunk size": _chunked(b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk size that is no number": _chunked(b"xyz\r\n{}\r\n0\r\n\r\n"),
    "a negative chunk size": _chunked(b"-5\r\n{}\r\n0\r\n\r\n"),
    "a huge chunk size": _chunked(b"F" * 40 + b"\r\n{}"),
    "a chunk size with a sign": _chunked(b"+2\r\n{}\r\n0\r\n\r\n"),
    "a long chunk extension": _chunked(b"2;" + b"x" * 200_000 + b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk without its end": _chunked(b"2\r\n{}0\r\n\r\n"),
    "20,000 chunks of a byte": _chunked(
        b"".join(b"1\r\n%c\r\n" % byte for byte in FLOWS + b" " * 20_000) + b"0\r\n\r\n"
    ),
    "chunks without an end": _chunked(b"2\r\n{}\r\n"),
    "a long trailer": _chunked(b"2\r\n{}\r\n0\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n"),
    # JSON
    "deep lists": whole(b'{"items": ' + b"[" * 100_000),
    "deep objects": whole(b'{"items":' * 20_000),
    "deep lists that end": whole(b'{"items": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a huge integer": whole(b'{"items": [{"id": ' + b"9" * 100_000 + b"}]}"),
    "a huge exponent": whole(b'{"items": [{"id": 1e99999}]}'),
    "not a number": whole(b'{"items": [{"id": NaN, "name": -Infinity}]}'),
    "no UTF-8": whole(b'{"items": [{"id": "\xff\xfe"}]}'),
    "UTF-16": whole(FLOWS.decode().encode("utf-16")),
    "UTF-32": whole(FLOWS.decode().encode("utf-32")),
    "a byte order mark": whole(b"\xef\xbb\xbf" + FLOWS),
    "half a surrogate": whole(b'{"items": [{"id": "\\ud800", "name": "\\udfff\\ud800"}]}'),
    "equal keys": whole(b'{"items": [], "items": {}, "items": 7}'),
    "a list": whole(b"[]"),
    "a word": whole(b"null"),
    "nothing in a body": whole(b""),
    "two documents": whole(FLOWS + FLOWS),
    "a list of 100,000": whole(b'{"items": [' + b"0," * 99_999 + b"0]}"),
    "links in a circle": whole(b'{"items": [{}], "_links": {"next": {"href": "?start=1"}}}'),
}
"""What → the bytes of an answer; after them the connection is closed."""

_TOKENS = [
    b"\r\n",
    b"\n",
    b"\x00",
    b"\xff",
    b":",
    b";",
    b"-1",
    b"0",
    b"chunked",
    b"gzip",
    b"[",
    b"{",
    b'"',
    b"\\ud800",
    b"9" * 400,
]
_SEEDS = [
    whole(FLOWS, b"Content-Type: application/json", b"x-request-id: req-1"),
    whole(gzip.compress(FLOWS), ZIPPED),
    _chunked(b"5\r\n" + FLOWS[:5] + b"\r\n%x\r\n" % (len(FLOWS) - 5) + FLOWS[5:] + b"\r\n0\r\nX-T: 1\r\n\r\n"),
    _redirect(b"http://127.0.0.1/elsewhere?x=y"),
    whole(b'{"error_code": "401013", "message": "no"}', b"Retry-After: 3", status=b"503 Busy"),
    whole(
        b'{"message": "Run already going on for audience gold for order mail with run id r"}', status=b"400 Bad Request"
    ),
]


def drawn(number: int, seed: int = 1) -> Iterator[bytes]:
    """Draw answers: right ones with up to five places changed, cut, doubled, or with something put in."""
    dice = random.Random(seed)
    for _ in range(number):
        answer = bytearray(dice.choice(_SEEDS))
        for _ in range(dice.randint(1, 5)):
            at = dice.randrange(len(answer) + 1)
            length = dice.choice((0, 0, 1, 2, 8, 60))
            put = dice.choice((b"", bytes([dice.randrange(256)]), dice.choice(_TOKENS), bytes(answer[at : at + 30])))
            answer[at : at + length] = put
        yield bytes(answer)


class Server:
    """Answers every request with the same bytes, whatever they are, and closes the connection."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answer = b""
        self.requests = 0

    def serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            client.settimeout(20)
            received = b""
            while b"\r\n\r\n" not in received and (data := client.recv(65536)):
                received += data
            if not received:
                return
            self.requests += 1
            client.sendall(self.answer)
            client.shutdown(socket.SHUT_WR)
            while data := client.recv(65536):  # a reset would take away what was sent
                # A client that does not know yet that the connection ends may send its next request over it.
                self.requests += data.count(b" HTTP/1.1\r\n")


@contextmanager
def strange_server() -> Iterator[Server]:
    """Run a :class:`Server`."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=server.serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


Flood = Callable[[Callable[[bytes], None]], None]


def _flood(begin: bytes, again: bytes) -> Flood:
    def answer(send: Callable[[bytes], None]) -> None:
        send(begin)
        while True:
            send(again)

    return answer


FLOODS: dict[str, Flood] = {
    "interim answers": _flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "a status line": _flood(b"HTTP/1.1 200 ", b"x" * 65536),
    "headers": _flood(HEAD, b"X-Padding: x\r\n" * 4000),
    "one header": _flood(HEAD + b"X-Padding: ", b"x" * 65536),
    "a chunk's extension": _flood(_chunked(b"2;"), b"x" * 65536),
    "chunks of a byte": _flood(_chunked(b""), b"1\r\n \r\n" * 8000),
    "trailers": _flood(_chunked(b"2\r\n{}\r\n0\r\n"), b"X-Padding: x\r\n" * 4000),
    "a trailer": _flood(_chunked(b"2\r\n{}\r\n0\r\nX-Padding: "), b"x" * 65536),
    "a redirect's body": _flood(b"HTTP/1.1 302 Found\r\nLocation: https://evil.example\r\n\r\n", b"x" * 65536),
    "a refusal": _flood(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 65536),
}
"""What has no end → how a server sends it for ever, as fast as it can."""
