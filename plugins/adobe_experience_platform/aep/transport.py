"""How a request is carried: retries, token renewal, redirects and limits, as a pure state machine.

:func:`exchange` is a generator of effects (send this, sleep that long, give me a token); the hooks perform them with
requests and aiohttp. So both follow the same rules, which any test can explore without a socket.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from adobe_experience_platform.errors import AepAuthError, AepCallError, AepError, AepRequestError, AepTransientError

from . import auth, failures
from .answers import AnswerKind, AnswerReading, classify, request_id_of
from .calls import Call, Request, Response
from .connection import AepConnection
from .pace import TOO_MANY

ATTEMPTS = 5
BACKOFF_FIRST = 1.0
BACKOFF_LAST = 20.0
LONGEST_SLEEP = 60.0
"""Seconds. AEP asking for a longer pause ends the call; its task then waits that long."""
REFUSALS = 100
"""Refusals of one call for being too many: the pauses between them, which are the hooks', get too long before."""
MAX_BODY = 16 * 1024 * 1024
"""Bytes. A list of more is read in smaller pages: 100 flows of 250 audiences each are 11 to 25 MiB."""
MAX_VALUES = 500_000
MAX_ITEMS = 10_000
"""Values in a body, and entries of a list in it: AEP's pages have at most 100 entries, a gzip bomb has millions."""
MAX_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Send:
    """Effect: send this and return a :class:`Received`, or throw :class:`TransportError` in."""

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    fresh_connection: bool = False
    before_bytes: Callable[[], None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Effect: wait this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NeedToken:
    """Effect: return a token; ``refused`` is one that AEP has just refused."""

    refused: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NeedConnection:
    """Effect: return the checked connection, as it is now."""


@dataclass(frozen=True, slots=True)
class Received:
    """A raw HTTP answer, header names in lower case; that of IMS holds a token."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_redirect(self) -> bool:
        """Whether only its headers count: the body is not read."""
        return 300 <= self.status < 400


class TransportError(Exception):
    """No complete answer.

    :param sent: False only when provably no byte of the request left this process, which the hook has seen itself;
        True without ``begun`` means that nobody knows whether it arrived.
    :param begun: the answer as far as it came, None if nothing came.
    :param too_large: whether the answer holds more than is read: asking for the same again is no use.
    :param closed_for: seconds for which AEP has asked not to be asked, if that is why nothing was sent.
    """

    def __init__(
        self,
        reason: str,
        *,
        sent: bool,
        begun: Received | None = None,
        too_large: bool = False,
        closed_for: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.closed_for = closed_for
        self.sent = sent
        self.begun = begun
        self.too_large = too_large


def require_open(pause: float, patience: float = LONGEST_SLEEP) -> None:
    """Refuse to send while AEP has asked for a pause, in seconds, that no call waits for."""
    if pause > patience:
        raise TransportError("AEP has asked not to be asked for a while", sent=False, closed_for=pause)


Effect = Send | Sleep | NeedToken | NeedConnection
Effects = Generator[Effect, Any, Response]
Mint = Generator[Send | Sleep, Any, auth.Token]
"""What is sent back depends on the effect: a Received for Send, what was asked for for Need…, None for Sleep."""
T = TypeVar("T")


def carry(call: Call[T], attempts: int | None = None, patience: float = LONGEST_SLEEP) -> Generator[Effect, Any, T]:
    """Carry a call of :mod:`.endpoints` to its end and return what it returns.

    :param attempts: of each request; None takes ATTEMPTS, and REFUSALS where it comes too early.
    :param patience: seconds that the hook waits at most where AEP asks for a pause.
    """
    try:
        request = next(call)
        while True:
            try:
                response = yield from exchange((yield NeedConnection()), request, attempts, patience)
            except AepError as error:
                request = call.throw(error)
            else:
                request = call.send(response)
    except StopIteration as stop:
        result: T = stop.value
        return result


def exchange(
    connection: AepConnection, request: Request, attempts: int | None = None, patience: float = LONGEST_SLEEP
) -> Effects:
    """Carry one AEP request to its answer.

    GETs are retried on connection trouble, 408, 5xx, unreadable bodies, and where a renewed token is refused; after 429
    (and a 503 that says for how long) for as often as the hook, which keeps the account's pace, can wait.
    An activation is sent once; only when it provably never left or its token was refused is it tried again.

    :raises AepCallError: the subclass says what may be done.
    """
    attempt, redirects, renewed, refusals = 1, 0, False, 0
    given: AepAuthError | None = None
    refused: AepCallError | None = None
    most_refusals, attempts = attempts or REFUSALS, attempts or ATTEMPTS
    token: str = yield NeedToken()
    url = connection.base_url + request.path
    while True:
        secrets = (*connection.secrets, token)
        try:
            received: Received = yield _send(connection, request, token, url)
            verdict, data = _read(received, secrets, activation=request.is_activation)
        except TransportError as error:
            if error.closed_for is not None:
                raise failures.closed(request.name, error, refused) from None
            failure = failures.no_answer(connection, request, error, secrets)
            smaller = error.too_large and request.limit > 1  # the same again would be as large
            if (request.is_activation and error.sent) or smaller or attempt >= attempts:
                raise failure from None
            yield Sleep(backoff(attempt))
            attempt += 1
            continue
        if received.is_redirect and not request.is_activation:
            url, redirects = _redirect(connection, request, url, received, secrets), redirects + 1
            if redirects > MAX_REDIRECTS:
                raise failures.astray(request, received)
            continue
        if data is not None:
            return Response(data, verdict.request_id)
        if verdict.kind is AnswerKind.RENEW_TOKEN and not renewed:
            renewed, attempt = True, attempt + 1
            try:
                token = yield NeedToken(token)
                continue
            except AepAuthError as error:
                if not error.retriable:
                    raise
                given = error  # it cannot be renewed, yet the refusal may heal
        failure = (verdict.kind is AnswerKind.RENEW_TOKEN and given) or failures.refusal(request, verdict)
        if request.is_activation or not failure.retriable:
            raise failure
        if verdict.status == TOO_MANY or verdict.retry_after is not None:
            refused, refusals = failure, refusals + 1
            if refusals >= most_refusals or (verdict.retry_after or 0.0) > patience:
                raise failure
            continue  # the hook lets it go when its account may ask again
        if attempt >= attempts:
            raise failure
        yield Sleep(backoff(attempt))
        attempt += 1


def _send(connection: AepConnection, request: Request, token: str, url: str) -> Send:
    headers = {"Accept": "application/json", **request.headers, **connection.headers(token)}
    body = None
    if request.json is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(request.json).encode()
    # Where it was redirected to, the URL has the parameters that it is to have.
    params = request.params if url == connection.base_url + request.path else ()
    send = Send(request.method, url, params, headers, body)
    if request.is_activation:
        send = replace(send, fresh_connection=True, before_bytes=request.before_bytes)
    return send


def mint(connection: AepConnection, attempts: int | None = None, patience: float = LONGEST_SLEEP) -> Mint:
    """Ask IMS for a token; transient trouble is retried, after 429 as :func:`exchange` does, a refusal is final."""
    attempt, refusals = 1, 0
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    while True:
        failure: AepCallError
        try:
            received: Received = yield Send(
                "POST", connection.ims_url + auth.TOKEN_PATH, (), headers, auth.mint_body(connection)
            )
            verdict, data = _read(received, connection.secrets)
        except TransportError as error:
            if error.closed_for is not None:
                raise failures.closed(auth.CALL, error) from None
            failure = AepTransientError(
                auth.CALL,
                text=str(error),
                advice=f"is {connection.ims_url} (extra 'ims_url') reachable from here?",
                **failures.partial_response(error, connection.secrets),
            )
        else:
            if data is not None:
                return auth.read_token(data, verdict.request_id)
            if verdict.kind not in (AnswerKind.RETRY, AnswerKind.OK):
                raise auth.refused(verdict)
            failure = failures.transient(auth.CALL, verdict, auth.ELSEWHERE)
            if verdict.status == TOO_MANY or verdict.retry_after is not None:
                refusals += 1
                if refusals >= REFUSALS or attempts == 1 or (verdict.retry_after or 0.0) > patience:
                    raise failure
                continue  # the hook lets it go when its account may ask again
        if attempt >= (attempts or ATTEMPTS):
            raise failure
        yield Sleep(backoff(attempt))
        attempt += 1


def retry_after_of(received: Received) -> float | None:
    """Return the seconds for which an answer that is no success asks to be left alone."""
    if received.status < 400:
        return None
    return classify(received.status, received.headers, received.body, activation=False).retry_after


def backoff(attempt: int) -> float:
    """Return a jittered pause in seconds before the next attempt (full jitter, so that crowds spread)."""
    return random.uniform(0.1, min(BACKOFF_LAST, BACKOFF_FIRST * 2.0 ** (attempt - 1)))  # noqa: S311 - jitter


def _read(
    received: Received, secrets: tuple[str, ...], *, activation: bool = False
) -> tuple[AnswerReading, Mapping[str, object] | None]:
    """Return what an answer means and the JSON object in its body, None where there is none: the reading says why.

    :raises TransportError: if it holds too much.
    """
    verdict = classify(received.status, received.headers, received.body, activation=activation, secrets=secrets)
    if verdict.kind is not AnswerKind.OK:
        return verdict, None
    if received.body.count(b",") + received.body.count(b"[") + received.body.count(b"{") > MAX_VALUES:
        raise _too_large(received, f"more than {MAX_VALUES:,} values")
    try:
        data = json.loads(received.body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return replace(verdict, text="the body is not a JSON object"), None
    if any(isinstance(value, list) and len(value) > MAX_ITEMS for value in data.values()):
        raise _too_large(received, f"a list of more than {MAX_ITEMS:,} entries")
    return verdict, data


def _too_large(received: Received, what: str) -> TransportError:
    begun = replace(received, body=b"")
    return TransportError(f"the body holds {what}", sent=True, begun=begun, too_large=True)


def _redirect(
    connection: AepConnection, request: Request, url: str, received: Received, secrets: tuple[str, ...]
) -> str:
    """Return where a GET is redirected to on the same host; the token goes nowhere else."""
    target = url
    try:
        target = urljoin(url, received.headers.get("location", ""))
        same = _origin(target) == _origin(connection.base_url)
    except ValueError:
        same = False
    if not same or target == url:
        raise AepRequestError(
            request.name,
            status=received.status,
            text="redirect to another host not followed, to keep the token from other hosts"
            if not same
            else "redirect to the same address",
            request_id=request_id_of(received.headers, secrets),
            advice="check Host of the connection",
        )
    return target


def _origin(url: str) -> tuple[object, ...]:
    """Return what must be the same for the token to be sent there."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, parts.username, parts.password
