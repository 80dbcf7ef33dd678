"""How each fault of the table is made, and what each call gives when all is well."""

from __future__ import annotations

import datetime as dt
import email.utils
from dataclasses import dataclass, field

from adobe_experience_platform.aep import endpoints
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.jobs import Job
from adobe_experience_platform.delivery.submission import Done, Settle, Submission, WaitFor
from include.aep_simulator.faults import FaultSpec
from include.aep_simulator.seed import SeedDocument
from tests.promises.faults.table import FLOW, FLOWS, JOBS, POST, RUN, RUNS, SIZES, TOKEN
from tests.support.memory_aep import MemoryStore
from tests.support.parts import flow_json, job_json, run_json

PATHS = {
    TOKEN: "/ims/token/v3",
    JOBS: endpoints.EXPORT_JOBS,
    SIZES: endpoints.SEGMENT_JOBS,
    FLOW: endpoints.FLOWS + "/mail",
    FLOWS: endpoints.FLOWS,
    RUNS: endpoints.RUNS,
    RUN: endpoints.RUNS + "/run-1",
    POST: endpoints.ADHOC_RUN,
}
SECRET = "p8e-secret/of+the=tests"
SEED = SeedDocument.model_validate(
    {
        "org_id": "ORG@AdobeOrg",
        "settings": {"daily_export": False, "run_variation": 0, "speed": 100_000, "send_request_id": False},
        "credentials": [{"client_id": "client-1", "client_secrets": [SECRET]}],
        "audiences": [{"id": "gold", "name": "Gold"}, {"id": "silver", "name": "Silver"}],
        "flows": [{"id": "mail", "name": "Mail", "audiences": ["gold", "silver"]}],
        "export_jobs": [{"id": 722, "age": "3h"}],
        "segment_jobs": [{"id": "j-1", "sizes": {"gold": 7}}],
        "runs": [{"id": "run-1", "flow_id": "mail", "audience_ids": ["silver"]}],
    }
)
PAIR = Pair("mail", "gold")

# -- the calls

READ = {
    JOBS: (lambda: endpoints.profile_export_jobs(dt.datetime.now(tz=dt.UTC)), lambda jobs: [job.id for job in jobs]),
    SIZES: (endpoints.evaluations, lambda jobs: [job.id for job in jobs]),
    FLOW: (lambda: endpoints.flow("mail"), lambda flow: flow.id),
    FLOWS: (endpoints.destination_flows, lambda flows: [flow.id for flow in flows]),
    RUNS: (lambda: endpoints.runs_of_flow("mail", lambda _: False), lambda runs: [run.id for run in runs]),
    RUN: (lambda: endpoints.run("run-1"), lambda run: run.id),
}
RIGHT = {JOBS: ["722"], SIZES: ["j-1"], FLOW: "mail", FLOWS: ["mail"], RUNS: ["run-1"], RUN: "run-1"}


def read(hook, call):
    """Carry out a reading call (for the token: one that needs a new token) and return its result, made short."""
    make, shorten = READ[JOBS if call == TOKEN else call]
    return shorten(hook.call(make()))


def right(call):
    """Return what :func:`read` returns when all is well."""
    return RIGHT[JOBS if call == TOKEN else call]


@dataclass
class Delivery:
    """An activation, played by the exactly-once protocol to its end.

    :param steps: types of the protocol's steps.
    :param before_send: called when all has been read, before the connection for the POST is opened.
    :param before_post: called when the intent has been recorded, directly before the POST's first byte.
    """

    hook: object
    before_send: object = lambda: None
    before_post: object = lambda: None
    steps: list = field(default_factory=list)
    store: MemoryStore = field(default_factory=MemoryStore)
    asked_to_wait: float = 0.0

    def play(self):
        """Go on until AEP has it, refuses it, or is in the way."""
        self.store.after_set = lambda record: self.before_post() if "intent" in record else None
        submission = Submission(Job(1, 1, (PAIR,)), self.store, max_tries=0, gate=self.before_send)
        self.hook.call(submission.begin(resend_failed=False))
        settled = ""
        for _ in range(20):
            step = self.hook.call(submission.step(settled=settled))
            self.steps.append(type(step))
            if isinstance(step, Done | WaitFor):
                return self
            assert isinstance(step, Settle)
            self.asked_to_wait = max(self.asked_to_wait, step.at_least)
            settled = submission.record.intent.id if submission.record.intent else ""
        raise AssertionError("the protocol has no end")

    @property
    def record(self):
        return self.store.get("submission")


# -- the faults

AEP_SAYS = {"code": "999777", "words": "AEP is not well today", "request_id": "req-4711"}
ITEMS = {JOBS: "records", SIZES: "children", FLOW: "items", FLOWS: "items", RUNS: "items", RUN: "items"}
PAUSES = {
    "429 with Retry-After in seconds": 7.0,
    "429 with Retry-After as a date": 40.0,
    "429 with retryAfterMs": 2.5,
    "429 for over a minute": 600.0,
}
CONFLICT = "Run already going on for audience gold for order mail with run id run-9"
NOT_READY = "Following order ID(s) are not ready for dataset export, please wait for 10 minutes and retry."


