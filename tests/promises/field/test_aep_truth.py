"""What people of this field run into with AEP itself: each case as it happened, and further samples of its kind.

``samples.json`` holds made-up bodies in Adobe's field names, one for each form that Adobe documents.
"""

from __future__ import annotations

import datetime as dt
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from adobe_experience_platform.aep import (
    Activation,
    AepConnection,
    Pair,
    auth,
    calls,
    endpoints,
    explain,
    transport,
)
from adobe_experience_platform.aep.answers import AnswerKind, classify, conflict_in
from adobe_experience_platform.aep.export_jobs import ExportJob
from adobe_experience_platform.aep.flow_runs import FlowRun, RunStatus
from adobe_experience_platform.aep.flows import DestinationFlow
from adobe_experience_platform.delivery import (
    Findings,
    RedRun,
    all_succeeded,
    exports,
    is_delivered,
    judge,
    losses_of,
    preflight,
    results_of,
    summarize,
    title_of,
    without_run,
)
from adobe_experience_platform.errors import (
    AepAuthError,
    AepCallError,
    AepExportError,
    AepInputError,
    AepNotFoundError,
    AepTransientError,
)
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from adobe_experience_platform.notifications.message import Delivered, On, of_delivery
from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.operators.catalog import CatalogOperator
from adobe_experience_platform.operators.latest_export import LatestSegmentExportOperator
from adobe_experience_platform.operators.plan import PlanJobsOperator
from tests.support.aep import ADHOC, FLOWS, JOBS, SEED, LocalAep
from tests.support.dagtest import captured
from tests.support.parts import NOW, answer, flow_json, job_json, play, received, run_json, selector, settings

SAMPLES: dict[str, Any] = json.loads(Path(__file__).with_name("samples.json").read_text(encoding="utf-8"))
FLOW, GOLD, SILVER = (SAMPLES["young_run"]["items"][0]["flowId"], "a1d00001", "a1d00002-8e14-47d3-b6c5-91f3a2e4b202")
REQUEST = calls.Request("GET /flows", "GET", endpoints.FLOWS)


