"""Each AEP call as a pure pair: the request that is built, the answer that is read."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from adobe_experience_platform.aep import calls, endpoints
from adobe_experience_platform.aep.calls import Response
from adobe_experience_platform.aep.orders import Activation, Pair
from adobe_experience_platform.errors import AepNotFoundError, AepRequestError, AepTooLargeError, AepTransientError
from tests.support.parts import NOW, answer, flow_json, job_json, millis, play, run_json, selector

HOUR = dt.timedelta(hours=1)


def ids(items):
    return [item.id for item in items]


# -- lists


def test_export_jobs_are_asked_for_with_a_limit_and_without_a_status_filter():
    jobs, (request,) = answer(endpoints.profile_export_jobs(NOW - HOUR), {"records": [job_json(1)], "link": {}})
    assert (request.method, request.path, request.params) == ("GET", endpoints.EXPORT_JOBS, (("limit", "100"),))
    assert ids(jobs) == ["1"]


def test_only_exports_of_people_newest_first_whatever_order_aep_lists_them_in():
    records = [
        job_json(1, age=5 * HOUR),
        job_json(2, age=1 * HOUR),
        job_json(3, age=2 * HOUR, schema="_xdm.context.account"),
        {"id": 4, "status": "NEW", "schema": {"name": "_xdm.context.profile"}},
        job_json(5, age=3 * HOUR),
    ]
    jobs, _ = answer(endpoints.profile_export_jobs(NOW - HOUR), {"records": records})
    assert ids(jobs) == ["2", "5", "1", "4"]


def test_pages_of_exports_are_read_back_to_the_moment_asked_for():
    first = {"records": [job_json(3, age=HOUR)], "link": {"next": "/export/jobs/?limit=1&offset=1538573416687_722"}}
    second = {"records": [job_json(2, age=30 * HOUR)], "link": {"next": "/export/jobs/?limit=1&offset=9_1"}}
    jobs, requests = answer(endpoints.profile_export_jobs(NOW - 24 * HOUR), first, second)
    assert ids(jobs) == ["3", "2"]
    assert requests[1].params == (("limit", "100"), ("offset", "1538573416687_722"))


def test_older_exports_are_read_until_one_has_succeeded():
    first = {"records": [job_json(3, "FAILED", age=30 * HOUR)], "link": {"next": "?offset=a"}}
    second = {"records": [job_json(2, age=60 * HOUR)], "link": {"next": "?offset=b"}}
    jobs, _ = answer(endpoints.profile_export_jobs(NOW - 24 * HOUR, newest_succeeded=True), first, second)
    assert ids(jobs) == ["3", "2"]


def runs_in_parts(most, number):
    """Read so many runs by id, of which so many fit an answer; return the ids that were found and the parts' sizes."""
    asked = []

    def page(request):
        wanted = dict(request.params)["property"].removeprefix("id==").split(",")
        asked.append(len(wanted))
        if len(wanted) > most:
            raise AepTooLargeError(request.name)
        return calls.Response({"items": [run_json(each) for each in wanted]})

    return sorted(play(endpoints.runs_by_id([f"r{each}" for each in range(number)]), page)), asked


def test_runs_that_are_too_large_together_are_read_in_halves():
    found, asked = runs_in_parts(3, 10)
    assert found == sorted(f"r{number}" for number in range(10))
    assert asked == [10, 5, 2, 3, 5, 2, 3]


def test_one_run_that_is_too_large_is_an_error():
    with pytest.raises(AepTooLargeError):
        runs_in_parts(0, 1)


def test_flows_by_their_ids_are_one_list_of_any_kind_of_flow_of_which_only_those_count():
    call = endpoints.flows_by_id(["a", "b"])
    flows, (request,) = answer(call, {"items": [flow_json("a"), flow_json("x")], "_links": {}})
    assert [*flows] == ["a"]
    assert dict(request.params) == {"property": "id==a,b", "limit": "100"}


def test_runs_of_other_flows_are_dropped_when_aep_ignores_the_filter():
    body = {"items": [run_json("r1"), run_json("r2", "other"), run_json("r3", "")]}
    runs, _ = answer(endpoints.runs_of_flow("flow-1", lambda _: True), body)
    assert Counter(ids(runs)) == Counter(["r1", "r3"])


