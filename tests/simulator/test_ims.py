"""IMS: the token call."""

from __future__ import annotations

import pytest
import requests


def test_a_token_lasts_a_day_in_seconds(aep):
    answer = aep.mint()
    assert answer.status_code == 200
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 86399)
    assert body["access_token"] != aep.token


def test_the_parameters_may_be_in_the_query(aep):
    params = {
        "grant_type": "client_credentials",
        "client_id": aep.connection["login"],
        "client_secret": aep.connection["password"],
        "scope": "openid,AdobeID",
    }
    assert requests.post(aep.url + aep.token_path, params=params, timeout=60).status_code == 200
    logged = aep.requests(aep.token_path)[-1]
    assert ["client_secret", "***"] in logged["query"]


@pytest.mark.parametrize(
    ("fields", "error", "description"),
    [
        ({"client_secret": "no"}, "invalid_client", "invalid client_secret parameter"),
        ({"client_id": "no"}, "invalid_client", "invalid client_id parameter"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type", None),
        ({"scope": ""}, "invalid_scope", None),
        ({"scope": "openid,everything"}, "invalid_scope", None),
    ],
)
def test_a_bad_parameter_is_named(aep, fields, error, description):
    answer = aep.mint(**fields)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert description in {None, answer.json()["error_description"]}


def test_a_json_body_is_refused(aep):
    answer = requests.post(aep.url + aep.token_path, json={"grant_type": "client_credentials"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_second_secret_works(aep):
    two = {"client_id": "c", "client_secrets": ["old", "new"]}
    aep.reset({"credentials": [two]})
    assert aep.mint(client_secret="old").status_code == aep.mint(client_secret="new").status_code == 200


def test_tokens_expire(aep):
    assert aep.get(aep.jobs, {"limit": 1}).status_code == 200
    aep.advance(86400)
    assert aep.get(aep.jobs, {"limit": 1}).status_code == 401


def test_an_older_token_stays_valid(aep):
    aep.mint()
    assert aep.get(aep.jobs, {"limit": 1}).status_code == 200
    assert aep.control("GET", "tokens") == {"minted": 2}


def test_all_tokens_can_be_expired(aep):
    aep.control("POST", "expire-tokens")
    assert aep.get(aep.jobs).json() == {"error_code": "401013", "message": "Oauth token is not valid"}
    aep.token = aep.mint().json()["access_token"]
    assert aep.get(aep.jobs, {"limit": 1}).status_code == 200
