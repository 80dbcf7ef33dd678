"""Adobe's own OpenAPI files judge the simulator's answers and the package's requests, and feed its parsers.

Where Adobe's files contradict their own samples or are silent, the tables here say so, with the reason; an
entry that nothing needs any more fails a test.
"""

from __future__ import annotations

import datetime as dt
import json
from itertools import chain

import pytest
import requests

from adobe_experience_platform.aep import calls, endpoints
from adobe_experience_platform.aep.answers import AnswerKind, classify
from adobe_experience_platform.aep.connection import AepConnection
from adobe_experience_platform.aep.export_jobs import ExportJob, ExportStatus
from adobe_experience_platform.aep.flow_runs import FlowRun, RunStatus
from adobe_experience_platform.aep.flows import DestinationFlow
from adobe_experience_platform.aep.orders import Activation, Pair
from adobe_experience_platform.aep.segment_jobs import SegmentJob
from include.aep_simulator.faults import FaultSpec
from include.aep_simulator.seed import ExportJobSeed, RunSeed, SeedDocument, SegmentJobSeed
from include.aep_simulator.server import running
from include.aep_simulator.simulator import Simulator
from tests.support.openapi import specification

ADHOC = specification("ad-hoc-activation")
EXPORTS = specification("segmentation-export-jobs")
FLOWS = specification("flow-service-runs")

UNDOCUMENTED = {
    # Flows and runs: the schemas were written for sources; the samples beside them are of destinations.
    "items[].etag": "the run's schema calls it eTag, all samples etag",
    "items[].activities": "the run's schema misspells it as activites, all samples say activities",
    "items[].metrics.recordSummary.skippedRecordCount": "only in the samples of destinations",
    "items[].metrics.recordSummary.sourceSummaries": "only in the samples of destinations; it names the audiences",
    "items[].metrics.recordSummary.targetSummaries": "only in the samples of destinations; it names the audiences",
    "items[].metrics.recordSummary.skippedInfo": "only in the samples of destinations",
    "items[].metrics.recordSummary.failedInfo": "only in the samples of destinations",
    "items[].metrics.statusSummary.errors": "only in the samples of destinations",
    "items[].metrics.statusSummary.activityRefs": "only in the samples of destinations",
    "items[].flowSpec.id": "the flow's schema leaves flowSpec open, its samples fill it",
    "items[].flowSpec.version": "the flow's schema leaves flowSpec open, its samples fill it",
    "items[].inheritedAttributes.properties": "only in the samples; it holds isDestinationFlow",
    "items[].inheritedAttributes.sourceConnections[].typeInfo": "only in the samples",
    "items[].inheritedAttributes.targetConnections[].baseConnection": "only in the samples",
    "items[].transformations[].params.segmentSelectors": "the schema knows mappings of sources only, no selectors",
    "items[].transformations[].params.profileSelectors": "the schema knows mappings of sources only",
    "items[].transformations[].params.profileMapping": "the schema knows mappings of sources only",
    "items[].transformations[].params.mandatoryFields": "the schema knows mappings of sources only",
    "items[].transformations[].params.primaryFields": "the schema knows mappings of sources only",
    "items[].lastOperation.percentCompleted": "only in the samples",
    "items[].lastOperation.status": "only in the samples",
    "items[].lastOperation.ops": "only in the samples",
    "children[].properties.scheduleId": "the schema leaves properties open, its sample fills it",
    "children[].properties.runId": "the schema leaves properties open, its sample fills it",
}
"""Fields that Adobe's schemas do not name although Adobe's samples have them."""

