"""Every command and every setting in docker-compose.yaml is one of what the image has installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.distributed import compose, environment
from tools import compose_env
from tools.airflow_settings import QUICK_AND_SMALL, REPOSITORY
from tools.remote_demo import main as remote_demo

PROBE = Path(__file__).parent / "cli_probe.py"
WRONG = [["scheduler", "--no-such-option"], ["celery", "werker"], ["db"]]


@pytest.fixture(scope="module")
def services() -> dict[str, compose.ComposeService]:
    return compose.read(REPOSITORY / "docker-compose.yaml", compose_env.strong_values())


@pytest.fixture(scope="module")
def commands(services: dict[str, compose.ComposeService]) -> list[list[str]]:
    """Return the arguments of every call of `airflow` in commands, scripts and health checks."""
    found = []
    for service in services.values():
        if not service.image.startswith("aep-on-demand"):
            continue
        if not service.entrypoint and service.command[0] != "python":
            found.append(list(service.command))
        for script in (*service.command, *service.healthcheck):
            lines = script.replace("\\\n", " ").splitlines()
            found += [shlex.split(line)[1:] for line in lines if line.startswith("airflow ")]
    return found


@pytest.fixture(scope="module")
def probed(
    distributed_environment: None, commands: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    done = subprocess.run(
        [str(environment.PYTHON), str(PROBE)],
        input=json.dumps([*commands, *WRONG]),
        env={"AIRFLOW_HOME": str(tmp_path_factory.mktemp("home")), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_every_airflow_command_is_taken_by_the_installed_one(commands: list[list[str]], probed: dict[str, Any]) -> None:
    called = {" ".join(word for word in arguments[:2] if not word.startswith("-")) for arguments in commands}
    assert called == {
        "api-server", "scheduler", "dag-processor", "triggerer", "celery worker", "jobs check",
    }  # fmt: skip
    assert [arguments for arguments, _ in probed["refused"]] == WRONG, probed["refused"]


def test_every_setting_is_one_of_airflows_or_its_providers(
    services: dict[str, compose.ComposeService], probed: dict[str, Any]
) -> None:
    names = {name for service in services.values() for name in service.environment if name.startswith("AIRFLOW__")}
    settings = {name.removeprefix("AIRFLOW__").lower().replace("__", ".") for name in names}

    assert len(settings) > 10
    assert (settings | set(QUICK_AND_SMALL)) - set(probed["settings"]) == set()


def test_the_installed_celery_goes_with_the_installed_provider(probed: dict[str, Any]) -> None:
    assert "celery" in probed["app"]


def test_the_workers_health_check_is_a_command_of_the_installed_celery(
    services: dict[str, compose.ComposeService], distributed_environment: None
) -> None:
    words = shlex.split(services["worker"].healthcheck[-1])
    assert words[:2] == ["celery", "--app"]

    done = subprocess.run(
        [str(environment.VENV / "bin" / "celery"), "inspect", "--help"], capture_output=True, text=True, check=False
    )

    assert words[3:5] == ["inspect", "ping"]
    assert words[5] in re.findall(r"--[a-z]+", done.stdout)


def test_the_demo_is_called_with_arguments_that_it_takes(
    services: dict[str, compose.ComposeService], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = services["demo"].command
    assert command[:3] == ("python", "-m", "tools.remote_demo")
    monkeypatch.setenv("ADMIN_PASSWORD", "unused")
    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", "{}")  # ends it before it calls anybody

    assert remote_demo(list(command[3:])) == 1


def test_health_checks_ask_the_port_that_is_served(services: dict[str, compose.ComposeService]) -> None:
    asked = {name: re.findall(r"localhost:(\d+)", " ".join(one.healthcheck)) for name, one in services.items()}

    assert {name: ports for name, ports in asked.items() if ports} == {
        "api-server": ["8080"], "scheduler": ["8974"], "flower": ["5555"], "simulator": ["8090"],
    }  # fmt: skip
