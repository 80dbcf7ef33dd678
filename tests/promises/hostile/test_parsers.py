"""Whatever AEP, Airflow or a person sends: our own value or our own error, and nothing that cannot be shown."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adobe_experience_platform.aep import auth, calls, endpoints
from adobe_experience_platform.aep.answers import AnswerReading, classify
from adobe_experience_platform.aep.connection import CONN_TYPE, AepConnection
from adobe_experience_platform.aep.export_jobs import ExportJob
from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.aep.flows import DestinationFlow, MappedAudience
from adobe_experience_platform.aep.orders import Activation, Pair, run_id_of
from adobe_experience_platform.aep.segment_jobs import SegmentJob
from adobe_experience_platform.delivery.findings import Findings
from adobe_experience_platform.delivery.input import parse_activation_info, read_activation_info
from adobe_experience_platform.delivery.jobs import Job
from adobe_experience_platform.delivery.outlook import look
from adobe_experience_platform.delivery.record import Record
from adobe_experience_platform.delivery.results import line_of, results_of
from adobe_experience_platform.delivery.size_guard import SizeGuard
from adobe_experience_platform.errors import AepError, AepSubmissionError, AepTransientError
from adobe_experience_platform.operators import base
from adobe_experience_platform.operators.report import row_of
from adobe_experience_platform.operators.retry import AEP_RETRY_POLICY
from adobe_experience_platform.operators.tables import table
from adobe_experience_platform.sensors import flow_run
from tests.promises.hostile.material import (
    NASTY_TEXTS,
    VALUES,
    carry_out,
    check_clean,
    check_message,
    deep,
    spoiled,
    survive,
    texts_in,
)
from tests.support.parts import NOW, flow_json, job_json, run_json, selector

RUN = run_json(
    audiences=["gold"],
    metrics={
        "durationSummary": {"startedAtUTC": 1659018529865, "completedAtUTC": 1659018929923},
        "recordSummary": {
            "outputRecordCount": 2,
            "failedRecordCount": 0,
            "sourceSummaries": [{"entitySummaries": [{"id": "segment:gold", "skippedRecordCount": 1}]}],
            "targetSummaries": [{"entitySummaries": [{"id": "segment:gold", "outputRecordCount": 2}]}],
            "failedInfo": [{"code": "ACTIVATION_BATCH-0000-FAILED", "message": "Job aborted."}],
        },
        "statusSummary": {"status": "failed", "errors": [{"code": "X-1", "message": "No space left."}]},
    },
)
JOB = {
    **job_json(),
    "updateTime": 1659018929923,
    "metrics": {"totalExportedProfileCounter": 7, "totalTime": {"endTimeInMs": 1659018929923}},
}
EVALUATION: dict[str, Any] = {
    "id": "468eeefd",
    "status": "SUCCEEDED",
    "creationTime": 1659018929923,
    "metrics": {"totalTime": {"endTimeInMs": 1659018929999}, "segmentedProfileCounter": {"gold": 7}},
}
SELECTOR: Any = selector(systemSegmentId="sys-1")
FLOW = flow_json(
    "flow-1", SELECTOR, lastRunDetails={"state": "success", "completedAtUTC": 1659018929923}, runs="/runs?property=x"
)
ORDER = {"segment": "gold", "order": "flow-1", "statusURL": "https://platform.adobe.io/data/x/runs/run-1"}
RECORD: dict[str, Any] = {
    "v": 1,
    "state": "conflict",
    "orders": {"flow-1": {"gold": "run-1", "silver": None}},
    "adopted": {"flow-1": ["gold"]},
    "max_tries": 3,
    "marks": [[{"flow-1": ["silver"]}, 1659018929923, "run-0"]],
    "not_ours": ["run-0"],
    "doubtful": ["run-3"],
    "lost": 1,
    "later": [["flow-1", "gold", 2]],
    "intent": {
        "id": "intent-1",
        "at": "2026-03-10T12:00:00+00:00",
        "marks": [[{"flow-1": ["silver"]}, 1659018929923, "run-0"]],
        "answer": ["conflict", "Run already going on", ["flow-1", "silver", "run-2"]],
        "wait": 0.0,
        "clears": 2,
    },
}


# -- AEP's documents


@given(spoiled(JOB))
def test_export_jobs(data: Any) -> None:
    if isinstance(data, dict):
        check_clean(dataclasses.replace(ExportJob.from_json(data), schema_name=""))


@given(spoiled(RUN))
def test_flow_runs(data: Any) -> None:
    if not isinstance(data, dict):
        return
    run = FlowRun.from_json(data)
    check_clean(run)
    delivery = Activation("flow-1", "gold", "run-1")
    (result,) = results_of([delivery], {"run-1": run}, {})
    msgspec.msgpack.encode(result)  # the way that XComs go
    assert json.loads(json.dumps(result)) == result
    check_clean([line_of(result, {}), row_of(result, {})])


@given(spoiled(FLOW))
def test_flows_and_their_audiences(data: Any) -> None:
    if isinstance(data, dict):
        check_clean(DestinationFlow.from_json(data))


@given(spoiled(SELECTOR["value"]))
def test_mapped_audiences(data: Any) -> None:
    if isinstance(data, dict):
        check_clean(MappedAudience.from_json(data))


@given(spoiled(FLOW), spoiled(RUN), spoiled(EVALUATION))
def test_what_is_known_before_a_delivery(flow: Any, run: Any, job: Any) -> None:
    if not all(isinstance(data, dict) for data in (flow, run, job)):
        return
    found = DestinationFlow.from_json({**flow, "id": "flow-1"})
    pairs = [Pair("flow-1", audience.platform_id) for audience in found.audiences] or [Pair("flow-1", "gold")]
    findings = Findings(pairs=pairs, flows={"flow-1": found})
    answers = {"runs_of_flow": [FlowRun.from_json(run)], "evaluations": [SegmentJob.from_json(job)]}
    outlooks = look(findings, lambda call: answers[call.__name__])
    check_clean([outlook.cells for outlook in outlooks.values()])
    for said in SizeGuard(max_records=0, max_change_percent=0).judge(findings, outlooks):
        check_clean(said)


@given(spoiled(ORDER))
def test_orders(data: Any) -> None:
    if isinstance(data, dict):
        check_clean(Activation.from_json(data))


@given(st.text() | st.sampled_from(NASTY_TEXTS).map(lambda text: f"https://x/runs/{text}"))
@example("https://[broken/runs/r")
def test_a_status_url_gives_a_plain_run_id_or_none(url: str) -> None:
    found = run_id_of(url)
    assert found == "" or (found.isascii() and found[0].isalnum() and "/" not in found)


READERS: dict[str, tuple[Any, Any]] = {
    "export jobs": (
        lambda: endpoints.profile_export_jobs(NOW, newest_succeeded=True),
        {"records": [JOB], "link": {"next": "/export/jobs/?limit=1&offset=1538573416687_722"}},
    ),
    "evaluations": (endpoints.evaluations, {"children": [EVALUATION], "_page": {"totalCount": 1}}),
    "flow": (lambda: endpoints.flow("flow-1"), {"items": [FLOW]}),
    "flows": (endpoints.destination_flows, {"items": [FLOW], "_links": {"next": {"href": "?continuationToken=a"}}}),
    "flows with an audience": (lambda: endpoints.flows_with(["gold"]), {"items": [FLOW]}),
    "run": (lambda: endpoints.run("run-1"), {"items": [RUN]}),
    "runs by id": (lambda: endpoints.runs_by_id(["run-1", "run-2"]), {"items": [RUN]}),
    "runs of a flow": (
        lambda: endpoints.recent_runs(["flow-1"], NOW - dt.timedelta(days=1)),
        {"items": [RUN], "_links": {"next": {"href": "?continuationToken=a"}}},
    ),
    "runs of flows": (lambda: endpoints.runs_of_flows(["flow-1", "flow-2"], bool), {"items": [RUN]}),
    "activation": (lambda: endpoints.activate([Pair("flow-1", "gold")], export_id="722"), {"order": [ORDER]}),
}


@pytest.mark.parametrize("reader", READERS)
@given(data=st.data())
def test_answers(reader: str, data: st.DataObject) -> None:
    make, body = READERS[reader]
    spoiled_body = data.draw(spoiled(body))
    found = survive(lambda: carry_out(make(), spoiled_body))
    if reader != "export jobs":
        check_clean(found)


@pytest.mark.parametrize("reader", READERS)
def test_answers_of_any_depth(reader: str) -> None:
    make, body = READERS[reader]
    for key in body:
        survive(lambda key=key: carry_out(make(), {**body, key: deep()}))  # type: ignore[misc]


@given(st.text() | st.sampled_from(NASTY_TEXTS))
def test_of_a_next_link_nothing_but_a_cursor_is_taken(link: str) -> None:
    seen = []

    def follow(body: Any) -> None:
        call = endpoints.runs_of_flow("flow-1", lambda _: False)
        request = next(call)
        try:
            while True:
                seen.append(request)
                request = call.send(calls.Response(body))
        except StopIteration:
            pass

    survive(
        lambda: follow({"items": [RUN], "_links": {"next": {"href": f"https://evil.example/{link}?offset={link}"}}})
    )
    for request in seen:
        assert request.path == endpoints.RUNS
        assert ("property", "flowId==flow-1") in request.params
        for _, value in request.params:
            value.encode()


# -- AEP's refusals

CONFLICT = {"message": "Run already going on for audience gold for order flow-1 with run id run-9"}
BODIES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(str.encode),
    spoiled(CONFLICT).map(lambda body: json.dumps(body).encode()),
    spoiled({"error_code": "401013", "message": "no", "retryAfterMs": "500", "report": {"detailed-message": "x"}}).map(
        lambda body: json.dumps(body).encode()
    ),
    st.sampled_from(NASTY_TEXTS).map(lambda text: json.dumps({"message": text, "code": text}).encode()),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": st.text(max_size=40)
        | st.sampled_from(
            [*NASTY_TEXTS, "-1", "1e309", "Mon, 01 Jan 0001 00:00:00 -0000", "Fri, 31 Dec 9999 23:59:59 -2359"]
        ),
        "x-request-id": st.text() | st.sampled_from(NASTY_TEXTS),
    },
)


def check_verdict(verdict: AnswerReading) -> None:
    check_clean([verdict.code, verdict.text, verdict.request_id, verdict.conflict])
    assert len(verdict.text) <= 500
    if verdict.retry_after is not None:
        assert 0 <= verdict.retry_after < float("inf")
        error = AepTransientError("GET /runs", retry_after=verdict.retry_after)
        assert AEP_RETRY_POLICY.evaluate(error, 1, 3).retry_delay is None or verdict.retry_after > 0


@given(st.integers(100, 599), HEADERS, BODIES, st.booleans())
@example(429, {}, json.dumps({"retryAfterMs": 10**400}).encode(), False)
@example(400, {}, b"[" * 200_000, True)
@example(503, {"retry-after": "Mon, 01 Jan 0001 00:00:00 -0000"}, b"", False)
def test_refusals(status: int, headers: dict[str, str], body: bytes, activation: bool) -> None:
    check_verdict(classify(status, headers, body, activation=activation))


def test_a_huge_refusal_is_read_in_no_time() -> None:
    """The event loop of the triggerer waits for it."""
    began = dt.datetime.now(tz=dt.UTC)
    for body in (b"<html>" + b"\x1b " * 8_000_000, b'{"message": "' + b"x " * 8_000_000 + b'"}'):
        check_verdict(classify(502, {}, body))
    assert (dt.datetime.now(tz=dt.UTC) - began).total_seconds() < 1


@given(spoiled({"access_token": "tok", "token_type": "bearer", "expires_in": 86399}))
def test_tokens(data: Any) -> None:
    if not isinstance(data, dict):
        return
    token = survive(lambda: auth.read_token(data))
    if token is not None:
        assert token.value.isascii()
        assert token.value.isprintable()
        assert " " not in token.value
        assert abs(token.renew_at) < 1e12


# -- Airflow's side


CONNECTION = {
    "conn_id": "aep_default",
    "conn_type": CONN_TYPE,
    "host": "https://platform.adobe.io",
    "schema": None,
    "login": "client-1",
    "password": "p8e-secret",
    "port": None,
}
EXTRA = {
    "org_id": "ORG@AdobeOrg",
    "sandbox_name": "prod",
    "scopes": "openid",
    "ims_url": "https://ims-na1.adobelogin.com",
    "access_token": "",
    "tenant": "acme",
    "allow_http": False,
    "timeout": 60,
    "verify": True,
    "cert": ["a", "b"],
    "proxies": {"https": "http://proxy:1"},
    "trust_env": True,
}


@given(
    st.dictionaries(
        st.sampled_from(["host", "schema", "login", "password"]), st.text() | st.sampled_from(NASTY_TEXTS), max_size=2
    ),
    spoiled(EXTRA),
    st.none() | st.text() | st.sampled_from(NASTY_TEXTS),
)
@example({"host": "https://\x1b31m.example"}, EXTRA, None)
@example({"host": "https://pl\u0430tform.adobe.io"}, EXTRA, None)
@example({"password": "\ud800"}, EXTRA, None)
@example({}, {**EXTRA, "access_token": "日本"}, None)
@example({}, {**EXTRA, "timeout": 10**400}, None)
def test_connections(fields: dict[str, str], extra: Any, sandbox: str | None) -> None:
    connection: Any = SimpleNamespace(**{**CONNECTION, **fields})
    try:
        connection.extra = json.dumps(extra)
    except ValueError:  # an integer of thousands of digits
        return
    parsed = survive(lambda: AepConnection.parse(connection, sandbox))
    if parsed is None:
        return
    check_clean([parsed.base_url, parsed.ims_url, parsed.org_id, parsed.sandbox_name, parsed.tenant])
    assert parsed.base_url.isascii()
    auth.mint_body(dataclasses.replace(parsed, access_token=""))
    for name, value in parsed.headers(parsed.access_token or "tok").items():
        assert value.isascii(), name
        assert value.isprintable(), name
    assert 0 < parsed.timeout <= 600


def test_the_record_that_is_spoiled_here_can_be_read_whole() -> None:
    assert Record.from_json(RECORD).to_json() == RECORD


@given(spoiled(RECORD))
def test_records(data: Any) -> None:
    if isinstance(data, dict):
        survive(lambda: Record.from_json(data).to_json())


@pytest.mark.parametrize("garbage", ["text", ["list"], 7, True])
def test_a_record_whose_intent_cannot_be_read_is_not_taken_for_one_without(garbage: object) -> None:
    """It may hide an activation that was sent."""
    with pytest.raises(AepSubmissionError, match="damaged"):
        Record.from_json({**RECORD, "intent": garbage})


@given(VALUES | spoiled({"v": 1, "status": "done", "message": "all well"}))
def test_events(event: Any) -> None:
    found = survive(lambda: base.read_event(event))
    assert found is None or found[0] in ("done", "timeout")


@given(VALUES | spoiled([[{"flow_id": "f", "audience_id": "a", "run_id": "r", "adopted": False}], "run-2"]))
def test_orders_of_an_xcom(orders: Any) -> None:
    found = survive(lambda: flow_run.deliveries_of(orders))
    if found is not None:
        check_clean(found)
        for delivery in found:
            carry_out(endpoints.run(delivery.run_id), {"items": [{"id": delivery.run_id}]})


# -- a person's side


@given(VALUES | st.dictionaries(st.text() | st.sampled_from(NASTY_TEXTS), VALUES, max_size=4))
def test_activation_info(value: Any) -> None:
    pairs, faults = read_activation_info(value)
    check_clean(pairs)
    for fault in faults:
        assert fault.isprintable(), ascii(fault)
        assert len(fault) < 400
    survive(lambda: parse_activation_info(value))


@given(VALUES | spoiled({"job": 1, "of": 1, "activation_info": {"f": ["a"]}, "aliases": {"a": "b"}}))
def test_jobs(value: Any) -> None:
    survive(lambda: Job.from_json(value))


@pytest.mark.parametrize("number", [1, 10_000])
def test_ten_thousand_strange_ids_are_refused_in_one_short_message(number: int) -> None:
    info = {f"{{{{ {index} }}}}\x1b[31m": ["a\nb"] for index in range(number)}
    with pytest.raises(AepError) as caught:
        parse_activation_info(info)
    check_message(caught.value)
    assert len(str(caught.value)) < 10_000


@given(st.lists(st.sampled_from(NASTY_TEXTS) | st.text(max_size=30), min_size=1, max_size=5))
def test_a_table_shows_anything_in_one_line_each(cells: list[str]) -> None:
    head, rule, *rows = table(("Name", "Id"), [(cell, "id-1") for cell in cells])
    assert len(rows) == len(cells)
    for line in (head, rule, *rows):
        assert line.isprintable(), ascii(line)


def _text_of(value: object) -> str:
    """Write JSON that may be too deep or too huge for Python's own writer."""
    try:
        return json.dumps(value)
    except (RecursionError, ValueError):
        return f'{{"timeout": {"[" * 50_000}{"9" * 50_000}}}'