# What Adobe's files leave out: the bodies of errors. These are the forms of Adobe's tutorials and of other calls.
TEXT = {"type": "string", "minLength": 1}
FLOW_SERVICE_ERROR = {
    "type": "object",
    "required": ["type", "title", "status", "report", "errorMessage", "errorDetails"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "pattern": r"^https://ns\.adobe\.com/aep/errors/FLOW-\d{4}-\d{3}$"},
        "title": TEXT,
        "status": {"type": "integer"},
        "report": {
            "type": "object",
            "required": ["detailed-message", "request-id"],
            "additionalProperties": False,
            "properties": {"detailed-message": TEXT, "request-id": TEXT, "id": TEXT, "type": TEXT},
        },
        "errorMessage": TEXT,
        "errorDetails": TEXT,
    },
}
UPS_ERROR = {
    "type": "object",
    "required": ["requestId", "errors", "title", "status"],
    "additionalProperties": False,
    "properties": {
        "requestId": TEXT,
        "errors": {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "object", "required": ["code", "message"], "properties": {"message": TEXT}},
            },
        },
        "type": {"type": "string", "pattern": r"^https://ns\.adobe\.com/aep/errors/UPAPI-\d+-\d{3}$"},
        "title": TEXT,
        "status": {"type": "integer"},
    },
}
GATEWAY_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "additionalProperties": False,
    "properties": {"error_code": {"type": "string", "pattern": r"^\d{6}$"}, "message": TEXT},
}

REQUEST_EXCEPTIONS = {
    ("v1", "accept"): "v1 means no Accept header; HTTP clients always send one, and */* is what Adobe's cURL sends",
    ("v1", "oneOf"): "the schema of v2 does not forbid exportIds, so a v1 body, also Adobe's sample, fits both",
}
"""Where a request cannot fit Adobe's file."""

SEED = SeedDocument.model_validate(
    {
        "org_id": "ORG@AdobeOrg",
        "settings": {"daily_export": False, "run_variation": 0, "speed": 1},
        "credentials": [{"client_id": "client-1", "client_secrets": ["s"], "access_tokens": ["given-token"]}],
        "sandboxes": [{"name": "prod"}],
        "audiences": [
            {"id": "gold", "name": "Gold", "size": 1000},
            {"id": "silver", "name": "Silver", "size": 20},
            {"id": "partner", "name": "Partners", "external_id": "partner-77", "size": 10},
        ],
        "flows": [
            {
                "id": "mail",
                "name": "Mail",
                "audiences": ["gold", "silver", {"id": "partner", "frequency": "ONCE", "end": None}],
            },
            {"id": "shop", "name": "Shop", "audiences": ["gold", {"id": "silver", "trigger_type": "SCHEDULED"}]},
            {"id": "events", "name": "Events", "kind": "streaming", "audiences": ["gold"]},
            {"id": "tables", "name": "Tables", "kind": "dataset"},
            {"id": "till", "name": "Till", "kind": "source"},
        ],
        "export_jobs": [
            {"id": 1, "age": "30h", "status": "FAILED", "duration": 60},
            {"id": 2, "age": "6h", "duration": 600},
            {"id": 3, "age": "5h", "duration": 60, "segments": ["gold"]},
        ],
        "runs": [
            {"id": "run-ok", "flow_id": "mail", "age": "3h", "seconds": 400},
            {"id": "run-failed", "flow_id": "mail", "age": "4h", "status": "failed", "message": "Job aborted."},
            {"id": "run-partial", "flow_id": "shop", "age": "5h", "status": "partialSuccess", "records_failed": 5},
            {"id": "run-noisy", "flow_id": "shop", "age": "6h", "code": "X-1", "message": "noise"},
            {"id": "run-lossy", "flow_id": "shop", "age": "7h", "records_failed": 400, "audience_ids": ["gold"]},
            {"id": "run-going", "flow_id": "shop", "age": "60s", "status": "inProgress", "audience_ids": ["silver"]},
        ],
    }
)
CONNECTION = {
    "conn_id": "aep_default",
    "ims_url": "https://ims-na1.adobelogin.com",
    "client_id": "client-1",
    "client_secret": "s",
    "org_id": "ORG@AdobeOrg",
    "sandbox_name": "prod",
    "scopes": "openid",
    "access_token": "given-token",
}


@pytest.fixture(scope="module")
def world():
    simulator = Simulator(SEED)
    with running(simulator) as url:
        yield simulator, AepConnection(base_url=url, **CONNECTION)


@pytest.fixture
def aep(world):
    """The simulated AEP, and a function that sends a request of the package as it is and returns the answer."""
    simulator, connection = world
    simulator.reset(SEED)

    def send(request, **changes):
        headers = {"Accept": "application/json", **request.headers, **connection.headers("given-token")}
        headers |= changes.get("headers", {})
        return requests.request(
            request.method,
            connection.base_url + request.path,
            params=list(changes.get("params", request.params)),
            json=request.json,
            headers=headers,
            timeout=60,
        )

    return simulator, send