def raw(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


# -- 5: flows that take no audiences


def flow_of(sample: str, **changes: Any) -> dict[str, Any]:
    """Return a sample's flow; a change to None removes the field."""
    flow = {**deepcopy(SAMPLES[sample]["items"][0]), **changes}
    return {key: value for key, value in flow.items() if value is not None}


TAKE_NONE = {
    "dataset flow": (flow_of("dataset_flow"), "exports datasets"),
    "dataset flow without its schedule": (flow_of("dataset_flow", scheduleParams=None), "exports datasets"),
    "dataset flow whose transformations are null": (
        {**flow_of("dataset_flow"), "transformations": None},
        "exports datasets",
    ),
    "source flow": (flow_of("source_flow"), "is not a destination flow"),
    "source flow that says no": (
        flow_of("source_flow", inheritedAttributes={"properties": {"isDestinationFlow": False}}),
        "is not a destination flow",
    ),
    "source flow that says nothing": (flow_of("source_flow", inheritedAttributes={}), "brings data in from a source"),
}


@pytest.mark.parametrize(("flow", "said"), TAKE_NONE.values(), ids=TAKE_NONE)
def test_a_flow_that_takes_no_audiences_is_refused_in_the_plan(flow: dict[str, Any], said: str) -> None:
    findings = inspected(flow, "any-audience")
    assert [finding.what.partition(",")[0] for finding in findings.faults] == [said]
    assert flow["name"] in str(findings.faults[0])
    assert findings.warnings == []


@pytest.mark.parametrize("flow", [flow for flow, _ in TAKE_NONE.values()], ids=TAKE_NONE)
def test_a_flow_that_takes_no_audiences_is_not_in_the_catalogue(flow: dict[str, Any]) -> None:
    found, _ = answer(endpoints.destination_flows(), {"items": [flow, flow_json("mail", selector("gold"))]})
    assert [item.id for item in found] == ["mail"]


@pytest.mark.parametrize("transformations", [None, [{"name": "GeneralTransform"}], [{"params": None}]])
def test_a_flow_that_does_not_say_what_it_takes_is_not_refused(transformations: object) -> None:
    flow = flow_json("mail", transformations=transformations)
    assert DestinationFlow.from_json(flow).takes_none == ""
    assert inspected(flow, "gold").faults == []


def test_the_plan_and_the_catalogue_of_a_sandbox_with_every_kind_of_flow(aep: LocalAep, context: Any) -> None:
    kinds = [{"id": "tables", "name": "Tables", "kind": "dataset"}, {"id": "till", "name": "Till", "kind": "source"}]
    aep.reset({**SEED, "flows": [*SEED["flows"], *kinds]})
    catalog = CatalogOperator(task_id="task").execute(context)
    assert not {"tables", "till"} & {flow["flow_id"] for flow in catalog["flows"]}
    info = {"mail": ["gold"], "tables": ["gold"], "till": ["gold"]}
    with pytest.raises(AepInputError, match="2 faults found") as refused:
        PlanJobsOperator(task_id="task", activation_info=info, check_conf=False).execute(context)
    assert "flow 'Tables' (tables) exports datasets" in str(refused.value)
    assert "flow 'Till' (till) is not a destination flow" in str(refused.value)


def inspected(flow: dict[str, Any], audience: str) -> Findings:
    def read(call: Any) -> Any:
        return answer(call, {"items": [flow]})[0]

    return preflight.inspect([endpoints.Pair(flow["id"], audience)], read, NOW)


# -- 6: records that are lost in a success


def lossy(**changes: Any) -> dict[str, Any]:
    """Return the sample of a run that lost records; changes are made in ``recordSummary``, None removes a field."""
    run = deepcopy(SAMPLES["lossy_run"]["items"][0])
    records = run["metrics"]["recordSummary"] | changes
    run["metrics"]["recordSummary"] = {key: value for key, value in records.items() if value is not None}
    return run


BARE = {"sourceSummaries": None, "targetSummaries": None}
WHOLE = {"outputRecordCount": 1000, "createdRecordCount": 1000}
LOSSES = {
    "counted by audience": lossy(),
    "counted for the run": lossy(**BARE),
    "only listed": lossy(**BARE, failedRecordCount=None),
    "counted as none, but listed": lossy(**BARE, failedRecordCount=0),
    "only among the errors": lossy(**BARE, failedRecordCount=None, failedInfo=None),
    "counted for the connection": lossy(
        sourceSummaries=None,
        targetSummaries=[{"id": "t", "failedRecordCount": 400, "entitySummaries": None}],
        failedRecordCount=None,
        failedInfo=None,
    ),
    "counted for an activity": {
        **lossy(**BARE, failedRecordCount=None, failedInfo=None),
        "activities": [{"id": "x", "recordSummary": None}, {"id": "a", "recordSummary": {"failedRecordCount": 400}}],
    },
    "counted where the data come from": lossy(
        failedRecordCount=None,
        failedInfo=None,
        sourceSummaries=[{"entitySummaries": [{"id": f"segment:{SILVER}", "failedRecordCount": 400}]}],
        targetSummaries=[{"entitySummaries": [{"id": f"segment:{SILVER}", "failedRecordCount": None}]}],
    ),
    "counted for the run, none for its one audience": lossy(
        sourceSummaries=None,
        targetSummaries=[{"entitySummaries": [{"id": f"segment:{SILVER}", "failedRecordCount": 0}]}],
    ),
    "all of them": lossy(**BARE, outputRecordCount=0, createdRecordCount=0),
}


def told(*runs: dict[str, Any], audiences: tuple[str, ...] = (SILVER,)) -> Any:
    """Return the results of these runs."""
    read = {run.id: run for run in map(FlowRun.from_json, runs)}
    return results_of([Activation(FLOW, name, run_id) for run_id in read for name in audiences], read, {})


@pytest.mark.parametrize("run", LOSSES.values(), ids=LOSSES)
def test_records_lost_in_a_success_are_told_loudly_everywhere(run: dict[str, Any]) -> None:
    results = told(run)
    verdict = judge(results)
    assert (verdict["state"], verdict["label"]) == ("lossy", "RECORDS LOST")
    assert "400 records failed" in verdict["headline"]
    assert "why records failed" in " ".join(verdict["advice"])
    assert not any("nobody was in them" in advice for advice in verdict["advice"])
    assert "RECORDS LOST" in losses_of(results, {})[0]
    notice = of_delivery(Delivered("Newsletter", "dag", "run", results=results, verdict=verdict))
    assert notice.subject.startswith("RECORDS LOST: Newsletter: 1 of 1 delivery lost records")
    assert "400 records failed" in notice.text
    assert On.PARTIAL in notice.about, "who asked for partial deliveries hears of it"


@pytest.mark.parametrize("run", LOSSES.values(), ids=LOSSES)
def test_a_run_that_is_red_for_lost_records_says_that_it_has_delivered(run: dict[str, Any]) -> None:
    [result] = told(run)
    assert is_delivered(result, accept_partial=False)
    assert not is_delivered(result, accept_partial=True, accept_loss=False)

    verdict = judge([result], RedRun(failed_tasks=["wait_for_flow_runs"], loss_refused=True))

    assert (verdict["state"], verdict["label"]) == ("loss_refused", "RECORDS LOST")
    assert "400 records failed" in verdict["headline"]
    said = " ".join(verdict["advice"])
    assert "All was delivered, so there is nothing to clear" in said
    assert "A new run delivers the whole audience again" in said
    assert "Clear" not in said


def test_a_delivery_that_lost_records_does_not_hide_one_that_failed() -> None:
    results = [*told(lossy()), without_run(Pair(FLOW, "gold"), "not_sent", "refused")]

    verdict = judge(results, RedRun(failed_tasks=["activate"], loss_refused=True))

    assert verdict["state"] == "incomplete"
    assert (
        "Clear the failed tasks of this run to send again exactly what failed or was not sent" in verdict["advice"][0]
    )


def clean(**metrics: Any) -> dict[str, Any]:
    """Return the sample without a record that was lost, and with these metrics."""
    run = lossy(**BARE, **WHOLE, failedRecordCount=None, failedInfo=None)
    run["metrics"] |= {"statusSummary": {"status": "success", "errors": None}, **metrics}
    return run


def silent(**changes: Any) -> dict[str, Any]:
    """Return the sample without a word about the 400 of 1,000 records that were not exported."""
    run = lossy(failedRecordCount=0, failedInfo=None, **changes)
    run["metrics"]["statusSummary"] = {"status": "success"}
    for summary in run["metrics"]["recordSummary"].get("targetSummaries") or ():
        summary["entitySummaries"][0].pop("failedRecordCount", None)
    return run


MISSING = "AEP read 1,000 records, exported 600, skipped or failed 0, and does not say what became of 400"
UNCOUNTED = {
    "records that nothing is said of": (silent(), MISSING),
    "records of the whole run that nothing is said of": (silent(**BARE), MISSING),
    "records of which only some were skipped": (
        silent(**BARE, skippedRecordCount=100),
        "exported 600, skipped or failed 100, and does not say what became of 300",
    ),
    "files": (clean(fileSummary={"failedFileCount": 2}), "2 files failed"),
    "one file": (clean(fileSummary={"failedFileCount": 1, "outputFileCount": 0}), "1 file failed"),
    "bytes": (clean(sizeSummary={"outputBytes": 5, "failedBytes": 2048}), "2.0 kB failed in its run"),
    "errors without a number": (
        clean(statusSummary={"status": "success", "errors": [{"code": "CONNECTOR-1-500", "message": "Cut."}]}),
        "AEP lists errors, but not how many records failed",
    ),
}


@pytest.mark.parametrize(("run", "said"), UNCOUNTED.values(), ids=UNCOUNTED)
def test_what_a_success_lost_is_told_where_it_is_not_counted_in_records(run: dict[str, Any], said: str) -> None:
    results = told(run)
    verdict = judge(results)
    assert (verdict["state"], verdict["label"]) == ("lossy", "RECORDS MAY BE MISSING")
    assert said in verdict["headline"]
    assert said in losses_of(results, {})[0]
    notice = of_delivery(Delivered("Newsletter", "dag", "run", results=results, verdict=verdict))
    assert said in notice.text
    assert On.PARTIAL in notice.about
    refused = judge(results, RedRun(loss_refused=True))
    for text in (title_of(verdict), title_of(refused), notice.text, *losses_of(results, {}), all_succeeded(results)):
        assert "may lack records" in text or "RECORDS MAY BE MISSING" in text
        assert "lost" not in text.lower(), "AEP does not say so"
    assert not is_delivered(results[0], accept_partial=True, accept_loss=False)


@pytest.mark.parametrize("files", [None, {}, *({"failedFileCount": number} for number in (0, -1, None))])
def test_a_success_that_lost_no_file_is_told_as_before(files: object) -> None:
    assert judge(told(clean(fileSummary=files)))["label"] == "Delivered"


def test_a_notice_does_not_call_empty_what_lost_all_its_records() -> None:
    results = told(lossy(**BARE, outputRecordCount=0, createdRecordCount=0), audiences=("gold", "silver"))
    notice = of_delivery(Delivered("Newsletter", "dag", "run", results=results, verdict=judge(results)))
    assert "EMPTY" not in notice.text


def test_records_lost_by_a_run_of_several_audiences_are_told_although_nobody_knows_whose_they_are() -> None:
    results = told(lossy(**BARE), audiences=("gold", "silver"))
    assert [item["records_failed"] for item in results] == [None, None]
    verdict = judge(results)
    assert verdict["headline"].startswith("2 of 2 deliveries lost records")
    assert "400 records failed" in verdict["headline"], "counted once"
    assert all("400 failed in its run" in line for line in losses_of(results, {}))


def test_failures_that_a_run_counts_and_none_of_its_audiences_are_told_of_each() -> None:
    named = [{"id": f"segment:{name}", "failedRecordCount": 0} for name in ("gold", "silver")]
    run = lossy(sourceSummaries=None, targetSummaries=[{"id": "t", "entitySummaries": named}])
    results = told(run, audiences=("gold", "silver"))
    assert judge(results)["headline"].startswith("2 of 2 deliveries lost records")
    assert summarize(results)["records_failed"] == 400


SKIPPED = {
    "counted for the run, none for its one audience": silent(
        sourceSummaries=[
            {"entitySummaries": [{"id": f"segment:{SILVER}", "inputRecordCount": 1000, "skippedRecordCount": 0}]}
        ],
        skippedRecordCount=400,
    ),
    "counted where the data go to": silent(
        **BARE | {"targetSummaries": [{"entitySummaries": [{"id": f"segment:{SILVER}", "skippedRecordCount": 400}]}]},
    ),
    "counted for a connection": silent(**BARE | {"sourceSummaries": [{"id": "s", "skippedRecordCount": 400}]}),
    "counted for an activity": {**silent(**BARE), "activities": [{"recordSummary": {"skippedRecordCount": 400}}]},
    "only listed": silent(**BARE, skippedInfo=[{"code": "S-1", "message": "No address.", "count": 400}]),
    "listed by an activity": {
        **silent(**BARE),
        "activities": [{"recordSummary": {"skippedInfo": [{"code": "S-1", "count": 400}]}}],
    },
}


@pytest.mark.parametrize("run", SKIPPED.values(), ids=SKIPPED)
def test_records_that_were_skipped_are_not_missing_wherever_aep_says_so(run: dict[str, Any]) -> None:
    [result] = told(run)
    assert (result["records_skipped"], judge([result])["state"]) == (400, "delivered")


def test_records_of_a_run_of_several_audiences_that_nothing_is_said_of_are_told_of_each() -> None:
    results = told(silent(**BARE), audiences=("gold", "silver"))
    assert [item["loss"] for item in results] == [f"{MISSING} in its run"] * 2
    assert judge(results)["label"] == "RECORDS MAY BE MISSING"


def test_records_that_were_skipped_of_single_audiences_are_not_missing_in_their_run() -> None:
    named = [{"id": f"segment:{name}", "skippedRecordCount": 200} for name in ("gold", "silver")]
    results = told(silent(**BARE | {"sourceSummaries": [{"entitySummaries": named}]}), audiences=("gold", "silver"))
    assert [item["records_skipped"] for item in results] == [200, 200]
    assert judge(results)["state"] == "delivered"


@pytest.mark.parametrize("other", [{"failedRecordCount": 0}, {}], ids=["none", "not said"])
@pytest.mark.parametrize("total", [400, None])
def test_only_the_audience_that_lost_records_is_named(other: dict[str, int], total: int | None) -> None:
    target = {"id": "t", "entitySummaries": [{"id": "segment:gold", **other}]}
    target["entitySummaries"].append({"id": "segment:silver", "failedRecordCount": 400})
    counted = {"inputRecordCount": 600, "failedRecordCount": total, "failedInfo": None}
    run = lossy(sourceSummaries=None, targetSummaries=[target], **counted)
    run["metrics"]["statusSummary"]["errors"] = None
    results = told(run, audiences=("gold", "silver"))
    assert [bool(losses_of([item], {})) for item in results] == [False, True]


def test_a_success_without_losses_is_told_as_before() -> None:
    results = told(clean(), run_json("r2", FLOW))
    assert judge(results)["label"] == "Delivered"
    assert losses_of(results, {}) == []


@pytest.mark.parametrize("count", [400, None])
def test_a_warning_is_no_error(count: int | None) -> None:
    warning = {"code": "CONNECTOR-1-200", "message": "Slow destination.", "count": count, "type": "Warning"}
    run = lossy(**BARE, **WHOLE, failedRecordCount=None, failedInfo=None)
    run["metrics"]["statusSummary"]["errors"] = [warning]
    assert judge(told(run))["state"] == "delivered"
    assert told(run)[0]["error"] == ""
    error = {"code": "CONNECTOR-2-500", "message": "Bucket is gone.", "type": "Error"}
    run["metrics"]["statusSummary"] = {"status": "failed", "errors": [warning, error]}
    assert told(run)[0]["error"] == "Bucket is gone."
    run["metrics"]["statusSummary"]["errors"] = [warning]
    assert told(run)[0]["error"] == "Slow destination.", "better than nothing"


def test_a_run_found_in_aep_with_other_audiences_lends_nobody_its_totals() -> None:
    target = {"id": "t", "entitySummaries": [{"id": "segment:gold"}, {"id": "segment:other"}]}
    run = lossy(sourceSummaries=None, targetSummaries=[target], failedRecordCount=None, failedInfo=None)
    [result] = told(run, audiences=("gold",))
    assert result["records_exported"] is None


# -- 9: lists that are empty for a moment

EMPTY = {
    JOBS: {"records": [], "page": {"sortField": "createdTime", "sort": "desc"}, "link": {"next": ""}},
    FLOWS: {"items": []},
}


def empty_once(aep: LocalAep, path: str, pattern: str = "") -> None:
    aep.add_faults({"kind": "body", "method": "GET", "path": f"{pattern or path}", "body": EMPTY[path], "times": 1})


def test_an_export_list_that_is_empty_for_a_moment_is_looked_at_again(aep: LocalAep, context: Any) -> None:
    empty_once(aep, JOBS)
    assert LatestSegmentExportOperator(task_id="task").execute(context) == "722"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_gate_before_a_delivery_looks_again_too(aep: LocalAep, context: Any, version: str) -> None:
    empty_once(aep, JOBS)
    arguments = {"activation_info": {"mail": ["gold"]}, "api_version": version, "max_export_age_hours": 36}
    AdHocActivationOperator(task_id="task", **arguments).execute(context)
    assert aep.delivered() == {("mail", "gold"): 1}


@pytest.mark.parametrize("jobs", [[], [job_json(1, "FAILED")], [job_json(1, age=dt.timedelta(hours=40))]])
def test_an_export_that_the_list_lacks_for_a_moment_is_found(jobs: list[Any]) -> None:
    state, requests = answer(exports.newest(NOW, 36), {"records": jobs}, {"records": [job_json(7)]})
    assert state.latest is not None
    assert (state.latest.id, len(requests)) == ("7", 2)


def test_a_list_that_stays_empty_is_looked_at_again_by_the_next_try(aep: LocalAep, context: Any) -> None:
    aep.reset({**SEED, "export_jobs": []})
    with pytest.raises(AepExportError, match="no successful profile segment export") as none:
        LatestSegmentExportOperator(task_id="task").execute(context)
    assert none.value.retriable


def test_a_flow_that_is_missing_for_a_moment_does_not_fail_the_plan(aep: LocalAep, context: Any) -> None:
    empty_once(aep, FLOWS, f"{FLOWS}/mail")
    assert PlanJobsOperator(task_id="task", activation_info={"mail": ["gold"]}, check_conf=False).execute(context)


@pytest.mark.parametrize("asked", [{"mail": ["gold"]}, {"Mail": ["Gold customers"]}])
def test_a_flow_whose_audiences_are_missing_for_a_moment_does_not_fail_the_plan(
    aep: LocalAep, context: Any, asked: dict[str, Any]
) -> None:
    body = {"items": [flow_json("mail", name="Mail")]}
    path = f"{FLOWS}/mail" if "mail" in asked else FLOWS
    aep.add_faults({"kind": "body", "method": "GET", "path": path, "body": body, "times": 1})
    [job] = PlanJobsOperator(task_id="task", activation_info=asked, check_conf=False).execute(context)
    assert job["activation_info"] == {"mail": ["gold"]}


def test_a_catalogue_that_is_empty_for_a_moment_is_read_again(aep: LocalAep, context: Any) -> None:
    empty_once(aep, FLOWS)
    assert CatalogOperator(task_id="task").execute(context)["flows"]


# -- 10: where ids end

RUN = "c0de0001-52f7-4b19-8a6d-3e90d7b4a601"
CONFLICT = f"Run already going on for audience {{0}}a1{{1}} for order {{0}}f1{{1}} with run id {{0}}{RUN}{{1}}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("", "."),
        ("", ","),
        ("", ";"),
        ("", ":"),
        ("", "!"),
        ("", "..."),
        ('"', '"'),
        ("'", "'."),
        ("`", "`"),
        ("[", "]"),
        ("(", ")."),
        ('["', '"]'),
        ("<", ">."),
        ("\u201c", "\u201d."),
        ('\\"', '\\"'),
        ("", "\u2026"),
    ],
)
def test_ids_end_where_ids_end(before: str, after: str) -> None:
    text = CONFLICT.format(before, after)
    assert conflict_in(text) == ("f1", "a1", RUN)
    verdict = classify(400, {}, raw({"message": text}), activation=True)
    assert (verdict.kind, verdict.conflict) == (AnswerKind.CONFLICT, ("f1", "a1", RUN))


