"""What is known before a delivery: AEP's own figures, or why there are none."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep import calls
from adobe_experience_platform.aep.endpoints import RUNS, SEGMENT_JOBS
from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.aep.flows import DestinationFlow
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.findings import Findings
from adobe_experience_platform.delivery.outlook import file_name, last_delivery, look, overwrites
from adobe_experience_platform.errors import AepAuthError, AepTransientError
from tests.support.parts import NOW, flow_json, millis, run_json, selector

HOUR = dt.timedelta(hours=1)
A, B = Pair("f1", "a"), Pair("f1", "b")
DATED = "%DATETIME(YYYYMMdd_HHmmss)%"


def run_of(number, flow_id="f1", status="success", hours=1, total=None, **audiences):
    """A run that says of each audience how many records it exported, skipped and lost."""
    source, target = [], []
    for name, (exported, skipped, failed) in audiences.items():
        source.append({"id": f"segment:{name}", "skippedRecordCount": skipped})
        target.append({"id": f"segment:{name}", "outputRecordCount": exported, "failedRecordCount": failed})
    ended = NOW - hours * HOUR
    metrics = {
        "durationSummary": {"completedAtUTC": millis(ended)},
        "recordSummary": {
            "outputRecordCount": total,
            "sourceSummaries": [{"entitySummaries": source}],
            "targetSummaries": [{"entitySummaries": target}],
        },
        "statusSummary": {"status": status},
    }
    return run_json(f"r{number}", flow_id, created=ended - HOUR / 6, metrics=metrics)


def evaluation(hours=2, status="SUCCEEDED", **sizes):
    ended = millis(NOW - hours * HOUR)
    metrics = {"totalTime": {"endTimeInMs": ended}, "segmentedProfileCounter": sizes}
    return {"id": f"j{hours}", "status": status, "creationTime": ended - 1000, "metrics": metrics}


def looked(pairs, runs=(), jobs=(), aliases=None, **selectors):
    """Look with AEP's answers: pages of runs, evaluations; an exception stands for a call that fails."""
    flows = {
        flow_id: DestinationFlow.from_json(
            flow_json(flow_id, *(selector(pair.audience_id, **selectors) for pair in pairs if pair.flow_id == flow_id))
        )
        for flow_id in dict.fromkeys(pair.flow_id for pair in pairs)
    }
    findings = Findings(pairs=list(pairs), flows=flows, aliases=aliases or {})
    is_paged = isinstance(runs, list) and runs and isinstance(runs[0], list)
    pages = list(runs) if is_paged else [runs if isinstance(runs, Exception) else list(runs)]
    asked = []

    def run(call):
        request = next(call)
        while True:
            asked.append(request)
            body = pages.pop(0) if request.path == RUNS else jobs
            if isinstance(body, Exception):
                raise body
            more = {"next": {"href": f"?continuationToken=t{len(asked)}"}} if request.path == RUNS and pages else {}
            data = {"items": body, "_links": more} if request.path == RUNS else {"children": list(body)}
            try:
                request = call.send(calls.Response(data))
            except StopIteration as stop:
                return stop.value

    return look(findings, run), findings.warnings, asked


def cells(pairs, **told):
    return {pair: outlook.cells for pair, outlook in looked(pairs, **told)[0].items()}


def test_each_pair_has_its_own_last_delivery_and_its_audiences_size():
    runs = [
        run_of(9, hours=0, status="inProgress", a=(None, None, None)),
        run_of(8, status="failed", hours=1, a=(0, 0, 0)),
        run_of(7, hours=3, a=(980, 20, 0)),
        run_of(6, hours=4, b=(7, 0, 0)),
        run_of(5, hours=5, a=(1, 0, 0)),
    ]
    jobs = [evaluation(2, a=1000), evaluation(26, a=900, b=8)]

    assert cells([A, B], runs=runs, jobs=jobs, filenameTemplate="%SEGMENT_ID%") == {
        A: ("980 records, 20 left out, 2026-03-10 09:00 UTC", "1,000 (2026-03-10 10:00 UTC)", "a"),
        B: ("7 records, 2026-03-10 08:00 UTC", "8 (2026-03-09 10:00 UTC)", "b"),
    }


def test_a_run_that_does_not_say_when_it_was_created_may_be_the_last():
    last = run_of(2, hours=1, a=(20, 0, 0))
    del last["createdAt"]
    assert cells([A], runs=[last, run_of(1, hours=30, a=(1, 0, 0))])[A][0] == "20 records, 2026-03-10 11:00 UTC"
    last["metrics"]["durationSummary"] = {"startedAtUTC": millis(NOW - 2 * HOUR)}
    assert cells([A], runs=[last])[A][0] == "20 records, 2026-03-10 10:00 UTC"


