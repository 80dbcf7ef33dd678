"""The ways to make a connection, as docs/connecting.md shows them: each block of it is run here."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from airflow.configuration import conf

from tests.conftest import AIRFLOW_HOME, REPOSITORY
from tools.simulator_process import SimulatorProcess

GUIDE = REPOSITORY / "docs" / "connecting.md"
_BLOCK = re.compile(r"<!-- test: ([\w-]+) -->\n```\w+\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
BLOCKS: dict[str, str] = dict(_BLOCK.findall(GUIDE.read_text()))
Block = Callable[[str], str]


@pytest.fixture
def block(simulator: SimulatorProcess) -> Block:
    """Return a function that gives a block of the guide with the simulated AEP's values in it."""
    account = simulator.connection()
    base = simulator.base_url
    org = account["extra"]["org_id"]

    def block(name: str) -> str:
        text = BLOCKS[name]
        text = text.replace("your-client-id", account["login"]).replace("your-client-secret", account["password"])
        text = text.replace("ABC123@AdobeOrg", org)
        # Adobe's addresses are the defaults, which the guide does not spell out.
        for before, after in (
            ('"login"', f'"host": "{base}",\n  "login"'),
            ('"org_id"', f'"ims_url": "{base}", "org_id"'),
            ("platform.adobe.io/https?", base.removeprefix("http://") + f"/http?ims_url={quote(base, safe='')}&"),
            ("ABC123%40AdobeOrg", quote(org, safe="")),
            ("  login:", f"  host: {base}\n  login:"),
            ("    org_id:", f"    ims_url: {base}\n    org_id:"),
        ):
            text = text.replace(before, after)
        return text

    return block


@pytest.fixture
def environment(tmp_path: Path, airflow_db: None) -> dict[str, str]:
    """Give the environment of an Airflow of its own, with a database like the tests'."""
    database = tmp_path / "airflow.db"
    with sqlite3.connect(AIRFLOW_HOME / "airflow.db") as made, sqlite3.connect(database) as own:
        made.backup(own)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")},
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def run(script: str, environment: dict[str, str]) -> str:
    """Run a shell script and return what it printed."""
    done = subprocess.run(
        ["/bin/bash", "-euc", script], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exported(script: str) -> dict[str, str]:
    """Return the variables that a script sets."""
    lines = run(f"{script}\nenv -0", {"PATH": os.environ["PATH"]}).split("\0")
    return dict(line.split("=", 1) for line in lines if line.startswith("AIRFLOW"))


def tried(environment: dict[str, str]) -> str:
    """Return what the *Test* of the command line says of ``aep_default``."""
    return run("airflow connections test aep_default", {**environment, "AIRFLOW__CORE__TEST_CONNECTION": "Enabled"})


@pytest.mark.parametrize("name", ["connection-env-json", "connection-uri"])
def test_a_variable_of_the_environment(
    block: Block, monkeypatch: pytest.MonkeyPatch, simulator: SimulatorProcess, name: str
) -> None:
    from adobe_experience_platform import AdobeExperiencePlatformHook

    for variable, value in exported(block(name)).items():
        monkeypatch.setenv(variable, value)

    worked, message = AdobeExperiencePlatformHook("aep_default").test_connection()

    assert worked, message
    assert len(simulator.requests(path="*/token/v3")) == 1


def test_the_command_line(
    block: Block, environment: dict[str, str], tmp_path: Path, simulator: SimulatorProcess
) -> None:
    (tmp_path / "aep.json").write_text(block("connection-cli-file"))
    run(f"cd {tmp_path}\n" + block("connection-cli"), environment)

    assert not (tmp_path / "aep.json").exists()
    assert "Connection success!" in tried(environment)
    assert [request["status"] for request in simulator.requests(path="*/flows")] == [200]


def test_a_secrets_backend(
    block: Block, environment: dict[str, str], tmp_path: Path, simulator: SimulatorProcess
) -> None:
    file = tmp_path / "connections.yaml"
    file.write_text(block("connection-secrets-file"))
    config = block("connection-secrets-config").replace("/opt/airflow/secrets/connections.yaml", str(file))
    environment |= exported(config)

    shown: list[dict[str, Any]] = json.loads(run(block("connection-show"), environment))

    assert shown[0]["conn_type"] == "adobe_experience_platform"
    assert shown[0]["host"] == simulator.base_url


def test_the_switch_of_the_test_button(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in exported(block("connection-test-button")).items():
        monkeypatch.setenv(variable, value)

    assert conf.get("core", "test_connection").lower() == "enabled"


def test_every_block_of_the_guide_is_tested() -> None:
    source = Path(__file__).read_text()

    assert len(BLOCKS) == GUIDE.read_text().count("<!-- test: ")
    assert [name for name in BLOCKS if f'"{name}"' not in source] == []