@pytest.mark.parametrize("before", ["https://platform.adobe.io/data/foundation/flowservice/runs/", "/runs/", "</runs/"])
@pytest.mark.parametrize("after", ["", ".", "?x=1", "</p>", ">"])
def test_the_id_is_taken_out_of_an_address(before: str, after: str) -> None:
    assert conflict_in(f"Run already going on for segment a for order f with run id {before}{RUN}{after}") == (
        "f",
        "a",
        RUN,
    )


@pytest.mark.parametrize("after", ["\n", "\r\nplease wait", ".\nplease wait", "\tfor now"])
def test_an_id_ends_at_the_end_of_its_line(after: str) -> None:
    verdict = classify(400, {}, raw({"message": CONFLICT.format("", "") + after}), activation=True)
    assert verdict.conflict == ("f1", "a1", RUN)


def test_the_sample_of_a_conflict_names_all_three_ids() -> None:
    found = conflict_in(SAMPLES["conflict"]["message"])
    assert found == (FLOW, "a1d00001-3b52-4c6e-9f10-5e2a77c0d101", RUN)


@pytest.mark.parametrize("ident", ["run-1", "run_1", "a.b", "a:b", "7", "r~1"])
@pytest.mark.parametrize("after", ["", ".", "]"])
def test_ids_of_other_forms_end_there_too(ident: str, after: str) -> None:
    assert conflict_in(f"Run already going on for segment a for order f with run id {ident}{after}") == (
        "f",
        "a",
        ident,
    )


