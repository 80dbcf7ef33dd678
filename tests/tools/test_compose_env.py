from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tools import compose_env
from tools.airflow_settings import REPOSITORY


def values(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE))


def test_a_new_file_has_strong_secrets_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / ".env"

    assert compose_env.main(["--file", str(path)]) == 0

    assert path.stat().st_mode & 0o777 == 0o600
    made = values(path)
    assert made.keys() >= compose_env.SECRETS.keys()
    assert len({made[name] for name in compose_env.SECRETS}) == len(compose_env.SECRETS)
    assert all(len(made[name]) >= 24 for name in compose_env.SECRETS)
    assert Fernet(made["AIRFLOW_FERNET_KEY"])
    assert len(made["AIRFLOW_JWT_SECRET"]) >= 64
    assert made["AIRFLOW_UID"] != "0"


def test_two_files_share_no_secret() -> None:
    one, other = compose_env.strong_values(), compose_env.strong_values()

    assert not set(one.values()) & set(other.values())


def test_no_secret_breaks_a_url_or_an_argument() -> None:
    for name, value in compose_env.strong_values().items():
        if name != "AIRFLOW_FERNET_KEY":
            assert re.fullmatch(r"[0-9a-f]+", value), name


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# ours\nREDIS_PASSWORD=kept\nAIRFLOW_JWT_SECRET=\nAIRFLOW_PORT=9090")

    compose_env.main(["--file", str(path)])

    made = values(path)
    assert path.read_text().startswith("# ours\nREDIS_PASSWORD=kept\nAIRFLOW_PORT=9090\n")
    assert made["AIRFLOW_JWT_SECRET"]
    assert made.keys() >= compose_env.SECRETS.keys()


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    compose_env.main(["--file", str(path)])
    before = path.read_text()

    compose_env.main(["--file", str(path)])

    assert path.read_text() == before


def test_shows_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ".env"

    compose_env.main(["--file", str(path)])

    said = capsys.readouterr().out
    assert not [name for name in compose_env.SECRETS if values(path)[name] in said]


def test_the_example_explains_every_variable_of_the_file_and_no_other() -> None:
    example = (REPOSITORY / ".env.example").read_text()
    compose = (REPOSITORY / "docker-compose.yaml").read_text()
    required = set(re.findall(r"(?<!\$)\$\{([A-Z_]+):\?", compose))
    defaults = dict(re.findall(r"(?<!\$)\$\{([A-Z_]+):-([^}]*)\}", compose))
    passed = set(re.findall(r"^ +(AIRFLOW_CONN_\w+): *(?:#.*)?$", compose, re.MULTILINE))

    assert required == compose_env.SECRETS.keys()
    assert set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE)) == required
    optional = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.+)$", example, re.MULTILINE))
    assert optional.keys() == defaults.keys() | passed
    assert {name: optional[name] for name in defaults} == defaults


def test_the_file_with_secrets_never_gets_into_git_or_the_image() -> None:
    assert ".env" in (REPOSITORY / ".gitignore").read_text().splitlines()
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert not [line for line in ignored if line.startswith("!") and ".env" in line]
