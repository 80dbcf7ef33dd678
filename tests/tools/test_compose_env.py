from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tools import compose_env
from tools.airflow_settings import REPOSITORY

STRONG = "k3ptGz81-Xw94mQpv_7LtR0sVb2nYcHu"


@pytest.fixture(autouse=True)
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked up in a registry, even where this machine has Docker."""
    monkeypatch.setattr(compose_env.shutil, "which", lambda _: None)


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
    path.write_text("# ours\nREDIS_PASSWORD=k3ptGz81-Xw94mQpv_7LtR0sVb2nYcHu\nAIRFLOW_JWT_SECRET=\nAIRFLOW_PORT=9090")

    compose_env.main(["--file", str(path)])

    made = values(path)
    assert path.read_text().startswith("# ours\nREDIS_PASSWORD=k3ptGz81-Xw94mQpv_7LtR0sVb2nYcHu\nAIRFLOW_PORT=9090\n")
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


def test_a_file_that_others_can_read_is_closed_even_when_nothing_is_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ".env"
    compose_env.main(["--file", str(path)])
    before = path.read_text()
    path.chmod(0o644)
    capsys.readouterr()

    assert compose_env.main(["--file", str(path)]) == 0

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == before
    assert "Other users of this machine were able to open" in capsys.readouterr().out


def test_a_file_that_cannot_be_closed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"REDIS_PASSWORD={STRONG}\n")
    path.chmod(0o644)

    def refuse(*_: object) -> None:
        raise PermissionError  # it belongs to another user

    monkeypatch.setattr(Path, "chmod", refuse)

    assert compose_env.main(["--file", str(path)]) == 1

    assert path.read_text() == f"REDIS_PASSWORD={STRONG}\n"
    assert f"chmod 600 {path}" in capsys.readouterr().err


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / ".env", tmp_path / "elsewhere"
    target.write_text(f"REDIS_PASSWORD={STRONG}\n")
    link.symlink_to(target)

    compose_env.main(["--file", str(link)])

    assert link.is_symlink()
    assert values(target).keys() >= compose_env.SECRETS.keys()
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_comment_in_another_encoding_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes("# für alle\nOTHER=x\n".encode("latin-1"))

    assert compose_env.main(["--file", str(path)]) == 0

    assert path.read_bytes().startswith(b"# f\xfcr alle\nOTHER=x\n")
    assert path.stat().st_mode & 0o777 == 0o600


WEAK = [
    ("AIRFLOW_ADMIN_PASSWORD", "admin", "fewer than 12 characters"),
    ("AIRFLOW_ADMIN_PASSWORD", "airflow", "fewer than 12 characters"),
    ("AIRFLOW_ADMIN_PASSWORD", "'admin'  # for now", "fewer than 12 characters"),
    ("AIRFLOW_ADMIN_PASSWORD", "adminadminadmin", "easy to guess"),
    ("AIRFLOW_ADMIN_PASSWORD", "P@ssw0rd2026!", "easy to guess"),
    ("FLOWER_PASSWORD", "changeme-changeme", "easy to guess"),
    ("FLOWER_PASSWORD", "aaaaaaaaaaaaaaaaaaaaaaaa", "easy to guess"),
    *(
        ("AIRFLOW_ADMIN_PASSWORD", run, "easy to guess")
        for run in ("987654321098", "qazwsxedcrfv", "zaq12wsxcde3", "1q2w3e4r5t6y", "abcdefghijklmnop", "!@#$%^&*()_+")
    ),
    ("AIRFLOW_ADMIN_PASSWORD", "iloveyou2026!", "easy to guess"),
    ("POSTGRES_PASSWORD", "airflow", "fewer than 32 characters"),
    ("POSTGRES_PASSWORD", "k3ptGz81/Xw94mQpv+7LtR0sVb2nYcHu", "becomes part of a URL"),
    ("REDIS_PASSWORD", "redisredisredisredisredisredisredis", "easy to guess"),
    ("AIRFLOW_JWT_SECRET", "airflow_jwt_secret_change_me_please", "easy to guess"),
    ("AIRFLOW_API_SECRET_KEY", "temporary_key", "fewer than 32 characters"),
    ("AIRFLOW_FERNET_KEY", "46BKJoQYlPPOexq0OhDZnIlNepKFf87WFwLbfzqDDho=", "easy to guess"),
    ("AIRFLOW_FERNET_KEY", "A" * 43 + "=", "easy to guess"),
    ("AIRFLOW_FERNET_KEY", "not-a-key", "is not a Fernet key"),
]


@pytest.mark.parametrize(("name", "value", "why"), WEAK)
def test_a_weak_secret_is_refused_without_being_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, value: str, why: str
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{name}={value}\n")

    assert compose_env.main(["--file", str(path)]) == 1

    said = capsys.readouterr()
    assert re.search(rf"{name} .*{why}", said.err)
    assert f" {value} " not in said.out + said.err
    assert path.read_text() == f"{name}={value}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_secret_twice_is_refused() -> None:
    faults = compose_env.weaknesses({"POSTGRES_PASSWORD": STRONG, "REDIS_PASSWORD": STRONG})

    how = "Delete its line in .env and run make env, which writes a strong one."
    assert faults == [f"  REDIS_PASSWORD is the same as POSTGRES_PASSWORD. {how}"]


def test_whoever_deletes_a_weak_fernet_key_loses_every_connection_so_nobody_is_told_to() -> None:
    [fault] = compose_env.weaknesses({"AIRFLOW_FERNET_KEY": "weak"})

    assert "Rotate it" in fault
    assert "Delete" not in fault


@pytest.mark.parametrize("name", list(compose_env.SECRETS))
def test_no_secret_of_make_env_is_weak(name: str) -> None:
    assert [compose_env.weaknesses({name: compose_env.SECRETS[name]()}) for _ in range(200)] == [[]] * 200


@pytest.mark.parametrize("value", ["Vq7-wzKe92Lm", "correct horse battery staple", "gT5$kk!p0Zz(Q"])
def test_a_password_that_a_person_made_well_is_taken(value: str) -> None:
    assert compose_env.weaknesses({"AIRFLOW_ADMIN_PASSWORD": value}) == []


def test_two_fernet_keys_during_a_rotation_are_taken() -> None:
    keys = f"{Fernet.generate_key().decode()},{Fernet.generate_key().decode()}"

    assert compose_env.weaknesses({"AIRFLOW_FERNET_KEY": keys}) == []


def test_images_without_a_digest_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ".env"
    path.write_text(f"REDIS_IMAGE=redis:7.2@sha256:{'0' * 64}\n")

    compose_env.main(["--file", str(path)])

    assert "Images by a tag, which can move: AIRFLOW_IMAGE, POSTGRES_IMAGE." in capsys.readouterr().out


def test_docker_is_asked_for_digests_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docker, calls = tmp_path / "docker", tmp_path / "calls"
    docker.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\ncase "$4" in redis:*) exit 1;; *) echo sha256:{"d" * 64};; esac\n'
    )
    docker.chmod(0o755)
    monkeypatch.setattr(compose_env.shutil, "which", lambda _: str(docker))
    path = tmp_path / ".env"

    for _ in range(2):
        assert compose_env.main(["--file", str(path)]) == 0

    assert values(path)["POSTGRES_IMAGE"] == f"postgres:17@sha256:{'d' * 64}"
    assert values(path)["AIRFLOW_IMAGE"].endswith(f"-python3.11@sha256:{'d' * 64}")
    assert "REDIS_IMAGE" not in values(path)
    assert "which can move: REDIS_IMAGE." in capsys.readouterr().out
    asked = calls.read_text().split("\n")
    assert "buildx imagetools inspect postgres:17 --format {{.Manifest.Digest}}" in asked
    assert len([line for line in asked if "redis" not in line and line]) == 2


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