def test_a_sentence_that_follows_without_a_blank_is_no_part_of_an_id() -> None:
    assert conflict_in(f"Run already going on for segment a for order f with run id {RUN}.Please wait") == (
        "f",
        "a",
        RUN,
    )


@pytest.mark.parametrize("word", ["null", "None", "undefined", ". Please wait"])
def test_a_conflict_that_names_no_run_is_a_refusal(word: str) -> None:
    verdict = classify(400, {}, raw({"message": CONFLICT.partition("{}")[0] + word}), activation=True)
    assert (verdict.kind, verdict.conflict) == (AnswerKind.FINAL, None)


@pytest.mark.parametrize("length", range(300, 520, 7))
def test_an_id_is_whole_however_long_the_text_before_it_is(length: int) -> None:
    verdict = classify(400, {}, raw({"message": "x" * length + " " + CONFLICT.format("", "")}), activation=True)
    assert verdict.conflict == ("f1", "a1", RUN)


def test_the_run_that_a_conflict_names_is_adopted_by_its_id(aep: LocalAep, context: Any) -> None:
    run = aep.start_run("mail", audience_ids=["gold"], status="inProgress")
    arguments = {"activation_info": {"mail": ["gold"]}, "on_conflict": "adopt"}
    [order] = AdHocActivationOperator(task_id="task", **arguments).execute(context)
    assert order["run_id"] == run["id"]
    assert any(post["path"] == ADHOC for post in aep.posts())


