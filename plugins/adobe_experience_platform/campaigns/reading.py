"""From the text of a campaign file to a campaign, or to all its faults: each with line, field and remedy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from adobe_experience_platform.aep import short_repr
from adobe_experience_platform.delivery import blocks

from . import marked_yaml
from .file import Campaign
from .marked_yaml import Document, MarkedYamlError, Path

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAY_BE_EMPTY = frozenset({"max_export_age_hours"})
FREE = frozenset({"audiences", "notifiers"})
"""Keys whose blocks have keys and values of the user's own."""


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
        FileFault(file, document.line_of(path), blocks.dotted(path), "this is empty: set a value or remove the key")
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
                    f"the file's name {short_repr(name)} is not a valid name: use letters, digits, _ and -, or add "
                    "the key 'name'"
                )
                faults.append(FileFault(file, 1, "", what))
            elif blocks.dotted(path) not in empty:
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


def _fault(file: str, document: Document, path: Path, found: ErrorDetails) -> FileFault:
    # The block that lacks a key, not the key, has a line.
    place = path[:-1] if found["type"] == "missing" else path
    line = document.line_of(_in_file(document, place))
    return FileFault(file, line, blocks.dotted(path), blocks.describe(found, Campaign))


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
