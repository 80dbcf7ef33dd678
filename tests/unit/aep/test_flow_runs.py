"""Flow runs as AEP answers them, with every oddity that Adobe's own sources show."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep.flow_runs import MOST_LISTED, Counts, FlowRun, Reason, RunStatus
from tests.support.parts import run_json

MOMENT = dt.datetime(2022, 7, 28, 14, 28, 48, tzinfo=dt.UTC)


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


def test_an_audience_that_several_connections_count_has_the_runs_own_sum_or_none():
    """None of the parts is the whole, and that they count different records is nowhere said."""
    parts = [{"id": "segment:a", "inputRecordCount": 6, "skippedRecordCount": 1, "failedRecordCount": 2}] * 2
    target = [{"entitySummaries": [{"id": "segment:a", "outputRecordCount": number}]} for number in (5, 3)]
    records = {"sourceSummaries": [{"entitySummaries": [part]} for part in parts], "targetSummaries": target}
    total = {"inputRecordCount": 12, "outputRecordCount": 8, "skippedRecordCount": 2}
    run = FlowRun.from_json({"id": "r", "metrics": {"recordSummary": {**total, **records}}})
    assert run.counts_for(("a",), alone=False) == Counts(None, None, 4), "what failed is never hidden"
    assert run.counts_for(("a",), alone=True) == Counts(8, 2, 4, 12)


def counted(source: dict[str, int], target: dict[str, int], other: str = "a", **totals: int) -> FlowRun:
    """Return a run of the audiences a (by the id ``other`` where the data go to) and b, each counter in its place."""
    sides = {"sourceSummaries": ("a", source), "targetSummaries": (other, target)}
    records = {
        side: [{"entitySummaries": [{"id": f"segment:{name}", **told}, {"id": "segment:b", "failedRecordCount": 0}]}]
        for side, (name, told) in sides.items()
    }
    return FlowRun.from_json({"id": "r", "metrics": {"recordSummary": {**records, **totals}}})


@pytest.mark.parametrize("other", ["a", "ext"])
@pytest.mark.parametrize("key", ["skippedRecordCount", "failedRecordCount"])
def test_what_one_part_of_a_run_counts_as_none_another_may_have_left_out(key: str, other: str) -> None:
    numbers = [({key: 0}, {key: 3}, {}), ({key: 3}, {key: 0}, {}), ({key: 0}, {}, {key: 3})]
    field = key.removesuffix("RecordCount")
    found = [
        getattr(counted(source, target, other, **total).counts_for(("a", "ext"), alone=bool(total)), field)
        for source, target, total in numbers
    ]
    assert found == [3, 3, 3]


@pytest.mark.parametrize(("own", "failed"), [(0, None), (3, 3), (400, 400)])
def test_a_run_that_counts_more_failures_than_all_its_audiences_leaves_open_whose_they_are(own, failed):
    run = counted({}, {"failedRecordCount": own}, failedRecordCount=400)
    assert run.counts_for(("a",), alone=False).failed == failed
    assert run.counts_for(("b",), alone=False).failed == (0 if own == 400 else None)


@pytest.mark.parametrize(("told", "failed"), [(5, 5), (0, 7), (None, 7)])
def test_a_record_that_failed_for_two_reasons_has_failed_once(told, failed):
    """A counter of AEP's is the figure; the numbers of its reasons may count a record each."""
    reasons = [{"code": "C-1", "count": 4}, {"code": "C-2", "count": 3}]
    records = {"failedRecordCount": told, "failedInfo": reasons}
    assert FlowRun.from_json({"id": "r", "metrics": {"recordSummary": records}}).total.failed == failed


def test_the_sides_of_a_run_may_name_an_imported_audience_by_one_id_each():
    source = [{"entitySummaries": [{"id": "segment:ext", "inputRecordCount": 9, "skippedRecordCount": 2}]}]
    target = [{"entitySummaries": [{"id": "segment:own", "outputRecordCount": 7}]}]
    records = {"sourceSummaries": source, "targetSummaries": target}
    run = FlowRun.from_json({"id": "r", "metrics": {"recordSummary": records}})
    assert run.counts_for(("own", "ext"), alone=False) == Counts(7, 2, None, 9)


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


def test_what_a_run_says_of_its_errors_holds_no_secret():
    """A partner's address may hold the key to its bucket; the text goes to XComs, events of assets, logs and mails."""
    message = "Cannot write https://acme.blob.core.windows.net/in/a.csv?sv=1&sig=GEHEIM, password=GEHEIM"
    errors = [{"code": "C-1", "message": message, "count": 3}]
    summary = {"statusSummary": {"status": "failed", "errors": errors}, "recordSummary": {"skippedInfo": errors}}
    run = FlowRun.from_json({"id": "r", "metrics": summary})
    assert run.error_text.startswith("Cannot write https://acme.blob.core.windows.net")
    assert "GEHEIM" not in repr(run)


def test_errors_listed_on_a_successful_run_do_not_fail_it():
    run = FlowRun.from_json(
        {"id": "r", "metrics": {"statusSummary": {"status": "success", "errors": [{"code": "1", "message": "m"}]}}}
    )
    assert run.status is RunStatus.SUCCESS