def first(call):
    """Return the first request of a call."""
    return next(call)


PAIRS = [Pair("mail", "gold"), Pair("mail", "partner"), Pair("shop", "gold")]
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def without_nulls(value):
    """Return a value without its nulls: no schema of Adobe's allows one, one of Adobe's samples of runs has many."""
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


MISTYPED = (".mappingVersion: 0 is not of type 'string'",)
"""Where Adobe's schema has another type than Adobe's own example and sample."""


def judge(spec, body, schema, used=None):
    """Check that a body fits its schema and that every field the schema does not name is a known exception."""
    body = without_nulls(body)
    assert [fault for fault in spec.faults(body, schema) if not fault.endswith(MISTYPED)] == []
    unknown = set(spec.undocumented(body, schema))
    assert unknown <= set(UNDOCUMENTED), unknown - set(UNDOCUMENTED)
    if used is not None:
        used |= unknown


# -- the simulator's answers


@pytest.mark.parametrize("status", ["NEW", "PROCESSING", "SUCCEEDED", "FAILED"])
def test_export_jobs(aep, status):
    simulator, send = aep
    simulator.world.seed_export_job(ExportJobSeed.model_validate({"id": 9, "age": 60, "status": status}))
    answer = send(first(endpoints.profile_export_jobs(LONG_AGO))).json()
    judge(EXPORTS, answer, EXPORTS.schema("GetExportJobsResponse"))
    assert [record["id"] for record in answer["records"]] == [9, 3, 2, 1]
    assert answer["records"][0]["status"] == status
    for record in answer["records"]:
        single = send(calls.Request("GET /export/jobs/{id}", "GET", f"{endpoints.EXPORT_JOBS}/{record['id']}"))
        judge(EXPORTS, single.json(), EXPORTS.schema("ExportJobResponse"))


@pytest.mark.parametrize("status", ["PROCESSING", "SUCCEEDED", "FAILED"])
def test_segment_jobs(aep, status):
    simulator, send = aep
    job = {"age": "1h", "status": status, "sizes": {"gold": 7}}
    simulator.reset(SEED.model_copy(update={"segment_jobs": [SegmentJobSeed.model_validate(job)]}))
    request = first(endpoints.evaluations())
    answer = send(request, params=[("status", status)]).json()
    assert answer.pop("_links") == {"next": {}}, "Adobe's page has it, the file does not"
    judge(EXPORTS, answer, EXPORTS.schema("ListSegmentJobs"))
    assert [item["status"] for item in answer["children"]] == [status]
    assert bool(send(request).json()["children"]) is (status == "SUCCEEDED")


def test_flows(aep):
    _, send = aep
    answer = send(first(endpoints.destination_flows())).json()
    assert {item["id"] for item in answer["items"]} == {"mail", "shop", "events", "tables"}
    listed = [item for item in answer["items"] if item["id"] != "tables"]
    judge(FLOWS, {**answer, "items": listed}, FLOWS.schema("FlowListResponse"))
    for flow_id in ("mail", "shop", "events", "tables", "till"):
        single = send(first(endpoints.flow(flow_id))).json()
        assert [item["id"] for item in single["items"]] == [flow_id]
        if flow_id == "tables":
            # The schema was written for sources; that of datasets is described in Adobe's tutorials only.
            assert set(single["items"][0].pop("scheduleParams")) == {"interval", "timeUnit", "startTime"}
        if flow_id == "till":
            # A text in the schema, a number in Adobe's tutorials.
            assert single["items"][0]["transformations"][0]["params"].pop("mappingVersion") == 0
        judge(FLOWS, single, FLOWS.schema("FlowListResponse"))


@pytest.mark.parametrize("run_id", ["run-ok", "run-failed", "run-partial", "run-noisy", "run-lossy", "run-going"])
def test_single_runs(aep, run_id):
    _, send = aep
    answer = send(first(endpoints.run(run_id))).json()
    assert [item["id"] for item in answer["items"]] == [run_id]
    judge(FLOWS, answer, FLOWS.schema("FlowRunsListResponse"))


