"""`make lint`, the pre-commit hooks and CI check the same, with the same tools."""

from __future__ import annotations

import re

import yaml

from tools.airflow_settings import REPOSITORY

MAKEFILE = (REPOSITORY / "Makefile").read_text()


def recipe(target: str) -> str:
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found
    return found[1]


def habit(command: str) -> str:
    """Say what a command checks; ruff gets its files, and leave to repair them, from pre-commit."""
    return " ".join(word for word in command.split() if word not in ("--fix", "--check", "."))


def test_the_hooks_run_what_lint_runs_from_the_environment_and_download_nothing() -> None:
    (local,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]

    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    programs = [hook["entry"].split() for hook in local["hooks"]]
    assert all((REPOSITORY / program[0]).exists() for program in programs)
    linted = re.findall(r"@(?:\$\(RUN\) -m |\.venv/bin/)(\S.*)", recipe("lint"))
    assert {habit(" ".join([program[0].rpartition("/")[2], *program[1:]])) for program in programs} == {
        habit(command) for command in linted
    }


def test_ci_runs_lint_and_all_tests() -> None:
    commands = (REPOSITORY / ".ci" / "run").read_text().splitlines()

    assert [line for line in commands if line.startswith("make")][:2] == ["make lint", "make test"]


def test_only_a_full_run_must_reach_the_floor_of_coverage() -> None:
    assert "$(or $(TESTS),$(ALL))" in recipe("test")
    assert "$(COVERAGE)" in MAKEFILE.split("\nALL = ")[1].splitlines()[0]
    floor = re.search(r"--cov-fail-under=(\d+)", MAKEFILE)
    assert floor
    assert int(floor[1]) >= 85


def test_nothing_needs_the_target_that_writes_secrets() -> None:
    """``make env`` is for containers; what the other targets need is ``venv``."""
    rules = re.findall(r"^[a-z-]+:(?!=)([^#\n]*)", MAKEFILE, re.MULTILINE)
    assert rules
    assert not any("env" in rule.split() for rule in rules)
