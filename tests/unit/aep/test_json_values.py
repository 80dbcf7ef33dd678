"""Values of JSON of unknown quality, and that nothing whatever breaks a parser."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform.aep.export_jobs import ExportJob
from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.aep.flows import DestinationFlow, MappedAudience
from adobe_experience_platform.aep.json_values import as_count, as_date, as_text, as_time
from adobe_experience_platform.aep.orders import Activation

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
MOMENT = dt.datetime(2022, 7, 28, 14, 28, 48, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (24115, "24115"),
        (24115.0, "24115"),
        (" 722 ", "722"),
        ("a-b", "a-b"),
        (1.5, "1.5"),
        (None, ""),
        (True, ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_ids_are_text_whatever_the_api_calls_them(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        (7808223, 7808223),
        (3.0, 3),
        (-1, None),
        (-1.0, None),
        (None, None),
        (True, None),
        ("5", 5),
        (" 7808223 ", 7808223),
        ("0", 0),
        ("-1", None),
        ("1,000", None),
        ("1e3", None),
        ("٣", None),
        ("", None),
        ("9" * 19, None),
        ("9" * 5000, None),
        (1.5, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_a_count_that_is_negative_or_no_whole_number_is_unknown(value, count):
    assert as_count(value) == count


def test_a_count_beyond_all_numbers_is_unknown():
    assert as_count(json.loads("1e999")) is None


@pytest.mark.parametrize(
    "value",
    [1659018528000, 1659018528, "1659018528", "1659018528000", 1659018528.0],
    ids=["milliseconds", "seconds", "seconds as text", "milliseconds as text", "float"],
)
def test_an_epoch_is_read_in_seconds_or_milliseconds_by_its_magnitude(value):
    assert as_time(value) == MOMENT


@pytest.mark.parametrize(
    "value", [0, -1, None, "", "soon", True, [], float("nan"), float("inf"), 10**20, 10**400, "1e400"]
)
def test_what_is_no_epoch_is_no_time(value):
    assert as_time(value) is None


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("2022-07-20", dt.date(2022, 7, 20)),
        ("2022-07-20T21:00:00Z", dt.date(2022, 7, 20)),
        ("2022-07-20T00:00:00+02:00", dt.date(2022, 7, 19)),
        ("2022-07-20T23:00:00-05:00", dt.date(2022, 7, 21)),
        (" 2022-07-20 ", dt.date(2022, 7, 20)),
        ("1658344069", dt.date(2022, 7, 20)),
        (1658344069000, dt.date(2022, 7, 20)),
        ("20.07.2022", None),
        ("2022-02-30", None),
        ("9999-12-31T23:00:00-05:00", None),
        ("", None),
        (True, None),
        (None, None),
    ],
)
def test_dates(value, date):
    assert as_date(value) == date


@given(st.dictionaries(st.text(max_size=10), JSON, max_size=5))
def test_no_json_object_whatever_breaks_a_parser(data):
    for parser in (FlowRun, ExportJob, DestinationFlow, MappedAudience, Activation):
        parser.from_json(data)


@given(JSON, JSON, JSON, JSON)
def test_no_branch_whatever_breaks_a_parser(one, two, three, four):
    records = {"sourceSummaries": one, "targetSummaries": two, "failedInfo": three, "outputRecordCount": four}
    summary = {"status": one, "errors": two}
    metrics = {"recordSummary": records, "statusSummary": summary, "durationSummary": three, "totalTime": four}
    FlowRun.from_json({"id": four, "flowId": three, "createdAt": two, "metrics": metrics})
    ExportJob.from_json(
        {"id": one, "status": two, "metrics": {"totalExportedProfileCounter": three, "totalTime": four}}
    )
    DestinationFlow.from_json({"id": one, "transformations": two, "inheritedAttributes": three, "lastRunDetails": four})
    MappedAudience.from_json({"id": one, "schedule": two, "createTime": three, "name": four})
    Activation.from_json({"segment": one, "order": two, "statusURL": three})
