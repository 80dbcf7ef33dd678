"""The triggerer's hook: a thin shell that carries requests with aiohttp. The rules are in :mod:`..aep`."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import amask_secret

from adobe_experience_platform.aep import (
    DEFAULT_CONN_ID,
    AepConnection,
    Call,
    NeedToken,
    Received,
    Send,
    Sleep,
    TransportError,
    auth,
    conn_id_fault,
    exchange,
    mint,
    retry_after_of,
)
from adobe_experience_platform.errors import AepConnectionConfigError, AepError

from . import metrics
from .metrics import connection_tags
from .throttle import CONCURRENCY, throttle
from .wire import CONNECT_TIMEOUT, begun_answer, check_size, no_connection, proxy_for, reason_of, tls

T = TypeVar("T")

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
                if fault := conn_id_fault(self.aep_conn_id):
                    raise AepConnectionConfigError(f"aep_conn_id {fault}")
                try:
                    connection = await BaseHook.aget_connection(self.aep_conn_id)
                except AirflowNotFoundException:
                    raise no_connection(self.aep_conn_id) from None
                extra = await connection.aextra_dejson()
                fresh = AepConnection.parse(connection, extra, self.sandbox_name)
                if fresh != self._settings:
                    await self.close()
                self._settings = fresh
            return self._settings

    async def call(self, call: Call[T]) -> T:
        """Carry out a call of :mod:`.endpoints` and return what it returns."""
        try:
            request = next(call)
            while True:
                try:
                    response = await self._perform(exchange(await self.settings(), request))
                except AepError as error:
                    request = call.throw(error)
                else:
                    request = call.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _perform(self, effects: Any) -> Any:
        try:
            effect = next(effects)
            while True:
                try:
                    result: object = None
                    if isinstance(effect, Send):
                        result = await self._send(effect)
                    elif isinstance(effect, Sleep):
                        metrics.count(metrics.RETRIES, connection_tags(self.aep_conn_id, self._settings))
                        await asyncio.sleep(effect.seconds)
                    elif isinstance(effect, NeedToken):
                        result = await self._token(effect.refused)
                except TransportError as error:
                    effect = effects.throw(error)
                else:
                    effect = effects.send(result)
        except StopIteration as stop:
            return stop.value

    async def _token(self, refused: str | None) -> str:
        lock = _async_mint_locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            token = auth.cached(await self.settings(), refused)
            if token is None:
                settings = await self.settings(again=True)
                fresh: auth.Token = await self._perform(mint(settings))
                auth.keep(settings, fresh)
                token = fresh.value
                await amask_secret(token)
                metrics.count(metrics.TOKENS, {"conn_id": self.aep_conn_id})
            return token

    async def _send(self, send: Send) -> Received:
        settings = await self.settings()
        gate = throttle((settings.base_url, settings.client_id))
        async with gate.turn() as began:
            if send.fresh_connection:
                async with _session(settings) as session:
                    received = await self._send_with(session, settings, send)
            else:
                if self._session is None:
                    self._session = _session(settings)
                received = await self._send_with(self._session, settings, send)
        gate.record_response(began, received.status, retry_after_of(received))
        return received

    async def _send_with(self, session: aiohttp.ClientSession, settings: AepConnection, send: Send) -> Received:
        options: dict[str, Any] = {}
        if proxy := proxy_for(settings, send.url):
            options["proxy"] = proxy
        timeout = aiohttp.ClientTimeout(total=settings.timeout, sock_connect=min(CONNECT_TIMEOUT, settings.timeout))
        begun: Received | None = None
        try:
            async with session.request(
                send.method,
                send.url,
                params=list(send.params),
                headers=dict(send.headers),
                data=send.body,
                timeout=timeout,
                allow_redirects=False,
                **options,
            ) as answer:
                begun = begun_answer(answer.status, answer.headers)
                body = bytearray()
                async for chunk in answer.content.iter_chunked(65536):
                    body += chunk
                    check_size(body, begun)
                return replace(begun, body=bytes(body))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            sent = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            raise TransportError(reason_of(error, settings.timeout, begun), sent=sent, begun=begun) from None


def _session(settings: AepConnection) -> aiohttp.ClientSession:
    # Not aiohttp's own trust_env: it would add the credentials of a .netrc file to our requests.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY, ssl=tls(settings)))
