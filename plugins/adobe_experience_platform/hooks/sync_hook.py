"""The workers' hook: a thin shell that carries requests with requests. The rules are in :mod:`..aep`."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any, TypeVar

import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret
from urllib3.util import Timeout

from adobe_experience_platform.aep import (
    CONN_TYPE,
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
    endpoints,
    exchange,
    explain,
    mint,
)
from adobe_experience_platform.errors import AepConnectionConfigError, AepError

from . import metrics
from .metrics import connection_tags
from .timed_adapter import TimedAdapter, before_bytes
from .wire import (
    CONNECT_TIMEOUT,
    begun_answer,
    check_size,
    no_certificates,
    no_connection,
    proxy_for,
    reason_of,
    was_sent,
)

T = TypeVar("T")

_mint_lock = threading.Lock()


class NoAuth(requests.auth.AuthBase):
    """Adds nothing: the bearer token is a header of each request, never a property of the session.

    HttpHook would otherwise send login and password (client id and secret) as Basic authentication.
    """

    def __init__(self, *_: object) -> None:
        super().__init__()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request as it is."""
        return request


class AdobeExperiencePlatformHook(HttpHook):
    """Call Adobe Experience Platform from a worker.

    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``.
    :param sandbox_name: sandbox to work in; None takes the connection's.

    Errors are :class:`~.errors.AepError`; transient trouble of reading calls is retried inside.
    """

    conn_name_attr = "aep_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONN_TYPE
    hook_name = "Adobe Experience Platform"

    attempts: int | None = None
    """Attempts per call; None uses the default of :mod:`.transport`."""

    def __init__(self, aep_conn_id: str = DEFAULT_CONN_ID, sandbox_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(method="GET", http_conn_id=aep_conn_id, auth_type=NoAuth, **kwargs)
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self._settings: AepConnection | None = None
        self._session: requests.Session | None = None
        self._token_needed_before = False

    @property
    def settings(self) -> AepConnection:
        """The checked connection (read once, never in ``__init__``)."""
        if self._settings is None:
            if fault := conn_id_fault(self.aep_conn_id):
                raise AepConnectionConfigError(f"aep_conn_id {fault}")
            try:
                connection = self.get_connection(self.aep_conn_id)
            except AirflowNotFoundException:
                raise no_connection(self.aep_conn_id) from None
            self._settings = AepConnection.parse(connection, connection.extra_dejson, self.sandbox_name)
        return self._settings

    def get_conn(
        self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None
    ) -> requests.Session:
        """Create a session with the connection's transport options; ``extra`` never becomes headers."""
        session = requests.Session()
        session.auth = NoAuth()
        self.base_url = self.settings.base_url
        self._base_url_initialized = True
        session.proxies = dict(self.settings.proxies)
        session.verify = self.settings.verify
        session.cert = self.settings.cert
        session.trust_env = self.settings.trust_env
        # requests would look at a Location that it is not to follow, and raise as if nothing had been sent.
        session.get_redirect_target = lambda _: None  # type: ignore[method-assign, assignment]
        if self.adapter is None:
            # One for each session: a shared one would share its kept-alive connections too.
            adapter = TimedAdapter(getattr(self.keep_alive_adapter, "socket_options", None))
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter)
        else:
            session = self._configure_session_from_mount_adapters(session)
        session.headers.update(headers or {})
        return session

    def call(self, call: Call[T]) -> T:
        """Carry out a call of :mod:`.endpoints` and return what it returns."""
        try:
            request = next(call)
            while True:
                try:
                    response = self._perform(exchange(self.settings, request, self.attempts))
                except AepError as error:
                    request = call.throw(error)
                else:
                    request = call.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _perform(self, effects: Any) -> Any:
        try:
            effect = next(effects)
            while True:
                try:
                    result: object = None
                    if isinstance(effect, Send):
                        result = self._send(effect)
                    elif isinstance(effect, Sleep):
                        metrics.count(metrics.RETRIES, connection_tags(self.aep_conn_id, self._settings))
                        time.sleep(effect.seconds)
                    elif isinstance(effect, NeedToken):
                        result = self._token(effect.refused)
                except TransportError as error:
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
                fresh: auth.Token = self._perform(mint(self.settings, self.attempts))
                auth.keep(self.settings, fresh)
                token = fresh.value
                mask_secret(token)
                metrics.count(metrics.TOKENS, {"conn_id": self.aep_conn_id})
            return token

    def _send(self, send: Send) -> Received:
        if send.fresh_connection:
            # A kept-alive connection may be reset although nothing is wrong; an activation cannot be repeated.
            with self.get_conn() as session:
                return self._send_with(session, send)
        if self._session is None:
            self._session = self.get_conn()
        return self._send_with(self._session, send)

    def _send_with(self, session: requests.Session, send: Send) -> Received:
        limit = self.settings.timeout
        begun: Received | None = None
        ask = send.before_bytes
        if ask is not None and (
            self.adapter is not None or (proxy_for(self.settings, send.url) or "").startswith("socks")
        ):
            ask = ask()  # a connection that is not of TimedAdapter's making does not ask
        before_bytes.set(ask)
        try:
            with session.request(
                send.method,
                send.url,
                params=list(send.params),
                headers=dict(send.headers),
                data=send.body,
                # Here, not on the session alone: requests lets the environment win over a session's settings.
                proxies=dict(self.settings.proxies),
                verify=self.settings.verify,
                cert=self.settings.cert,
                timeout=Timeout(connect=min(CONNECT_TIMEOUT, limit), total=limit),  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            ) as answer:
                begun = begun_answer(answer.status_code, answer.headers)
                body = bytearray()
                for chunk in answer.iter_content(65536):
                    body += chunk
                    check_size(body, begun)
                return replace(begun, body=bytes(body))
        except (requests.RequestException, UnicodeError) as error:
            sent = begun is not None or was_sent(error)
            raise TransportError(reason_of(error, limit, begun), sent=sent, begun=begun) from None
        except OSError:  # requests has not found the files of 'verify' or 'cert', before it has sent anything
            raise no_certificates(self.settings) from None

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
