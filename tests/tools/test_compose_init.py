"""What `airflow-init` does, with stand-ins for PostgreSQL and FAB (real ones: tests/lab/distributed)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tools import compose_env, compose_init


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The steps that were taken, in order; none is."""
    done: list[Any] = []

    def note(name: str) -> Callable[..., None]:
        def noted(*arguments: Any, **_: Any) -> None:
            leaked = [key for key in compose_env.SECRETS if key in os.environ]
            done.append((name, arguments, leaked))

        return noted

    monkeypatch.setattr(compose_init.subprocess, "run", note("run"))
    monkeypatch.setattr(compose_init, "make_celery_database", note("celery"))
    monkeypatch.setattr(compose_init, "make_admin", note("admin"))
    return done


def set_secrets(monkeypatch: pytest.MonkeyPatch, **changed: str) -> dict[str, str]:
    secrets = {**compose_env.strong_values(), **changed}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    return secrets


@pytest.mark.parametrize(("name", "value"), [("AIRFLOW_ADMIN_PASSWORD", "admin"), ("FLOWER_PASSWORD", "")])
def test_a_weak_secret_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, steps: list[Any], capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    """A `.env` written by hand never met `make env`; Airflow's services wait for this one to succeed."""
    set_secrets(monkeypatch, **{name: value})

    assert compose_init.main() == 1

    assert steps == []
    said = capsys.readouterr().err
    assert said.startswith("Not starting:\n")
    assert name in said


def test_passwords_reach_no_command_line_and_no_other_process(
    monkeypatch: pytest.MonkeyPatch, steps: list[Any]
) -> None:
    secrets = set_secrets(monkeypatch)

    assert compose_init.main() == 0

    assert [(name, leaked) for name, _, leaked in steps] == [("run", []), ("celery", []), ("admin", [])]
    run, celery, admin = (arguments for _, arguments, _ in steps)
    assert not [value for value in secrets.values() if value in str(run)]
    assert celery == (secrets["CELERY_RESULTS_PASSWORD"],)
    assert admin == (secrets["AIRFLOW_ADMIN_PASSWORD"],)


class Users:
    """FAB's security manager, as far as it is used."""

    def __init__(self, password: str | None = None) -> None:
        self.password = password

    def find_user(self, name: str) -> Any:
        return None if self.password is None else type("User", (), {"id": 1})

    def find_role(self, name: str) -> str:
        return name

    def add_user(self, *about: Any) -> bool:
        *_, role, self.password = about
        return bool(role == "Admin")

    def check_password(self, name: str, password: str) -> bool:
        return password == self.password

    def reset_password(self, user_id: int, password: str) -> bool:
        self.password = password
        return True


@pytest.mark.parametrize(
    ("before", "said"), [(None, "created"), ("new", "left as it is"), ("old", "given the new password")]
)
def test_the_admin_has_the_password_of_the_file(before: str | None, said: str) -> None:
    users = Users(before)

    assert compose_init.set_admin(users, "new") == said
    assert users.password == "new"


class Server:
    """A PostgreSQL that has some roles and databases."""

    def __init__(self, *there: str) -> None:
        self.there = there

    def exec_driver_sql(self, sql: str) -> Any:
        table = "pg_roles" if "pg_roles" in sql else "pg_database"
        return type("Answer", (), {"scalar": lambda _: table in self.there or None})()


def test_celery_may_open_its_own_database_only() -> None:
    closed = [f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC" for name in ("airflow", "postgres")]

    new = compose_init.celery_statements(Server())
    assert new == ["CREATE ROLE celery LOGIN", "CREATE DATABASE celery OWNER celery", *closed]
    assert compose_init.celery_statements(Server("pg_roles", "pg_database")) == closed
