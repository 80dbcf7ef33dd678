"""*Test* tells the faults of a connection apart, and says what to do, over real sockets."""

from __future__ import annotations

from typing import Any

import pytest

from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from tests.airflow.connection.conftest import Press
from tools.simulator_process import SimulatorProcess

FLOWS, TOKEN = "*/flows", "*/token/v3"


def test_a_connection_that_works_says_to_what(press: Press, simulator: SimulatorProcess) -> None:
    org = simulator.connection()["extra"]["org_id"]

    assert press() == (True, f"Connected to sandbox 'prod' of {org}: 7 destination flows.")
    assert press({"sandbox_name": "dev"}) == (True, f"Connected to sandbox 'dev' of {org}: 1 destination flow.")
    assert {request["method"] for request in simulator.requests(path=FLOWS)} == {"GET"}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "secret": ({"password": "mistyped"}, "The client secret is wrong: copy it again"),
    "client id": ({"login": "mistyped"}, "Adobe does not recognize this client id: copy it again"),
    "scope": ({"extra": {"scopes": "openid,mistyped"}}, "The credential is not allowed these scopes: copy"),
    "organization": ({"extra": {"org_id": "OTHER@AdobeOrg"}}, "The credential does not belong to OTHER@AdobeOrg: copy"),
    "organization's form": (
        {"extra": {"org_id": "OTHER"}},
        "OTHER is not an IMS organization id, or the credential has",
    ),
    "sandbox": ({"extra": {"sandbox_name": "mistyped"}}, "There is no sandbox 'mistyped' in"),
    "token": ({"extra": {"access_token": "expired-one"}}, "The access token has expired or is wrong: enter a new one"),
    "type": ({"conn_type": "http"}, "There is no connection 'aep_tried' of type 'adobe_experience_platform'"),
    "http": ({"host": "http://platform.adobe.io"}, "Host uses http, which exposes the token to anyone"),
}


@pytest.mark.parametrize("what", WRONG)
def test_says_what_is_wrong(press: Press, what: str) -> None:
    changes, said = WRONG[what]

    works, message = press(**changes)

    assert not works
    assert said in message
    assert [name for name, (_, other) in WRONG.items() if other in message] == [what]


def test_says_all_that_is_missing_at_once(press: Press) -> None:
    works, message = press({"org_id": ""}, login="", password="")

    assert not works
    for field in ("Login is empty: enter", "Password is empty: enter", "'org_id' is missing: enter"):
        assert field in message


def test_a_connection_that_does_not_exist() -> None:
    works, message = AdobeExperiencePlatformHook("aep_nowhere").test_connection()

    assert not works
    assert "There is no connection 'aep_nowhere' of type 'adobe_experience_platform': create it" in message


def test_a_credential_without_a_role_on_the_sandbox(press: Press, simulator: SimulatorProcess) -> None:
    account = simulator.connection()
    credential = {"client_id": account["login"], "client_secrets": [account["password"]], "sandboxes": ["dev"]}
    simulator.reset({"credentials": [credential]})

    works, message = press()

    assert not works
    assert "has no role on sandbox 'prod': in AEP, under Permissions > Roles, add" in message
    assert press({"sandbox_name": "dev"})[0]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"host": None}, "AEP cannot be reached at {url} from this Airflow: check Host"),
        (
            {"extra": {"ims_url": None}},
            "Adobe's identity service cannot be reached at {url} from this Airflow: check IMS",
        ),
        ({"extra": {"proxies": {"http": None}}}, "cannot be reached or refused the connection: check Proxies"),
    ],
    ids=["AEP", "IMS", "proxy"],
)
def test_nobody_answers(press: Press, nobody: str, where: dict[str, Any], said: str) -> None:
    works, message = press(**_filled(where, nobody))

    assert not works
    assert said.format(url=nobody) in message


def test_a_host_that_has_no_address(press: Press) -> None:
    works, message = press(host="https://platform.adobe.invalid")

    assert not works
    assert "AEP cannot be reached at https://platform.adobe.invalid" in message
    assert "connection refused or host not found" in message


def test_a_host_that_does_not_speak_tls(press: Press, simulator: SimulatorProcess) -> None:
    works, message = press(host=simulator.base_url.replace("http:", "https:"))

    assert not works
    assert "was not accepted: set CA bundle" in message


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "html", "status": 404, "path": FLOWS}, "is not AEP: leave Host empty"),
        ({"kind": "redirect", "location": "https://login.example/", "path": FLOWS}, "is not AEP"),
        ({"kind": "html", "status": 404, "path": TOKEN}, "is not Adobe's identity service: leave IMS URL empty"),
        ({"kind": "status", "status": 403, "path": TOKEN, "body": {"error_code": "403000"}}, "leave IMS URL empty"),
        ({"kind": "body", "body": "<html>Welcome", "path": FLOWS}, "something else is answering at"),
        ({"kind": "status", "status": 503, "path": FLOWS}, "AEP is having problems"),
        ({"kind": "status", "status": 503, "path": TOKEN}, "Adobe's identity service is having problems"),
        ({"kind": "status", "status": 403, "path": FLOWS, "body": {"code": "403003"}}, "rejected the client id"),
        ({"kind": "status", "status": 403, "path": FLOWS, "body": {}}, "has no role on sandbox"),
    ],
)  # fmt: skip
def test_answers_of_something_else(press: Press, simulator: SimulatorProcess, fault: dict[str, Any], said: str) -> None:
    simulator.add_faults({**fault, "times": None})

    works, message = press()

    assert not works
    assert said in message


@pytest.mark.parametrize("path", [FLOWS, TOKEN])
def test_somebody_waits_for_the_answer_so_nothing_is_tried_again(
    press: Press, simulator: SimulatorProcess, path: str
) -> None:
    simulator.add_faults({"kind": "status", "status": 503, "path": path, "times": None})

    press()

    assert len(simulator.requests(path=path)) == 1


def test_no_message_shows_a_secret(press: Press, simulator: SimulatorProcess) -> None:
    secret = simulator.connection()["password"]

    assert all(secret not in press(**changes)[1] for changes, _ in WRONG.values())
    assert "mistyped-secret" not in press(password="mistyped-secret")[1]


def _filled(value: Any, url: str) -> Any:
    """Put the address where there is a None."""
    if isinstance(value, dict):
        return {key: _filled(item, url) for key, item in value.items()}
    return url if value is None else value