def answer_of(call, **more):
    """Return a right answer, with more fields in each place."""
    if call == TOKEN:
        return {"access_token": "replaced by the test", "token_type": "bearer", "expires_in": 86399, **more}
    if call == POST:
        url = f"https://platform.adobe.io{endpoints.RUNS}/run-7"
        return {"order": [{"segment": "gold", "order": "mail", "statusURL": url, **more}], **more}
    thing = {
        JOBS: lambda: job_json(**more),
        SIZES: lambda: {**job_json("j-1"), **more},
        FLOW: lambda: flow_json("mail", **more),
        RUN: lambda: run_json("run-1", "mail", **more),
    }[{FLOWS: FLOW, RUNS: RUN}.get(call, call)]
    return {ITEMS[call]: [thing() if call != JOBS else {**job_json(), **more}], **more}


def wrong_types(call):
    """Return an answer whose fields have other types than they should."""
    if call == TOKEN:
        return {"access_token": {"token": ["x"]}, "expires_in": []}
    return {"order": [["gold", "mail"], 7, None]} if call == POST else {ITEMS[call]: [["x"], 7, None]}


def missing_fields(call):
    """Return an answer that lacks what matters."""
    if call in (TOKEN, FLOW, RUN):
        return {"expires_in": 86399}
    return {"order": [{"segment": "gold"}]} if call == POST else {ITEMS[call]: [{"state": "enabled"}]}


def spec_of(fault, call, *, token, foreign, effect):
    """Return what the simulated AEP is told to do, None for faults of the wire.

    :param token: a token that works, for answers of IMS that are written by hand.
    :param foreign: URL of another host.
    :param effect: whether the request is carried out although its answer says otherwise.
    """
    headers = {"x-request-id": AEP_SAYS["request_id"]}
    body = {"error_code": AEP_SAYS["code"], "message": AEP_SAYS["words"]}
    if call == TOKEN:
        body = {"error": AEP_SAYS["code"], "error_description": AEP_SAYS["words"]}
    status, _, more = fault.partition(" ")
    if status == "429":
        pause = PAUSES.get(fault)
        if "date" in more:
            moment = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=pause)
            headers["Retry-After"] = email.utils.format_datetime(moment, usegmt=True)
        elif "Ms" in more:
            body["retryAfterMs"] = str(int(pause * 1000))
        elif pause:
            headers["Retry-After"] = str(int(pause))
    if fault == "400 run already going on":
        body["message"] = CONFLICT
    if fault == "400 not ready, retry":
        body["message"] = NOT_READY
    if fault == "200 with extra fields":
        body = answer_of(call, new={"deep": [1, {"x": None}]})
    if fault == "200 with a body of 10 MB":
        body = {**answer_of(call), "padding": "x" * 10_000_000}
    if call == TOKEN and "access_token" in body:
        body["access_token"] = token
    made = {
        "connection refused": None,
        "slow body, byte by byte": None,
        "slow headers, byte by byte": None,
        "reset before it took effect": {"kind": "close_before"},
        "reset after it took effect": {"kind": "close_after"},
        "no answer in time": {"kind": "delay", "delay": 2.0} if effect else {"kind": "wait_release"},
        "502 with HTML": {"kind": "html", "status": 502},
        "200 with an empty body": {"kind": "empty"},
        "200 with HTML": {"kind": "html", "status": 200},
        "200 cut short": {"kind": "truncate"},
        "200 with wrong types": {"kind": "body", "body": wrong_types(call)},
        "200 with missing fields": {"kind": "body", "body": missing_fields(call)},
        "200 with extra fields": {"kind": "body", "body": body},
        "200 with a body of 10 MB": {"kind": "body", "body": body},
        "200 with a body above the bound": {"kind": "body", "body": {"padding": "x" * 300_000}},
        "redirect to the same host": {"kind": "redirect", "status": 307, "location": PATHS[call] + "?limit=50"},
        "redirect to a foreign host": {"kind": "redirect", "status": 307, "location": foreign + PATHS[call]},
    }
    spec = made.get(fault, {"kind": "status", "status": int(status) if status.isdecimal() else 0, "body": body})
    if spec is None:
        return None
    if spec["kind"] not in ("close_before", "close_after", "truncate", "delay", "wait_release"):
        spec["headers"] = headers
    if spec["kind"] not in ("close_before", "close_after", "truncate", "wait_release"):
        spec["effect"] = effect
    return FaultSpec(path=PATHS[call], **spec)


def says(fault):
    """Return what of AEP's answer the message of a failure must name: (status, code, words, request id)."""
    status = fault.partition(" ")[0]
    if fault.startswith("redirect"):
        return "307", "", "", AEP_SAYS["request_id"]
    if not status.isdecimal():
        return "", "", "", ""
    if fault == "200 cut short":
        return status, "", "", ""
    words = {"400 run already going on": CONFLICT, "400 not ready, retry": NOT_READY}.get(fault, AEP_SAYS["words"])
    spoken = status != "200" and fault != "502 with HTML"
    return status, AEP_SAYS["code"] if spoken else "", words if spoken else "", AEP_SAYS["request_id"]
