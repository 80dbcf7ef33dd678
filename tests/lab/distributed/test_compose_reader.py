from __future__ import annotations

from pathlib import Path

import pytest

from lab.distributed import compose
from tools import compose_env
from tools.airflow_settings import REPOSITORY

FILE = REPOSITORY / "docker-compose.yaml"


def read(tmp_path: Path, text: str, **variables: str) -> dict[str, compose.ComposeService]:
    file = tmp_path / "docker-compose.yaml"
    file.write_text(text)
    return compose.read(file, variables)


def test_fills_in_variables_as_docker_compose_does() -> None:
    variables = {"SET": "set", "EMPTY": ""}

    texts = ["${SET}", "$SET", "${SET:-default}", "${EMPTY:-default}", "${GONE-default}", "$${SET}", "${GONE}", "$$"]
    assert compose.interpolated(texts, variables) == [
        "set", "set", "set", "default", "default", "${SET}", "", "$"
    ]  # fmt: skip
    assert compose.interpolated(["${SET:+x}", "${EMPTY:+x}", "${GONE:+x}"], variables) == ["x", "", ""]


@pytest.mark.parametrize("name", sorted(compose_env.SECRETS))
def test_every_secret_is_required_by_name(name: str) -> None:
    variables = {**compose_env.strong_values(), name: ""}

    with pytest.raises(compose.ComposeError, match=f"{name} is missing, run make env"):
        compose.read(FILE, variables)


def test_services_come_after_what_they_depend_on(tmp_path: Path) -> None:
    services = read(
        tmp_path,
        """
services:
  last: {image: a, depends_on: {middle: {condition: service_healthy}, first: {condition: service_started}}}
  middle: {image: a, depends_on: {first: {condition: service_completed_successfully}}}
  first: {image: a}
""",
    )

    assert list(services) == ["first", "middle", "last"]
    assert services["middle"].depends_on == {"first": "service_completed_successfully"}


def test_a_circle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(compose.ComposeError, match=r"\['a', 'b'\]"):
        read(
            tmp_path,
            """
services:
  a: {image: i, depends_on: {b: {condition: service_started}}}
  b: {image: i, depends_on: {a: {condition: service_started}}}
""",
        )


def test_reads_what_is_needed_to_run_a_service(tmp_path: Path) -> None:
    [service] = read(
        tmp_path,
        """
services:
  one:
    image: image
    command: celery "two words"
    environment: {PLAIN: 1, PASSED: , UNSET: , FILLED: "${PASSED}!"}
    healthcheck: {test: [CMD-SHELL, "a | b"]}
    stop_grace_period: 1m30s
    restart: unless-stopped
    volumes: ["./dags:/opt/airflow/dags:ro", "logs:/logs"]
    deploy: {replicas: "${N:-2}", resources: {limits: {memory: 1G}}}
""",
        PASSED="on",
    ).values()

    assert service.command == ("celery", "two words")
    assert service.environment == {"PLAIN": "1", "PASSED": "on", "FILLED": "on!"}
    assert service.healthcheck == ("/bin/sh", "-c", "a | b")
    assert service.grace == 90
    assert service.volumes == (("./dags", "/opt/airflow/dags"), ("logs", "/logs"))
    assert service.replicas == 2
    assert service.memory == 2**30


def test_the_file_of_the_repository_has_two_of_what_must_survive_the_loss_of_one() -> None:
    services = compose.read(FILE, compose_env.strong_values())

    replicas = {name: service.replicas for name, service in services.items() if service.replicas > 1}
    assert replicas == {"scheduler": 2, "triggerer": 2, "worker": 2}
