"""Faults, seen from the client's side of the socket."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import requests
from requests.exceptions import ChunkedEncodingError

INFO = {"mail": ["gold"]}


def in_thread(call):
    """Run ``call`` on a thread; return the thread and a list that gets its result or exception."""
    results = []

    def work():
        try:
            results.append(call())
        except requests.RequestException as exc:
            results.append(exc)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, results


def other_client(small):
    """Return a call of the ad-hoc API over a connection of its own."""
    headers = small.headers(Accept="application/vnd.adobe.adhoc.activation+json; version=2")
    url, body = small.url + small.adhoc_path, {"activationInfo": INFO}
    return lambda timeout=60: requests.post(url, json=body, headers=headers, timeout=timeout)


@pytest.mark.parametrize(("kind", "delivered"), [("close_before", False), ("close_after", True)])
def test_the_connection_is_really_closed(small, kind, delivered):
    small.fault(kind=kind, path="*/adhocrun")
    with pytest.raises(requests.ConnectionError):
        small.adhoc(INFO)
    assert (("mail", "gold") in small.deliveries()) is delivered
    logged = small.requests(small.adhoc_path)[-1]
    assert (logged["status"], logged["effect"]) == (None, delivered)


def test_nothing_at_all_is_sent_before_the_close(small):
    small.fault(kind="close_before", path="*/jobs")
    host, _, port = small.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(b"GET /data/core/ups/export/jobs HTTP/1.1\r\nhost: aep\r\n\r\n")
        assert raw.recv(100) == b""


def test_a_truncated_answer_took_effect(small):
    small.fault(kind="truncate", path="*/adhocrun")
    with pytest.raises((ChunkedEncodingError, requests.ConnectionError)):
        small.adhoc(INFO)
    assert ("mail", "gold") in small.deliveries()


def test_an_error_may_hide_that_it_took_effect(small):
    small.fault(kind="status", status=500, path="*/adhocrun", effect=True)
    assert small.adhoc(INFO).status_code == 500
    assert small.deliveries()["mail", "gold"]["count"] == 1


def test_an_error_without_effect(small):
    small.fault(kind="status", status=503, path="*/adhocrun", headers={"Retry-After": "2"})
    answer = small.adhoc(INFO)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert small.deliveries() == {}


def test_default_bodies_have_the_services_shape(small):
    small.fault(kind="status", status=429, times=3)
    throttled = small.get(small.jobs)
    assert throttled.json() == {
        "message": "Too Many Requests",
        "cause": "Too Many Requests",
        "retryAfterMs": "500",
        "statusCode": "429",
    }
    assert small.get(small.runs).json()["report"]["detailed-message"] == "Too Many Requests"
    assert small.mint().json()["error"] == "too_many_requests"


def test_html_empty_and_own_bodies(small):
    small.fault(kind="html", path="*/runs")
    small.fault(kind="empty", path="*/runs")
    small.fault(kind="body", path="*/runs", body={"items": "odd"})
    small.fault(kind="body", path="*/runs", body="[not json")
    page = small.get(small.runs)
    assert page.status_code == 502
    assert page.headers["content-type"] == "text/html"
    assert "502 Bad Gateway" in page.text
    empty = small.get(small.runs)
    assert (empty.status_code, empty.content) == (200, b"")
    assert small.get(small.runs).json() == {"items": "odd"}
    assert small.get(small.runs).text == "[not json"


def test_a_redirect_to_another_host(small):
    small.fault(kind="redirect", path="*/runs", status=307, location="http://127.0.0.1:9/trap")
    headers = small.headers()
    answer = requests.get(small.url + small.runs, headers=headers, allow_redirects=False, timeout=60)
    assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:9/trap")


def test_an_expired_token_stays_expired(small):
    small.fault(kind="expired_token", path="*/runs")
    assert small.get(small.runs).json()["error_code"] == "401013"
    assert small.get(small.jobs).status_code == 401
    small.token = small.mint().json()["access_token"]
    assert small.get(small.runs).status_code == 200


def test_skip_and_times(small):
    small.fault(kind="status", method="get", path="re:/runs$", skip=1, times=2)
    assert [small.get(small.runs).status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert small.get(small.flows).status_code == 200
    fault = small.control("GET", "faults")["faults"][0]
    assert (fault["hits"], fault["times"]) == (2, 2)


def test_a_fault_without_end_lasts_until_removed(small):
    fault = small.fault(kind="status", times=None)["faults"][0]
    small.fault(kind="html", path="*/flows")
    assert {small.get(small.runs).status_code for _ in range(4)} == {500}
    assert small.control("DELETE", f"faults?id={fault['id']}") == {"removed": 1}
    assert small.get(small.runs).status_code == 200
    assert small.get(small.flows).status_code == 502
    assert small.control("DELETE", "faults") == {"removed": 1}


def test_a_delayed_request_takes_effect_although_its_client_gave_up(small, eventually):
    small.fault(kind="delay", path="*/adhocrun", delay=0.4)
    with pytest.raises(requests.Timeout):
        other_client(small)(timeout=0.1)
    assert small.deliveries() == {}
    assert eventually(small.deliveries)["mail", "gold"]["count"] == 1


def test_a_late_answer_may_have_taken_effect_at_once(small, eventually):
    small.fault(kind="delay", path="*/adhocrun", delay=0.3, effect=True)
    started = time.monotonic()
    thread, results = in_thread(other_client(small))
    eventually(small.deliveries)
    assert results == []
    thread.join(5)
    assert results[0].status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_dropped_delay_takes_no_effect(small, eventually):
    small.fault(kind="delay", path="*/adhocrun", delay=30, if_gone="drop")
    with pytest.raises(requests.Timeout):
        other_client(small)(timeout=0.1)
    assert eventually(lambda: small.requests(small.adhoc_path))
    assert small.deliveries() == {}


@pytest.mark.parametrize("effect", [True, False])
def test_a_held_request_waits_for_its_release_and_blocks_nobody(small, eventually, effect):
    small.fault(kind="wait_release", path="*/adhocrun", effect=effect)
    thread, results = in_thread(other_client(small))
    eventually(lambda: small.control("GET", "state")["held"] == 1)
    assert (("mail", "gold") in small.deliveries()) is effect
    assert small.get(small.flows).status_code == 200
    assert small.control("POST", "release") == {"released": 1}
    thread.join(5)
    assert results[0].status_code == 200
    assert small.deliveries()["mail", "gold"]["count"] == 1


@pytest.mark.parametrize("effect", [True, False])
def test_a_held_request_of_a_client_that_hung_up(small, eventually, effect):
    small.fault(kind="wait_release", path="*/adhocrun", effect=effect)
    with pytest.raises(requests.Timeout):
        other_client(small)(timeout=0.2)
    eventually(lambda: small.control("GET", "state")["held"] == 0)
    assert small.control("POST", "release") == {"released": 0}
    assert (("mail", "gold") in small.deliveries()) is effect
    assert small.requests(small.adhoc_path)[-1]["status"] is None


def test_a_held_request_can_be_dropped(small, eventually):
    small.fault(kind="wait_release", path="*/adhocrun")
    thread, results = in_thread(other_client(small))
    eventually(lambda: small.control("GET", "state")["held"] == 1)
    small.control("POST", "release", {"then": "drop"})
    thread.join(5)
    assert isinstance(results[0], requests.ConnectionError)
    assert small.deliveries() == {}


def test_a_reset_drops_what_is_held(small, eventually):
    small.fault(kind="wait_release", path="*/runs")
    url, headers = small.url + small.runs, small.headers()
    thread, results = in_thread(lambda: requests.get(url, headers=headers, timeout=60))
    eventually(lambda: small.control("GET", "state")["held"] == 1)
    small.reset()
    thread.join(5)
    assert isinstance(results[0], requests.ConnectionError)


def test_control_calls_are_never_hit(small):
    small.fault(kind="status", times=None)
    assert small.control("GET", "health") == {"status": "ok"}


@pytest.mark.parametrize(
    "fault", [{"kind": "nonsense"}, {"kind": "status", "time": 1}, {"kind": "status", "path": "re:("}]
)
def test_a_bad_fault_is_refused(small, fault):
    answer = small.control("POST", "faults", [{"kind": "html"}, fault], ok=False)
    assert answer["problems"]
    assert small.control("GET", "faults") == {"faults": []}
