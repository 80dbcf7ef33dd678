"""From the text of a campaign file to a campaign, or to all its faults: each with line, field and remedy."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from adobe_experience_platform.aep import short_repr

from . import marked_yaml
from .file import AT, Block, Campaign
from .marked_yaml import Document, MarkedYamlError, Path

MAY_BE_EMPTY = frozenset({"max_export_age_hours"})
FREE = frozenset({"audiences", "notifiers"})
"""Keys whose blocks have keys and values of the user's own."""
_KINDS = {
    "string": "text",
    "int": "a whole number, without quotes",
    "float": "a number, without quotes",
    "bool": "true or false",
    "list": "a list",
    "dict": "a block of keys",
    "model": "a block of keys",
}


@dataclass(frozen=True, slots=True, order=True)
class FileFault:
    """What is wrong in a campaign file, where, and what to do.

    :param file: path, as people know it.
    :param line: 1-based.
    :param key: such as ``deliver[0].audiences``; "" is the whole file.
    """

    file: str
    line: int
    key: str
    what: str

    def __str__(self) -> str:
        """Return the one line that is shown in the import-error banner and by ``make lint``."""
        return f"{self.file}, line {self.line}{', ' if self.key else ''}{self.key}: {self.what}"


def read_campaign(content: bytes, name: str, file: str) -> tuple[Campaign | None, list[FileFault]]:
    """Read a campaign file.

    :param content: of the file.
    :param name: of the campaign, unless the file says another.
    :param file: path for messages.

    Returns (campaign, faults); the campaign is None if there are faults.
    """
    try:
        document = marked_yaml.read(content)
    except MarkedYamlError as error:
        return None, [FileFault(file, error.line, "", error.what)]
    value = document.value
    if value is None:
        return None, [FileFault(file, 1, "", "the file is empty: it needs at least 'deliver' and 'when'")]
    if not isinstance(value, dict):
        what = "the file holds no keys: it needs at least 'deliver:' and 'when:', each at the beginning of a line"
        return None, [FileFault(file, 1, "", what)]
    faults = [
        FileFault(file, document.line_of(path), _dotted(path), "this is empty: give it a value, or remove the key")
        for path in _empty(value, ())
    ]
    named = "name" in value
    try:
        campaign = Campaign.model_validate({"name": name, **value})
    except ValidationError as error:
        empty = {fault.key for fault in faults}
        for found in error.errors(include_url=False, include_context=False):
            path = tuple(found["loc"])
            if path == ("name",) and not named:
                what = (
                    f"the file's name {short_repr(name)} is no name: use letters, digits, _ and -, or add the key "
                    "'name'"
                )
                faults.append(FileFault(file, 1, "", what))
            elif _dotted(path) not in empty:
                faults.append(_fault(file, document, path, found))
        return None, sorted(set(faults))
    return (None, faults) if faults else (campaign, [])


def _empty(value: object, path: Path) -> Iterator[Path]:
    """Find keys without a value: nobody writes ``approval:`` to have none."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if inner is None and key not in MAY_BE_EMPTY:
                yield (*path, key)
            elif key not in FREE:
                yield from _empty(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _empty(inner, (*path, number))


def _fault(file: str, document: Document, path: Path, found: Any) -> FileFault:
    kind, given = str(found["type"]), found.get("input")
    if kind.startswith(AT):
        path, what = (kind.removeprefix(AT),), str(found["msg"])
    elif kind == "extra_forbidden":
        what = _unknown(path)
    elif kind == "missing":
        # The block that lacks the key, not the key, has a line.
        return FileFault(
            file, document.line_of(_in_file(document, path[:-1])), _dotted(path), "this key is missing: add it"
        )
    elif kind == "value_error":
        what = str(found["msg"]).removeprefix("Value error, ")
    elif kind == "literal_error":
        choices = typing.get_args(_field_type(path))
        what = f"{short_repr(given, 60)} is not possible: choose {' or '.join(map(str, choices)) or found['msg']}"
    elif (wanted := _KINDS.get(kind.removesuffix("_type"))) and kind.endswith("_type"):
        what = f"{short_repr(given, 60)} is not what belongs here: write {wanted}"
    else:
        what = f"{short_repr(given, 60)} is not possible: {str(found['msg']).replace('Input should', 'it should')}"
    return FileFault(file, document.line_of(_in_file(document, path)), _dotted(path), what)


def _unknown(path: Path) -> str:
    key = str(path[-1])
    block = _block_at(path[:-1])
    allowed = [field.alias or name for name, field in block.model_fields.items()] if block else []
    near = difflib.get_close_matches(key.lower(), allowed, 1, 0.7)
    if near:
        return f"the key {short_repr(key, 60)} is unknown: did you mean {near[0]!r}?"
    if key in Campaign.model_fields and len(path) > 1:
        return f"the key {short_repr(key, 60)} does not belong here: put it at the beginning of a line of its own"
    return f"the key {short_repr(key, 60)} is unknown: correct or remove it (keys here: {', '.join(allowed)})"


def _field_type(path: Path) -> Any:
    """Return the annotation of the field at a path, without list items and optional parts."""
    block = _block_at(path[:-1]) if isinstance(path[-1], str) else _block_at(path[:-2])
    name = path[-1] if isinstance(path[-1], str) else path[-2]
    annotation = block.model_fields[str(name)].annotation if block and name in block.model_fields else None
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is list else annotation


def _block_at(path: Path) -> type[BaseModel] | None:
    """Return the block that a path leads to."""
    block: type[BaseModel] | None = Campaign
    for step in path:
        if isinstance(step, str):
            if block is None or step not in block.model_fields:
                return None
            block = _block_in(block.model_fields[step].annotation)
    return block


def _block_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _block_in(part))), None)


def _in_file(document: Document, path: Path) -> Path:
    """Translate a path of the model into one of the file, which may be written in a short form."""
    value: Any = document.value
    there: Path = ()
    for wanted in path:
        step: str | int | None = wanted
        if isinstance(value, dict):
            if isinstance(wanted, int):
                step = next((key for place, key in enumerate(value) if place == wanted), None)
            step = step if step in value else None
            value = value if step is None else value[step]
        elif isinstance(value, list):
            place = wanted if isinstance(wanted, int) else value.index(wanted) if wanted in value else None
            step = place
            value = value if place is None else value[place]
        else:
            break
        there = there if step is None else (*there, step)
    return there


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        if step == "[key]":
            continue
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