def test_a_partial_success_delivered_and_says_what_it_left_out():
    assert cells([A], runs=[run_of(1, status="partialSuccess", a=(600, 0, 400))])[A][0].startswith(
        "600 records, 400 left out, "
    )


def test_a_run_of_several_audiences_has_only_the_figures_that_it_tells():
    told = run_of(1, total=1500, a=(1000, 0, 0), b=(500, 0, 0))
    summed = run_of(1, total=1500, a=(None, None, None), b=(None, None, None))
    silent = run_of(1, a=(None, None, None), b=(None, None, None))

    assert cells([A], runs=[told])[A][0].startswith("1,000 records, ")
    assert cells([A], runs=[summed])[A][0].startswith("1,500 records of 2 audiences together, ")
    assert cells([A], runs=[silent])[A][0].startswith("number of records not known, ")
    assert [looked([A], runs=[run])[0][A].last.read for run in (told, summed, silent)] == [1000, None, None]


def test_a_run_of_one_audience_may_count_for_the_run_only():
    outlook = looked([A], runs=[run_of(1, total=40, a=(None, 2, None))])[0][A]
    assert (outlook.last.exported, outlook.last.read) == (40, 42)


def test_what_aep_read_is_what_it_says_it_read():
    """A run of two may count what it skipped of both together; whose these are is not guessed."""
    run = run_of(1, total=1500, a=(600, None, 0), b=(900, None, 0))
    records = run["metrics"]["recordSummary"]
    assert looked([A], runs=[run])[0][A].last.read == 600

    records["skippedRecordCount"] = 400
    found = looked([A], runs=[run])[0][A].last
    assert (found.exported, found.left_out, found.read) == (600, None, None)
    assert str(found).startswith("600 records, 2026")

    records["sourceSummaries"][0]["entitySummaries"][0]["inputRecordCount"] = 1000
    assert looked([A], runs=[run])[0][A].last.read == 1000


def test_a_newer_delivery_that_names_nobody_may_be_the_pairs_last():
    older = run_of(1, hours=5, total=7, a=(7, 0, 0))
    assert cells([A], runs=[run_of(2, total=0), older])[A][0].startswith("7 records, "), "it delivered nothing"
    found = looked([A], runs=[run_of(2, total=900), older])[0][A].last
    assert str(found).startswith("900 records by a run that names no audience, 2026-03-10 11:00 UTC")
    assert found.read is None
    assert looked([A], runs=[run_of(2), older])[0][A].last.read is None


def test_an_audience_that_a_run_names_by_both_ids_is_one():
    run = run_of(1, total=60, ext=(None, 4, None))
    run["metrics"]["recordSummary"]["targetSummaries"][0]["entitySummaries"][0]["id"] = "segment:a"
    run["metrics"]["recordSummary"]["targetSummaries"][0]["entitySummaries"][0]["outputRecordCount"] = 56
    assert cells([A], runs=[run], aliases={"a": "ext"})[A][0].startswith("56 records, 4 left out, ")


def test_an_imported_audience_may_go_by_its_other_id_in_runs():
    assert cells([A], runs=[run_of(1, ext=(5, 0, 0))], aliases={"a": "ext"})[A][0].startswith("5 records, ")


def test_one_request_for_the_runs_of_all_flows_and_one_for_all_sizes():
    pairs = [Pair(f"f{number}", "a") for number in range(30)]
    runs = [run_of(number, f"f{number}", a=(number, 0, 0)) for number in range(30)]

    found, warnings, asked = looked(pairs, runs=runs)

    assert [outlook.last.exported for outlook in found.values()] == list(range(30))
    assert [request.path for request in asked] == [RUNS, SEGMENT_JOBS]
    assert not warnings


def test_pages_are_read_until_each_pair_is_found_and_not_for_ever():
    pairs = [Pair("f1", "a"), Pair("f2", "b"), Pair("f3", "c")]
    first, second = [run_of(1, "f1", a=(1, 0, 0))], [run_of(2, "f2", b=(2, 0, 0)), run_of(3, "f3", c=(3, 0, 0))]
    others = [[run_of(10 + number, "f1", a=(1, 0, 0))] for number in range(9)]

    assert len(looked(pairs, runs=[first, second, *others])[2]) == 2 + 1
    found, _, asked = looked(pairs, runs=others)
    assert len(asked) == len(pairs) + 1, "no more than one request a flow"
    assert [outlook.without_last for outlook in found.values()][1:] == ["none lately", "none lately"]


