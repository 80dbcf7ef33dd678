"""Every mutant of `make mutants` still changes something: a list that has gone stale proves nothing."""

from __future__ import annotations

from lab.mutants.__main__ import PACKAGE
from lab.mutants.catalogue import MUTANTS
from tests.conftest import REPOSITORY


def test_what_a_mutant_changes_stands_once_in_its_file() -> None:
    lost = [
        f"{mutant.file}: {mutant.old!r}"
        for mutant in MUTANTS
        if (REPOSITORY / PACKAGE / mutant.file).read_text().count(mutant.old) != 1
    ]

    assert lost == []


def test_no_mutant_leaves_its_file_as_it_is() -> None:
    assert [mutant.why for mutant in MUTANTS if mutant.old == mutant.new] == []


def test_every_folder_of_tests_is_there() -> None:
    assert {path for mutant in MUTANTS for path in mutant.tests if not (REPOSITORY / path).exists()} == set()


def test_contributing_says_how_many_there_are() -> None:
    assert f"breaks the package in {len(MUTANTS)} places" in (REPOSITORY / "CONTRIBUTING.md").read_text()
