"""The connection's form, and its *Test* button."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.stage import Scene
from tools.airflow_client import AirflowClient


def test_the_form_shows_our_type_with_its_fields(client: AirflowClient) -> None:
    kinds = {kind["connection_type"]: kind for kind in client.get("/ui/connections/hook_meta")}

    form = kinds["adobe_experience_platform"]
    assert form["hook_name"] == "Adobe Experience Platform"
    assert set(form["extra_fields"]) >= {"org_id", "sandbox_name", "scopes", "tenant", "ims_url", "access_token"}
    assert form["extra_fields"]["access_token"]["schema"]["format"] == "password"
    assert form["standard_fields"]["password"]["title"] == "Client secret"
    assert not form["standard_fields"]["port"]["hidden"], "Airflow's Test button is refused without a port"


@pytest.mark.parametrize(("secret", "works"), [(None, True), ("wrong-secret", False)])
def test_the_button_tells_whether_it_works(
    client: AirflowClient, scene: Scene, secret: str | None, works: bool
) -> None:
    connection: dict[str, Any] = scene.aep.connection()
    body = {**connection, "connection_id": "tried", "extra": json.dumps(connection["extra"])}
    if secret:
        body["password"] = secret

    answer = client._call("POST", "/api/v2/connections/test", json=body)

    assert answer["status"] is works
    if works:
        assert "5 destination flows" in answer["message"]
    else:
        assert "check Login (client id) and Password (client secret)" in answer["message"]
        assert "wrong-secret" not in answer["message"]
