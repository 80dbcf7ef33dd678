"""The wheel: what is in it, and that it works beside Airflow with nothing else of this repository."""

from __future__ import annotations

import email
import re
import subprocess
import tomllib
import zipfile
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from adobe_experience_platform.provider_info import get_provider_info
from lab import release
from tests.conftest import REPOSITORY
from tests.packaging.conftest import URL, Probe, clean_environment, read, tracked

MODULE = "airflow_provider_adobe_experience_platform"
PROVIDER = "airflow-provider-adobe-experience-platform"
PACKAGE = "adobe_experience_platform"


@pytest.fixture(scope="module")
def files(wheel: Path) -> dict[str, bytes]:
    """Return {name without the version's folder: content} of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    return {name.split(".dist-info/")[-1] if ".dist-info/" in name else name: data for name, data in contents.items()}


@pytest.fixture(scope="module")
def metadata(files: dict[str, bytes]) -> Message:
    return email.message_from_bytes(files["METADATA"])


@pytest.fixture(scope="module")
def seen(installed: Path, probe: Probe) -> dict[str, Any]:
    """What the environment of the wheel sees, without a plugins folder."""
    return probe(installed, REPOSITORY / "examples", None)


def test_holds_the_package_and_its_papers_and_nothing_else(files: dict[str, bytes]) -> None:
    sources = {
        str(path.relative_to(REPOSITORY / "plugins"))
        for path in (REPOSITORY / "plugins" / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    }
    papers = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE", "licenses/NOTICE"}

    beside = {
        f"{MODULE}/{folder}/{path.name}"
        for folder, source in (("dags", "dags"), ("example_dags", "examples"))
        for path in (REPOSITORY / source).glob("*.py")
    }

    assert set(files) == sources | papers | beside
    assert f"{PACKAGE}/py.typed" in files
    assert files["licenses/LICENSE"].decode() == read("LICENSE")
    pages = f"{PACKAGE}/web/static"
    for name in ("activation.html", "activations.html", "js/activation.js", "css/base.css", "icon.svg"):
        assert files[f"{pages}/{name}"]
    assert b"MIT License" in files[f"{pages}/vendor/chart.js/LICENSE.md"]
    assert b"airflow.plugins" in files["entry_points.txt"]
    assert files["top_level.txt"].split() == [PACKAGE.encode()]


def test_says_what_it_is_and_needs(files: dict[str, bytes], metadata: Message) -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]

    assert metadata["Name"] == PROVIDER
    assert metadata["Version"] == project["version"]
    assert metadata["License-Expression"] == "Apache-2.0 AND MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    readme = release.with_whole_links(read("README.md"), URL, project["version"])
    assert files["METADATA"].decode().partition("\n\n")[2].strip() == readme.strip()
    needs = [item for item in metadata.get_all("Requires-Dist", []) if "extra ==" not in item]
    needed = {re.split("[<>=~! ]", item)[0] for item in needs}
    # No others than what it imports: `make lint` sees to that.
    assert needed == {re.split("[<>=~! ]", item)[0] for item in project["dependencies"]}
    assert {"apache-airflow", "apache-airflow-providers-http"} < needed


def test_fits_the_pinned_airflow(installed: Path, uv: Callable[..., str]) -> None:
    assert "compatible" in uv("pip", "check", "--python", installed)


def test_is_imported_from_where_it_was_installed(seen: dict[str, Any], installed: Path) -> None:
    assert Path(seen["home"]).is_relative_to(installed.parent.parent)
    assert seen["public"]


def test_airflow_knows_the_provider(seen: dict[str, Any]) -> None:
    assert seen["provider"]  # `airflow providers list` prints no others
    assert seen["hook"] == get_provider_info()["connection-types"][0]["hook-class-name"]


def test_a_plain_airflow_without_a_plugins_folder_has_all(installed: Path, tmp_path: Path) -> None:
    """Connection type, pages, command, campaigns of a folder, ready DAGs and examples."""
    done = subprocess.run(
        [str(installed), str(release.SMOKE)],
        env={**clean_environment(tmp_path), "AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path / "plugins")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("all is there")


def test_what_is_released_is_whole_names_its_address_and_is_the_same_each_time(
    built: tuple[Path, Path], metadata: Message, tmp_path: Path
) -> None:
    release.contents(*built, REPOSITORY)
    release.same(built, release.build(tracked(tmp_path)))
    assert f"Homepage, {URL}" in metadata.get_all("Project-URL", [])


def test_its_users_dags_load(seen: dict[str, Any]) -> None:
    assert seen["dag_errors"] == {}
    assert len(seen["dags"]) == 7
