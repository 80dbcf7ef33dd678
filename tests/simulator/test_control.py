"""Looking into the simulator and arranging it."""

from __future__ import annotations

import json

import pytest


def test_the_connection_is_that_of_the_demo_account(aep):
    assert aep.connection == {
        "conn_type": "adobe_experience_platform",
        "host": aep.url,
        "login": aep.connection["login"],
        "password": aep.connection["password"],
        "extra": {
            "org_id": "9F1A5D2E63B7C4A80A495C3D@AdobeOrg",
            "sandbox_name": "prod",
            "scopes": "openid,session,AdobeID,read_organizations,additional_info.projectedProductContext",
            "ims_url": aep.url,
            "tenant": "lunarmarkt",
        },
    }


def test_requests_are_logged_without_secrets(small):
    small.control("DELETE", "requests")
    secret, second = small.connection["password"], small.mint().json()["access_token"]
    small.get(small.runs, {"property": ["flowId==mail", "id==1"]})
    small.get(small.runs, Authorization=f"Bearer {second}")
    small.get(small.runs, Authorization="Bearer made-up")
    small.adhoc({"mail": ["gold"]})
    log = small.control("GET", "requests")["requests"]
    text = json.dumps(log)
    assert secret not in text
    assert second not in text
    assert small.token not in text
    assert "made-up" not in text
    mint, first, other, unknown, post = log
    assert (mint["json"]["client_secret"], mint["json"]["client_id"]) == ("***", small.connection["login"])
    assert first["query"] == [["property", "flowId==mail"], ["property", "id==1"]]
    labels = [entry["headers"]["authorization"] for entry in (first, other, unknown)]
    assert labels == ["Bearer token#1", "Bearer token#2", "Bearer token#unknown"]
    assert post["json"] == {"activationInfo": {"mail": ["gold"]}}
    assert [entry["status"] for entry in log] == [200, 200, 200, 401, 200]
    assert [entry["effect"] for entry in log] == [True, False, False, False, True]
    assert [entry["n"] for entry in log] == sorted(entry["n"] for entry in log)


def test_requests_are_filtered(small):
    small.get(small.runs)
    small.get(f"{small.runs}/x")
    small.adhoc({"mail": ["gold"]})
    assert len(small.control("GET", f"requests?path={small.runs}")["requests"]) == 1
    assert len(small.control("GET", f"requests?path={small.runs}*&method=get")["requests"]) == 2
    assert small.control("GET", "requests?method=POST")["requests"][-1]["path"] == small.adhoc_path


def test_a_reset_begins_again(small):
    small.adhoc({"mail": ["gold"]})
    small.fault(kind="status", times=None)
    small.settings(speed=1)
    small.reset()
    state = small.control("GET", "state")
    assert (state["requests"], state["faults"], state["tokens"]) == (1, 0, 1)
    assert state["settings"]["speed"] == 60
    assert len(state["flows"]) == 10
    assert small.deliveries() == {}


def test_a_seed_keeps_what_it_does_not_name(aep):
    jobs = len(aep.get(aep.jobs).json()["records"])
    aep.reset({"seed": {"flows": [{"id": "f", "name": "F", "audiences": ["a"]}]}})
    assert aep.control("GET", "state")["runs"] == {"total": 0, "in_progress": 0}
    assert len(aep.get(aep.jobs).json()["records"]) == jobs
    assert aep.run_of({"f": ["a"]})


@pytest.mark.parametrize(
    "seed",
    [
        {"flow": []},
        {"settings": {"sped": 1}},
        {"settings": {"speed": 0}},
        {"runs": [{"flow_id": "nope"}]},
        {"flows": [{"id": "f", "name": "F", "sandbox": "nowhere", "audiences": []}]},
        {"credentials": []},
    ],
)
def test_a_bad_seed_changes_nothing(small, seed):
    small.adhoc({"mail": ["gold"]})
    assert "error" in small.control("POST", "reset", seed, ok=False)
    assert ("mail", "gold") in small.deliveries()


def test_raw_changes_what_a_flow_shows(aep):
    raw = {"state": "somethingNew", "lastOperation": None, "inheritedAttributes": {"properties": None}}
    aep.reset({"flows": [{"id": "f", "name": "F", "audiences": ["a"], "raw": raw}]})
    flow = aep.get(f"{aep.flows}/f").json()["items"][0]
    assert flow["state"] == "somethingNew"
    assert "lastOperation" not in flow
    assert set(flow["inheritedAttributes"]) == {"sourceConnections", "targetConnections"}


@pytest.mark.parametrize("change", [{"speed": -1}, {"nonsense": 1}, [1]])
def test_bad_settings_are_refused(small, change):
    assert "error" in small.control("POST", "settings", change, ok=False)
    assert small.control("GET", "state")["settings"]["speed"] == 60


def test_speed_shortens_later_runs(small):
    small.settings(speed=600)
    run_id = small.run_of({"mail": ["gold"]})
    small.advance(0.6)
    assert small.run(run_id)["metrics"]["statusSummary"]["status"] == "success"


def test_bad_control_bodies_are_refused(small):
    assert "error" in small.control("POST", "runs", {"flow_id": "nope"}, ok=False)
    assert "error" in small.control("POST", "export-jobs", {"id": 722}, ok=False)
    assert "error" in small.control("PATCH", "export-jobs/1", {"status": "FAILED"}, ok=False)
    assert "error" in small.control("POST", "outcomes", {"state": "failed"}, ok=False)