DEEP_READERS = {
    "activation_info": parse_activation_info,
    "flow's audiences": lambda value: parse_activation_info({"flow": value}),
    "audience": lambda value: parse_activation_info({"flow": [value]}),
    "job": Job.from_json,
    "job's number": lambda value: Job.from_json({"activation_info": {"f": ["a"]}, "job": value}),
    "aliases": lambda value: Job.from_json({"activation_info": {"f": ["a"]}, "aliases": {"a": value}}),
    "orders": flow_run.deliveries_of,
    "order": lambda value: flow_run.deliveries_of([{"run_id": value}]),
    "event": base.read_event,
    "event's status": lambda value: base.read_event({"v": 1, "status": value}),
    "event's message": lambda value: base.read_event({"v": 1, "status": "error", "message": value}),
    "record's version": lambda value: Record.from_json({**RECORD, "v": value}),
    "record's run": lambda value: Record.from_json({**RECORD, "orders": {"f": {"a": value}}}),
    "record's watermark": lambda value: Record.from_json(
        {**RECORD, "intent": {**RECORD["intent"], "watermarks": {"f": [1, value]}}}
    ),
    "record's answer": lambda value: Record.from_json(
        {**RECORD, "intent": {**RECORD["intent"], "answer": ["conflict", value, [value, value, value]]}}
    ),
    "connection's extra": lambda value: AepConnection.parse(
        SimpleNamespace(**CONNECTION, extra=_text_of(dict.fromkeys(EXTRA, value))),  # type: ignore[arg-type]
    ),
    "token": lambda value: auth.read_token({"access_token": value, "expires_in": value}),
    "run": lambda value: FlowRun.from_json({"id": value, "metrics": value, "flowId": value}),
}


@pytest.mark.parametrize("reader", DEEP_READERS.values(), ids=DEEP_READERS)
@pytest.mark.parametrize("value", [deep(), [10**5000], {"x": 10**5000}, 10**5000], ids=["deep", "list", "dict", "huge"])
def test_nothing_is_too_deep_or_too_huge(reader: Any, value: Any) -> None:
    survive(lambda: reader(value))


def test_what_is_shown_of_texts_is_what_they_are_about() -> None:
    """The checks above see texts: this one sees that they would find one."""
    job = ExportJob.from_json({"id": "7\n22", "status": "NEW"})
    assert list(texts_in(job))[:1] == ["7 22"]
    with pytest.raises(AssertionError):
        check_clean([{"deep": ("two\nlines",)}])
    with pytest.raises(AssertionError):
        check_message(AepError("injected\x1b[31m"))