def test_runs_come_newest_first_whatever_order_aep_lists_them_in():
    body = {
        "items": [
            run_json("r1", created=NOW - 2 * HOUR),
            run_json("r3", created=NOW),
            run_json("r0", created=None),
            run_json("r2", created=NOW - HOUR),
        ]
    }
    runs, _ = answer(endpoints.runs_of_flow("flow-1", lambda _: True), body)
    assert ids(runs) == ["r3", "r2", "r1", "r0"]


def test_recent_runs_leave_out_older_ones_but_not_those_that_tell_no_time():
    body = {"items": [run_json("r2"), run_json("r0", created=None), run_json("r1", created=NOW - 2 * HOUR)]}
    runs, requests = answer(endpoints.recent_runs(["flow-1"], NOW - HOUR), body)
    assert Counter(ids(runs["flow-1"])) == Counter(["r2", "r0"])
    assert dict(requests[0].params)["property"] == "flowId==flow-1"


def test_the_runs_of_several_flows_are_one_list():
    body = {"items": [run_json("r1", "a"), run_json("r2", "other"), run_json("r3", "b")]}
    runs, (request,) = answer(endpoints.runs_of_flows(["a", "b"], lambda _: True), body)
    assert {flow_id: ids(listed) for flow_id, listed in runs.items()} == {"a": ["r1"], "b": ["r3"]}
    assert request.params == (("property", "flowId==a,b"), ("orderby", "-createdAt"), ("limit", "100"))


def test_runs_that_do_not_say_whose_they_are_tell_nothing_of_several_flows():
    body = {"items": [run_json("r1", "a"), run_json("r4", "")]}
    assert answer(endpoints.runs_of_flows(["a", "b"], lambda _: True), body)[0] is None


def test_where_a_list_of_several_flows_is_empty_that_of_all_runs_tells():
    every = {"items": [run_json("r2", "other"), run_json("r1", "a"), run_json("r0", "b", created=NOW - 2 * HOUR)]}
    runs, requests = answer(endpoints.recent_runs(["a", "b"], NOW - HOUR), {"items": []}, every)
    assert {flow_id: ids(listed) for flow_id, listed in runs.items()} == {"a": ["r1"], "b": []}
    assert requests[1].params == (("orderby", "-createdAt"), ("limit", "100"))


def test_where_that_is_too_long_each_is_asked_for():
    crowd = {"items": [run_json(f"r{number}", "other") for number in range(endpoints.MOST_RUNS)]}
    own = {"items": [run_json("r1", "a")]}
    runs, requests = answer(endpoints.recent_runs(["a", "b"], NOW - HOUR), {"items": []}, crowd, own, {"items": []})
    assert {flow_id: ids(listed) for flow_id, listed in runs.items()} == {"a": ["r1"], "b": []}
    assert len(requests) == 4


@pytest.mark.parametrize("filtered", [[], AepRequestError("GET /flows", status=400, text="1450-400")])
def test_where_the_filter_by_audience_finds_nothing_all_flows_are_read(filtered):
    mine, other = flow_json("a", selector("gold"), selector("silver")), flow_json("b", selector("silver"))

    def react(request):
        properties.append(dict(request.params)["property"])
        if "isDestinationFlow" in properties[-1]:
            return Response({"items": [mine, other]})
        if filtered:
            raise filtered
        return Response({"items": filtered})

    properties = []
    found = play(endpoints.flows_with(["gold"]), react)
    assert {flow_id: audience.id for flow_id, audience in found.items()} == {"a": "gold"}
    assert len(properties) == 2


def test_a_filter_by_audience_that_aep_ignores_is_checked_here():
    body = {"items": [flow_json("a", selector("gold")), flow_json("b", selector("silver"))]}
    assert list(answer(endpoints.flows_with(["gold", "x,y"]), body)[0]) == ["a"]


def test_evaluations_are_one_page_of_those_that_succeeded_newest_first():
    def job(name, status, hours):
        return {"id": name, "status": status, "creationTime": millis(NOW - hours * HOUR)}

    body = {
        "children": [job("j1", "SUCCEEDED", 2), job("j3", "PROCESSING", 0), job("j2", "SUCCEEDED", 1)],
        "_page": {"totalCount": 80, "pageSize": 3},
        "_links": {"next": {"href": "/segment/jobs?start=3"}},
    }
    jobs, (request,) = answer(endpoints.evaluations(), body)
    assert ids(jobs) == ["j2", "j1"]
    assert request.path == "/data/core/ups/segment/jobs"
    assert request.params == (("status", "SUCCEEDED"), ("sort", "creationTime:desc"), ("limit", "3"))


