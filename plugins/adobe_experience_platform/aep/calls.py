"""What a call to AEP is, and how its lists are read: page by page, to their end, in pages that can be read.

A *call* is a generator that yields :class:`Request` objects, is sent :class:`Response` objects and returns what was
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from adobe_experience_platform.errors import AepInputError, AepNotFoundError, AepTooLargeError, AepTransientError

from .json_values import as_dict, as_text
from .text import one_line, short_repr


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T")
Item = TypeVar("Item", bound=_HasId)

PAGE_SIZE = 100
"""The most that the Flow Service returns for destinations; the export list has no documented limit."""
SMALLER = 4
"""How many times smaller the pages of a list become whose page holds too much."""
MAX_PAGES = 200
"""A list that never ends is a broken answer, not a reason to read forever."""


@dataclass(frozen=True, slots=True)
class Request:
    """An AEP request without its host, credential and sandbox.

    :param name: what logs and errors call it.
    :param is_activation: whether this is the one request that must never be sent blindly twice.
    """

    name: str
    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, object] | None = None
    is_activation: bool = False
    before_bytes: Callable[[], None] | None = field(default=None, compare=False)
    """Called when the connection is open, directly before the first byte; what it raises keeps all bytes back."""

    @property
    def limit(self) -> int:
        """How many entries of a list are asked for, 0 if this asks for no list."""
        return int(dict(self.params).get("limit", 0))


@dataclass(frozen=True, slots=True)
class Response:
    """A successful answer: the JSON object in its body."""

    data: Mapping[str, object]
    request_id: str = ""


Call = Generator[Request, Response, T]


def unreadable(request: Request, response: Response, what: str) -> AepTransientError:
    """Return the error of a success that is not of the documented form."""
    advice = "AEP's response has an unexpected form; if this persists, compare it with Adobe's API reference"
    text = f"the response has no {what}"
    return AepTransientError(request.name, status=200, text=text, request_id=response.request_id, advice=advice)


def _items(request: Request, response: Response, key: str) -> list[Mapping[str, object]]:
    """Return the objects of a list; one that cannot be read whole is no list: what it hides may be our run."""
    found = response.data.get(key)
    if not isinstance(found, list):
        raise unreadable(request, response, f"list {key!r}")
    if not all(isinstance(item, dict) for item in found):
        raise unreadable(request, response, f"list {key!r} of objects")
    return found


def parsed(request: Request, response: Response, key: str, parse: Callable[[Mapping[str, object]], Item]) -> list[Item]:
    """Read the entries of a list; one without an id makes the list one that cannot be read."""
    items = [parse(item) for item in _items(request, response, key)]
    if not all(item.id for item in items):
        raise unreadable(request, response, f"'id' for each entry of its list {key!r}")
    return items


def path_of(collection: str, ident: str) -> str:
    """Return the path of one thing; its id cannot lead anywhere else."""
    if ident in ("", ".", ".."):
        raise AepInputError([f"{short_repr(ident)} is not a valid AEP id"])
    return f"{collection}/{quote(ident, safe='', errors='replace')}"


def unread(call: str, why: str) -> AepTransientError:
    """Return the error of a list of which a part could not be read."""
    advice = "what was not read may hold what is looked for, so nothing is concluded from the rest"
    return AepTransientError(call, status=200, text=f"the list cannot be read to its end: {why}", advice=advice)


def _follow(request: Request, link: str) -> Request:
    """Take the parameters of a "next" link, never its host or path: links are relative or foreign."""
    try:
        following = dict(parse_qsl(urlsplit(one_line(link, 4000)).query))
    except ValueError:
        following = {}
    fresh = {key: value for key, value in following.items() if key in ("offset", "continuationToken", "start", "page")}
    if not fresh:
        raise unread(request.name, "its link to the next page is not understood")
    return _with(request, **fresh)


def _with(request: Request, **params: str) -> Request:
    """Return the same request with other values of some parameters."""
    others = tuple((key, value) for key, value in request.params if key not in params)
    return replace(request, params=(*others, *params.items()))


def read_list(
    request: Request, key: str, parse: Callable[[Mapping[str, object]], Item], enough: Callable[[list[Item]], bool]
) -> Call[list[Item]]:
    """Read a paged list until ``enough`` says so or it ends; one with a rest that cannot be read is an error.

    Where a page holds too much the list is read anew in smaller ones: whether a link to a next page may be asked for
    with another ``limit``, Adobe leaves open.
    """
    found: list[Item] = []
    seen: set[tuple[tuple[str, str], ...]] = set()
    page = request
    while True:
        if page.params in seen or len(seen) >= MAX_PAGES:
            raise unread(request.name, "its pages never end")
        seen.add(page.params)
        try:
            response = yield page
        except AepTooLargeError:
            if request.limit == 1:
                raise
            request = page = _with(request, limit=str(max(1, request.limit // SMALLER)))
            found, seen = [], set()
            continue
        items = parsed(page, response, key, parse)
        found += items
        if items and enough(found):
            return found
        # Segmentation links as ``link.next`` (text), the Flow Service as ``_links.next.href``; either form is read.
        links = [as_dict(response.data.get(name)).get("next") for name in ("_links", "link")]
        link = next(filter(None, (as_text(as_dict(each).get("href", each)) for each in links)), "")
        if not link:
            return found
        page = _follow(request, link)


def single(request: Request, response: Response, wanted: str) -> Mapping[str, object]:
    """Take the object out of ``{"items": [object]}``; a bare object is accepted too."""
    if as_text(response.data.get("id")) == wanted:
        return response.data
    items = _items(request, response, "items")
    for item in items:
        if as_text(item.get("id")) == wanted:
            return item
    if len(items) == 1 and "id" not in items[0]:
        return {**items[0], "id": wanted}
    raise AepNotFoundError(request.name, status=200, text=f"no item with id {wanted} in the response")
