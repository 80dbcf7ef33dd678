"""Finds secrets where people or machines might read them."""

from __future__ import annotations

import base64
import functools
import html
import json
import traceback
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import quote, quote_plus


@functools.lru_cache(maxsize=64)
def forms_of(secret: str) -> frozenset[str]:
    """Return what a secret may look like in text, in lower case.

    As it is, quoted for a URL or a form, in base64 at three offsets and in base64 of that, as numbers, escaped for
    JSON, Python, HTML, in UTF-16, in full width.
    """
    forms = {secret, quote(secret, safe=""), quote_plus(secret), quote(quote(secret, safe=""), safe="")}
    for raw in (secret.encode(), secret.encode("utf-16-le")):
        forms |= {
            raw.hex(),
            raw.hex(" "),
            raw.hex(":"),
            "".join(f"={byte:02x}" for byte in raw),
            *(comma.join(f"0x{byte:02x}" for byte in raw) for comma in (", ", ",")),
            *(comma.join(map(str, raw)) for comma in (", ", ",")),
            "".join(f"%{byte:02x}" for byte in raw),
            "".join(f"\\x{byte:02x}" for byte in raw),
        }
        packed = [*_packed(raw), *_packed(quote(raw, safe="").encode())]
        packed += [twice for once in packed for twice in _packed(once.encode())]
        forms |= {form for once in packed for form in (once, once.replace("+", "-").replace("/", "_"))}
    forms |= {json.dumps(secret)[1:-1], "\0".join(secret), html.escape(secret), secret.replace("/", "\\/")}
    forms.add("".join(chr(ord(char) + 0xFEE0) for char in secret))
    for pattern in ("\\u{:04x}", "%u{:04x}", "&#{};", "&#x{:x};"):
        forms.add("".join(pattern.format(ord(char)) for char in secret))
        forms.add("".join(char if char.isalnum() else pattern.format(ord(char)) for char in secret))
    return frozenset(form.lower() for form in forms)


def _packed(raw: bytes) -> Iterator[str]:
    for offset, first in enumerate((0, 2, 3)):
        yield base64.b64encode(bytes(offset) + raw).decode().rstrip("=")[first:-1]


def leaks(content: str | bytes, secrets: Iterable[str]) -> list[str]:
    """Return the secrets that a text holds, in any form; bytes are unpacked where they hold gzip or zlib."""
    parts = [content] if isinstance(content, str) else [part.decode("latin-1") for part in _unpacked(content)]
    texts = [part.lower() for part in parts]
    return [secret for secret in secrets if any(form in text for form in forms_of(secret) for text in texts)]


def _unpacked(content: bytes) -> Iterator[bytes]:
    """Yield bytes, and what is packed in them."""
    yield content
    for magic in (b"\x1f\x8b\x08", b"x\x9c", b"x\xda"):
        at = content.find(magic)
        while at >= 0:
            with suppress(zlib.error):
                yield zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content[at:], 50_000_000)
            at = content.find(magic, at + 1)


def told_by(error: BaseException) -> str:
    """Return all that an error tells: text, arguments, fields and traceback, of it and of all that led to it."""
    return "\n".join(
        "".join([*traceback.format_exception(found), repr(found), repr(found.args), repr(vars(found))])
        for found in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it, also where ``from None`` hides it."""
    seen: list[BaseException] = []
    open_ = [error]
    while open_:
        found = open_.pop()
        if found is not None and all(found is not known for known in seen):
            seen.append(found)
            open_ += [found.__cause__, found.__context__]
            yield found
