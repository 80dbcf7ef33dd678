"""The triggerer's hook: a thin shell that carries requests with aiohttp. The rules are in :mod:`..aep`."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
from airflow.sdk import BaseHook
from airflow.sdk.log import amask_secret

from adobe_experience_platform.aep import DEFAULT_CONN_ID, AepConnection, Call, auth, transport
from adobe_experience_platform.errors import AepError

from . import metrics
from .connections import looked_up
from .metrics import connection_tags
from .throttle import CONCURRENCY, account_of, throttle
from .wire import CONNECT_TIMEOUT, Departure, begun_answer, check_size, failure, proxy_for, tls

T = TypeVar("T")

INLINE = 65536
"""Bytes of an answer that are read on the event loop; a larger one is decoded and understood in a thread."""

_async_mint_locks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


class AdobeExperiencePlatformAsyncHook:
    """Call Adobe Experience Platform from the triggerer; owns one aiohttp session.

    Use it as ``async with AdobeExperiencePlatformAsyncHook(conn_id) as hook: await hook.call(...)``.

    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``.
    :param sandbox_name: sandbox to work in; None takes the connection's.
    """

    def __init__(self, aep_conn_id: str = DEFAULT_CONN_ID, sandbox_name: str | None = None) -> None:
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self._settings: AepConnection | None = None
        self._session: aiohttp.ClientSession | None = None
        self._reading = asyncio.Lock()

    async def __aenter__(self) -> AdobeExperiencePlatformAsyncHook:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def settings(self, *, again: bool = False) -> AepConnection:
        """Return the checked connection, read without blocking the event loop; calls that begin together read it once.

        Several readings at a time would tie the lock of a task's channel to its supervisor to this event loop, and a
        task that waits without a triggerer uses a new one for each wait.

        :param again: read it again: a rotated secret takes effect without a restart.
        """
        async with self._reading:
            if self._settings is None or again:
                with looked_up(self.aep_conn_id):
                    connection = await BaseHook.aget_connection(self.aep_conn_id)
                fresh = AepConnection.parse(connection, self.sandbox_name)
                for secret in fresh.secrets:
                    await amask_secret(secret)
                if fresh != self._settings:
                    await self.close()
                self._settings = fresh
            return self._settings

    async def call(self, call: Call[T]) -> T:
        """Carry out a call of :mod:`.endpoints` and return what it returns."""
        result: T = await self._perform(transport.carry(call))
        return result

    async def _perform(self, effects: Any) -> Any:
        effect, value = _advance(effects.send, None)
        while effect is not None:
            result: object = None
            try:
                if isinstance(effect, transport.Send):
                    result = await self._send(effect)
                elif isinstance(effect, transport.NeedToken):
                    result = await self._token(effect.refused)
                elif isinstance(effect, transport.NeedConnection):
                    result = await self.settings()
                else:  # Sleep
                    metrics.count(metrics.RETRIES, connection_tags(self.aep_conn_id, self._settings))
                    await asyncio.sleep(effect.seconds)
            except (AepError, transport.TransportError) as error:
                effect, value = _advance(effects.throw, error)
            else:
                if isinstance(result, transport.Received) and len(result.body) > INLINE:
                    effect, value = await asyncio.to_thread(_advance, effects.send, result)
                else:
                    effect, value = _advance(effects.send, result)
        return value

    async def _token(self, refused: str | None) -> str:
        lock = _async_mint_locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            token = auth.cached(await self.settings(), refused)
            if token is None:
                settings = await self.settings(again=True)
                fresh: auth.Token = await self._perform(transport.mint(settings))
                auth.keep(settings, fresh)
                token = fresh.value
                await amask_secret(token)
                metrics.count(metrics.TOKENS, {"conn_id": self.aep_conn_id})
            return token

    async def _send(self, send: transport.Send) -> transport.Received:
        settings = await self.settings()
        gate = throttle(account_of(settings))
        async with gate.turn() as began:
            if send.fresh_connection:
                async with _session(settings) as session:
                    received = await self._send_with(session, settings, send)
            else:
                if self._session is None:
                    self._session = _session(settings)
                received = await self._send_with(self._session, settings, send)
        gate.record_response(began, received)
        return received

    async def _send_with(
        self, session: aiohttp.ClientSession, settings: AepConnection, send: transport.Send
    ) -> transport.Received:
        leaving, begun = Departure(send.before_bytes), None
        timeout = aiohttp.ClientTimeout(total=settings.timeout, sock_connect=min(CONNECT_TIMEOUT, settings.timeout))
        proxy = proxy_for(settings, send.url)
        try:
            async with session.request(
                send.method,
                send.url,
                params=list(send.params),
                headers=dict(send.headers),
                data=send.body,
                timeout=timeout,
                allow_redirects=False,
                proxy=proxy,
                trace_request_ctx=leaving,
            ) as answer:
                begun = begun_answer(answer.status, answer.headers)
                body = bytearray()
                while not begun.is_redirect and (chunk := await answer.content.read(65536)):
                    body += chunk
                    check_size(body)
                return replace(begun, body=bytes(body))
        except Exception as error:  # noqa: BLE001 - what libraries raise for strange bytes has no common base
            problem = failure(error, settings, leaving, begun)
        raise problem  # not above: a library's error holds the request, token and all


def _advance(step: Callable[[Any], Any], value: object) -> tuple[Any, Any]:
    """Go on with a generator; return what it yields, or None and what it returns, which no thread may raise."""
    try:
        return step(value), None
    except StopIteration as stop:
        return None, stop.value


async def _before_bytes(_: object, context: Any, __: object) -> None:
    context.trace_request_ctx.leave()


def _session(settings: AepConnection) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_before_bytes)  # directly before they are
    # Not aiohttp's own trust_env: it would add the credentials of a .netrc file to our requests.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONCURRENCY, ssl=tls(settings)),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
    )
