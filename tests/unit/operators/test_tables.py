"""Tables of task logs, and what is folded there."""

from __future__ import annotations

from adobe_experience_platform.operators.tables import LINES_UNFOLDED, folded, table


def test_many_lines_are_a_group_that_the_log_page_folds():
    few, many = ["line"] * LINES_UNFOLDED, ["line"] * (LINES_UNFOLDED + 1)
    assert folded("The plan", few) == few
    assert folded("The plan", many) == ["::group::The plan", *many, "::endgroup::"]


def test_a_table_shows_what_it_is_given_and_interprets_nothing() -> None:
    lines = table(("Name", "Records"), [("[bold]Müller[/bold] 🎉", "1"), ("x" * 150, "23,456")], right=("Records",))

    assert lines[0].split() == ["Name", "Records"]
    assert "[bold]Müller[/bold] 🎉" in lines[2]
    assert lines[3].startswith("x" * 150), "nothing is cut or wrapped"
    assert lines[3].endswith("23,456")
    assert "\x1b" not in "".join(lines)
