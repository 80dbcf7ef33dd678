"""The log of all requests AEP received, without secrets."""

from __future__ import annotations

import fnmatch
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from .entities import Json
from .tokens import TokenBook

STATE_KEY = "simulator_exchange"
_HIDDEN = "***"
_SECRET_FIELDS = frozenset({"client_secret", "access_token"})
_KEPT = 50_000


@dataclass(slots=True)
class Exchange:
    """A request and what came of it; ``status`` null: it got no answer (yet)."""

    n: int
    at: float
    method: str
    path: str
    query: list[list[str]]
    headers: dict[str, str]
    json: object
    status: int | None = None
    effect: bool = False

    def report(self) -> Json:
        """Return the exchange as the control API shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


def exchange_of(request: Request) -> Exchange:
    """Return the exchange a request belongs to."""
    exchange: Exchange = request.scope["state"][STATE_KEY]
    return exchange


class Journal:
    """Requests in the order they arrived."""

    def __init__(self) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=_KEPT)
        self._count = 0

    def __len__(self) -> int:
        return len(self._exchanges)

    def open(self, scope: Mapping[str, Any], body: bytes, at: float, tokens: TokenBook) -> Exchange:
        """Note a request."""
        self._count += 1
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if "authorization" in headers:
            headers["authorization"] = _safe_authorization(headers["authorization"], tokens)
        query = _safe_pairs(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        exchange = Exchange(
            n=self._count,
            at=at,
            method=scope["method"],
            path=scope["path"],
            query=[[name, value] for name, value in query],
            headers=headers,
            json=_safe_body(headers.get("content-type", ""), body),
        )
        self._exchanges.append(exchange)
        return exchange

    def all(self, *, path: str | None = None, method: str | None = None) -> list[Exchange]:
        """Return the exchanges, optionally of a path (glob) or method."""
        return [
            exchange
            for exchange in self._exchanges
            if (path is None or fnmatch.fnmatchcase(exchange.path, path))
            and (method is None or method.upper() == exchange.method)
        ]

    def clear(self) -> int:
        """Forget everything; return how many there were."""
        count = len(self._exchanges)
        self._exchanges.clear()
        return count


def _safe_authorization(value: str, tokens: TokenBook) -> str:
    scheme, _, secret = value.partition(" ")
    token = tokens.find(secret)
    return f"{scheme} token#{token.label}" if token is not None else "Bearer token#unknown"


def _safe_pairs(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, _HIDDEN if name in _SECRET_FIELDS else value) for name, value in pairs]


def _safe_body(content_type: str, body: bytes) -> object:
    """Return a JSON body, or a form's fields, with secrets hidden; null for anything else."""
    if not body:
        return None
    text = body.decode("utf-8", "replace")
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(_safe_pairs(parse_qsl(text, keep_blank_values=True)))
    try:
        parsed: object = json.loads(text)
    except ValueError:
        return None
    if isinstance(parsed, dict):
        return {key: _HIDDEN if key in _SECRET_FIELDS else value for key, value in parsed.items()}
    return parsed
