"""The IMS access token's life: when to renew it and how to ask for it. Nothing here sends anything.

Follows Adobe Developer Console, "OAuth Server-to-Server": client credentials in the body of a POST,
answered by a token that lives ``expires_in`` seconds and cannot be refreshed, only asked for again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from adobe_experience_platform.errors import AepAuthError, AepTransientError

from .answers import AnswerReading
from .connection import AepConnection, fits_a_header
from .json_values import as_text

TOKEN_PATH = "/ims/token/v3"  # noqa: S105 - an address, no secret
CALL = "POST /ims/token/v3"
RENEW_EARLY = 500.0
"""Seconds before its end at which a token is renewed, or half its life if that is shorter."""

_ADVICE = {
    "invalid_client": "check Login (client id) and Password (client secret) of the connection",
    "invalid_scope": "compare extra 'scopes' with the scopes shown in the Developer Console project",
    "invalid_scopes": "compare extra 'scopes' with the scopes shown in the Developer Console project",
}

ELSEWHERE = "check that extra 'ims_url' names Adobe's IMS; redirects are not followed"
_OAUTH_CODE = re.compile(r"[a-z]+(_[a-z]+)*")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and the moment (``time.monotonic``) from which it should be renewed."""

    value: str = field(repr=False)
    renew_at: float


_tokens: dict[tuple[str, ...], Token] = {}
"""Tokens of this process: one mint serves all hooks and triggers in it."""


def key_of(connection: AepConnection) -> tuple[str, ...]:
    """Return what a token belongs to; a rotated secret gets a token of its own."""
    return connection.ims_url, connection.client_id, connection.scopes, connection.client_secret


def cached(connection: AepConnection, refused: str | None = None) -> str | None:
    """Return a usable token, if there is one; ``refused`` is one that AEP has just refused."""
    if connection.access_token:
        return connection.access_token if refused != connection.access_token else None
    token = _tokens.get(key_of(connection))
    return token.value if token and token.value != refused and time.monotonic() < token.renew_at else None


def keep(connection: AepConnection, token: Token) -> None:
    """Remember a freshly minted token for this process."""
    _tokens[key_of(connection)] = token


def forget_all() -> None:
    """Forget all tokens (tests)."""
    _tokens.clear()


def mint_body(connection: AepConnection) -> bytes:
    """Build the form body; the secret goes into the body because query strings get logged."""
    if connection.access_token:
        raise AepAuthError(
            "AEP",
            heals=True,
            status=401,
            text="the access token in the connection was rejected",
            advice="enter a new extra 'access_token', or remove it and enter a client secret",
        )
    form = {
        "grant_type": "client_credentials",
        "client_id": connection.client_id,
        "client_secret": connection.client_secret,
        "scope": connection.scopes,
    }
    return urlencode(form).encode()


def read_token(data: Mapping[str, object], request_id: str = "") -> Token:
    """Read IMS's answer; a lifetime above 10^6 is in milliseconds, as in the retired exchange."""
    value = as_text(data.get("access_token"))
    if not fits_a_header(value):
        raise AepTransientError(
            CALL, status=200, text="the response has no access_token", request_id=request_id, advice=ELSEWHERE
        )
    life = _seconds(data.get("expires_in"))
    return Token(value, time.monotonic() + life - min(RENEW_EARLY, life / 2))


def _seconds(expires_in: object) -> float:
    """Return a token's life; what cannot be read is an hour, above 10^6 it is in milliseconds."""
    try:
        life = float(as_text(expires_in) or 3600)
    except (ValueError, OverflowError):
        return 3600.0
    if life > 1_000_000:
        life /= 1000
    return life if 0 <= life <= 1_000_000 else 3600.0


def refused(verdict: AnswerReading) -> AepAuthError:
    """Turn IMS's refusal into an error; its ``error`` field decides, not the HTTP status."""
    known = "check the credential in the Adobe Developer Console" if speaks_like_ims(verdict.code) else ELSEWHERE
    return AepAuthError(CALL, advice=_ADVICE.get(verdict.code, known), **verdict.fields)


def speaks_like_ims(code: str) -> bool:
    """Whether a refusal's code is one of OAuth's words; AEP's own codes have digits, other servers send none."""
    return bool(_OAUTH_CODE.fullmatch(code))
