"""The workers' hook: a thin shell that carries requests with requests. The rules are in :mod:`..aep`.

Every task process loads this anew, so nothing here needs aiohttp or Airflow's HTTP provider, which takes longer to load
than all the rest of a task.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret
from urllib3.util import Timeout

from adobe_experience_platform.aep import (
    DEFAULT_CONN_ID,
    AepConnection,
    Call,
    Pace,
    auth,
    endpoints,
    explain,
    transport,
)
from adobe_experience_platform.errors import AepError, AepTransientError

from . import metrics, throttle
from .connections import read_connection
from .metrics import connection_tags
from .timed_adapter import TimedAdapter, departure
from .wire import CONNECT_TIMEOUT, Departure, authorities, begun_answer, check_size, failure, proxy_for, tls

T = TypeVar("T")

_mint_lock = threading.Lock()


class WorkerHook(BaseHook):
    """Call Adobe Experience Platform from a worker.

    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``.
    :param sandbox_name: sandbox to work in; None takes the connection's.
    :param settings: the checked connection, where it has been read already.

    Errors are :class:`~.errors.AepError`; transient trouble of reading calls is retried inside.
    """

    attempts: int | None = None
    """Attempts per call; None uses the default of :mod:`.transport`."""
    patience = transport.LONGEST_SLEEP
    """Seconds that a call waits at most where AEP asks for a pause; for a longer one it fails and says so."""
    on_long_pause: Callable[[float], None] | None = None
    """Called with the seconds of a longer one, before the error is raised."""

    def __init__(
        self,
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox_name: str | None = None,
        settings: AepConnection | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self._settings = settings
        self._session: requests.Session | None = None
        self._token_needed_before = False
        self._pauses = throttle.PauseLog(self.log)

    @property
    def settings(self) -> AepConnection:
        """The checked connection (read once, never in ``__init__``)."""
        if self._settings is None:
            self._settings = read_connection(self.get_connection, self.aep_conn_id, self.sandbox_name)
        return self._settings

    def get_conn(self) -> requests.Session:
        """Create a session with the connection's transport options; ``extra`` never becomes headers."""
        session = requests.Session()
        session.trust_env = False  # proxies and authorities of the environment: see wire.py
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        if self.settings.cert or isinstance(self.settings.verify, str):
            tls(self.settings)  # says in time that a file of the connection cannot be read
        # requests would look at a Location that it is not to follow, and read all of that answer.
        session.get_redirect_target = lambda _: None  # type: ignore[method-assign, assignment]
        adapter = TimedAdapter()  # one for each session: a shared one would share its kept-alive connections too
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
        return session

    def call(self, call: Call[T]) -> T:
        """Carry out a call of :mod:`.endpoints` and return what it returns."""
        try:
            result: T = self._perform(transport.carry(call, self.attempts, self.patience))
        except AepTransientError as error:
            if self.on_long_pause is not None and (error.retry_after or 0.0) > self.patience:
                self.on_long_pause(error.retry_after or 0.0)
            raise
        return result

    def _perform(self, effects: Any) -> Any:
        try:
            effect = next(effects)
            while True:
                try:
                    result: object = None
                    if isinstance(effect, transport.Send):
                        result = self._send(effect)
                    elif isinstance(effect, transport.NeedToken):
                        result = self._token(effect.refused)
                    elif isinstance(effect, transport.NeedConnection):
                        result = self.settings
                    else:  # Sleep
                        metrics.count(metrics.RETRIES, connection_tags(self.aep_conn_id, self._settings))
                        time.sleep(effect.seconds)
                except (AepError, transport.TransportError) as error:
                    effect = effects.throw(error)
                else:
                    effect = effects.send(result)
        except StopIteration as stop:
            return stop.value

    def _token(self, refused: str | None) -> str:
        with _mint_lock:
            token = auth.cached(self.settings, refused)
            if token is None and self._token_needed_before:
                # A task that waits on its worker may live longer than its client secret.
                self._settings = None
                if self._session is not None:
                    self._session.close()
                    self._session = None
            if token is None:
                self._token_needed_before = True
                fresh: auth.Token = self._perform(transport.mint(self.settings, self.attempts, self.patience))
                auth.keep(self.settings, fresh)
                token = fresh.value
                mask_secret(token)
                metrics.count(metrics.TOKENS, {"conn_id": self.aep_conn_id})
            return token

    def _send(self, send: transport.Send) -> transport.Received:
        gate = throttle.pace_of(throttle.account_of(self.settings))
        self._wait_for_turn(gate)
        began = time.monotonic()
        gate.begin(began)
        if send.fresh_connection:
            # A kept-alive connection may be reset although nothing is wrong; an activation cannot be repeated.
            with self.get_conn() as session:
                received = self._send_with(session, send)
        else:
            if self._session is None:
                self._session = self.get_conn()
            received = self._send_with(self._session, send)
        throttle.record(gate, began, received)
        self._pauses.answered += received.status < 400
        return received

    def _wait_for_turn(self, gate: Pace) -> None:
        """Wait for as long as AEP asks, or until it lets more through; TransportError if no call waits so long."""
        while (pause := gate.pause(time.monotonic())) > 0:
            transport.require_open(pause, self.patience)
            self._pauses.tell(pause)
            metrics.count(metrics.RETRIES, connection_tags(self.aep_conn_id, self._settings))
            time.sleep(pause)

    def _send_with(self, session: requests.Session, send: transport.Send) -> transport.Received:
        settings, leaving = self.settings, Departure(send.before_bytes)
        begun: transport.Received | None = None
        proxy = proxy_for(settings, send.url)
        context = departure.set(leaving)
        try:
            with session.request(
                send.method,
                send.url,
                params=list(send.params),
                headers=dict(send.headers),
                data=send.body,
                proxies={"http": proxy, "https": proxy} if proxy else {},
                verify=authorities(settings),
                cert=settings.cert,
                timeout=Timeout(connect=min(CONNECT_TIMEOUT, settings.timeout), total=settings.timeout),  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            ) as answer:
                begun = begun_answer(answer.status_code, answer.headers)
                body = bytearray()
                for chunk in answer.iter_content(65536) if not begun.is_redirect else ():
                    body += chunk
                    check_size(body)
                return replace(begun, body=bytes(body))
        except Exception as error:  # noqa: BLE001 - what libraries raise for strange bytes has no common base
            problem = failure(error, settings, leaving, begun)
        finally:
            departure.reset(context)
        raise problem  # not above: a library's error holds the request, token and all

    def test_connection(self) -> tuple[bool, str]:
        """Mint a token and list the destination flows, for the form's *Test* button; somebody waits for the answer."""
        self.attempts = 1
        try:
            flows = self.call(endpoints.destination_flows())
        except AepError as error:
            return False, explain(error, self._settings)
        finally:
            self.attempts = None
        settings = self.settings
        return True, (
            f"Connected to sandbox {settings.sandbox_name!r} of {settings.org_id}: "
            f"{len(flows)} destination flow{'s' if len(flows) != 1 else ''}."
        )
