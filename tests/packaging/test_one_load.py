"""However the package gets into an Airflow, each of its modules is loaded once, under one name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.packaging.conftest import Probe

PACKAGE = "adobe_experience_platform"
PLUGINS = REPOSITORY / "plugins"


@pytest.fixture(
    scope="module",
    params=[
        "only the plugins folder",
        "editable and the plugins folder",
        "editable by pip and the plugins folder",
        "wheel and the plugins folder",
    ],
)
def seen(request: pytest.FixtureRequest, probe: Probe) -> dict[str, Any]:
    """What an Airflow sees that has the package in this way."""
    if request.param == "only the plugins folder":
        result: dict[str, Any] = request.getfixturevalue("without_install")
        assert Path(result["home"]) == PLUGINS / PACKAGE
        assert not result["provider"]  # only an installed package can register a connection type
        return result
    if "by pip" in request.param:
        found: dict[str, Any] = request.getfixturevalue("by_pip")
        assert (found["provider"], Path(found["home"]).parent.name) == (True, "plugins")
        return found
    if request.param.startswith("editable"):
        result = probe(Path(sys.executable), REPOSITORY / "examples", PLUGINS)
        assert Path(result["home"]) == PLUGINS / PACKAGE
        return result
    installed: Path = request.getfixturevalue("installed")
    result = probe(installed, REPOSITORY / "examples", PLUGINS)
    assert Path(result["home"]).is_relative_to(installed.parent.parent)
    return result


def test_is_loaded_once(seen: dict[str, Any]) -> None:
    assert [names for names in seen["loaded"].values() if len(names) > 1] == []
    assert all(name == PACKAGE or name.startswith(f"{PACKAGE}.") for (name,) in seen["loaded"].values())
    assert {Path(file).parent for file in seen["loaded"]} == {Path(seen["home"])}


def test_dags_and_airflow_mean_the_same_classes(seen: dict[str, Any]) -> None:
    assert len(seen["classes"]) >= 6
    assert all(seen["classes"].values())
    assert len(seen["dags"]) == 7
    assert seen["dag_errors"] == {}


def test_the_plugin_loader_has_nothing_to_complain_about(seen: dict[str, Any]) -> None:
    assert seen["plugin_errors"] == {}
    assert len(seen["plugins"]) == len(set(seen["plugins"]))
    assert seen["plugins"].count(PACKAGE) == 1
