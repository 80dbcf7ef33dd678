"""Flows and their mapped audiences as AEP answers them."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep.flows import DestinationFlow, MappedAudience
from tests.support.parts import flow_json, selector

MOMENT = dt.datetime(2022, 7, 28, 14, 28, 48, tzinfo=dt.UTC)


def test_an_imported_audience_goes_by_its_system_id():
    audience = MappedAudience.from_json(
        {
            "id": "extaud9001",
            "systemSegmentId": "979558ae-a8ba-4e6e-b6ba-95c0a523b44a",
            "namespace": "aamSegments",
            "name": "Imported",
            "createTime": "1668548786",
            "schedule": {"frequency": "ONCE", "startDate": "2022-11-15"},
        }
    )
    assert audience.platform_id == audience.system_id == "979558ae-a8ba-4e6e-b6ba-95c0a523b44a"
    assert audience.mapped_at == dt.datetime.fromtimestamp(1668548786, tz=dt.UTC)
    assert audience.end_date is None
    assert not audience.is_file_export


@pytest.mark.parametrize("key", ["filenameTemplate", "fileNameTemplate", "exportMode"])
def test_a_file_export_is_recognised_by_either_spelling(key):
    assert MappedAudience.from_json({"id": "a", key: "x"}).is_file_export


@pytest.mark.parametrize("key", ["filenameTemplate", "fileNameTemplate"])
def test_what_an_audience_is_exported_as(key):
    found = MappedAudience.from_json({"id": "a", key: " %SEGMENT_ID%\n", "exportMode": "DAILY_FULL_EXPORT"})
    assert (found.filename_template, found.export_mode) == ("%SEGMENT_ID%", "DAILY_FULL_EXPORT")
    assert MappedAudience.from_json({"id": "a", key: None, "exportMode": 7}).filename_template == ""


def test_a_flow_finds_its_audiences_by_platform_id_only():
    flow = DestinationFlow.from_json(
        flow_json("f", selector("plain"), selector("external", systemSegmentId="system"), selector("", name="nameless"))
    )
    assert [item.platform_id for item in flow.audiences] == ["plain", "system"]
    assert flow.audience("system") is not None
    assert flow.audience("external") is None


@pytest.mark.parametrize(
    ("transformations", "tells"),
    [
        (None, False),
        ([], False),
        ([{"name": "GeneralTransform"}], False),
        ([{"params": {"segmentSelectors": {}}}], False),
        ([{"params": {"segmentSelectors": {"selectors": None}}}], False),
        ([{"params": {"segmentSelectors": {"selectors": []}}}], True),
        ([{}, {"params": {"segmentSelectors": {"selectors": ["odd", None]}}}], True),
    ],
)
def test_no_list_of_audiences_differs_from_an_empty_one(transformations, tells):
    flow = DestinationFlow.from_json(flow_json("f", transformations=transformations))
    assert flow.audiences == ()
    assert flow.tells_audiences is tells


@pytest.mark.parametrize(("told", "expected"), [(True, True), (False, False), (None, None), ("true", None)])
def test_whether_it_is_a_destination_is_only_known_when_told(told, expected):
    properties = {} if told is None else {"isDestinationFlow": told}
    flow = DestinationFlow.from_json({"id": "f", "inheritedAttributes": {"properties": properties}})
    assert flow.is_destination is expected


def test_the_last_run_of_a_flow():
    flow = DestinationFlow.from_json({"id": "f", "lastRunDetails": {"state": "failed", "startedAtUTC": 1659018528000}})
    assert (flow.last_run_state, flow.last_run_at) == ("failed", MOMENT)