# -- 11: error bodies in both documented forms

FORMS: dict[str, tuple[int, Any, str, str, str]] = {
    "Flow Service 404": (404, SAMPLES["flow_service_404"], "FLOW-1439-404", "There is no flow", "rq7Hs2mKf0Xc9LbTzVw4"),
    "Flow Service 403": (403, SAMPLES["flow_service_403"], "FLOW-2120-403", "This credential", "rqN1e8Yd5GpQ3JrUa6Ko"),
    "Flow Service, older": (404, SAMPLES["flow_service_404_older"], "", "flows not found with id", ""),
    "Flow Service, report alone": (
        500, {"report": {"detailed-message": "Deep.", "request-id": "rq1"}}, "", "Deep.", "rq1",
    ),
    "ups 404": (404, SAMPLES["ups_404"], "UPAPI-113430-404", "No audience has the id", "rqB4x7ZcW2tMh9EsLp0D"),
    "Flow Service 404, in a list": (
        404, [SAMPLES["flow_service_404"]], "FLOW-1439-404", "There is no flow", "rq7Hs2mKf0Xc9LbTzVw4",
    ),
    "errors are texts": (400, {"errors": ["Too many fields."]}, "", "Too many fields.", ""),
    "errors are texts by status": (400, {"requestId": "rq4", "errors": {"400": ["Bad."]}}, "", "Bad.", "rq4"),
    "ups, nested": (
        404,
        {"requestId": "rq2", "errors": {"type": "https://ns.adobe.com/aep/errors/UPAPI-1-404", "title": "Gone."}},
        "UPAPI-1-404", "Gone.", "rq2",
    ),
    "ups, a code for each entry": (
        400,
        {"requestId": "rq3", "errors": {"400": [{"code": "UPAPI-7-400", "message": "Bad."}]}},
        "UPAPI-7-400", "Bad.", "rq3",
    ),
    "ups 429, older": (429, SAMPLES["ups_429_older"], "", "Slow down a little.", ""),
    "ups 403, older": (403, SAMPLES["ups_403_older"], "UPS-ACC-1000004", "UPS-ACC-1000004: This organization", ""),
    "problem": (
        404,
        {"type": "http://ns.adobe.com/aep/errors/XDM-1012-404", "title": "t", "report": {"registryRequestId": "rq4"}},
        "XDM-1012-404", "t", "rq4",
    ),
    "another 401": (401, SAMPLES["unauthorized"], "invalid_token", "The token was not accepted", ""),
    "gateway": (403, {"error_code": 403025, "message": "Profile is not valid"}, "403025", "Profile is not valid", ""),
}  # fmt: skip


