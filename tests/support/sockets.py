"""Servers that behave as a test wants, below and beside AEP's."""

from __future__ import annotations

import http.server
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress


@contextmanager
def tiny_server():
    """Run a server that notes every request and answers ``{}``."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.command, self.path, dict(self.headers)))
            body = b'{"items": []}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_CONNECT = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}", seen
        finally:
            listening.shutdown()


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Wire:
    """A TCP line to a server: it can be cut and mended, and answers to chosen requests can be made to dribble.

    A server that closes a connection without an answer is passed on as a reset, as a broken network shows it.
    """

    PAUSE = 0.02
    """Seconds between two bytes of an answer that dribbles."""

    def __init__(self, target):
        self._target = ("127.0.0.1", int(target.rpartition(":")[2]))
        self._port = 0
        self._listener = None
        self._ends = []
        self.opened = 0
        self.calm()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    def open(self):
        """Take connections, always at the same port."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self._port))
            self._port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        """Refuse connections and break those that there are."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for end in self._ends:
            _reset(end)
        self._ends.clear()

    def dribble(self, path, *, headers, times=1):
        """Send the next answers to requests of a path byte by byte: the body, or the headers too."""
        self._path, self._headers_too, self._times = path.encode(), headers, times

    def calm(self):
        """Send everything at once again."""
        self.dribble("", headers=False, times=0)

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self.opened += 1
            self._ends += [client, server]
            line = _Line(client, server)
            threading.Thread(target=self._pump, args=(line.up, self._notice), daemon=True).start()
            threading.Thread(target=self._pump, args=(line.down, None), daemon=True).start()

    def _notice(self, line, data):
        line.silent = True
        if self._times != 0 and data.startswith((b"GET ", b"POST ")) and data.split(b" ")[1].startswith(self._path):
            line.slow = "all" if self._headers_too else "body"
            self._times = None if self._times is None else self._times - 1

    def _pump(self, way, notice):
        line, source, sink = way
        try:
            while data := source.recv(65536):
                if notice is not None:
                    notice(line, data)
                    sink.sendall(data)
                else:
                    line.silent = False
                    self._pass_on(line, sink, data)
        except OSError:
            pass
        if notice is None and line.silent:
            _reset(sink)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pass_on(self, line, sink, data):
        if line.slow is None:
            sink.sendall(data)
            return
        begin = data.find(b"\r\n\r\n") + 4 if line.slow == "body" else 0
        sink.sendall(data[:begin])
        for byte in data[begin:]:
            sink.sendall(bytes([byte]))
            time.sleep(self.PAUSE)


class _Line:
    """One connection through a :class:`Wire`, in both directions."""

    def __init__(self, client, server):
        self.up, self.down = (self, client, server), (self, server, client)
        self.silent = True
        self.slow = None


def _reset(end):
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RD)
    end.close()


class RawServer:
    """What a :func:`raw_server` got and sent."""

    url = ""
    sent = 0
    received = b""


@contextmanager
def raw_server(answer, tls=None):
    """Run a server that reads a request's headers and then calls ``answer(send)``, with bytes below HTTP.

    :param tls: an `ssl.SSLContext` to speak TLS with.
    """
    server = RawServer()
    listener = socket.create_server(("127.0.0.1", 0))
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"

    def serve(client):
        def send(data):
            client.sendall(data)
            server.sent += len(data)

        with suppress(OSError), client:
            if tls:
                client = tls.wrap_socket(client, server_side=True)
            while b"\r\n\r\n" not in server.received:
                if not (data := client.recv(65536)):
                    return
                server.received += data
            answer(send)

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
