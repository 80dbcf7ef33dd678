"""How AEP's lists are read: page by page to their end, in pages that can be read, and never by a part of them."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep import calls, endpoints
from adobe_experience_platform.errors import AepTooLargeError, AepTransientError
from tests.support.parts import NOW, answer, flow_json, job_json, play, run_json

HOUR = dt.timedelta(hours=1)


def ids(items):
    return [item.id for item in items]


@pytest.mark.parametrize("link", ["", None])
def test_a_list_ends_where_no_next_page_is_named(link):
    jobs, _ = answer(
        endpoints.profile_export_jobs(NOW - 24 * HOUR), {"records": [job_json(1, age=HOUR)], "link": {"next": link}}
    )
    assert ids(jobs) == ["1"]


@pytest.mark.parametrize("link", ["/export/jobs/", "?limit=5", "?cursor=unknown", "https://[broken", 5])
def test_a_next_page_that_cannot_be_read_is_an_error(link):
    page = {"records": [job_json(1, age=HOUR)], "link": {"next": link}}
    with pytest.raises(AepTransientError, match="cannot be read to its end"):
        answer(endpoints.profile_export_jobs(NOW - 24 * HOUR), page)


def test_an_empty_page_with_a_next_link_is_not_the_end():
    first = {"items": [], "_links": {"next": {"href": "?continuationToken=tok"}}}
    runs, _ = answer(endpoints.runs_of_flow("flow-1", lambda _: False), first, {"items": [run_json("r1")]})
    assert ids(runs) == ["r1"]


@pytest.mark.parametrize("name", ["link", "_links"])
@pytest.mark.parametrize("next_", ["/runs?continuationToken=tok", {"href": "/runs?continuationToken=tok"}])
def test_a_next_link_is_followed_in_either_form(name, next_):
    first = {"items": [], name: {"next": next_}}
    runs, asked = answer(endpoints.runs_of_flow("f", lambda _: False), first, {"items": [run_json("r", "f")]})
    assert [run.id for run in runs] == ["r"]
    assert ("continuationToken", "tok") in asked[-1].params


def test_of_a_next_link_only_the_cursor_is_taken():
    link = "https://evil.example/steal?continuationToken=tok&property=flowId==other&orderby=createdAt"
    pages = (
        {"items": [run_json("r2")], "_links": {"next": {"href": link}}},
        {"items": [run_json("r1", created=NOW - HOUR)], "_links": {}},
    )
    runs, requests = answer(endpoints.runs_of_flow("flow-1", lambda _: False), *pages)
    assert ids(runs) == ["r2", "r1"]
    assert [request.path for request in requests] == [endpoints.RUNS, endpoints.RUNS]
    assert dict(requests[1].params) == {
        "property": "flowId==flow-1",
        "orderby": "-createdAt",
        "limit": "100",
        "continuationToken": "tok",
    }


def test_a_list_that_goes_round_in_circles_is_an_error():
    page = {"items": [run_json("r")], "_links": {"next": {"href": "?continuationToken=same"}}}
    with pytest.raises(AepTransientError, match="never end"):
        answer(endpoints.runs_of_flow("flow-1", lambda _: False), page, page)


def test_a_list_that_never_ends_is_an_error():
    pages = (
        {"items": [run_json("r")], "_links": {"next": {"href": f"?continuationToken={number}"}}}
        for number in range(calls.MAX_PAGES)
    )
    with pytest.raises(AepTransientError, match="never end"):
        answer(endpoints.runs_of_flow("flow-1", lambda _: False), *pages)


def too_large(call, fits, *, total=30):
    """Carry out a call for flows, of which only pages of so many can be read; return what it gives and asked for."""
    asked = []

    def page(request):
        start = int(dict(request.params).get("continuationToken", 0))
        asked.append(request.limit)
        if request.limit > fits:
            raise AepTooLargeError(request.name, status=200, text="the response is larger")
        end = min(total, start + request.limit)
        link = {"_links": {"next": {"href": f"?continuationToken={end}"}}} if end < total else {}
        return calls.Response({"items": [flow_json(f"i{number}") for number in range(start, end)], **link})

    return play(call, page), asked


@pytest.mark.parametrize("fits", [100, 99, 25, 7, 2, 1])
def test_a_list_whose_pages_hold_too_much_is_read_from_its_first_page_on_in_smaller_ones(fits):
    flows, asked = too_large(endpoints.destination_flows(), fits)
    assert ids(flows) == [f"i{number}" for number in range(30)]
    refused = [limit for limit in asked if limit > fits]
    assert refused == [100, 25, 6][: len(refused)]
    assert set(asked[len(refused) :]) == {[100, 25, 6, 1][len(refused)]}


def test_a_list_whose_pages_grow_is_begun_anew_and_names_nothing_twice():
    def page(request):
        is_next = "continuationToken" in dict(request.params)
        if request.limit == 100 and is_next:
            raise AepTooLargeError(request.name)
        more = {} if is_next else {"_links": {"next": {"href": "?continuationToken=t"}}}
        return calls.Response({"items": [flow_json("b" if is_next else "a")], **more})

    assert ids(play(endpoints.destination_flows(), page)) == ["a", "b"]


def test_one_entry_that_is_too_large_is_an_error():
    with pytest.raises(AepTooLargeError):
        too_large(endpoints.destination_flows(), 0)


@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": {}}, {"records": []}, {"message": "odd"}])
def test_an_answer_without_its_list_is_no_empty_list(body):
    with pytest.raises(AepTransientError, match="no list 'items'"):
        answer(endpoints.runs_of_flow("flow-1", lambda _: True), body)