@pytest.mark.parametrize(("status", "body", "code", "text", "request_id"), FORMS.values(), ids=FORMS)
def test_code_text_and_request_id_of_every_form(status: int, body: Any, code: str, text: str, request_id: str) -> None:
    verdict = classify(status, {"x-request-id": "of-the-header"}, raw(body))
    assert (verdict.code, verdict.request_id) == (code, request_id or "of-the-header")
    assert verdict.text.startswith(text)
    said = str(AepCallError("GET /x", **verdict.fields))
    assert all(part in said for part in (code, text, request_id))


def test_how_long_the_older_form_asks_to_wait() -> None:
    assert classify(429, {}, raw(SAMPLES["ups_429_older"])).retry_after == 1.5


def test_a_secret_that_a_request_id_echoes_is_not_shown() -> None:
    body = raw({"requestId": "p8e-secret", "errorMessage": "no"})
    assert "p8e-secret" not in str(classify(400, {}, body, secrets=["p8e-secret"]))


def test_a_secret_in_the_place_of_an_id_is_no_id() -> None:
    body = raw({"message": CONFLICT.format("", "").replace(RUN, "p8e-secret")})
    assert "p8e-secret" not in repr(classify(400, {}, body, activation=True, secrets=["p8e-secret"]))


@pytest.mark.parametrize("header", ["", "soon", "tomorrow at 9"])
def test_a_pause_that_the_header_does_not_say_is_read_in_the_body(header: str) -> None:
    assert classify(429, {"retry-after": header}, raw(SAMPLES["ups_429_older"])).retry_after == 1.5


def carried(status: int, body: Any) -> AepCallError:
    """Return what a call ends in that always meets this answer, a token renewed meanwhile."""

    def react(effect: Any) -> Any:
        return received(status, body) if isinstance(effect, transport.Send) else "token"

    with pytest.raises(AepCallError) as caught:
        play(transport.exchange(settings(), REQUEST, 1), react)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        SAMPLES["flow_service_404"],
        SAMPLES["flow_service_404_older"],
        {"type": "https://ns.adobe.com/aep/errors/FLOW-1439-400", "status": 404, "title": "x"},
    ],
)
def test_an_aep_that_answers_not_found_is_told_apart_from_what_is_not_aep(body: Any) -> None:
    said = explain(carried(404, body), settings())
    assert "is not AEP" not in said
    assert "Host" not in said
    assert "AEP does not find this in sandbox 'prod'" in said


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Not Found</html>",
        b"",
        {"message": "no Route matched"},
        {"detail": "x"},
        [1],
        {"statusCode": 404, "message": "Cannot GET /", "error": "Not Found"},
        {"code": 40400, "message": "x"},
        {"errors": [{"status": "404", "code": "10404", "title": "x"}]},
    ],
)
def test_what_is_not_aep_is_called_so(body: Any) -> None:
    assert "is not AEP: leave Host empty" in explain(carried(404, body), settings())
    assert "is not AEP, leave Host empty" in explain(carried(403, body), settings())
    assert "is not AEP, leave Host empty" in explain(carried(422, body), settings())


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "FLOW-2100-404", "There is no sandbox 'prod'"),
        (403, "FLOW-2120-403", "has no role on sandbox 'prod'"),
        (403, "FLOW-2118-403", "has no role on sandbox 'prod'"),
        (503, "FLOW-1103-503", "AEP is having problems: try again"),
        (400, "FLOW-2105-400", "AEP rejected the call."),
    ],
)
def test_specific_advice_survives_the_documented_form(status: int, code: str, said: str) -> None:
    body = {**SAMPLES["flow_service_403"], "type": f"https://ns.adobe.com/aep/errors/{code}", "status": status}
    explained = explain(carried(status, body), settings())
    assert said in explained
    assert "Host" not in explained
    assert code in explained
    assert "rqN1e8Yd5GpQ3JrUa6Ko" in explained


