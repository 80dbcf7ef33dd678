"""docs/faults.md shows the table that the tests play."""

from __future__ import annotations

from tests.promises.faults.table import PAGE, render


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text() == render(), "run: python -m tests.promises.faults.table"
