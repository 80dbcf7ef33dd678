"""What people call flows and audiences, beside what AEP calls them."""

from __future__ import annotations

from adobe_experience_platform.delivery import labelled


def test_a_label_does_not_hide_what_aep_calls_it() -> None:
    names = labelled({"a": "Silver", "b": "Gold"}, {"a": "Gold", "b": "Gold", "c": "New"})
    assert names == {"a": "Gold (AEP: Silver)", "b": "Gold", "c": "New"}
