"""The workflows of hosted CI call what is there, with the versions that are supported, and trust nobody by a name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import airflows

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((REPOSITORY / ".github" / "workflows" / f"{name}.yml").read_text())["jobs"]
    return found


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_only_targets_are_called_that_exist(file: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    called = [line for job in jobs(file.stem).values() for line in commands(job)]

    named = {target for line in called for target in re.findall(r"make ([a-z-]+)", line)}
    assert named
    assert named <= targets
    assert all((REPOSITORY / line).exists() for line in called if line.startswith("."))


def test_every_supported_airflow_and_python_is_tested() -> None:
    classifiers = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["classifiers"]
    pythons = {item.rpartition(" ")[2] for item in classifiers if re.search(r"Python :: 3\.\d+$", item)}
    ci = jobs("ci")

    assert tuple(ci["airflows"]["strategy"]["matrix"]["airflow"]) == airflows.VERSIONS
    listed = {
        step["with"]["python-version"]
        for job in ci.values()
        for step in job["steps"]
        if "python-version" in step.get("with", {}) and "matrix" not in step["with"]["python-version"]
    }
    assert listed | set(ci["pythons"]["strategy"]["matrix"]["python"]) == pythons


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_others_work_is_named_by_its_commit_and_no_secret_is_used(file: Path) -> None:
    text = file.read_text()

    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name)] == []
    assert "secrets." not in text
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_only_the_publishing_job_may_show_who_it_is() -> None:
    publish = jobs("publish")

    assert {name: job.get("permissions") for name, job in publish.items()} == {
        "build": None,
        "publish": {"id-token": "write"},
        "sbom": {"contents": "write"},
    }
    assert publish["publish"]["environment"] == "pypi"
    assert publish["publish"]["needs"] == publish["sbom"]["needs"] == "build"
    assert any(line.startswith("make release") for line in commands(publish["build"]))
