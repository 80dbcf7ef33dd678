"""YAML as people write it by hand, with the line of every value: for messages that say where.

It is the YAML that editors check (version 1.2): ``10:30`` and ``2026-12-01`` are text, ``yes`` is text, and a key
may stand only once in a block. Nothing in a file can take the process down: depth and size are bounded, and no
tag makes an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from adobe_experience_platform.aep import one_line, short_repr

MAX_BYTES = 500_000
MAX_DEPTH = 20
TOO_DEEP = f"blocks within blocks, more than {MAX_DEPTH} deep"
MAX_VALUES = 20_000
"""Keys and values in one file, an alias counted as what it stands for."""

Path = tuple[str | int, ...]
Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | None

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}\Z")
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class MarkedYamlError(ValueError):
    """A text that cannot be read: 1-based line, what is wrong and what to do."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line, self.what = line, what


@dataclass(slots=True)
class Document:
    """What a text says, and where.

    :param value: dicts, lists and scalars.
    :param lines: path of a value → its 1-based line; for a value of a block, the line of its key.
    :param empty: paths of keys without a value.
    """

    value: Value = None
    lines: dict[Path, int] = field(default_factory=dict)
    empty: list[Path] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """Return the line of a path, or of the innermost part of it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(content: bytes) -> Document:
    """Read one YAML document; a :class:`MarkedYamlError` says where and what is wrong."""
    if len(content) > MAX_BYTES:
        raise MarkedYamlError(1, f"the file is too large: at most {MAX_BYTES:,} bytes are read")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise MarkedYamlError(line, "this is not UTF-8: save the file with the encoding UTF-8") from None
    try:
        return _Builder(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.YAMLError as error:
        raise _explained(error, text) from None


def _explained(error: yaml.YAMLError, text: str) -> MarkedYamlError:
    """Say in plain words what the YAML parser says."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        position = getattr(error, "position", 0)
        line = text[:position].count("\n") + 1 if isinstance(position, int) else 1
        return MarkedYamlError(line, "a character that YAML does not allow: remove it")
    line = mark.line + 1
    lines = text.splitlines()
    around = lines[max(0, line - 2) : line]
    if any("\t" in item[: len(item) - len(item.lstrip())] for item in around):
        return MarkedYamlError(line, "a tab at the beginning of a line: indent with spaces")
    problem = one_line(str(getattr(error, "problem", None) or "this is not YAML"), 200)
    if "nesting depth" in problem:  # libyaml has a limit of its own, and may meet it before this reader meets its
        return MarkedYamlError(line, TOO_DEEP)
    hint = "look at the colons, quotes and indentation of this line and the one before"
    return MarkedYamlError(line, f"{problem}: {hint}")


class _Builder:
    """Builds a document from parser events: unlike PyYAML's own composer it does not recurse without bound."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._found = Document()
        self._anchors: dict[str, Value] = {}
        self._count = 0

    def document(self) -> Document:
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise MarkedYamlError(_line(event), "a second document ('---') in one file: use one file for each")
            elif isinstance(event, yaml.NodeEvent):
                self._found.value = self._value(event, ())
        return self._found

    def _value(self, event: Any, path: Path) -> Value:
        self._found.lines.setdefault(path, _line(event))
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                name = one_line(str(event.anchor), 40)
                raise MarkedYamlError(_line(event), f"*{name} is used, but there is no &{name} before")
            value = self._anchors[event.anchor]
            self._bound(event, len(path), *_measure(value))
            return value
        self._bound(event, len(path))
        if event.tag is not None:
            raise MarkedYamlError(_line(event), f"a tag {short_repr(event.tag, 40)}: remove it (for text use quotes)")
        if isinstance(event, yaml.ScalarEvent):
            value = event.value if event.style else _scalar(event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._list(path)
        else:
            value = self._block(path)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _bound(self, event: Any, depth: int, size: int = 1, height: int = 0) -> None:
        self._count += size
        if self._count > MAX_VALUES:
            raise MarkedYamlError(_line(event), f"more than {MAX_VALUES:,} keys and values in one file")
        if depth + height > MAX_DEPTH:
            raise MarkedYamlError(_line(event), TOO_DEEP)

    def _list(self, path: Path) -> Value:
        items: list[Value] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, (*path, len(items))))
        return items

    def _block(self, path: Path) -> Value:
        block: dict[str, Value] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
                raise MarkedYamlError(line, "a key must be one word, not a list, a block or a tag")
            key = event.value
            if key == "<<" and not event.style:
                raise MarkedYamlError(line, "'<<' (merging of blocks) is not supported: write the keys out")
            if key in block:
                first = self._found.lines[*path, key]
                raise MarkedYamlError(
                    line, f"the key {short_repr(key, 60)} is already defined on line {first}: keep one"
                )
            self._bound(event, len(path))
            self._found.lines[*path, key] = line
            block[key] = self._value(next(self._events), (*path, key))
            if block[key] is None:
                self._found.empty.append((*path, key))
        return block


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _measure(value: Value) -> tuple[int, int]:
    """Return how many keys and values there are, and how deep they go; both have been bounded."""
    if not isinstance(value, dict | list):
        return 1, 0
    inner = [_measure(item) for item in (value.values() if isinstance(value, dict) else value)]
    keys = len(value) if isinstance(value, dict) else 0
    return 1 + keys + sum(size for size, _ in inner), 1 + max((height for _, height in inner), default=0)


def _scalar(text: str) -> Value:
    """Read an unquoted word; whatever would not read the same again stays text (ids such as 1e9 or 007)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
