"""Keeps known secrets out of foreign text, in whatever encoding an answer echoes them."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

WITHHELD = "(withheld: it repeats a secret)"
_LONGEST = 10_000
_PIECE = 12
_SHORTEST = 8
_ROUNDS = 12
_ESCAPE = re.compile(
    r"(?i)(?<![\\%])[\\%]+(?:(?:U0{4}(?=[0-9a-f]{4})|u\{?|x(?=[0-9a-f]{2}))((?<=x)..|[0-9a-f]{2,4})\}?|(?<=\\)([0-7]{3}))"
)
_UNSEEN = re.compile(r"[^!-~]+")
_BESIDE_NUMBERS = re.compile(r"0x|[^0-9a-z]+")


def blot(text: str, secrets: Iterable[str]) -> str:
    """Return the begin of a text without secrets; one that hides a secret in an encoding is withheld as a whole."""
    text, secrets = text[:_LONGEST], [secret for secret in secrets if secret]
    for secret in secrets:
        text = _as_sent(secret).sub("***", text)
    versions = set(_decoded(text))
    seen = {*map(_squeezed, versions), *map(_bare, versions)}
    # A token has thousands of pieces, and the event loop waits meanwhile.
    parts = {version[at : at + _PIECE] for version in seen for at in range(len(version) - _PIECE + 1)}
    for pieces, short in map(_pieces, secrets):
        if not pieces.isdisjoint(parts) or any(piece in version for piece in short for version in seen):
            return WITHHELD
    return text


@lru_cache(maxsize=32)
def _as_sent(secret: str) -> re.Pattern[str]:
    raw = secret.encode(errors="replace")
    return re.compile("|".join(map(re.escape, (secret, quote(raw, safe=""), quote_plus(raw)))), re.IGNORECASE)


def _decoded(text: str) -> Iterator[str]:
    """Yield a text and what it says with its percent signs, entities and backslashes decoded, layer by layer."""
    before = None
    for _ in range(_ROUNDS):
        text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
        if text == before:
            return
        yield text
        before, text = text, _ESCAPE.sub(_character, unquote(html.unescape(text)))


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16) if escape[1] else int(escape[2], 8))


def _squeezed(text: str) -> str:
    """Return what can be seen of a text, without case and backslashes: UTF-16 read as bytes is full of NULs."""
    return _UNSEEN.sub("", text).replace("\\", "").lower()


def _bare(text: str) -> str:
    """Return the letters and digits alone: numbers come as ``70:38``, ``=70=38``, ``0x70, 0x38`` and ``[112, 56]``."""
    return _BESIDE_NUMBERS.sub("", text.lower())


@lru_cache(maxsize=32)
def _pieces(secret: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return what betrays a secret: itself, or any part of some length, in base64 at any offset, and as numbers.

    Those that are shorter come by themselves.
    """
    raw, wide = secret.encode(errors="replace"), secret.encode("utf-16-le", errors="replace")
    packed = [*_packed(raw), *_packed(wide), *_packed(quote(raw, safe="").encode())]
    packed += [twice for once in packed[:3] for twice in _packed(once.encode())]
    packed += [form.translate(str.maketrans("+/", "-_")) for form in packed]
    numbers = [form.hex() for form in (raw, wide)] + ["".join(map(str, form)) for form in (raw, wide)]
    long = [form for form in (*map(_squeezed, packed), *numbers) if len(form) >= _SHORTEST]
    starts = ((form, range(0, len(form) - _PIECE, _PIECE // 3)) for form in (_squeezed(secret), *long) if form)
    pieces = {form[at : at + _PIECE] if at >= 0 else form[at:] for form, ats in starts for at in (*ats, -_PIECE)}
    short = frozenset(piece for piece in pieces if len(piece) < _PIECE)
    return frozenset(pieces - short), short


def _packed(raw: bytes) -> Iterator[str]:
    """Yield the base64 of bytes at any offset, without the letters that depend on what stands beside them."""
    for offset, first in enumerate((0, 2, 3)):
        yield base64.b64encode(bytes(offset) + raw).decode().rstrip("=")[first:-1]
