"""By whatever tool the package is installed, with or without its folder on the path, Airflow finds its plugin once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.packaging.conftest import PROVIDER, clean_environment, copy_source, install_by_pip

FINDER = """
import sys
from importlib.metadata import distributions
print([d.metadata["Name"] for d in distributions() for entry in d.entry_points if entry.group == "airflow.plugins"])
"""
"""As Airflow looks for plugins: in all distributions on the path, twice in one that lies there twice."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the package; each install meets what the one before has left in them, as a person's would."""
    return copy_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def venv(uv: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that can build, without Airflow."""
    folder = tmp_path_factory.mktemp("venv")
    uv("venv", "--quiet", "--clear", "--python", sys.executable, folder)
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    [setuptools] = [line.split()[0] for line in lines if line.startswith("setuptools==")]
    uv("pip", "install", "--quiet", "--python", folder / "bin" / "python", setuptools)
    return folder / "bin" / "python"


@pytest.mark.parametrize("editable", [True, False], ids=["editable", "plain"])
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_the_plugin_is_found_once(
    uv: Callable[..., str], venv: Path, source: Path, tmp_path: Path, tool: str, editable: bool
) -> None:
    how = ["--editable"] if editable else []
    if tool == "pip":
        install_by_pip(venv, source, *how)
    else:
        uv("pip", "install", "--reinstall", "--no-deps", "--no-build-isolation", "--python", venv, *how, source)

    for path in ([], [source / "plugins"], [source, source / "plugins"]):
        environment = {**clean_environment(tmp_path), "PYTHONPATH": ":".join(map(str, path))}
        done = subprocess.run(
            [str(venv), "-c", FINDER], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == str([PROVIDER]), path
