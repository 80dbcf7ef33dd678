"""The connection's form and its *Test* button: each way of being wrong is told apart, and the secret stays hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from adobe_experience_platform.aep import endpoints, transport
from adobe_experience_platform.errors import AepTransientError
from adobe_experience_platform.provider_info import get_provider_info
from tests.support.aep import SEED
from tests.support.certificates import write_certificate
from tests.support.forms import ConnectionForm
from tests.support.hooks import Async, Sync
from tests.support.sockets import raw_server
from tests.support.stage import Scene
from tools.airflow_client import AirflowClient

# What is changed in a connection that works → what *Test* says.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "secret": ({"password": "mistyped-secret"}, "The client secret is wrong: copy it again"),
    "organization": ({"extra": {"org_id": "OTHER@AdobeOrg"}}, "The credential does not belong to OTHER@AdobeOrg"),
    "role": ({"extra": {"sandbox_name": "dev"}}, "The credential has no role on sandbox 'dev'"),
    "sandbox": ({"extra": {"sandbox_name": "mistyped"}}, "There is no sandbox 'mistyped' in"),
    "host": ({"host": "http://127.0.0.1:9"}, "AEP cannot be reached at http://127.0.0.1:9"),
    "scopes": ({"extra": {"scopes": "openid,mistyped"}}, "The credential is not allowed these scopes"),
}
NAMES = {"org_id": "IMS organization id", "sandbox_name": "Sandbox", "scopes": "Scopes", "ims_url": "IMS URL"}


@pytest.fixture
def account(scene: Scene) -> dict[str, Any]:
    """Give the connection of an account that has a role on the sandbox prod, but none on dev."""
    connection = scene.aep.connection()
    credential = {
        "client_id": connection["login"],
        "client_secrets": [connection["password"]],
        "scopes": connection["extra"]["scopes"].split(","),
        "sandboxes": ["prod"],
    }
    scene.aep.reset({**SEED, "credentials": [credential]})
    return connection


@pytest.fixture
def conn_id(client: AirflowClient) -> Iterator[str]:
    yield "aep_tried"
    client.delete_connection("aep_tried")


def enter(page: Page, conn_id: str, connection: dict[str, Any]) -> ConnectionForm:
    """Enter a connection as a person does, and save it."""
    form = ConnectionForm(page, conn_id)
    form.standard(Host=connection["host"], Port="0", Client_ID=connection["login"])
    form.standard(Client_secret=connection["password"])
    form.own_fields({NAMES[key]: value for key, value in connection["extra"].items() if key in NAMES})
    form.save()
    return form


def test_a_connection_is_entered_tried_and_its_secret_is_not_shown(
    page: Page, account: dict[str, Any], conn_id: str
) -> None:
    form = enter(page, conn_id, account)

    form.row().get_by_role("button", name="Test").click()

    expect(page.get_by_text("Connected to sandbox 'prod'")).to_be_visible()
    page.reload()
    form.row().get_by_role("button", name="Edit").click()
    secret = page.get_by_role("dialog").get_by_label("Client secret")
    expect(secret).to_have_attribute("type", "password")
    assert secret.input_value() != account["password"]
    assert account["password"] not in page.content()


@pytest.mark.parametrize("what", WRONG)
def test_says_what_is_wrong(
    page: Page, client: AirflowClient, account: dict[str, Any], conn_id: str, what: str
) -> None:
    changes, said = WRONG[what]
    # Airflow 3.3.2 asks with port 0 where a connection was saved without a port, and then refuses: docs/connecting.md.
    connection = {**account, "port": 0, **changes, "extra": {**account["extra"], **changes.get("extra", {})}}
    client.create_connection(conn_id, connection)
    page.goto("/connections")
    row = page.get_by_role("row").filter(has=page.get_by_text(conn_id, exact=True))

    row.get_by_role("button", name="Test").click()

    expect(page.get_by_text(re.compile(re.escape(said)))).to_be_visible()
    for other, (_, text) in WRONG.items():
        assert other == what or text not in page.content(), other
    assert "mistyped-secret" not in page.content()
    assert account["password"] not in page.content()


def check_refused(kind: type[Sync] | type[Async]) -> None:
    """Check that a hook has all defaults, and refuses the server of the connection `aep_test`."""
    hook = kind()
    with pytest.raises(AepTransientError, match="the TLS certificate was not accepted"):
        hook.call(endpoints.destination_flows())
    settings = hook.hook.settings if isinstance(hook, Sync) else hook.runner.run(hook.hook.settings())
    assert (settings.verify, settings.sandbox_name, settings.timeout) == (True, "prod", 60.0)
    assert (settings.access_token, settings.tenant, settings.proxies) == ("", "", {})
    hook.close()


@pytest.mark.parametrize("how", ["untouched", "clicked and left", "typed and cleared"])
def test_fields_that_are_left_empty_keep_their_defaults_and_tls_is_verified(
    how: str, page: Page, client: AirflowClient, conn_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow sends null for every field that nobody touched; a null `verify` once let any server have the secret."""
    monkeypatch.setattr(transport, "ATTEMPTS", 1)
    kinds = get_provider_info()["connection-types"][0]["conn-fields"]
    left = [field["label"] for field in kinds.values() if "string" in field["schema"]["type"]]
    context = write_certificate(tmp_path / "nobody-trusts.pem", "127.0.0.9")
    with raw_server(lambda send: None, context) as server:
        form = ConnectionForm(page, conn_id)
        form.standard(Host=server.url, Port="0", Client_ID="client-1", Client_secret="p8e-secret")
        form.own_fields({"IMS organization id": "ORG@AdobeOrg", "IMS URL": server.url})
        if how != "untouched":
            wanted = [label for label in left if label not in ("IMS organization id", "IMS URL")]
            form.touch(wanted, typing=how.startswith("typed"))
        form.save()

        stored = client.connection(conn_id)
        assert stored is not None
        extra = json.loads(stored["extra"])
        assert extra["org_id"] == "ORG@AdobeOrg"
        assert extra.get("verify", "absent") in (None, "", "absent"), extra
        value = {"conn_type": stored["conn_type"], "host": stored["host"], "login": stored["login"], "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AEP_TEST", json.dumps({**value, "password": "p8e-secret"}))
        with ThreadPoolExecutor(1) as elsewhere:  # this thread runs the browser's event loop
            for kind in (Sync, Async):
                elsewhere.submit(check_refused, kind).result()
    assert server.received == b"", "something was sent to a server that nobody trusts"
