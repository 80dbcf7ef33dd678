"""Keeps known secrets out of foreign text, in whatever encoding an answer echoes them."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

WITHHELD = "(withheld: it repeats a secret)"
_LONGEST = 10_000
_PIECE = 16
_ROUNDS = 4
_ESCAPE = re.compile(r"(?i)\\+(?:U0{4}(?=[0-9a-f]{4})|u\{?|x(?=[0-9a-f]{2}))((?<=x)..|[0-9a-f]{2,4})\}?|\\+([0-7]{3})")
_UNSEEN = re.compile(r"[^!-~]+")


def blot(text: str, secrets: Iterable[str]) -> str:
    """Return the begin of a text without secrets; one that hides a secret in an encoding is withheld as a whole."""
    text, secrets = text[:_LONGEST], [secret for secret in secrets if secret]
    for secret in secrets:
        for form in (
            secret,
            quote(secret.encode(errors="replace"), safe=""),
            quote_plus(secret.encode(errors="replace")),
        ):
            text = re.sub(re.escape(form), "***", text, flags=re.IGNORECASE)
    hidden = {_squeezed(version) for version in _decoded(text)}
    found = any(piece in version for secret in secrets for piece in _pieces(secret) for version in hidden)
    return WITHHELD if found else text


def _decoded(text: str) -> Iterator[str]:
    """Yield a text and what it says with its percent signs, entities and backslashes decoded, layer by layer."""
    for _ in range(_ROUNDS):
        text = _UNSEEN.sub("", text)
        yield text
        text = _ESCAPE.sub(_character, unquote(html.unescape(text)))


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16) if escape[1] else int(escape[2], 8))


def _squeezed(text: str) -> str:
    """Return what can be seen of a text, without case and backslashes: UTF-16 read as bytes is full of NULs."""
    return _UNSEEN.sub("", text).replace("\\", "").lower()


@lru_cache(maxsize=32)
def _pieces(secret: str) -> frozenset[str]:
    """Return what betrays a secret: itself, or any part of some length, also in hex and in base64 at any offset."""
    forms = [secret]
    for raw in (secret.encode(errors="replace"), secret.encode("utf-16-le", errors="replace")):
        packed = [base64.b64encode(bytes(offset) + raw).decode().rstrip("=") for offset in range(3)]
        # The first and the last letters depend on what stands beside the secret.
        forms += [raw.hex(), packed[0][:-1], packed[1][2:-1], packed[2][3:-1]]
    forms += [form.translate(str.maketrans("+/", "-_")) for form in forms[1:]]
    seen = [found for form in forms if len(found := _squeezed(form)) >= 8 or form is secret]
    step = _PIECE // 2
    return frozenset(form[at : at + _PIECE] for form in seen for at in range(0, max(1, len(form) - step), step) if form)