def test_the_button_tells_an_independent_aep_from_a_stranger(aep: LocalAep) -> None:
    aep.add_faults({"kind": "status", "status": 404, "path": FLOWS, "times": 1, "body": SAMPLES["flow_service_404"]})
    works, said = AdobeExperiencePlatformHook().test_connection()
    assert (works, "is not AEP" in said) == (False, False)
    aep.add_faults({"kind": "html", "status": 404, "path": FLOWS, "times": 1})
    assert "is not AEP: leave Host empty" in AdobeExperiencePlatformHook().test_connection()[1]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, SAMPLES["flow_service_404"]),
        (400, {"type": "https://ns.adobe.com/aep/errors/FLOW-1439-400", "status": 400, "title": "Resource not found"}),
        (400, {"errorMessage": "1439-400: flows not found with id = [x]"}),
    ],
)
def test_not_found_is_read_from_either_number(status: int, body: Any) -> None:
    assert isinstance(carried(status, body), AepNotFoundError)


def test_a_sandbox_that_is_not_there_is_no_flow_that_is_not_there() -> None:
    body = {"type": "https://ns.adobe.com/aep/errors/FLOW-2100-404", "status": 404, "title": "x"}
    error = carried(404, body)
    assert not isinstance(error, AepNotFoundError)
    assert "check the sandbox name" in str(error)


# -- 401s that heal


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("body", [SAMPLES["unauthorized"], {"error_code": "401013", "message": "not valid"}, b""])
def test_a_good_token_that_is_refused_for_a_while_heals(aep: LocalAep, context: Any, body: Any) -> None:
    text = body.decode() if isinstance(body, bytes) else body
    aep.add_faults({"kind": "status", "status": 401, "path": f"{FLOWS}/mail", "times": 3, "body": text})
    before = len(aep.tokens())
    assert PlanJobsOperator(task_id="task", activation_info={"mail": ["gold"]}, check_conf=False).execute(context)
    assert len(aep.tokens()) - before <= 2, "Adobe throttles who mints too many"


def test_a_401_is_tried_again_by_the_task_and_a_403_is_not() -> None:
    refused = carried(401, SAMPLES["unauthorized"])
    assert isinstance(refused, AepAuthError)
    assert refused.retriable
    assert not carried(403, SAMPLES["flow_service_403"]).retriable


def test_a_given_token_may_heal_too() -> None:
    connection: AepConnection = settings(access_token="given")
    answers = [received(401, SAMPLES["unauthorized"]), received(401, b""), received(200, {"items": []})]

    def react(effect: Any) -> Any:
        if isinstance(effect, transport.NeedToken) and effect.refused:
            auth.mint_body(connection)
        return answers.pop(0) if isinstance(effect, transport.Send) else "given"

    assert play(transport.exchange(connection, REQUEST), react).data == {"items": []}


# -- 12: exports that somebody made by API


def job(job_id: int, status: str = "SUCCEEDED", hours: float = 3, **more: Any) -> dict[str, Any]:
    return {**job_json(job_id, status, dt.timedelta(hours=hours)), **more}


FILTERS = {
    "sample": SAMPLES["export_jobs"]["records"][0]["filter"],
    "a status as text": {"segments": [{"segmentId": "a", "segmentNs": "ups", "status": "realized"}]},
    "several": {"segments": [{"segmentId": "a"}, {"segmentId": "b"}]},
    "one, not in a list": {"segments": {"segmentId": "a"}},
}


def test_the_sample_of_two_exports_delivers_the_one_of_all_audiences() -> None:
    now = dt.datetime.fromtimestamp(1795599000, tz=dt.UTC)
    state, _ = answer(exports.newest(now, 36), SAMPLES["export_jobs"], {"records": [], "link": {"next": ""}})
    assert state.latest is not None
    assert state.latest.id == "24115"


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
def test_an_export_of_single_audiences_is_never_delivered(chosen: Any) -> None:
    jobs = {"records": [job(9, filter=chosen, hours=1), job(8)]}
    assert answer(exports.to_deliver(NOW, 36, api_version="v1", export_id=None), jobs)[0] == ("", "8")
    stale = {"records": [job(9, filter=chosen, hours=1), job(8, hours=40)]}
    with pytest.raises(AepExportError, match="is 40 h 0 min old"):
        answer(exports.to_deliver(NOW, 36, api_version="v2", export_id=None), stale, stale)


