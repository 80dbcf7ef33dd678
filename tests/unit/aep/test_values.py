"""Parsing of what AEP answers, with every oddity that Adobe's own sources show."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform.aep.export_jobs import ExportJob, ExportStatus
from adobe_experience_platform.aep.flow_runs import Counts, FlowRun, RunStatus
from adobe_experience_platform.aep.flows import DestinationFlow, MappedAudience
from adobe_experience_platform.aep.json_values import as_count, as_date, as_text, as_time
from adobe_experience_platform.aep.orders import Activation, Pair, run_id_of
from tests.support.parts import flow_json, run_json, selector

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
MOMENT = dt.datetime(2022, 7, 28, 14, 28, 48, tzinfo=dt.UTC)


# -- values


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
        ("5", None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_a_count_that_is_negative_or_no_number_is_unknown(value, count):
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
        ("20.07.2022", None),
        ("", None),
        (20220720, None),
        (None, None),
    ],
)
def test_dates(value, date):
    assert as_date(value) == date


# -- export jobs


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NEW", ExportStatus.IN_PROGRESS),
        ("PROCESSING", ExportStatus.IN_PROGRESS),
        ("QUEUED", ExportStatus.IN_PROGRESS),
        ("CANCELLING", ExportStatus.IN_PROGRESS),
        ("SUCCEEDED", ExportStatus.SUCCEEDED),
        ("succeeded", ExportStatus.SUCCEEDED),
        ("FAILED", ExportStatus.FAILED),
        ("CANCELLED", ExportStatus.FAILED),
        ("REWINDING", ExportStatus.IN_PROGRESS),
        ("", ExportStatus.IN_PROGRESS),
        (None, ExportStatus.IN_PROGRESS),
    ],
)
def test_export_status_words(word, status):
    assert ExportJob.from_json({"id": 1, "status": word}).status is status


def test_an_export_job_as_in_adobes_samples():
    job = ExportJob.from_json(
        {
            "id": 24115,
            "jobType": "BATCH",
            "destination": {"dataSetId": "5b7c86968f7b6501e21ba9df", "segmentPerBatch": False, "batchId": ""},
            "fields": "identities.id,personalEmail.address",
            "schema": {"name": "_xdm.context.profile"},
            "status": "SUCCEEDED",
            "filter": {"segments": [{"segmentId": "52c26d0d", "segmentNs": "ups", "status": "realized"}]},
            "errors": [{"code": "0100000003", "msg": "Error in Export Job", "callStack": "com.adobe"}],
            "metrics": {
                "totalTime": {"startTimeInMs": 1538615973895, "endTimeInMs": 1538616233239, "totalTimeInMs": 259344},
                "totalExportedProfileCounter": 10,
            },
            "computeGatewayJobId": {},
            "creationTime": 1538615973895,
            "updateTime": 1538616233239,
        }
    )
    assert (job.id, job.status, job.is_profile, job.records) == ("24115", ExportStatus.SUCCEEDED, True, 10)
    assert job.created_at == dt.datetime.fromtimestamp(1538615973.895, tz=dt.UTC)
    assert job.finished_at == dt.datetime.fromtimestamp(1538616233.239, tz=dt.UTC)
    assert job.snapshot_at == job.created_at


def test_errors_on_a_job_do_not_make_it_a_failure():
    job = ExportJob.from_json({"id": 1, "status": "SUCCEEDED", "errors": [{"code": "1", "msg": "x"}]})
    assert job.status is ExportStatus.SUCCEEDED


def test_times_of_an_export_may_be_in_seconds_as_adobes_schema_says():
    job = ExportJob.from_json({"id": 1, "status": "FAILED", "creationTime": 1538615973, "updateTime": 1538616233})
    assert job.created_at is not None
    assert job.created_at.year == 2018
    assert job.finished_at == dt.datetime.fromtimestamp(1538616233, tz=dt.UTC)


def test_a_job_in_progress_has_not_finished_although_it_was_updated():
    job = ExportJob.from_json({"id": 1, "status": "PROCESSING", "updateTime": 1538616233239})
    assert job.finished_at is None


@pytest.mark.parametrize("schema", [None, {}, "profile", {"name": "_xdm.context.account"}, {"name": None}])
def test_only_exports_of_people_count_as_profile_exports(schema):
    assert not ExportJob.from_json({"id": 1, "status": "NEW", "schema": schema}).is_profile


# -- flow runs


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["success", "Success", "SUCCESS", "completed", "COMPLETED", "Completed"], RunStatus.SUCCESS),
        (
            ["partialSuccess", "PARTIAL_SUCCESS", "PartialSuccess", "partial-success", "PARTIAL_FAILURE"],
            RunStatus.PARTIAL_SUCCESS,
        ),
        (
            ["failed", "Failed", "FAILED", "cancelled", "Cancelled", "canceled", "aborted", "ABORTED"],
            RunStatus.FAILED,
        ),
        (
            [
                "inProgress",
                "IN_PROGRESS",
                "Processing",
                "processing",
                "Waiting",
                "QUEUED",
                "SCHEDULED",
                "pending",
                "",
                "teleporting",
            ],
            RunStatus.IN_PROGRESS,
        ),
    ],
)
def test_every_spelling_of_a_run_status_is_folded(words, status):
    assert {word: RunStatus.fold(word) for word in words} == dict.fromkeys(words, status)
    assert status.is_terminal is (status is not RunStatus.IN_PROGRESS)


@pytest.mark.parametrize(
    "data",
    [
        {"id": "r"},
        {"id": "r", "metrics": None},
        {"id": "r", "metrics": {}},
        {"id": "r", "metrics": []},
        {"id": "r", "metrics": {"durationSummary": {"startedAtUTC": 1659018529865}}},
        {"id": "r", "metrics": {"statusSummary": {}}},
        {"id": "r", "metrics": {"statusSummary": {"status": None}}},
        {"id": "r", "metrics": {"recordSummary": {"sourceSummaries": None, "targetSummaries": "x"}}},
    ],
)
def test_a_young_run_is_in_progress_and_names_nobody(data):
    run = FlowRun.from_json(data)
    assert run.status is RunStatus.IN_PROGRESS
    assert run.raw_status == "(no status)"
    assert not run.audiences
    assert not run.names(["a"])
    assert run.completed_at is None


@pytest.mark.parametrize("key", ["completedAtUTC", "stoppedAtUTC"])
def test_the_end_of_a_run_has_two_names(key):
    run = FlowRun.from_json({"id": "r", "metrics": {"durationSummary": {key: 1659018528000}}})
    assert run.completed_at == MOMENT


def test_counts_of_minus_one_are_unknown_not_negative():
    counters = {"outputRecordCount": -1, "createdRecordCount": -1, "skippedRecordCount": -1, "failedRecordCount": -1}
    run = FlowRun.from_json({"id": "r", "metrics": {"recordSummary": counters, "statusSummary": {"status": "failed"}}})
    assert run.total == Counts(None, None, None)


def test_created_records_stand_in_for_missing_output_records():
    run = FlowRun.from_json({"id": "r", "metrics": {"recordSummary": {"createdRecordCount": 4}}})
    assert run.total.exported == 4


def test_output_records_win_over_created_records_even_when_zero():
    counters = {"createdRecordCount": 4, "outputRecordCount": 0}
    assert FlowRun.from_json({"id": "r", "metrics": {"recordSummary": counters}}).total.exported == 0


def test_counters_per_audience_come_from_both_sides():
    run = FlowRun.from_json(
        {
            "id": "r",
            "metrics": {
                "recordSummary": {
                    "outputRecordCount": 9,
                    "sourceSummaries": [
                        {"entitySummaries": [{"id": "segment:a", "skippedRecordCount": 1}, {"id": "dataset:x"}, 5]},
                        {"entitySummaries": [{"id": "segment:b", "skippedRecordCount": -1}]},
                    ],
                    "targetSummaries": [{"entitySummaries": [{"id": "segment:a", "outputRecordCount": 2}]}],
                }
            },
        }
    )
    assert run.audiences == {"a": Counts(2, 1, None), "b": Counts(None, None, None)}
    assert run.counts_for(("a",), alone=False) == Counts(2, 1, None)
    assert run.counts_for(("b",), alone=False) == Counts(None, None, None)
    assert run.counts_for(("b",), alone=True) == Counts(9, None, None)


def test_an_imported_audience_is_found_by_either_id():
    run = FlowRun.from_json(run_json(audiences=["extaud9001"]))
    assert run.names(("979558ae", "extaud9001"))
    assert not run.names(("979558ae",))


@pytest.mark.parametrize(
    ("status", "errors", "failed_info", "expected"),
    [
        ("failed", [{"code": "C-1", "message": "gone"}], [], ("C-1", "gone")),
        ("failed", [], [{"code": "ACTIVATION_BATCH-0000-FAILED", "message": "Job aborted."}], None),
        ("failed", [{"code": "", "message": ""}], [{"code": "F", "message": ""}], ("F", "")),
        ("failed", None, "x", ("", "")),
        ("success", [{"code": "W", "message": "noise"}], [], ("W", "noise")),
        ("inProgress", [{"code": "W", "message": "noise"}], [], ("", "")),
    ],
)
def test_the_first_error_of_an_ended_run_is_kept(status, errors, failed_info, expected):
    run = FlowRun.from_json(
        {
            "id": "r",
            "metrics": {
                "statusSummary": {"status": status, "errors": errors},
                "recordSummary": {"failedInfo": failed_info},
            },
        }
    )
    assert (run.error_code, run.error_text) == (expected or ("ACTIVATION_BATCH-0000-FAILED", "Job aborted."))


def test_errors_listed_on_a_successful_run_do_not_fail_it():
    run = FlowRun.from_json(
        {"id": "r", "metrics": {"statusSummary": {"status": "success", "errors": [{"code": "1", "message": "m"}]}}}
    )
    assert run.status is RunStatus.SUCCESS


def test_foreign_text_of_a_run_fits_one_log_line():
    run = FlowRun.from_json(
        {
            "id": "r",
            "metrics": {
                "statusSummary": {
                    "status": "failed\nroot: all is well",
                    "errors": [{"code": "x\r\ny", "message": "\x1b[31m" + "long " * 500}],
                }
            },
        }
    )
    for text in (run.raw_status, run.error_code, run.error_text):
        assert text.isprintable()
        assert len(text) <= 500


# -- flows and audiences


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


# -- orders


@pytest.mark.parametrize(
    ("url", "run_id"),
    [
        ("https://platform.adobe.io/data/foundation/flowservice/runs/88d6da63-dc97", "88d6da63-dc97"),
        ("https://platform.adobe.io/data/foundation/flowservice/runs/88d6da63-dc97/", "88d6da63-dc97"),
        ("https://platform-int.adobe.io/runs/88d6", "88d6"),
        ("/runs/88d6", "88d6"),
        ("runs/88d6?x=y#z", "88d6"),
        ("https://evil.example/data/foundation/flowservice/runs/88d6", "88d6"),
        ("https://platform.adobe.io/runs/..", ""),
        ("https://platform.adobe.io/runs/%2e%2e", ""),
        ("https://platform.adobe.io/runs/a%2Fb", ""),
        ("https://platform.adobe.io/runs/a%0d%0aHost:%20evil", ""),
        ("https://platform.adobe.io/runs/a b", ""),
        ("https://platform.adobe.io/runs/{{ conn.aep.password }}", ""),
        ("https://platform.adobe.io/runs/a,b", ""),
        ("https://platform.adobe.io/runs/-rf", ""),
        ("https://platform.adobe.io/runs/" + "a" * 129, ""),
        ("https://platform.adobe.io/runs?property=flowId==x", ""),
        ("https://platform.adobe.io/flows/88d6", ""),
        ("https://[broken/runs/88d6", ""),
        ("88d6", ""),
        ("", ""),
    ],
)
def test_of_a_status_url_only_a_sound_run_id_is_taken(url, run_id):
    assert run_id_of(url) == run_id


@pytest.mark.parametrize("missing", ["segment", "order", "statusURL"])
def test_an_order_needs_all_three_parts(missing):
    entry = {"segment": "a", "order": "f", "statusURL": "https://platform.adobe.io/runs/r"}
    assert Activation.from_json(entry) == Activation("f", "a", "r")
    assert Activation.from_json({key: value for key, value in entry.items() if key != missing}) is None
    assert Activation.from_json({**entry, missing: None}) is None


def test_ids_of_an_order_may_be_integers():
    entry = {"segment": 12, "order": 34, "statusURL": "/runs/56"}
    assert Activation.from_json(entry) == Activation("34", "12", "56")


# -- anything at all


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


def test_pairs_are_values():
    assert Pair("f", "a") == ("f", "a")
