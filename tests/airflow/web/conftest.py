"""Airflow's own API server application in this process, with users of several rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from tests.support.rights import USERS, ManyRights

Client = Callable[..., TestClient]


@pytest.fixture(scope="module")
def as_user(airflow_db: None) -> Iterator[Client]:
    """Return a function that gives a client with a user's session cookie; without a name, an anonymous one."""
    from airflow.api_fastapi import app as api
    from airflow.configuration import conf

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", f"{ManyRights.__module__}.{ManyRights.__qualname__}")
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", ",".join(f"{n}:{r}" for n, r in USERS.items()))
        patch.setattr(api, "auth_manager", None, raising=False)
        assert "ManyRights" in conf.get("core", "auth_manager")
        app = api.create_app(apps="core")
        manager = api.get_auth_manager()

        def client(name: str | None = None, *, bearer: bool = False) -> TestClient:
            made = TestClient(app, raise_server_exceptions=False)
            if name:
                token = manager.generate_jwt(manager.user_named(name))  # type: ignore[attr-defined]
                if bearer:
                    made.headers["Authorization"] = f"Bearer {token}"
                else:
                    made.cookies.set("_token", token)
            return made

        yield client
        api.purge_cached_app()