def test_lists_of_runs(aep):
    _, send = aep
    for request in (
        first(endpoints.runs_of_flow("shop", lambda _: True)),
        first(endpoints.runs_of_flow("shop", lambda _: True, limit=1)),
        first(endpoints.runs_by_id(["run-ok", "run-failed"])),
    ):
        answer = send(request).json()
        assert answer["items"]
        judge(FLOWS, answer, FLOWS.schema("FlowRunsListResponse"))
    counted = send(first(endpoints.runs_of_flow("shop", lambda _: True)), params=[("count", "true")]).json()
    judge(FLOWS, counted, FLOWS.schema("FlowRunsListResponse"))


@pytest.mark.parametrize("export_id", [None, "2"], ids=["v2", "v1"])
def test_activations_and_their_young_runs(aep, export_id):
    _, send = aep
    answer = send(first(endpoints.activate(PAIRS, export_id=export_id)))
    assert answer.status_code == 200, answer.text
    judge(ADHOC, answer.json(), ADHOC.schema("adhocActivationResponse"))
    assert len(answer.json()["order"]) == len(PAIRS)
    for entry in answer.json()["order"]:
        order = Activation.from_json(entry)
        young = send(first(endpoints.run(order.run_id))).json()
        judge(FLOWS, young, FLOWS.schema("FlowRunsListResponse"))
        assert FlowRun.from_json(young["items"][0]).status is RunStatus.IN_PROGRESS


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        ([Pair("shop", "silver")], 400),
        ([Pair("shop", "partner")], 400),
        ([Pair("events", "gold")], 400),
        ([Pair("nothing", "gold")], 404),
        ([Pair("mail", "nobody")], 404),
    ],
    ids=["in progress", "not mapped", "streaming", "no flow", "no audience"],
)
def test_refused_activations(aep, pairs, status):
    _, send = aep
    answer = send(first(endpoints.activate(pairs, export_id=None)))
    assert answer.status_code == status
    schema = ADHOC.operation("POST", endpoints.ADHOC_RUN)["responses"]["400"]["content"]["application/json"]["schema"]
    judge(ADHOC, answer.json(), schema)


def test_a_run_that_has_just_begun(aep):
    simulator, send = aep
    simulator.world.seed_run(RunSeed.model_validate({"id": "new", "flow_id": "mail", "age": 0, "status": "inProgress"}))
    seen = send(first(endpoints.run("new"))).json()
    judge(FLOWS, seen, FLOWS.schema("FlowRunsListResponse"))
    assert seen["items"][0]["metrics"]["statusSummary"] is None
    assert FlowRun.from_json(seen["items"][0]).status is RunStatus.IN_PROGRESS
    simulator.world.change_settings({"forms": "older"})
    older = send(first(endpoints.run("new"))).json()
    judge(FLOWS, older, FLOWS.schema("FlowRunsListResponse"))
    assert "metrics" not in older["items"][0]


RUNS = endpoints.RUNS
ERRORS = {
    "no such flow": (endpoints.flow("nothing"), {}, {}, 404, FLOW_SERVICE_ERROR, "FLOW-1439-404"),
    "no such run": (endpoints.run("nothing"), {}, {}, 404, FLOW_SERVICE_ERROR, "FLOW-1439-404"),
    "limit and count": (endpoints.destination_flows(), {"count": "true"}, {}, 400, FLOW_SERVICE_ERROR, "FLOW-1401-400"),
    "unknown parameter": (endpoints.destination_flows(), {"start": "1"}, {}, 400, FLOW_SERVICE_ERROR, "FLOW-1451-400"),
    "no such sandbox": (
        endpoints.destination_flows(), {}, {"x-sandbox-name": "x"}, 404, FLOW_SERVICE_ERROR, "FLOW-2100-404",
    ),
    "sandbox id": (endpoints.destination_flows(), {}, {"x-sandbox-id": "x"}, 400, FLOW_SERVICE_ERROR, "FLOW-2110-400"),
    "no such export": (
        iter([calls.Request("GET /export/jobs/{id}", "GET", f"{endpoints.EXPORT_JOBS}/999")]),
        {}, {}, 404, UPS_ERROR, "UPAPI-113430-404",
    ),
    "bad limit of exports": (endpoints.profile_export_jobs(LONG_AGO), {"limit": "0"}, {}, 400, UPS_ERROR, ""),
    "no token": (endpoints.destination_flows(), {}, {"Authorization": None}, 403, GATEWAY_ERROR, "403010"),
    "bad token": (endpoints.destination_flows(), {}, {"Authorization": "Bearer x"}, 401, GATEWAY_ERROR, "401013"),
    "bad key": (endpoints.profile_export_jobs(LONG_AGO), {}, {"x-api-key": "x"}, 403, GATEWAY_ERROR, "403003"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "params", "headers", "status", "schema", "code"), ERRORS.values(), ids=ERRORS)
