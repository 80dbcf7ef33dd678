from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.airflow_settings import airflow_environment


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_HOST", "mail.example")
    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", "aep://of-the-caller")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return airflow_environment(
        tmp_path,
        12345,
        users={"admin": "admin", "viewer": "viewer"},
        dags_folders=[tmp_path / "dags", tmp_path / "more_dags"],
        plugins_folder=tmp_path / "plugins",
        connections={"aep_default": {"conn_type": "generic", "password": "p'\""}},
        config={"core.parallelism": "1"},
    )


def test_nothing_of_the_callers_airflow_leaks_in(environment: dict[str, str]) -> None:
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "AIRFLOW__SMTP__SMTP_HOST" not in environment
    assert "https_proxy" not in environment
    assert "PYTHONDONTWRITEBYTECODE" not in environment


def test_serves_this_machine_only(environment: dict[str, str]) -> None:
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:12345"


def test_connections_are_kept_whole(environment: dict[str, str]) -> None:
    connection = json.loads(environment["AIRFLOW_CONN_AEP_DEFAULT"])

    assert connection == {"conn_type": "generic", "password": "p'\""}


def test_each_dags_folder_is_a_bundle(environment: dict[str, str]) -> None:
    bundles = json.loads(environment["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])

    assert [bundle["name"] for bundle in bundles] == ["dags", "more_dags"]


def test_given_settings_win(environment: dict[str, str]) -> None:
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "1"
