"""How the commands show things: results on standard output in the chosen form, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from adobe_experience_platform.aep import one_line
from adobe_experience_platform.operators import table

Row = Mapping[str, Any]


def show(rows: Sequence[Row], output: str, right: Sequence[str] = ()) -> None:
    """Print rows in one of the forms of Airflow's own commands; lines are never cut, so that ids can be copied.

    :param right: columns that hold numbers.
    """
    if output == "json":
        lines = [json.dumps(list(map(dict, rows)), ensure_ascii=False, indent=2)]
    elif output == "yaml":
        lines = [yaml.safe_dump(list(map(dict, rows)), allow_unicode=True, sort_keys=False).rstrip("\n")]
    else:
        head = list(rows[0]) if rows else []
        cells = [[_cell(value) for value in row.values()] for row in rows]
        lines = table(head, cells, right) if output == "table" else _plain([head, *cells])
    for line in lines if rows or output in ("json", "yaml") else ["No data found"]:
        sys.stdout.write(f"{line}\n")


def tell(text: str, style: str = "") -> None:
    """Print a line for the person at the terminal."""
    messages().print(Text(text, style=style), soft_wrap=True)


def tell_all(texts: Iterable[str], style: str = "") -> None:
    """Print a line for each text."""
    for text in texts:
        tell(text, style)


def messages() -> Console:
    """Return the console of what is not a result."""
    return Console(stderr=True, highlight=False)


def _plain(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines that other commands can read: columns that are parted by two blanks and more."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return ["  ".join(cells).rstrip() for cells in padded]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else one_line(str(value))
