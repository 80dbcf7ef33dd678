"""The files for Docker, checked as far as that goes without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
SECRETS = ("PASSWORD", "SECRET", "FERNET_KEY", "SQL_ALCHEMY_CONN", "BASIC_AUTH", "BROKER_URL", "RESULT_BACKEND")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text())["services"]
    return services


def pins(name: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", (REPOSITORY / name).read_text(), flags=re.MULTILINE)
    return dict(found)


def test_has_every_part_of_a_cluster_and_two_profiles(services: dict[str, Any]) -> None:
    profiles = {name: service.get("profiles", []) for name, service in services.items()}

    assert {name for name, chosen in profiles.items() if not chosen} == {
        "postgres", "redis", "airflow-init", "api-server", "scheduler", "dag-processor", "worker", "triggerer",
    }  # fmt: skip
    assert {name: chosen for name, chosen in profiles.items() if chosen} == {
        "flower": ["flower"], "simulator": ["demo"], "demo": ["demo"],
    }  # fmt: skip


def test_only_this_host_can_connect(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]

    assert len(published) == 3
    assert all(str(port).startswith("127.0.0.1:") for port in published)


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    values = [
        (name, str(value))
        for service in services.values()
        for name, value in service["environment"].items()
        if any(word in name for word in SECRETS)
    ]

    assert len({name for name, _ in values}) == 10
    assert [name for name, value in values if ":?" not in value] == []


def test_no_secret_is_an_argument_that_a_list_of_processes_shows(services: dict[str, Any]) -> None:
    for service in services.values():
        lines = str(service.get("command", "")) + str(service.get("healthcheck", ""))
        assert not re.search(r"(?<!\$)\$\{\w*(PASSWORD|SECRET|KEY)", lines)


def test_everything_that_serves_is_watched_limited_and_stopped_gently(services: dict[str, Any]) -> None:
    once = {"airflow-init", "demo"}
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert limits.keys() == {"cpus", "memory"}, name
        assert service["restart"] == ("no" if name in once else "unless-stopped"), name
        assert service["stop_grace_period"], name
        if name not in once:
            assert service["healthcheck"]["test"], name


def test_folders_of_the_host_are_mounted_read_only_and_logs_are_shared(services: dict[str, Any]) -> None:
    mounted = [volume for service in services.values() for volume in service.get("volumes", ())]

    folders = {volume for volume in mounted if volume.startswith(".")}
    assert {"./dags:/opt/airflow/dags:ro", "./plugins:/opt/airflow/plugins:ro"} <= folders
    assert all(volume.endswith(":ro") for volume in folders)
    for name in ("api-server", "scheduler", "dag-processor", "worker", "triggerer"):
        assert "logs:/opt/airflow/logs" in services[name]["volumes"]


def test_one_set_of_keys_for_all_of_airflow(services: dict[str, Any]) -> None:
    for name in ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY"):
        values = {
            services[part]["environment"][name]
            for part in ("airflow-init", "api-server", "scheduler", "dag-processor", "worker", "triggerer", "flower")
        }
        assert len(values) == 1


def test_the_demo_can_not_reach_a_real_aep_by_the_simulators_container(services: dict[str, Any]) -> None:
    assert services["simulator"]["environment"] == {}


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


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("requirements*.txt")), ids=lambda path: path.name)
def test_every_requirement_has_the_hashes_of_its_files(path: Path) -> None:
    lines = path.read_text().replace("\\\n", "").splitlines()
    pinned = [line for line in lines if line and not line.lstrip().startswith("#")]

    assert pinned
    assert [
        line for line in pinned if not re.fullmatch(r"\S+==\S+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+", line)
    ] == []


@pytest.mark.parametrize("name", ["Dockerfile", "tools/bootstrap.py", "lab/distributed/environment.py"])
def test_requirements_are_installed_by_their_hashes_alone(name: str) -> None:
    installs = [
        line for line in (REPOSITORY / name).read_text().splitlines() if re.search(r'"-r"|--requirement ', line)
    ]

    assert installs
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_no_requirement_names_where_it_was_downloaded() -> None:
    for path in REPOSITORY.glob("requirements*.txt"):
        assert "://" not in path.read_text()
        assert "--index" not in path.read_text()