def test_what_was_never_delivered_is_said():
    runs = [run_of(1, hours=2, b=(1, 0, 0)), run_of(2, status="failed", a=(1, 0, 0))]
    assert cells([A])[A][0] == "none yet"
    assert cells([A], runs=runs)[A][0] == "none among the flow's last 2 runs"
    assert cells([A], runs=runs[:1])[A][0] == "not in the flow's last run"
    assert cells([A, Pair("f2", "a")], runs=runs)[Pair("f2", "a")][0] == "none yet"


def test_an_empty_list_of_a_flow_that_says_it_ran_is_not_called_none():
    flow = flow_json("f1", selector("a"), lastRunDetails={"state": "success", "completedAtUTC": millis(NOW)})
    findings = Findings(pairs=[A], flows={"f1": DestinationFlow.from_json(flow)})
    found = look(findings, lambda call: call.close() or [])
    assert found[A].cells[0] == "not known"


def test_a_missing_permission_is_one_warning_and_a_dash():
    refused = AepAuthError("GET /segment/jobs", status=403, text="no", advice="give the credential a role")
    found, warnings, _ = looked([A, B], jobs=refused, runs=[run_of(1, a=(5, 0, 0))])

    assert [outlook.cells[1] for outlook in found.values()] == ["-", "-"]
    assert found[A].without_size == "GET /segment/jobs failed with HTTP 403", "a refusal says it, in its one line"
    assert found[A].last.exported == 5
    assert warnings == [f"audience sizes are not known: {refused}"]


def test_trouble_with_the_list_of_runs_is_a_warning_and_never_called_none():
    found, warnings, _ = looked([A], runs=AepTransientError("GET /runs", status=503), jobs=[evaluation(a=9)])

    assert found[A].cells[:2] == ("not known", "9 (2026-03-10 10:00 UTC)")
    assert found[A].without_last == "not known: GET /runs failed with HTTP 503", "a refusal says it, in its one line"
    assert len(warnings) == 1
    assert warnings[0].startswith("what was delivered last is not known: GET /runs failed with HTTP 503")


def test_an_audience_that_no_evaluation_names_has_no_size():
    found, warnings, _ = looked([A], jobs=[evaluation(b=9), evaluation(1, status="FAILED", a=1)])
    assert (found[A].size, found[A].without_size, warnings) == (
        None,
        "AEP's last evaluations do not give it",
        [],
    )


def test_runs_of_other_flows_are_not_the_pairs():
    runs = [FlowRun.from_json(run_of(1, "other", a=(5, 0, 0))), FlowRun.from_json(run_of(2, "", a=(6, 0, 0)))]
    assert last_delivery(A, {}, runs[:1]) is None
    assert last_delivery(A, {}, runs).exported == 6


@pytest.mark.parametrize(
    ("mode", "may"), [("DAILY_FULL_EXPORT", False), ("FIRST_FULL_THEN_INCREMENTAL", True), (None, False)]
)
def test_a_scheduled_export_may_have_held_changes_only(mode, may):
    assert looked([A], exportMode=mode)[0][A].may_be_incremental is may


@pytest.mark.parametrize(
    ("template", "name", "is_overwritten"),
    [
        (f"%DESTINATION_NAME%_%SEGMENT_ID%_{DATED}", f"%DESTINATION_NAME%_a_{DATED}", False),
        ("%DESTINATION%-%SEGMENT_NAME%", "%DESTINATION%-Audience a", True),
        ("%DESTINATION_INSTANCE_ID%_%DESTINATION_INSTANCE_NAME%_%TIMESTAMP%", "f1_Flow f1_%TIMESTAMP%", False),
        ("%SEGMENT_ID%_DATE_%SEGMENT_NAME%", "a_DATE_Audience a", True),
        ("weekly 100%", "weekly 100%", True),
        (f"50%_%SEGMENT_ID%_{DATED}", f"50%_a_{DATED}", False),
        ("%ORGANIZATION_NAME%", "%ORGANIZATION_NAME%", True),
        (None, "", False),
    ],
)
def test_a_file_is_called_as_its_template_says_as_far_as_that_is_known(template, name, is_overwritten):
    flow = DestinationFlow.from_json(flow_json("f1", selector("a", filenameTemplate=template)))

    assert file_name(flow, flow.audiences[0]) == name
    assert overwrites(flow.audiences[0]) is is_overwritten


def test_which_id_an_imported_audience_has_in_a_file_name_is_left_to_aep():
    flow = DestinationFlow.from_json(
        flow_json("f1", selector("ext", systemSegmentId="sys", filenameTemplate="%SEGMENT_ID%"))
    )
    assert file_name(flow, flow.audiences[0]) == "%SEGMENT_ID%"
