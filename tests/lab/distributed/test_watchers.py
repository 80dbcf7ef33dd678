"""The judge of what the watchers tell."""

from __future__ import annotations

from collections import Counter

import pytest

from lab.distributed.watchers import Told


def test_each_run_once_and_repeats_that_are_called_so_are_well() -> None:
    told = Told(frozenset({"a", "b", "c"}), sure=Counter("ab"), repeats=Counter("bcc"))

    assert told.untold == told.problems() == []


@pytest.mark.parametrize(
    ("sure", "repeats", "problem"),
    [
        ("a", "", "UNTOLD: no watcher has told of AEP's run b"),
        ("aab", "", "TOLD TWICE: watchers have told 2 times of AEP's run a"),
        ("ab", "z", "STRANGE: a watcher has told of run z"),
    ],
)
def test_what_is_wrong_is_said(sure: str, repeats: str, problem: str) -> None:
    [said] = Told(frozenset("ab"), Counter(sure), Counter(repeats)).problems()

    assert said.startswith(problem)