def test_secrets_in_aeps_words_are_not_repeated():
    said = "PUT https://acct.blob.core.windows.net/c?v=1&sig=hidden; /f.csv?X-Amz-Signature=hidden password=hidden"
    errors = [{"code": "C-1", "message": said, "count": 1}]
    summary = {"statusSummary": {"status": "failed", "errors": errors}, "recordSummary": {"failedInfo": errors}}
    run = FlowRun.from_json({"id": "r", "metrics": summary})
    for text in (run.error_text, run.failed_for[0].text):
        assert "acct.blob.core.windows.net" in text
        assert "hidden" not in text


def test_an_activitys_error_explains_a_run_that_lists_none():
    activities = [{"id": "a", "statusSummary": {"errors": [{"code": "P-1", "message": "part 2 is missing"}]}}]
    run = FlowRun.from_json({"id": "r", "metrics": {"statusSummary": {"status": "failed"}}, "activities": activities})
    assert (run.error_code, run.error_text) == ("P-1", "part 2 is missing")


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


def run_with(**metrics: object) -> FlowRun:
    return FlowRun.from_json({"id": "r", "metrics": metrics})


@pytest.mark.parametrize(
    ("told", "figure"), [(2, 2), (0, 0), ("2", 2), (2.0, 2), (-1, None), (None, None), ("two", None), (1.5, None)]
)
def test_files_and_bytes_are_those_that_aep_gives(told, figure):
    run = run_with(fileSummary={"outputFileCount": told}, sizeSummary={"outputBytes": told})
    assert (run.files, run.size) == (figure, figure)


def test_what_went_in_stands_in_for_nothing_that_came_out():
    run = run_with(fileSummary={"inputFileCount": 2}, sizeSummary={"inputBytes": 9})
    assert (run.files, run.size) == (None, None)


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        (1659018529865, 1659018929923, 400),
        (1659018529, 1659018929, 400),
        (1659018529865, None, None),
        (None, 1659018929923, None),
        (1659018929923, 1659018529865, None),
    ],
)
def test_a_run_took_as_long_as_aep_says(start, end, seconds):
    duration = {"startedAtUTC": start, "completedAtUTC": end}
    assert FlowRun.from_json({"createdAt": 1659018528378, "metrics": {"durationSummary": duration}}).seconds == seconds


def test_reasons_come_with_their_numbers_the_largest_first():
    skipped = [{"code": "S-1", "message": "few", "count": 1}, {"code": "S-2", "message": "many", "count": "15224"}]
    failed = [{"code": "F", "message": "why", "count": -1, "type": "Error"}, {"message": "slow", "type": "Warning"}]
    run = run_with(recordSummary={"skippedInfo": [None, *skipped, {}, {"count": 0}], "failedInfo": failed})
    assert run.skipped_for == (Reason("S-2", "many", 15224), Reason("S-1", "few", 1))
    assert run.failed_for == (Reason("F", "why", None),)


def test_of_many_reasons_the_largest_are_kept():
    listed = [{"code": f"S-{number}", "count": number} for number in range(500)]
    run = run_with(recordSummary={"skippedInfo": listed})
    assert [reason.records for reason in run.skipped_for] == list(range(499, 499 - MOST_LISTED, -1))


@pytest.mark.parametrize("key", ["activities", "activites"])
def test_an_activity_gives_the_reasons_that_the_run_lacks(key):
    activity = {"recordSummary": {"skippedInfo": [{"code": "S", "message": "", "count": 3}]}}
    data = {"id": "r", key: [{"recordSummary": None}, activity, activity]}
    assert FlowRun.from_json(data).skipped_for == (Reason("S", "", 3),)


def test_errors_are_the_reasons_only_where_records_may_have_failed():
    errors = {"status": "success", "errors": [{"code": "E", "message": "why", "count": 4, "type": "Error"}]}
    assert run_with(statusSummary=errors).failed_for == (Reason("E", "why", 4),)
    assert run_with(statusSummary=errors, recordSummary={"failedRecordCount": 4}).failed_for == (Reason("E", "why", 4),)
    assert run_with(statusSummary=errors, recordSummary={"failedRecordCount": 0}).failed_for == ()


def test_only_files_that_were_written_are_named():
    listed = [
        {"path": "https://platform.adobe.io/x/meta?path=input_files", "pathPrefix": "/lake/in.parquet"},
        {"pathPrefix": "exports/gold_20261127.csv"},
        {"pathPrefix": "exports/gold_20261127.csv"},
        {"path": "https://platform.adobe.io/x/meta?path=output_files", "pathPrefix": "exports/gold_2.csv"},
        {"pathPrefix": None},
        "exports/gold_3.csv",
    ]
    run = run_with(fileSummary={"manifest": {"fileInfo": listed}})
    assert run.file_names == ("exports/gold_20261127.csv", "exports/gold_2.csv")
    assert run_with(fileSummary={"manifest": [listed]}).file_names == ()