def test_an_organization_may_have_no_evaluation_yet():
    assert answer(endpoints.evaluations(), {"children": [], "_page": {}, "_links": {"next": {}}})[0] == []


def test_runs_by_id_keep_what_was_asked_for_only():
    body = {"items": [run_json("r1"), run_json("r9")]}
    runs, (request,) = answer(endpoints.runs_by_id(["r1", "r2"]), body)
    assert list(runs) == ["r1"]
    assert request.params == (("property", "id==r1,r2"), ("limit", "100"))


def test_destination_flows_leave_out_what_is_told_to_be_none():
    body = {
        "items": [
            flow_json("f1"),
            flow_json("f2", inheritedAttributes={"properties": {"isDestinationFlow": False}}),
            flow_json("f3", inheritedAttributes=None),
        ]
    }
    flows, (request,) = answer(endpoints.destination_flows(), body)
    assert ids(flows) == ["f1", "f3"]
    assert ("property", "inheritedAttributes.properties.isDestinationFlow==true") in request.params


# -- single things


@pytest.mark.parametrize(
    "body",
    [
        {"items": [run_json("r1")]},
        {"items": [run_json("r0"), run_json("r1")]},
        run_json("r1"),
        {"items": [{key: value for key, value in run_json("r1").items() if key != "id"}]},
    ],
    ids=["list", "longer list", "bare", "without id"],
)
def test_a_single_run_is_found_in_any_form(body):
    run, (request,) = answer(endpoints.run("r1"), body)
    assert (run.id, run.flow_id) == ("r1", "flow-1")
    assert (request.method, request.path, request.params) == ("GET", f"{endpoints.RUNS}/r1", ())


@pytest.mark.parametrize("body", [{"items": []}, {"items": [run_json("other")]}])
def test_a_run_that_is_not_in_the_answer_is_not_found(body):
    with pytest.raises(AepNotFoundError):
        answer(endpoints.run("r1"), body)


@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": [None]}, {"id": "other"}])
def test_an_answer_of_another_form_is_unreadable(body):
    with pytest.raises(AepTransientError):
        answer(endpoints.run("r1"), body)


@pytest.mark.parametrize(
    ("ident", "path"), [("a/b", "a%2Fb"), ("../a", "..%2Fa"), ("a?b#c", "a%3Fb%23c"), ("a b", "a%20b")]
)
@pytest.mark.parametrize(("call", "base"), [(endpoints.flow, endpoints.FLOWS), (endpoints.run, endpoints.RUNS)])
def test_an_id_stays_one_part_of_the_path(call, base, ident, path):
    assert next(call(ident)).path == f"{base}/{path}"


# -- the activation

ORDERS = {
    "order": [
        {"segment": "a", "order": "f", "statusURL": "https://platform.adobe.io/data/foundation/flowservice/runs/r1"},
        {"segment": "b", "order": "f", "statusURL": "https://evil.example/runs/r2"},
        {"segment": "c", "order": "f", "statusURL": "https://platform.adobe.io/"},
        "odd",
        {"segment": "d"},
    ]
}


def test_version_2_needs_no_export():
    pairs = [Pair("f", "a"), Pair("g", "a"), Pair("f", "b")]
    orders, (request,) = answer(endpoints.activate(pairs, export_id=None), ORDERS)
    assert (request.method, request.path, request.is_activation) == ("POST", endpoints.ADHOC_RUN, True)
    assert request.headers == {"Accept": "application/vnd.adobe.adhoc.activation+json; version=2"}
    assert request.json == {"activationInfo": {"f": ["a", "b"], "g": ["a"]}}
    assert orders == [Activation("f", "a", "r1"), Activation("f", "b", "r2")]


def test_version_1_names_the_export_as_text_and_no_media_type():
    _, (request,) = answer(endpoints.activate([Pair("f", "a")], export_id="24115"), ORDERS)
    assert request.headers == {"Accept": "*/*"}
    assert request.json == {"activationInfo": {"f": ["a"]}, "exportIds": ["24115"]}


@pytest.mark.parametrize("body", [{}, {"order": []}, {"order": None}, {"order": {"a": 1}}])
def test_no_orders_are_an_empty_list_not_a_success(body):
    orders, _ = answer(endpoints.activate([Pair("f", "a")], export_id=None), body)
    assert orders == []
