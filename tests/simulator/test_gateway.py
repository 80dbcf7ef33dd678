"""The headers every call needs."""

from __future__ import annotations

import pytest
import requests


@pytest.mark.parametrize(
    ("changes", "status", "code", "text"),
    [
        ({"x-api-key": None}, 403, "403000", "Api Key is required"),
        ({"Authorization": None}, 403, "403010", "Oauth token is missing"),
        ({"x-gw-ims-org-id": None}, 400, "400003", "Missing header"),
        ({"x-api-key": "unknown"}, 403, "403003", "Api Key is invalid"),
        ({"Authorization": "Bearer stale"}, 401, "401013", "Oauth token is not valid"),
        ({"x-gw-ims-org-id": "no-org"}, 403, "403027", "User region is missing"),
        ({"x-gw-ims-org-id": "ANOTHER@AdobeOrg"}, 403, "403025", "Profile is not valid"),
    ],
)
def test_the_gateway_names_what_is_wrong(aep, changes, status, code, text):
    for path in (aep.jobs, aep.runs, aep.flows, "/data/foundation/sandbox-management/sandboxes"):
        answer = aep.get(path, **changes)
        assert (answer.status_code, answer.json()) == (status, {"error_code": code, "message": text})


def test_a_scheme_other_than_bearer_is_refused(aep):
    assert aep.get(aep.jobs, Authorization=f"Token {aep.token}").status_code == 401


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"x-sandbox-name": None}, 400, "2105-400"),
        ({"x-sandbox-name": "nowhere"}, 404, "2100-404"),
        ({"x-sandbox-name": "PROD"}, 404, "2100-404"),
        ({"x-sandbox-id": "5a8e99a9"}, 400, "2110-400"),
    ],
)
def test_the_sandbox_must_be_named_and_exist(aep, changes, status, code):
    flow_service = aep.get(aep.runs, **changes)
    assert flow_service.status_code == status
    assert flow_service.json()["type"].endswith(f"FLOW-{code}")
    segmentation = aep.get(aep.jobs, **changes)
    assert segmentation.status_code == status
    assert segmentation.json()["errors"][str(status)][0]["message"].startswith(code)


def test_a_credential_without_a_role_on_the_sandbox_is_refused(aep):
    aep.reset({"credentials": [{"client_id": "c", "client_secrets": ["s"], "sandboxes": ["dev"]}]})
    answer = aep.get(aep.flows)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("FLOW-2118-403")
    assert aep.get(aep.flows, **{"x-sandbox-name": "dev"}).status_code == 200


def test_sandboxes_are_apart(small):
    assert small.get(f"{small.flows}/dev-flow").status_code == 404
    assert small.get(f"{small.flows}/dev-flow", **{"x-sandbox-name": "dev"}).status_code == 200
    assert small.get(small.jobs, **{"x-sandbox-name": "dev"}).json()["records"] == []


def test_sandboxes_are_listed_without_naming_one(aep):
    answer = aep.get("/data/foundation/sandbox-management/sandboxes", **{"x-sandbox-name": None})
    assert [sandbox["name"] for sandbox in answer.json()["sandboxes"]] == ["prod", "dev"]


def test_a_given_token_needs_no_minting(aep):
    aep.reset({"credentials": [{"client_id": "c", "client_secrets": ["s"], "access_tokens": ["given"]}]})
    assert aep.get(aep.jobs, {"limit": 1}, Authorization="Bearer given").status_code == 200
    assert aep.requests(aep.jobs)[-1]["headers"]["authorization"] == "Bearer token#given-1"


def test_a_body_must_be_declared_as_json(small):
    answer = requests.post(small.url + small.adhoc_path, data="{}", headers=small.headers(), timeout=60)
    assert answer.status_code == 400
    assert (answer.json()["title"], answer.json()["type"]) == ("BadRequestError", "/placeholder/type/uri")
    assert answer.json()["detail"] == "A valid content-type must be specified"


def test_answers_may_carry_a_request_id(aep):
    assert aep.get(aep.runs).headers["x-request-id"]
    aep.settings(send_request_id=False)
    assert "x-request-id" not in aep.get(aep.runs).headers


def test_an_unknown_call_is_a_404_and_a_wrong_method_a_405(aep):
    assert aep.get("/data/core/ups/nothing").status_code == 404
    assert aep.get(aep.adhoc_path).status_code == 405