def test_errors_have_the_documented_form_and_are_read(aep, call, params, headers, status, schema, code):
    _, send = aep
    request = first(call)
    answer = send(request, params=[*(dict(request.params) | params).items()], headers=headers)
    assert answer.status_code == status
    assert FLOWS.faults(answer.json(), schema) == []
    verdict = classify(status, {}, answer.content)
    assert (verdict.code, verdict.is_aeps) == (code, True)
    assert verdict.text
    assert verdict.request_id or schema is GATEWAY_ERROR


@pytest.mark.parametrize("forms", ["documented", "older"])
@pytest.mark.parametrize("status", [403, 404, 500, 503, 504])
@pytest.mark.parametrize("request_", [first(endpoints.run("r")), first(endpoints.profile_export_jobs(LONG_AGO))])
def test_errors_that_a_test_orders_have_their_services_form_too(aep, request_, status, forms):
    simulator, send = aep
    simulator.world.change_settings({"forms": forms})
    simulator.faults.add(FaultSpec.model_validate({"kind": "status", "status": status}))
    answer = send(request_)
    schema = FLOW_SERVICE_ERROR if request_.path.startswith(RUNS) else UPS_ERROR
    assert (FLOWS.faults(answer.json(), schema) == []) is (forms == "documented")
    assert classify(status, {}, answer.content).is_aeps


# -- the package's requests

REQUESTS = {
    "export jobs": (EXPORTS, endpoints.profile_export_jobs(LONG_AGO)),
    "evaluations": (EXPORTS, endpoints.evaluations()),
    "flow": (FLOWS, endpoints.flow("ca5c6e9a-8559-4a08-97a5-f15b756da600")),
    "flows": (FLOWS, endpoints.destination_flows()),
    "flows with an audience": (FLOWS, endpoints.flows_with(["eda67d3d-89a4-4947-9d02-2f8c0a5a8223"])),
    "run": (FLOWS, endpoints.run("e80e24c1-82de-48de-8352-b2d0fca1c392")),
    "runs by id": (FLOWS, endpoints.runs_by_id(["e80e24c1", "850a3a02"])),
    "runs of a flow": (FLOWS, endpoints.runs_of_flow("df8d079d", lambda _: False)),
    "runs of flows": (FLOWS, endpoints.runs_of_flows(["df8d079d", "ca5c6e9a"], lambda _: False)),
    "recent runs": (FLOWS, endpoints.recent_runs(["df8d079d"], LONG_AGO)),
    "v2": (ADHOC, endpoints.activate(PAIRS, export_id=None)),
    "v1": (ADHOC, endpoints.activate(PAIRS, export_id="24115")),
}


@pytest.fixture(scope="module")
def built():
    """The first request of each call, and the second one of those that page."""
    found = {}
    pages = {
        "export jobs": {"records": [{"id": 1}], "link": {"next": "/export/jobs/?limit=100&offset=1538573416687_722"}},
        "flows": {"items": [{"id": "f"}], "_links": {"next": {"href": "/flows?continuationToken=abc"}}},
        "runs of a flow": {"items": [{"id": "r"}], "_links": {"next": {"href": "/runs?continuationToken=abc"}}},
    }
    for name, (spec, call) in REQUESTS.items():
        found[name] = spec, next(call)
        if name in pages:
            found[f"{name}, next page"] = spec, call.send(calls.Response(pages[name]))
    return found


def test_requests_use_documented_operations_and_parameters(built):
    assert len(built) == len(REQUESTS) + 3
    for name, (spec, request) in built.items():
        known = spec.parameters(spec.operation(request.method, request.path), "query")
        for key, text in request.params:
            assert key.lower() in known, f"{name}: {key}"
            schema = known[key.lower()]["schema"]
            value = {"integer": int, "array": lambda text: text.split(",")}.get(schema["type"], str)(text)
            assert spec.faults(value, schema) == [], f"{name}: {key}"


