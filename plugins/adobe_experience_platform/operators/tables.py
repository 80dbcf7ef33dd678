"""Tables: for task logs as plain text, for Airflow's pages as Markdown."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adobe_experience_platform.aep import for_markdown, one_line

LINES_UNFOLDED = 30
"""Lines that a log shows at once, at most, where they are no result."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> list[str]:
    """Return a table as text lines, as wide as it needs to be.

    :param right: columns that hold numbers.
    """
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in head:
        grid.add_column(title, justify="right" if title in right else "left", no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(one_line(cell)) for cell in row))
    out = io.StringIO()
    Console(file=out, width=1000, color_system=None, legacy_windows=False).print(grid)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """Return lines of a log; where they are many, as a group that Airflow's log page folds under a title."""
    return list(lines) if len(lines) <= LINES_UNFOLDED else [f"::group::{one_line(title)}", *lines, "::endgroup::"]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table as lines of Markdown; the cells' texts are shown as they are."""
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(map(for_markdown, row)) for row in rows)]
    return [f"| {line} |" for line in lines]
