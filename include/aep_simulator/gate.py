"""The ASGI layer before AEP: logs each request and plays the faults a test has ordered."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import error_body, gateway_error
from .faults import Fault
from .journal import STATE_KEY, Exchange
from .simulator import Simulator
from .wire import hang_up, until_gone

CONTROL_PREFIX = "/_simulator/"
_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


@dataclass(slots=True)
class HttpAnswer:
    """A complete response."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def collect(self, message: Message) -> None:
        """Take in an ASGI message; use as ``send``."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


class Gate:
    """Stands before ``app``; control calls pass untouched."""

    def __init__(self, app: ASGIApp, simulator: Simulator) -> None:
        self._app = app
        self._simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request (ASGI)."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            return
        world = self._simulator.world
        exchange = self._simulator.journal.open(scope, body, world.clock.seconds(), world.tokens)
        scope.setdefault("state", {})[STATE_KEY] = exchange
        fault = self._simulator.faults.take(scope["method"], scope["path"])
        visit = _Visit(self._app, self._simulator, scope, receive, send, body, exchange)
        if fault is None:
            await visit.answer(await visit.carry_out())
        else:
            await visit.suffer(fault)


@dataclass(slots=True)
class _Visit:
    """One request on its way through the gate."""

    app: ASGIApp
    simulator: Simulator
    scope: Scope
    receive: Receive
    send: Send
    body: bytes
    exchange: Exchange

    async def carry_out(self) -> HttpAnswer:
        """Let AEP handle the request and return what it would answer."""
        handed_over = False

        async def replay() -> Message:
            nonlocal handed_over
            if handed_over:
                return await self.receive()
            handed_over = True
            return {"type": "http.request", "body": self.body, "more_body": False}

        answer = HttpAnswer(500)
        await self.app(self.scope, replay, answer.collect)
        return answer

    async def answer(self, answer: HttpAnswer) -> None:
        """Send a response."""
        headers = list(answer.headers)
        if self.simulator.world.settings.send_request_id:
            headers.append((b"x-request-id", uuid.uuid4().hex.encode()))
        self.exchange.status = answer.status
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": answer.body})

    async def suffer(self, fault: Fault) -> None:
        """Play a fault."""
        spec = fault.spec
        done = await self.carry_out() if spec.takes_effect else None
        if spec.kind in {"delay", "wait_release"}:
            await self._wait(fault, done)
            return
        if spec.delay:
            await asyncio.sleep(spec.delay)
        if spec.kind in {"close_before", "close_after"}:
            await hang_up(self.scope, self.receive)
        elif spec.kind == "truncate":
            answer = done if spec.body is None and done is not None else self._fault_answer(fault)
            await hang_up(self.scope, self.receive, _cut_short(answer))
        else:
            if spec.kind == "expired_token":
                self._expire_token()
            await self.answer(self._fault_answer(fault))

    def _fault_answer(self, fault: Fault) -> HttpAnswer:
        return _fault_answer(self.scope, fault, documented=self.simulator.world.settings.documented)

    async def _wait(self, fault: Fault, done: HttpAnswer | None) -> None:
        """Hold the request, before or after it took effect, and go on as the fault says."""
        pause: Coroutine[Any, Any, Any]
        if fault.spec.kind == "delay":
            pause = asyncio.sleep(fault.spec.delay, True)
        else:
            pause = self.simulator.faults.hold(fault)
        go_on = await self._unless_gone(pause) if fault.spec.drops_if_gone else await pause
        if not go_on:
            await hang_up(self.scope, self.receive)
            return
        await self.answer(await self.carry_out() if done is None else done)

    async def _unless_gone(self, pause: Coroutine[Any, Any, Any]) -> bool:
        """Wait for ``pause``; return False if the client hangs up before."""
        waiting, gone = asyncio.ensure_future(pause), asyncio.ensure_future(until_gone(self.receive))
        try:
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            return waiting.done() and bool(waiting.result())
        finally:
            waiting.cancel()
            gone.cancel()

    def _expire_token(self) -> None:
        for name, value in self.scope["headers"]:
            if name.lower() == b"authorization":
                self.simulator.world.tokens.expire(value.decode("latin-1").partition(" ")[2])


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or null when the client hangs up before its end."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _fault_answer(scope: Scope, fault: Fault, *, documented: bool) -> HttpAnswer:
    """Return the response of a fault; without a ``body`` it looks like the service's own."""
    spec = fault.spec
    kind, status, content, media_type = spec.kind, spec.status, spec.body, "application/json"
    extra: dict[str, str] = {}
    if kind == "expired_token":
        error = gateway_error(401013, "Oauth token is not valid")
        status, content = status or error.status, error.json(documented=documented)
    elif kind == "html":
        status = status or 502
        content = _HTML.format(f"{status} {_phrase(status)}") if content is None else content
        media_type = "text/html"
    elif kind == "redirect":
        status, content = status or 302, content or ""
        extra["location"] = spec.location or "/"
    elif kind == "empty":
        status, content = status or 200, ""
    elif kind == "status":
        status = status or 500
        if content is None:
            content = error_body(scope["path"], status, _phrase(status), documented=documented)
    else:
        status = status or 200
        content = "" if content is None else content
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    headers = {"content-type": media_type, "content-length": str(len(body)), **extra}
    headers |= {name.lower(): value for name, value in spec.headers.items()}
    return HttpAnswer(status, [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers.items()], body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _cut_short(answer: HttpAnswer) -> bytes:
    """Return the bytes of a response that ends before its Content-Length says."""
    body = answer.body or b"{}"
    head = f"HTTP/1.1 {answer.status} {_phrase(answer.status)}\r\ncontent-type: application/json\r\n"
    length = f"content-length: {len(body)}\r\n\r\n"
    return (head + length).encode() + body[: len(body) // 2]
