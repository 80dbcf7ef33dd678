"""Flows and the lists of Flow Service."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

SELECTORS = "transformations[].params.segmentSelectors.selectors[].value"
ENTITIES = "metrics.recordSummary.targetSummaries[].entitySummaries[].id"


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def code(answer):
    assert answer.status_code == 400
    return answer.json()["type"].partition("/errors/FLOW-")[2]


def selectors(flow):
    return [s["value"] for s in flow["transformations"][0]["params"]["segmentSelectors"]["selectors"]]


@pytest.fixture
def history(small):
    """Twelve ended runs of ``mail``, r0 the newest, and three of ``shop``."""
    mail = [
        {
            "id": f"r{n}",
            "flow_id": "mail",
            "audience_ids": ["gold" if n % 2 else "silver"],
            "age": (n + 1) * 600,
            "seconds": 60,
            "status": "failed" if n == 3 else "success",
        }
        for n in range(12)
    ]
    shop = [{"id": f"s{n}", "flow_id": "shop", "age": 9000 + n, "seconds": 5} for n in range(3)]
    small.reset(
        {
            "audiences": [{"id": "gold", "name": "Gold"}, {"id": "silver", "name": "Silver"}],
            "flows": [
                {"id": "mail", "name": "Mail", "age": "9d", "audiences": ["gold", "silver"]},
                {"id": "shop", "name": "Shop", "age": "8d", "state": "disabled", "audiences": ["gold"]},
                {"id": "in", "name": "Import", "age": "7d", "kind": "source", "audiences": []},
            ],
            "runs": mail + shop,
        }
    )
    return small


def test_a_single_flow_comes_in_a_list(aep):
    first = aep.get(aep.flows, {"property": "name==Newsletter S3"}).json()["items"][0]
    answer = aep.get(f"{aep.flows}/{first['id']}").json()
    assert answer["items"] == [first]
    assert first["runs"] == f"/runs?property=flowId=={first['id']}"
    assert first["lastRunDetails"]["state"] == "success"
    assert first["inheritedAttributes"]["properties"] == {"isDestinationFlow": True}


def test_an_unknown_flow_is_named(aep):
    answer = aep.get(f"{aep.flows}/nope")
    body, said = answer.json(), "flows not found with id = [nope]"
    assert body.pop("report").pop("request-id")
    assert (answer.status_code, body) == (
        404,
        {
            "type": "https://ns.adobe.com/aep/errors/FLOW-1439-404",
            "title": "Resource not found",
            "status": 404,
            "errorMessage": said,
            "errorDetails": said,
        },
    )
    assert aep.get(f"{aep.flows}/nope").json()["report"]["id"] == "nope"
    aep.settings(forms="older")
    assert aep.get(f"{aep.flows}/nope").json() == {"errorMessage": said}


def test_flows_of_datasets_and_sources_stand_among_the_others(aep):
    flows = {flow["name"]: flow for flow in aep.get(aep.flows, {"limit": 100}).json()["items"]}
    dataset, source = flows["Order lines to the warehouse S3"], flows["Till receipts"]
    assert dataset["transformations"] == []
    assert dataset["inheritedAttributes"]["properties"] == {"isDestinationFlow": True}
    assert set(dataset["scheduleParams"]) == {"interval", "timeUnit", "startTime"}
    assert source["transformations"][0]["name"] == "Mapping"
    assert source["inheritedAttributes"]["properties"] == {"isSourceFlow": True}
    destinations = {"property": "inheritedAttributes.properties.isDestinationFlow==true", "limit": 100}
    found = ids(aep.get(aep.flows, destinations))
    assert dataset["id"] in found
    assert source["id"] not in found
    for flow in (dataset, source):
        refused = aep.adhoc({flow["id"]: [next(iter(selectors(flows["Newsletter S3"])))["id"]]})
        assert "Adhoc run can not be executed" in refused.json()["message"]
    aep.settings(forms="older")
    flow = aep.get(f"{aep.flows}/{source['id']}").json()["items"][0]
    assert flow["inheritedAttributes"]["properties"] == {"isDestinationFlow": False}


def test_a_last_run_may_have_succeeded_partly(small):
    small.control("POST", "runs", {"flow_id": "mail", "status": "partialSuccess", "seconds": 0})

    def last():
        return small.get(f"{small.flows}/mail").json()["items"][0]["lastRunDetails"]["state"]

    assert last() == "partialSuccess"
    small.settings(forms="older")
    assert last() == "success"


def test_runs_are_filtered_by_a_state_that_none_of_them_shows(small):
    going = small.run_of({"mail": ["gold"]})
    small.control("POST", "runs", {"flow_id": "shop", "status": "failed", "seconds": 0})
    assert ids(small.get(small.runs, {"property": "state==inProgress"})) == [going]
    assert len(ids(small.get(small.runs, {"property": "state==failed"}))) == 1
    assert "state" not in small.run(going)


def test_mapping_times_are_seconds_in_text(small):
    flow = small.get(f"{small.flows}/mail").json()["items"][0]
    created = selectors(flow)[0]["createTime"]
    assert isinstance(created, str)
    assert len(created) == 10
    assert len(str(flow["createdAt"])) == 13


def test_an_imported_audience_has_two_ids(small):
    value = selectors(small.get(f"{small.flows}/mail").json()["items"][0])[2]
    assert (value["id"], value["systemSegmentId"]) == ("partner-77", "partner")
    assert value["namespace"]


def test_the_shop_has_the_special_cases(aep):
    flows = {flow["name"]: flow for flow in aep.get(aep.flows, {"limit": 100}).json()["items"]}
    assert flows["Winback mailing S3"]["state"] == "disabled"
    assert "schedule" not in selectors(flows["Store events stream"])[0]
    assert len(selectors(flows["Regional leaflets S3"])) == len(selectors(flows["Regional call centre SFTP"])) == 60
    once = [v for v in selectors(flows["Loyalty partner Azure Blob"]) if "systemSegmentId" in v]
    assert "endDate" not in once[0]["schedule"]
    today = date.fromisoformat(max(v["schedule"]["startDate"] for v in selectors(flows["Newsletter S3"])))
    ends = [v["schedule"]["endDate"] for v in selectors(flows["Flash sale SFTP"])]
    assert min(ends) == (today + timedelta(days=28)).isoformat()


def test_lists_come_newest_first_twenty_at_a_time(aep):
    runs = aep.get(aep.runs).json()
    created = [run["createdAt"] for run in runs["items"]]
    assert len(created) == 20
    assert created == sorted(created, reverse=True)


def test_a_page_holds_a_hundred_at_most(small):
    runs = [{"flow_id": "mail", "age": 100 + n, "seconds": 1} for n in range(120)]
    small.reset({"flows": [{"id": "mail", "name": "Mail", "audiences": ["gold"]}], "runs": runs})
    assert len(ids(small.get(small.runs, {"limit": 500}))) == 100


def test_the_token_leads_through_all_pages(history):
    expected = [f"r{n}" for n in range(12)]
    params = {"property": "flowId==mail", "limit": 5}
    found = []
    while params:
        answer = history.get(history.runs, params)
        found += ids(answer)
        following = answer.json()["_links"].get("next", {}).get("href")
        if following:
            assert following.startswith("/runs?continuationToken=")
        params = parse_qs(urlsplit(following).query) if following else None
    assert found == expected


def test_a_new_run_does_not_shift_the_pages(history):
    first = history.get(history.runs, {"property": "flowId==mail", "limit": 5}).json()
    history.control("POST", "runs", {"flow_id": "mail"})
    token = parse_qs(urlsplit(first["_links"]["next"]["href"]).query)["continuationToken"][0]
    second = history.get(history.runs, {"property": "flowId==mail", "limit": 5, "continuationToken": token})
    assert ids(second) == ["r5", "r6", "r7", "r8", "r9"]


def test_a_spoilt_token_is_refused(history):
    assert code(history.get(history.runs, {"continuationToken": "abc"})) == "1452-400"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (["flowId==shop"], ["s0", "s1", "s2"]),
        (["id==r1,r5,nope"], ["r1", "r5"]),
        (["flowId==mail,shop", "metrics.statusSummary.status==failed"], ["r3"]),
        (["flowId==mail", f"{ENTITIES}==segment:gold"], ["r1", "r5", "r7", "r9", "r11"]),
        (["flowId==mail", "metrics.recordSummary.targetSummaries.entitySummaries.id==segment:gold"], []),
        (["flowId==mail", "metrics.statusSummary.status==success", "metrics.recordSummary.nothing==1"], []),
        (["flowId==mail", "metrics.statusSummary.status==SUCCESS"], []),
        (["flowId==nope"], []),
        (["flowId==mail", "flowId==shop"], []),
    ],
)
def test_filters(history, properties, expected):
    assert ids(history.get(history.runs, {"property": properties})) == expected


@pytest.mark.parametrize(
    ("op", "expected"),
    [(">", ["r0", "r1"]), (">=", ["r0", "r1", "r2"]), ("<", 9), ("<=", 10), ("==", ["r2"])],
)
def test_times_are_compared_as_numbers(history, op, expected):
    at = history.run("r2")["metrics"]["durationSummary"]["startedAtUTC"]
    params = {"property": ["flowId==mail", f"metrics.durationSummary.startedAtUTC{op}{at}"]}
    found = ids(history.get(history.runs, params))
    assert (len(found) if isinstance(expected, int) else found) == expected


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"property": "flowId"}, "1450-400"),
        ({"property": "name!=b"}, "1450-400"),
        ({"property": "createdAt>1,2"}, "1452-400"),
        ({"property": "createdAt==1,2"}, "1452-400"),
        ({"property": "createdAt>noon"}, "1452-400"),
        ({"property": "metrics.durationSummary.startedAtUTC==1,2"}, "1452-400"),
        ({"property": "metrics.durationSummary.startedAtUTC>noon"}, "1452-400"),
        ({"count": "some"}, "1452-400"),
        ({"property": "flowId>a,b"}, "1443-400"),
        ({"property": "id>=r1"}, "1448-400"),
        ({"property": "colour==red"}, "1449-400"),
        ({"property": "flowId=="}, "1453-400"),
        ({"property": ""}, "1453-400"),
        ({"colour": "red"}, "1451-400"),
        ({"start": "1"}, "1451-400"),
        ({"orderby": "createdAt:desc"}, "1432-400"),
        ({"orderby": "-colour"}, "1433-400"),
        ({"limit": "0"}, "1452-400"),
    ],
)
def test_bad_parameters_have_the_documented_codes(history, params, error):
    assert code(history.get(history.runs, params)) == error
    history.settings(forms="older")
    assert history.get(history.runs, params).json()["errorMessage"].startswith(f"{error}: ")


def test_flows_are_filtered_inside_their_selectors(history):
    assert ids(history.get(history.flows, {"property": f"{SELECTORS}.id==silver"})) == ["mail"]
    destinations = "inheritedAttributes.properties.isDestinationFlow==true"
    assert ids(history.get(history.flows, {"property": destinations})) == ["shop", "mail"]
    assert ids(history.get(history.flows, {"property": [destinations, "state==enabled"]})) == ["mail"]


@pytest.mark.parametrize(
    ("orderby", "expected"),
    [
        ("name", ["in", "mail", "shop"]),
        ("-name", ["shop", "mail", "in"]),
        ("createdAt", ["mail", "shop", "in"]),
        ("state,-name", ["shop", "mail", "in"]),
    ],
)
def test_order(history, orderby, expected):
    assert ids(history.get(history.flows, {"orderby": orderby})) == expected


def test_an_order_lasts_through_the_pages(history):
    first = history.get(history.runs, {"orderby": "+createdAt", "limit": 8}).json()
    token = parse_qs(urlsplit(first["_links"]["next"]["href"]).query)["continuationToken"][0]
    rest = history.get(history.runs, {"continuationToken": token})
    assert ids(rest) == [f"r{n}" for n in range(6, -1, -1)]


def test_count_stands_alone(history):
    assert history.get(history.runs, {"count": "true"}).json() == {"count": 15}
    assert history.get(history.runs, {"count": "true", "property": "flowId==shop"}).json() == {"count": 3}
    assert code(history.get(history.runs, {"count": "true", "limit": 5})) == "1401-400"
    assert len(ids(history.get(history.runs, {"count": "False", "limit": 5}))) == 5


def test_lists_may_ignore_filters(history):
    history.settings(list_ignores_filters=True)
    assert len(ids(history.get(history.runs, {"property": "flowId==shop"}))) == 15


def test_several_ids_may_be_refused(history):
    history.settings(bulk_refused=True)
    assert code(history.get(history.runs, {"property": "id==r1,r2"})) == "1443-400"
    assert ids(history.get(history.runs, {"property": "id==r1"})) == ["r1"]


def test_an_unknown_run_is_not_found_in_either_way(history):
    missing = history.get(f"{history.runs}/nope")
    assert (missing.status_code, missing.json()["errorMessage"]) == (404, "runs not found with id = [nope]")
    history.settings(run_not_found=400)
    assert code(history.get(f"{history.runs}/nope")) == "1439-400"


def test_ten_thousand_runs_stay_searchable(history):
    runs = [{"flow_id": "mail", "age": 1000 + n, "seconds": 1} for n in range(10_000)]
    history.reset({"flows": [{"id": "mail", "name": "Mail", "audiences": ["gold"]}], "runs": runs})
    params = {"property": ["flowId==mail", "metrics.statusSummary.status==success"], "count": "true"}
    assert history.get(history.runs, params).json() == {"count": 10_000}
