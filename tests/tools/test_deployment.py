"""The files for Docker, checked as far as that goes without Docker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.distributed import compose
from tools import compose_env

REPOSITORY = Path(__file__).resolve().parents[2]
SECRETS = ("PASSWORD", "SECRET", "FERNET_KEY", "SQL_ALCHEMY_CONN", "BASIC_AUTH", "BROKER_URL", "RESULT_BACKEND")

# Of the worker, which needs none; Airflow's default would be a file in the read-only home.
NO_DATABASE = "sqlite:////tmp/none.db"


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


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    values = [item for service in services.values() for item in environment(service).items()]
    secret = [(name, value) for name, value in values if any(word in name for word in SECRETS)]

    assert len({name for name, _ in secret}) == 17
    assert [name for name, value in secret if ":?" not in value and value != NO_DATABASE] == []


# Which secrets of .env a service has: all that it needs, and no other. The connection counts as one.
NEEDS = {
    "postgres": {"POSTGRES_PASSWORD"},
    "redis": {"REDIS_PASSWORD"},
    "airflow-init": set(compose_env.SECRETS),  # refuses weak ones, and ends
    "api-server": {"POSTGRES_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_API_SECRET_KEY"},
    "scheduler": {
        "POSTGRES_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_JWT_SECRET", "REDIS_PASSWORD", "CELERY_RESULTS_PASSWORD",
    },
    "dag-processor": {"POSTGRES_PASSWORD", "AIRFLOW_FERNET_KEY"},
    "worker": {"REDIS_PASSWORD", "CELERY_RESULTS_PASSWORD", "AIRFLOW_CONN_AEP_DEFAULT"},
    "triggerer": {"POSTGRES_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_CONN_AEP_DEFAULT"},
    "flower": {"REDIS_PASSWORD", "FLOWER_PASSWORD"},
    "simulator": set(),
    "demo": {"AIRFLOW_ADMIN_PASSWORD"},
}  # fmt: skip


def test_a_service_has_the_secrets_that_it_needs_and_no_other() -> None:
    values = {**compose_env.strong_values(), "AIRFLOW_CONN_AEP_DEFAULT": "the-connection"}
    services = compose.read(REPOSITORY / "docker-compose.yaml", values)

    seen = {name: " ".join([*one.environment.values(), *one.command]) for name, one in services.items()}
    assert {name: {key for key, value in values.items() if value in text} for name, text in seen.items()} == NEEDS


def test_flower_knows_nothing_of_airflow(services: dict[str, Any]) -> None:
    flower = services["flower"]

    assert environment(flower).keys() == {"CELERY_BROKER_URL", "FLOWER_BASIC_AUTH", "CONNECTION_CHECK_MAX_COUNT"}
    assert flower["volumes"] == []


def test_no_secret_is_on_a_command_line() -> None:
    """`ps` shows every user of the host the arguments of every process, those in containers too."""
    values = compose_env.strong_values()
    services = compose.read(REPOSITORY / "docker-compose.yaml", values)

    for name, service in services.items():
        arguments = " ".join([*service.entrypoint, *service.command, *service.healthcheck])
        assert [key for key, value in values.items() if value in arguments] == [], name
    # A shell of the container would put the value there. Redis alone has one: its server reads what the shell
    # writes to its stdin, its client the environment.
    shells = [name for name, one in services.items() if re.search(r"\$\{?\w*(PASSWORD|SECRET|KEY)", str(one))]
    assert shells == ["redis"]
    assert "requirepass ${REDIS_PASSWORD}" in services["redis"].command[-1].splitlines()
    assert services["redis"].healthcheck[-1].startswith('REDISCLI_AUTH="${REDIS_PASSWORD}" redis-cli ')


COMMAND_LINES = re.compile(
    r"--(?:conn-)?password[ =]|--conn-uri[ =]|-p \S*pass|curl .*(?:-u|--user)[ =]|requirepass \S"
)


@pytest.mark.parametrize("folder", [".", ".ci", "docs", "dags", "examples", "include", "lab", "tools"])
def test_no_text_tells_people_to_put_a_secret_on_a_command_line(folder: str) -> None:
    files = (REPOSITORY / folder).glob("*" if folder in (".", ".ci") else "**/*")
    kinds = {".md", ".py", ".yaml", ".yml", ".sh", ".example", ""}
    texts = {path: path.read_text(errors="replace") for path in files if path.is_file() and path.suffix in kinds}

    assert texts
    found = [line.strip() for text in texts.values() for line in text.splitlines() if COMMAND_LINES.search(line)]
    assert set(found) <= {"requirepass $${REDIS_PASSWORD}"}  # read by a shell of the container, given by stdin


def test_no_container_is_root_or_writes_to_itself(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert "/tmp:mode=1777" in service["tmpfs"], name
        assert service["user"] in ("postgres", "redis", "${AIRFLOW_UID:-50000}:0"), name
        assert "privileged" not in service, name
        assert "cap_add" not in service, name


def test_what_is_written_has_a_place_that_is_not_read_only() -> None:
    services = compose.read(REPOSITORY / "docker-compose.yaml", compose_env.strong_values())
    with_configuration = {name for name, one in services.items() if "AIRFLOW_CONFIG" in one.environment}

    assert with_configuration == {
        "airflow-init", "api-server", "scheduler", "dag-processor", "worker", "triggerer",
    }  # fmt: skip
    assert {services[name].environment["AIRFLOW_CONFIG"] for name in with_configuration} == {"/tmp/airflow.cfg"}
    # Without a database of its own, the image's entry point would wait for one for a minute, and fail.
    waiting = [name for name, one in services.items() if one.image.startswith("aep-on-demand")]
    assert {services[name].environment["CONNECTION_CHECK_MAX_COUNT"] for name in waiting} == {"0"}


def test_every_image_can_be_given_by_its_digest(services: dict[str, Any]) -> None:
    digest = f"@sha256:{'a' * 64}"
    given = {name: image.partition("@")[0] + digest for name, image in compose_env.images("").items()}
    body = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text())
    filled = compose.interpolated(body["services"], {**compose_env.strong_values(), **given})

    images = {service["image"] for service in filled.values()}
    assert {image for image in images if not image.endswith(digest)} == {"aep-on-demand:latest"}
    built = {service["build"]["args"]["AIRFLOW_IMAGE"] for service in filled.values() if "build" in service}
    assert built == {given["AIRFLOW_IMAGE"]}
    assert "\nFROM ${AIRFLOW_IMAGE}\n" in (REPOSITORY / "Dockerfile").read_text()


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


def test_the_image_is_of_the_airflow_that_is_tested() -> None:
    image = re.search(r"^ARG AIRFLOW_IMAGE=(\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert image
    assert image[1] == compose_env.images("")["AIRFLOW_IMAGE"]
    base = re.fullmatch(r"\S+?:slim-([\d.]+)-python([\d.]+)", image[1])

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


UNPINNED = {
    "lab/newest.py",  # `make newest` asks whether the newest versions work
    "tests/packaging/conftest.py",  # what a user installs: the wheel, with the versions that it asks for
    "tests/packaging/test_installs.py",  # the oldest setuptools that builds it
}


def test_everything_is_installed_by_its_hashes() -> None:
    """pip-audit, aepp, Redis and OpenLineage came by their names alone, whatever the index gave out that day."""
    sources = [path for folder in ("tools", "lab", "tests/packaging") for path in (REPOSITORY / folder).rglob("*.py")]
    sources += [REPOSITORY / name for name in ("Dockerfile", "Makefile", "docker-compose.yaml", ".ci/run")]
    texts = {str(path.relative_to(REPOSITORY)): path.read_text() for path in sources}
    lines = [(name, line) for name, text in texts.items() if name not in UNPINNED for line in text.splitlines()]
    by_file = [(name, line) for name, line in lines if re.search(r'"-r"|--requirement /', line)]
    by_name = [(name, line) for name, line in lines if re.search(r'"[\w.-]+==\d|"tool", "run"|"--with"|\buvx\b', line)]

    assert {name for name, _ in by_file} >= {
        "Dockerfile", "tools/bootstrap.py", "tools/side_venv.py", "lab/distributed/environment.py",
    }  # fmt: skip
    assert [(name, line) for name, line in by_file if "--require-hashes" not in line] == []
    assert by_name == []


def test_no_requirement_names_where_it_was_downloaded() -> None:
    for path in REPOSITORY.glob("requirements*.txt"):
        assert "://" not in path.read_text()
        assert "--index" not in path.read_text()