@pytest.mark.parametrize("nothing", [None, {}, {"segments": []}, {"segments": None}])
def test_an_export_without_a_filter_is_delivered(nothing: Any) -> None:
    jobs = {"records": [job(9, filter=nothing, hours=1), job(8)]}
    assert answer(exports.to_deliver(NOW, 36, api_version="v1", export_id=None), jobs)[0] == ("", "9")


def test_an_export_of_single_audiences_is_waited_for_and_its_failure_is_nobodys() -> None:
    read = [ExportJob.from_json(item) for item in (job(9, "FAILED", 1, filter=FILTERS["sample"]), job(8))]
    assert exports.state_of(read, NOW).failed_since == ()
    running = ExportJob.from_json(job(10, "PROCESSING", 0.1, filter=FILTERS["sample"]))
    assert exports.state_of([running, *read], NOW).in_progress == (running,)


def test_version_1_sends_the_export_of_all_audiences(aep: LocalAep, context: Any) -> None:
    aep.start_export_job(id=900, status="SUCCEEDED", segments=["silver"])
    arguments = {"activation_info": {"mail": ["gold"]}, "api_version": "v1"}
    AdHocActivationOperator(task_id="task", **arguments).execute(context)
    assert [post["json"]["exportIds"] for post in aep.posts()] == [["722"]]
    assert LatestSegmentExportOperator(task_id="task").execute(context) == "722"


# -- 13: the last day of a schedule


@pytest.mark.parametrize(("end", "warned", "refused"), [(0, True, False), (1, False, False), (-1, False, True)])
@pytest.mark.parametrize("start", [-30, 0])
def test_a_schedules_last_day_is_warned_of(end: int, warned: bool, refused: bool, start: int) -> None:
    days = {"startDate": NOW.date() + dt.timedelta(start), "endDate": NOW.date() + dt.timedelta(end)}
    if days["endDate"] < days["startDate"]:
        days["startDate"] = days["endDate"]
    schedule = {"frequency": "DAILY", **{key: day.isoformat() for key, day in days.items()}}
    findings = inspected(flow_json("mail", selector("gold", schedule=schedule)), "gold")
    assert any("leave open" in warning and "ends today" in warning for warning in findings.warnings) is warned
    assert bool(findings.faults) is refused


def test_the_plan_warns_of_a_last_day_and_goes_on(aep: LocalAep, context: Any) -> None:
    mail = {"id": "mail", "name": "Mail", "audiences": [{"id": "gold", "start": -5, "end": 0}]}
    aep.reset({**SEED, "flows": [mail]})
    with captured() as lines:
        assert PlanJobsOperator(task_id="task", activation_info={"mail": ["gold"]}, check_conf=False).execute(context)
    assert sum("leave open" in line for line in lines) == 1


# -- nulls, and the state of a flow's last run


def test_a_young_run_full_of_nulls_is_in_progress() -> None:
    [data] = SAMPLES["young_run"]["items"]
    run = FlowRun.from_json(data)
    assert (run.status, run.created_at, run.completed_at) == (RunStatus.IN_PROGRESS, None, None)
    assert run.started_at is not None
    assert run.audiences == {}


@pytest.mark.parametrize("sample", ["young_run", "lossy_run", "dataset_flow", "source_flow"])
def test_any_part_of_a_sample_may_be_null(sample: str) -> None:
    [whole] = SAMPLES[sample]["items"]

    def spoilt(node: Any) -> Any:
        """Yield copies of a value in which one part is null."""
        parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in parts:
            if key not in ("id", "flowId") or node is not whole:
                copied = deepcopy(node)
                copied[key] = None
                yield copied
            for deeper in spoilt(value):
                copied = deepcopy(node)
                copied[key] = deeper
                yield copied

    read = FlowRun.from_json if "run" in sample else DestinationFlow.from_json
    assert all(read(each).id == whole["id"] for each in spoilt(whole))


@pytest.mark.parametrize(
    ("word", "shown"),
    [("success", "success"), ("partialSuccess", "partial success"), ("PARTIAL_SUCCESS", "partial success"), ("x", "x")],
)
def test_the_state_of_a_flows_last_run_is_shown_in_words(aep: LocalAep, context: Any, word: str, shown: str) -> None:
    last = {"state": word, "completedAtUTC": 1795554048907}
    mail = {"id": "mail", "name": "Mail", "audiences": ["gold"], "raw": {"lastRunDetails": last}}
    aep.reset({**SEED, "flows": [mail]})
    [flow] = CatalogOperator(task_id="task").execute(context)["flows"]
    assert flow["last_run"].startswith(f"{shown} 20")


def test_a_link_that_is_none_is_not_followed() -> None:
    since = NOW - dt.timedelta(days=1)
    with pytest.raises(AepTransientError, match="its link to the next page is not understood"):
        answer(endpoints.profile_export_jobs(since), {"records": [job_json(1)], "link": {"next": "string"}})


def test_summaries_count_losses_among_the_failed_records() -> None:
    assert summarize(told(lossy()))["records_failed"] == 400
