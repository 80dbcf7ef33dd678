"""Tables: for task logs as plain text, for Airflow's pages as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from adobe_experience_platform.aep import for_markdown, one_line

LINES_UNFOLDED = 30
"""Lines that a log shows at once, at most, where they are no result."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> list[str]:
    """Return a table as text lines, as wide as it needs to be; columns of numbers are on the right of theirs."""
    # Not by rich's own Table: of 5,000 audiences that takes seconds, and it cuts what is wider than its console.
    cells = [tuple(head), *(tuple(map(one_line, row)) for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        pads = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        aligned = [
            pad + cell if title in right else cell + pad for cell, pad, title in zip(row, pads, head, strict=True)
        ]
        lines.append("   ".join(aligned).rstrip())
    return [lines[0], "─" * (sum(widths) + 3 * (len(widths) - 1)), *lines[1:]]


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """Return lines of a log; where they are many, as a group that Airflow's log page folds under a title."""
    return list(lines) if len(lines) <= LINES_UNFOLDED else [f"::group::{one_line(title)}", *lines, "::endgroup::"]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table as lines of Markdown; the cells' texts are shown as they are."""
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(map(for_markdown, row)) for row in rows)]
    return [f"| {line} |" for line in lines]
