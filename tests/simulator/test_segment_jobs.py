"""Segment jobs: evaluations of audiences."""

from __future__ import annotations

import pytest

SEGMENT_JOBS = "/data/core/ups/segment/jobs"
NEWEST = {"status": "SUCCEEDED", "sort": "creationTime:desc"}


def listed(aep, **params):
    answer = aep.get(SEGMENT_JOBS, params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_day_evaluates_every_audience_but_the_imported_ones(aep):
    newest = listed(aep, **NEWEST, limit=1)["children"][0]
    counted = newest["metrics"]["segmentedProfileCounter"]
    assert {item["segmentId"] for item in newest["segments"]} == set(counted)
    assert newest["source"] == "scheduler"
    assert newest["properties"]["scheduleId"]
    selectors = [
        selector["value"]
        for flow in aep.get(aep.flows, {"limit": 100}).json()["items"]
        for each in flow["transformations"]
        for selector in each["params"].get("segmentSelectors", {}).get("selectors", ())
    ]
    assert {value["id"] for value in selectors if "systemSegmentId" not in value} <= set(counted)
    assert not {value["systemSegmentId"] for value in selectors if "systemSegmentId" in value} & set(counted)


def test_pages_are_by_number_and_the_newest_come_first_where_asked_for(aep):
    everything = listed(aep, **NEWEST)
    times = [job["creationTime"] for job in everything["children"]]
    assert times == sorted(times, reverse=True)
    assert everything["_page"] == {"totalCount": len(times), "pageSize": len(times)}
    assert everything["_links"] == {"next": {}}
    first = listed(aep, **NEWEST, limit=1)
    assert first["_links"]["next"]["href"].endswith("start=1&limit=1")
    assert listed(aep, **NEWEST, limit=1, start=1)["children"] == everything["children"][1:2]
    assert [job["creationTime"] for job in listed(aep, status="SUCCEEDED")["children"]] == times[::-1]


def test_only_a_success_has_counted(aep):
    [going] = listed(aep, status="PROCESSING")["children"]
    assert "segmentedProfileCounter" not in going["metrics"]


@pytest.mark.parametrize("params", [{"limit": "many"}, {"start": "-1"}])
def test_bad_paging_is_refused(aep, params):
    assert aep.get(SEGMENT_JOBS, params).status_code == 400
