"""Foreign text made safe for each place where it is shown; counts, names beside ids.

One function a place: :func:`one_line` for logs, :func:`for_markdown`, :func:`for_mail`. The pages have theirs in
``web/static/js/``: ``dom.js`` and ``csv.js``.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping

_TEXT_LIMIT = 500
_MARKER = re.compile(r"::(?=(?:end)?group)", re.IGNORECASE)
"""What Airflow's log page takes for the begin or end of a folded part, anywhere in a line."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&=^$])")
_AUTOLINK = re.compile(r"(?i)(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\S)|(?<=mailto:)|(?<=xmpp:)")
_WORD_JOINER = "\u2060"
"""Takes no room: Markdown's and mail programs' search for addresses ends there, and backslashes do not stop it."""

_HTTP = re.compile(
    r"(?i)(\bhttps?:[/\\]{1,2}|(?<![:\w])//)(?:[^\s/?#@\\]*@)?"
    r"(?:((?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?[^\w\s/?#@\\]*)(?!\S*@))?\S*"
)
"""An address: only its scheme and its host are shown, and no host where a password may stand in its place."""
_OTHER_URL = re.compile(r"(?i)\b(?!https?://)([a-z][a-z0-9+.-]{0,30}://)\S+")
_CREDENTIAL = re.compile(
    r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{4,}|\beyJ[\w-]{5,}\.[\w.-]{4,}|(?<=[?&])(?:[\w-]*-)?sig(?:nature)?=[^\s&]+"
)
_CONFIDENTIAL = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret|token|credentials?|(?:api|access|private|integration)[_-]?key"
    r"|webhook[_-]?url|authorization|cookie)"
)
_NAMED_SECRET = re.compile(
    rf"(?i)({_CONFIDENTIAL}['\"]?\s{{0,5}}[:=]\s{{0,5}})"
    r"(?:(['\"])(?:(?!\2)[^\n]|\2(?![\s,;:}\])]|$))*\2?|[\[{][^\]}]*|[^\s,;}\]]+)"
)
_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[A-Za-z]{2,}")
_PATH = re.compile(r"(?i)\b(with url:|url=)\s*\S+")


def one_line(text: str, limit: int = _TEXT_LIMIT) -> str:
    """Make foreign text safe for one log line: no control characters, no log marker, bounded length."""
    return _cut(_printable(text, limit), len(text) > limit * 20, limit)


def for_markdown(text: str, limit: int = 2_000) -> str:
    """Write foreign text so that Markdown shows it as it is: no signs, entities or links of its own."""
    return _MARKDOWN.sub(r"\\\1", _AUTOLINK.sub(_WORD_JOINER, one_line(text, limit)))


def for_mail(text: str, limit: int = 600) -> str:
    """Write foreign text for a notice: one line, without secrets and mail addresses, and no mail program links it."""
    return _AUTOLINK.sub(_WORD_JOINER, _ADDRESS.sub("[address]", without_secrets(text, limit)))


def without_secrets(text: str, limit: int = 600) -> str:
    """Return one line without what looks like a secret: parts of addresses, credentials, values named like one."""
    line = _OTHER_URL.sub(r"\1…", _HTTP.sub(r"\1\2", _printable(text, limit)))
    line = _PATH.sub(
        r"\1 …", _NAMED_SECRET.sub(r"\1…", _CREDENTIAL.sub(lambda found: f"{found[1] or ''} …".lstrip(), line))
    )
    return _cut(line, len(text) > limit * 20, limit)


def _printable(text: str, limit: int) -> str:
    begin = text[: limit * 20]  # a body may have millions of characters, and the event loop waits meanwhile
    clean = begin if begin.isprintable() else "".join(char if char.isprintable() else " " for char in begin)
    return " ".join(clean.split())


def _cut(line: str, is_begin: bool, limit: int) -> str:
    line = _MARKER.sub(": :", line)
    return line[: limit - 1] + "…" if is_begin or len(line) > limit else line


def names_secret(key: str) -> bool:
    """Whether an argument, a key or a header is named like a secret."""
    return re.search(rf"(?i){_CONFIDENTIAL}$", key) is not None


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 100


def short_repr(value: object, limit: int = 60) -> str:
    """Show an external value of any type in one line of ASCII, however large or deep it is, without secrets."""
    try:
        return without_secrets(ascii(value[:1000]) if isinstance(value, str) else _SHORT.repr(value), limit)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        return f"(a huge {type(value).__name__})"


def quoted(text: str, limit: int = 120) -> str:
    """Show a name in quotes in one line: what looks like a blank and is none shows as its escape, secrets do not."""
    return without_secrets(repr(text[:1000]), limit)


def count(number: int, noun: str) -> str:
    """Return ``1 audience`` or ``2 audiences``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def named(ident: str, names: Mapping[str, str]) -> str:
    """Return ``'Name' (id)``, or the id alone."""
    name = names.get(ident)
    return f"{one_line(name)!r} ({ident})" if name else ident