def test_requests_carry_every_required_header_with_a_fitting_value(built):
    connection = AepConnection(base_url="https://platform.adobe.io", **CONNECTION)
    for name, (spec, request) in built.items():
        documented = spec.parameters(spec.operation(request.method, request.path), "header")
        sent = {key.lower(): value for key, value in (connection.headers("t") | dict(request.headers)).items()}
        if request.json is not None:
            sent["content-type"] = "application/json"
        required = {key for key, parameter in documented.items() if parameter.get("required")}
        assert required <= set(sent), name
        assert "x-sandbox-id" not in sent
        for key, value in sent.items():
            if key in documented and (name, key) not in REQUEST_EXCEPTIONS:
                assert spec.faults(value, documented[key]["schema"]) == [], f"{name}: {key}"


def test_activation_bodies_fit_their_version(built):
    body_schema = ADHOC.operation("POST", endpoints.ADHOC_RUN)["requestBody"]["content"]["application/json"]["schema"]
    v2, v1 = (built[name][1].json for name in ("v2", "v1"))
    assert ADHOC.faults(v2, ADHOC.schema("adhocActivationRequestV2")) == []
    assert ADHOC.faults(v1, ADHOC.schema("adhocActivationRequestV1")) == []
    assert ADHOC.faults(v2, ADHOC.schema("adhocActivationRequestV1")) != []
    assert set(ADHOC.undocumented(v2, ADHOC.schema("adhocActivationRequestV2"))) == set()
    assert set(ADHOC.undocumented(v1, ADHOC.schema("adhocActivationRequestV1"))) == set()
    assert ADHOC.faults(v2, body_schema) == []


def test_the_exceptions_for_requests_are_still_needed(built):
    body_schema = ADHOC.operation("POST", endpoints.ADHOC_RUN)["requestBody"]["content"]["application/json"]["schema"]
    accept = ADHOC.parameters(ADHOC.operation("POST", endpoints.ADHOC_RUN), "header")["accept"]["schema"]
    assert ADHOC.faults(built["v1"][1].headers["Accept"], accept) != []
    assert ADHOC.faults(built["v1"][1].json, body_schema) != []
    assert ADHOC.faults(dict(ADHOC.examples())["runAdhocActivation v1_request"], body_schema) != []


# -- Adobe's own examples

FLOW_EXAMPLES = [(name, value) for name, value in FLOWS.examples() if "_Run_" not in name]
RUN_EXAMPLES = [(name, value) for name, value in FLOWS.examples() if "_Run_" in name]


def test_adobes_own_examples_need_every_exception_and_no_other():
    used: set[str] = set()
    for _, value in FLOW_EXAMPLES:
        judge(FLOWS, value, FLOWS.schema("FlowListResponse"), used)
    for _, value in RUN_EXAMPLES:
        judge(FLOWS, value, FLOWS.schema("FlowRunsListResponse"), used)
    for name, value in EXPORTS.examples():
        if name.startswith("listSegmentJobs"):
            judge(EXPORTS, value, EXPORTS.schema("ListSegmentJobs"), used)
    assert used == set(UNDOCUMENTED)


@pytest.mark.parametrize(("name", "value"), FLOW_EXAMPLES, ids=[name for name, _ in FLOW_EXAMPLES])
def test_examples_of_flows_are_read(name, value):
    for item in value["items"]:
        flow = DestinationFlow.from_json(item)
        (audience,) = flow.audiences
        assert (flow.id, flow.name, flow.state) == (item["id"], "Documentation S3 Destination", "enabled")
        assert (flow.is_destination, flow.tells_audiences, flow.last_run_state) == (True, True, "success")
        assert flow.last_run_at is not None
        assert audience.is_file_export
        assert audience.mapped_at is not None
        assert audience.mapped_at.year == 2022
        assert (audience.start_date is None, audience.end_date is None) == (False, False)
        if "External" in name:
            assert (audience.id, audience.platform_id) == ("extaud9001", "979558ae-a8ba-4e6e-b6ba-95c0a523b44a")
        else:
            assert audience.platform_id == "eda67d3d-89a4-4947-9d02-2f8c0a5a8223"


