"""Tables for task logs, as plain text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from .errors import one_line


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> list[str]:
    """Return a table as text lines, as wide as it needs to be.

    :param right: columns that hold numbers.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in head:
        grid.add_column(title, justify="right" if title in right else "left", no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(one_line(cell)) for cell in row))
    out = io.StringIO()
    Console(file=out, width=400, color_system=None, legacy_windows=False).print(grid)
    return [line.rstrip() for line in out.getvalue().splitlines()]
