"""The wheel, and environments of its own for it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import release
from tests.conftest import REPOSITORY
from tools import bootstrap

HERE = Path(__file__).parent
PROVIDER = "airflow-provider-adobe-experience-platform"
URL = "https://example.com/aep"
UV = [sys.executable, "-m", "uv"]

Probe = Callable[..., dict[str, Any]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.packaging)


@pytest.fixture(scope="session")
def uv() -> Callable[..., str]:
    """Return a function that runs uv where pip is set up to look."""
    if subprocess.run([*UV, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("uv does not work here, and pip takes minutes")
    environment = bootstrap.uv_environment()

    def uv(*arguments: str | Path) -> str:
        done = subprocess.run([*UV, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return uv


def copy_source(source: Path) -> Path:
    """Copy what the image copies: nothing else may be needed to install the package."""
    for name in re.findall(r"^COPY --chown=\S+ (pyproject\.toml.*) \S+$", read("Dockerfile"), re.MULTILINE)[0].split():
        shutil.copy(REPOSITORY / name, source)
    shutil.copytree(
        REPOSITORY / "plugins", source / "plugins", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    return source


def tracked(source: Path) -> Path:
    """Copy what git knows, as it is now, with addresses: `make release` takes what was committed."""
    for name in filter(None, release.run("git", "ls-files", "-z", cwd=REPOSITORY).split("\0")):
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, source / name)
    return release.name_addresses(source, URL, release.one_version(REPOSITORY))


@pytest.fixture(scope="session")
def built(uv: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build sdist and wheel as `make release` does."""
    return release.build(tracked(tmp_path_factory.mktemp("source")))


@pytest.fixture(scope="session")
def wheel(built: tuple[Path, Path]) -> Path:
    """The wheel."""
    return built[1]


@pytest.fixture(scope="session")
def bare(uv: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment of the pinned requirements alone, and return its Python."""
    venv = tmp_path_factory.mktemp("venv")
    uv("venv", "--quiet", "--clear", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    uv("pip", "install", "--quiet", "--require-hashes", "--python", python, "-r", REPOSITORY / "requirements.txt")
    return python


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    """Return a function that runs `probe.py` by a Python and returns what it saw."""

    def probe(python: Path, dags: Path, plugins: Path | None) -> dict[str, Any]:
        home = tmp_path_factory.mktemp("home")
        result = home / "result.json"
        environment = clean_environment(home)
        environment["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(plugins or home / "plugins")
        done = subprocess.run(
            [str(python), str(HERE / "probe.py"), str(dags), str(result)],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        seen: dict[str, Any] = json.loads(result.read_text())
        return seen

    return probe


@pytest.fixture(scope="session")
def without_install(bare: Path, probe: Probe) -> dict[str, Any]:
    """What an Airflow sees that only has the plugins folder; taken before the wheel is installed."""
    return probe(bare, REPOSITORY / "examples", REPOSITORY / "plugins")


@pytest.fixture(scope="session")
def by_pip(
    uv: Callable[..., str], bare: Path, probe: Probe, without_install: object, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What an Airflow sees that has the plugins folder and, by pip, an editable install of it; then that is removed."""
    source = copy_source(tmp_path_factory.mktemp("editable"))
    install_by_pip(bare, source, "--editable")
    seen = probe(bare, REPOSITORY / "examples", source / "plugins")
    uv("pip", "uninstall", "--python", bare, PROVIDER)
    return seen


def install_by_pip(python: Path, source: Path, *how: str) -> None:
    """Install as pip does without uv, and without the minutes that a build environment of its own takes."""
    # The first thing that pip asks in such an environment; it leaves metadata in the source.
    asked = "import setuptools.build_meta as build; build.get_requires_for_build_editable()"
    flags = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    for command in (
        [str(python), "-c", asked],
        [sys.executable, "-m", "pip", "--python", str(python), "install", *flags, *how, str(source)],
    ):
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def installed(uv: Callable[..., str], bare: Path, wheel: Path, without_install: object, by_pip: object) -> Path:
    """Add the wheel to the environment, with dependencies, and return its Python."""
    said = uv("pip", "install", "--python", bare, wheel)
    assert re.findall(r"^ [+-] (\S+?)==", said, re.MULTILINE) in ([], [PROVIDER])
    return bare


def clean_environment(home: Path) -> dict[str, str]:
    """Return the environment of an Airflow that knows nothing of this repository."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "PYTHON", "COV_", "COVERAGE"))
    }
    return {
        **environment,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }


def read(name: str) -> str:
    """Return a file of the repository."""
    return (REPOSITORY / name).read_text(encoding="utf-8")
