"""Tables of task logs, and what is folded there."""

from __future__ import annotations

from adobe_experience_platform.operators.tables import LINES_UNFOLDED, folded


def test_many_lines_are_a_group_that_the_log_page_folds():
    few, many = ["line"] * LINES_UNFOLDED, ["line"] * (LINES_UNFOLDED + 1)
    assert folded("The plan", few) == few
    assert folded("The plan", many) == ["::group::The plan", *many, "::endgroup::"]
