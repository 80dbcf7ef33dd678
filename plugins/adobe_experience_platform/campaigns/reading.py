"""From the text of a campaign file to a campaign, or to all its faults: each with line, field and remedy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from adobe_experience_platform.aep import one_line, short_repr
from adobe_experience_platform.delivery import blocks

from . import marked_yaml
from .file import Campaign
from .marked_yaml import Document, MarkedYamlError, Path

MOST_FAULTS = 50
"""Faults of one file that are told at once."""
MAY_BE_EMPTY = frozenset({"max_export_age_hours"})
FREE = frozenset({"audiences", "notifiers"})
"""Keys whose blocks have keys and values of the user's own."""


@dataclass(frozen=True, slots=True, order=True)
class FileFault:
    """What is wrong in a campaign file, where, and what to do; the key "" is the whole file."""

    file: str
    line: int
    key: str
    what: str

    def __str__(self) -> str:
        """Return the one line that is shown in the import-error banner and by ``make lint``."""
        return one_line(f"{self.file}, line {self.line}{', ' if self.key else ''}{self.key}: {self.what}", 1_000)


def read_campaign(content: bytes, name: str, file: str) -> tuple[Campaign | None, list[FileFault]]:
    """Return (campaign, faults) of a campaign file; the campaign is None if there are faults.

    :param name: of the campaign, unless the file says another.
    """
    try:
        return _read(content, name, file)
    except MarkedYamlError as error:
        return None, [FileFault(file, error.line, "", error.what)]
    except Exception as error:  # noqa: BLE001 - whatever its bytes do to a parser, they cost this file alone
        what = f"the file cannot be read ({type(error).__name__}): write it more simply"
        return None, [FileFault(file, 1, "", what)]


def _read(content: bytes, name: str, file: str) -> tuple[Campaign | None, list[FileFault]]:
    document = marked_yaml.read(content)
    value = document.value
    if value is None:
        return None, [FileFault(file, 1, "", "the file is empty: it needs at least 'deliver' and 'when'")]
    if not isinstance(value, dict):
        what = "the file holds no keys: it needs at least 'deliver:' and 'when:', each at the beginning of a line"
        return None, [FileFault(file, 1, "", what)]
    # Nobody writes ``approval:`` to have none.
    empty = [path for path in document.empty if path[-1] not in MAY_BE_EMPTY and FREE.isdisjoint(path[:-1])]
    faults = [
        FileFault(file, document.line_of(path), blocks.dotted(path), "this is empty: set a value or remove the key")
        for path in empty
    ]
    campaign = None
    try:
        campaign = Campaign.model_validate({"name": name, **value})
    except ValidationError as error:
        known = {fault.key for fault in faults}
        errors = [item for item in error.errors(include_url=False, include_context=False) if _key(item) not in known]
        faults += [_fault(file, document, item) for item in errors[:MOST_FAULTS]]
        if "name" not in value:
            hint = f"the file's name {short_repr(name)} is not a valid name: use letters, digits, _ and -, or add "
            faults = [replace(item, what=f"{hint}the key 'name'") if item.key == "name" else item for item in faults]
    return None if faults else campaign, _some(sorted(set(faults)))


def _some(faults: list[FileFault]) -> list[FileFault]:
    if len(faults) > MOST_FAULTS:
        rest = replace(faults[MOST_FAULTS - 1], key="", what="… and more: correct these first")
        faults[MOST_FAULTS - 1 :] = [rest]
    return faults


def _key(found: ErrorDetails) -> str:
    return blocks.dotted(tuple(found["loc"]))


def _fault(file: str, document: Document, found: ErrorDetails) -> FileFault:
    path = tuple(found["loc"])
    # The block that lacks a key, not the key, has a line.
    place = path[:-1] if found["type"] == "missing" else path
    line = document.line_of(_in_file(document, place))
    return FileFault(file, line, _key(found), blocks.describe(found, Campaign))


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