@pytest.mark.parametrize(("name", "value"), RUN_EXAMPLES, ids=[name for name, _ in RUN_EXAMPLES])
def test_examples_of_runs_are_read(name, value):
    run = FlowRun.from_json(value["items"][0])
    assert run.flow_id == "df8d079d-11eb-466a-9731-6b5948a009e4"
    assert None not in (run.created_at, run.started_at, run.completed_at)
    if "Failure" in name:
        assert run.status is RunStatus.FAILED
        assert (run.error_code, run.error_text) == ("ACTIVATION_BATCH-0000-FAILED", "Job aborted.")
        assert run.names(["cfa5dadb-fd73-4bab-a470-f88323c55ec7"])
    else:
        assert run.status is RunStatus.SUCCESS
        assert run.total == (7808223, 15224, None, 7823447)
        assert run.audiences == {"b1cbaff7-e7c6-417e-ab54-71d302595785": run.total}


def test_the_examples_of_an_export_jobs_fields_are_read():
    composed = EXPORTS.composed(EXPORTS.schema("ExportJobResponse"))
    assert EXPORTS.faults(composed, EXPORTS.schema("ExportJobResponse")) == []
    job = ExportJob.from_json(composed)
    assert (job.id, job.status, job.is_profile) == ("100", ExportStatus.SUCCEEDED, True)
    # The schema says seconds; its own example has milliseconds.
    assert job.created_at is not None
    assert job.created_at.year == 2018


def test_the_example_of_segment_jobs_is_read():
    [example] = [value for name, value in EXPORTS.examples() if name.startswith("listSegmentJobs")]
    [job] = map(SegmentJob.from_json, example["children"])
    assert (job.is_done, job.sizes) == (False, {"94509dba-7387-452f-addc-5d8d979f6ae8": 1033})
    assert job.finished_at is not None
    assert job.finished_at.year == 2019


def test_the_examples_of_activations_are_read_and_written():
    examples = dict(ADHOC.examples())
    (entry,) = examples["runAdhocActivation default"]["order"]
    order = Activation.from_json(entry)
    assert order == Activation(
        "ef2dcbd6-36fc-49a3-afed-d7b8e8f724eb",
        "db8961e9-d52f-45bc-b3fb-76d0382a6851",
        "88d6da63-dc97-460e-b781-fc795a7386d9",
    )
    for name, export_ids in (("v2_request", [None]), ("v1_request", None)):
        wanted = examples[f"runAdhocActivation {name}"]
        pairs = [Pair(flow, audience) for flow, names in wanted["activationInfo"].items() for audience in names]
        (export_id,) = export_ids or wanted["exportIds"]
        assert first(endpoints.activate(pairs, export_id=export_id)).json == wanted


@pytest.mark.parametrize(
    ("name", "fill", "kind"),
    [
        (
            "run_already_in_progress",
            {"{segmentId}": "seg-1", "{dataflowId}": "flow-1", "{flowRunId}": "run-1"},
            AnswerKind.CONFLICT,
        ),
        ("segment_not_in_dataflow", {"{segmentName}": "Gold customers"}, AnswerKind.FINAL),
    ],
)
def test_the_examples_of_refusals_are_read(name, fill, kind):
    text = json.dumps(dict(ADHOC.examples())[f"runAdhocActivation {name}"])
    for placeholder, value in fill.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    verdict = classify(400, {}, text.encode(), activation=True)
    assert verdict.kind is kind
    if kind is AnswerKind.CONFLICT:
        assert verdict.conflict == ("flow-1", "seg-1", "run-1")


def test_documented_words_of_a_status_are_all_known():
    words = EXPORTS.resolve(EXPORTS.schema("ExportJobResponse"))["properties"]["status"]["enum"]
    read = {word: ExportJob.from_json({"status": word}).status for word in words}
    assert read == {
        "NEW": ExportStatus.IN_PROGRESS,
        "PROCESSING": ExportStatus.IN_PROGRESS,
        "SUCCEEDED": ExportStatus.SUCCEEDED,
        "FAILED": ExportStatus.FAILED,
    }


def test_every_exception_has_a_reason():
    assert all(chain(UNDOCUMENTED.values(), REQUEST_EXCEPTIONS.values()))
