"""What an enemy sends: values, documents with something wrong in them, and how to see that nothing came through."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from hypothesis import strategies as st

from adobe_experience_platform.aep.calls import MAX_PAGES, Call, Response
from adobe_experience_platform.errors import AepError

T = TypeVar("T")

NASTY_TEXTS = [
    "",
    " ",
    "two\nlines",
    "two\r\nX-Injected: 1",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
    "nul\x00",
    "bell\x07 back\x08 tab\t",
    "\u2028line\u2029paragraph\x85next",
    "\u202eright to left",
    "\ud800",
    "{{ 7*7 }}",
    "{% raw %}",
    "{{ conn.aep_default.password }}",
    "\"quotes' `ticks` \\",
    "../../../etc/passwd",
    "..",
    ".",
    "a/b?c=d#e%2F",
    "a,b==c&d",
    "%(message)s %s {0}",
    "[bold red]markup[/]",
    "<script>alert(1)</script>",
    "nan",
    "Infinity",
    "1e400",
    "-1",
    "日本語 ünïcödé 🎯",
    "e\u0301\u200d\ufeff",
    "x" * 10_000,
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 2**63, -1, 0, 1e308, -0.0, float("nan"), float("inf"), float("-inf")]),
    st.floats(),
    st.sampled_from(NASTY_TEXTS),
    st.text(max_size=20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def deep(levels: int = 100_000) -> Any:
    """Return lists in lists in lists."""
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (container, key) of every place in a JSON document."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


@st.composite
def spoiled(draw: st.DrawFn, document: Any) -> Any:
    """Draw a JSON document with some of its places replaced, removed or added to."""
    box = [copy.deepcopy(document)]
    for _ in range(draw(st.integers(1, 4))):
        container, key = draw(st.sampled_from(list(_places(box))))
        if isinstance(container, dict) and draw(st.booleans()):
            container.pop(key)
            if draw(st.booleans()):
                container[draw(st.sampled_from(NASTY_TEXTS))] = draw(VALUES)
        elif isinstance(container[key], str | int) and draw(st.integers(0, 3)):
            container[key] = draw(st.sampled_from(NASTY_TEXTS))
        else:
            container[key] = draw(VALUES)
    return box[0]


def carry_out(call: Call[T], body: Any) -> T:
    """Carry out a call whose every request is answered with the same body."""
    try:
        next(call)
        for _ in range(MAX_PAGES + 1):
            call.send(Response(body if isinstance(body, dict) else {"items": body}, "req-1"))
    except StopIteration as stop:
        found: T = stop.value
        return found
    raise AssertionError("the call has no end")


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a value of ours, but the names that are only compared with what people wrote."""
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.name != "exact_name":
                yield from texts_in(getattr(value, field.name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(key)
            yield from texts_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from texts_in(item)


def survive(action: Callable[[], T]) -> T | None:
    """Return what an action returns, None if it ends in one of our own errors with a message that can be shown."""
    try:
        return action()
    except AepError as error:
        check_message(error)
        return None


def check_message(error: AepError) -> None:
    """Check that a message has no other line breaks than our own, which begin a list, and can be stored and sent."""
    head, *faults = str(error).split("\n  - ")
    for line in [*head.rstrip("\n").split("\n"), *faults]:
        assert line.isprintable(), ascii(line)
    assert len(head) < 3_000
    json.dumps(str(error)).encode()
    str(error).encode()


def check_clean(value: Any) -> None:
    """Check that every text in a value can be shown in one line, and that the value can be stored."""
    for text in texts_in(value):
        assert text.isprintable(), ascii(text)
        text.encode()
