"""The files for Docker, checked as far as that goes without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
SECRETS = ("PASSWORD", "SECRET", "FERNET_KEY", "SQL_ALCHEMY_CONN")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text())["services"]
    return services


def pins(name: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", (REPOSITORY / name).read_text(), flags=re.MULTILINE)
    return dict(found)


def test_has_every_component_of_airflow(services: dict[str, Any]) -> None:
    assert set(services) == {
        "postgres", "airflow-init", "api-server", "scheduler", "dag-processor", "triggerer"
    }  # fmt: skip


def test_only_this_host_can_connect(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]

    assert published
    assert all(str(port).startswith("127.0.0.1:") for port in published)


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    values = [
        (name, str(value))
        for service in services.values()
        for name, value in service["environment"].items()
        if any(word in name for word in SECRETS)
    ]

    assert len({name for name, _ in values}) >= 5
    assert [name for name, value in values if ":?" not in value] == []


def test_the_image_is_of_the_airflow_that_is_tested() -> None:
    base = re.search(r"^FROM \S+?:slim-([\d.]+)-python([\d.]+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)

    assert base
    assert base[1] == pins("requirements.txt")["apache-airflow"]


def test_what_is_tested_is_what_is_deployed() -> None:
    deployed = pins("requirements-deploy.txt")

    assert deployed.items() >= pins("requirements.txt").items()


def test_the_image_copies_only_what_docker_is_given() -> None:
    copied = re.findall(r"^COPY --chown=\S+ (.+) \S+$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    given = (REPOSITORY / ".dockerignore").read_text().splitlines()

    for name in " ".join(copied).split():
        assert f"!{name}" in given


def test_no_requirement_names_where_it_was_downloaded() -> None:
    for path in REPOSITORY.glob("requirements*.txt"):
        assert "://" not in path.read_text()
        assert "--index" not in path.read_text()
