"""Finds secrets where people or machines might read them."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus


def forms_of(secret: str) -> set[str]:
    """Return what a secret may look like: as it is, quoted for a URL or a form, in base64."""
    return {secret, quote(secret, safe=""), quote_plus(secret), base64.b64encode(secret.encode()).decode().rstrip("=")}


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """Return the secrets that a text holds, in any form."""
    return [secret for secret in secrets if any(form in text for form in forms_of(secret))]


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
