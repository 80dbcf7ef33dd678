"""Reading of error answers: one verdict per documented shape."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform.aep.answers import NOT_READY_PAUSE, AnswerKind, classify, describe
from adobe_experience_platform.errors import Conflict

XDM = {
    "type": "http://ns.adobe.com/aep/errors/XDM-1012-404",
    "title": "Resource not found",
    "status": 404,
    "report": {"registryRequestId": "1", "detailed-message": "It is not there.", "sub-errors": []},
}
CONFLICT = "Run already going on for {word} aud-1 for order flow-1 with run id 88d6da63-dc97-460e-b781-fc795a7386d9"
NOT_MAPPED = "Segments Gold customers are not part of this dataflow or out of schedule range!"
NOT_READY = (
    "Invalid parameter: Following order ID(s) are not ready for dataset export, please wait for 10 minutes and retry."
)
WRONG_SPEC = "Invalid parameter: Flow for id f is incorrect. Error is [Adhoc run can not be executed for Flow spec=1."


def raw(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "text"),
    [
        (401, {"error_code": "401013", "message": "Oauth token is not valid"}, "RENEW_TOKEN", "401013", None),
        (401, {"error_code": 401013, "message": "Oauth token is not valid"}, "RENEW_TOKEN", "401013", None),
        (403, {"error_code": "403025", "message": "Profile is not valid"}, "FINAL", "403025", None),
        (403, {"error_code": "403010", "message": "Oauth token is missing"}, "FINAL", "403010", None),
        (400, {"error_code": "400003", "message": "Missing header"}, "FINAL", "400003", None),
        (429, {"error_code": "429050", "message": "Too many requests"}, "RETRY", "429050", "Too many requests"),
        (404, {"errorMessage": "flows not found with id = [x]"}, "FINAL", "", "flows not found with id = [x]"),
        (404, {**XDM, "detail": "The id is unknown."}, "FINAL", "XDM-1012-404", "It is not there."),
        (404, {**XDM, "detail": "The id is unknown.", "report": {}}, "FINAL", "XDM-1012-404", "The id is unknown."),
        (404, {**XDM, "report": None}, "FINAL", "XDM-1012-404", "Resource not found"),
        (404, {"report": {"detailed-message": "Deep."}}, "FINAL", "", "Deep."),
        (429, {"message": "slow", "cause": "x", "retryAfterMs": "500", "statusCode": "429"}, "RETRY", "", "slow"),
        (429, {"title": "RequestRateTooLarge", "status": 429, "detail": "Slow down"}, "RETRY", "", "Slow down"),
        (400, {"error": "invalid_client", "error_description": "invalid client_id"}, "FINAL", "invalid_client", None),
        (502, b"<html><body>\n<h1>502 Bad\tGateway</h1></body></html>", "RETRY", "", None),
        (503, b"", "RETRY", "", ""),
        (500, b"null", "RETRY", "", "null"),
        (500, [1], "RETRY", "", "[1]"),
        (500, "oops", "RETRY", "", '"oops"'),
        (408, {}, "RETRY", "", "{}"),
        (425, {}, "RETRY", "", None),
        (504, {}, "RETRY", "", None),
        (400, {"message": "bad"}, "FINAL", "", "bad"),
        (409, {"message": "conflict"}, "FINAL", "", "conflict"),
        (422, {"message": "odd"}, "FINAL", "", "odd"),
    ],
)
def test_reading_calls_every_documented_shape(status, body, kind, code, text):
    verdict = classify(status, {}, raw(body))
    assert (verdict.kind, verdict.code) == (AnswerKind[kind], code)
    assert verdict.status == status
    if text is not None:
        assert verdict.text == text
    assert verdict.text.isprintable()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"order": []}, "OK"),
        (400, {"message": CONFLICT.format(word="audience")}, "CONFLICT"),
        (400, {"message": CONFLICT.format(word="segment")}, "CONFLICT"),
        (400, {"message": NOT_MAPPED}, "FINAL"),
        (400, {"message": NOT_READY}, "NOT_READY"),
        (400, {"message": WRONG_SPEC}, "FINAL"),
        (400, b"<html>", "FINAL"),
        (401, {"error_code": "401013"}, "RENEW_TOKEN"),
        (403, {"error_code": "403003"}, "NOT_SENT"),
        (404, {"message": "not found"}, "NOT_SENT"),
        (408, {}, "UNKNOWN"),
        (429, {}, "UNKNOWN"),
        (500, {"message": "unexpected"}, "UNKNOWN"),
        (502, b"<html>", "UNKNOWN"),
        (504, b"", "UNKNOWN"),
        (302, b"", "UNKNOWN"),
        (409, {}, "UNKNOWN"),
        (422, {}, "UNKNOWN"),
    ],
)
def test_an_activation_is_never_called_retriable(status, body, kind):
    verdict = classify(status, {}, raw(body), activation=True)
    assert verdict.kind is AnswerKind[kind]
    assert verdict.kind is not AnswerKind.RETRY


@pytest.mark.parametrize("word", ["audience", "segment", "Segment", "AUDIENCE"])
def test_the_run_in_progress_is_read_from_both_wordings(word):
    verdict = classify(400, {}, raw({"message": CONFLICT.format(word=word)}), activation=True)
    assert verdict.conflict == Conflict("flow-1", "aud-1", "88d6da63-dc97-460e-b781-fc795a7386d9")


def test_the_run_in_progress_is_read_among_other_text():
    text = f"Bad request: {CONFLICT.format(word='audience')}\nplease wait"
    verdict = classify(400, {}, raw({"message": text}), activation=True)
    assert verdict.conflict is not None
    assert verdict.conflict.run_id == "88d6da63-dc97-460e-b781-fc795a7386d9"


@pytest.mark.parametrize(
    "text",
    [
        "Run already going on for audience {segmentId} for order {dataflowId} with run id {flowRunId}",
        "Run already going on for audience a for order f",
        "Run already going on for audience a for order f with run id ../../tokens",
        "Run already going on for dataset a for order f with run id r",
    ],
)
def test_a_conflict_that_names_no_sound_run_is_a_refusal(text):
    assert classify(400, {}, raw({"message": text}), activation=True).kind is AnswerKind.FINAL


def test_not_ready_waits_as_long_as_aeps_own_text_says():
    assert classify(400, {}, raw({"message": NOT_READY}), activation=True).retry_after == NOT_READY_PAUSE
    told = classify(400, {"retry-after": "30"}, raw({"message": NOT_READY}), activation=True)
    assert told.retry_after == 30


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, {}, 7),
        ({"retry-after": " 7 "}, {}, 7),
        ({"retry-after": "0"}, {}, 0),
        ({"retry-after": "1.5"}, {}, 1.5),
        ({"retry-after": "-5"}, {}, 0),
        ({"retry-after": "Tue, 14 Nov 2023 22:15:20 GMT"}, {}, 120),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:00 GMT"}, {}, 0),
        # By the clock that wrote it, wrong as it may be, not by ours.
        ({"retry-after": "Tue, 14 Nov 2023 21:00:09 GMT", "date": "Tue, 14 Nov 2023 21:00:00 GMT"}, {}, 9),
        ({"retry-after": "Tue, 14 Nov 2023 22:15:20 GMT", "date": "this morning"}, {}, 120),
        ({"retry-after": "soon"}, {}, None),
        ({"retry-after": "inf"}, {}, None),
        ({"retry-after": "nan"}, {}, None),
        ({}, {"retryAfterMs": "500"}, 0.5),
        ({}, {"retryAfterMs": 2000}, 2),
        ({}, {"retryAfterMs": "-1"}, 0),
        ({}, {"retryAfterMs": "later"}, None),
        ({}, {"retryAfterMs": None}, None),
        ({"retry-after": "3"}, {"retryAfterMs": "500"}, 3),
        ({}, {}, None),
        ({}, [], None),
    ],
)
def test_how_long_aep_asks_to_wait(headers, body, seconds, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW)

    assert classify(429, headers, raw(body)).retry_after == seconds


def test_the_request_id_is_kept():
    assert classify(500, {"x-request-id": "req-1"}, b"").request_id == "req-1"
    assert classify(200, {"x-request-id": "req-1"}, b"{}").request_id == "req-1"


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["retry-after", "x-request-id"]), st.text(max_size=40)),
    st.binary(max_size=200),
    st.booleans(),
)
def test_no_answer_whatever_breaks_the_reading(status, headers, body, activation):
    verdict = classify(status, headers, body, activation=activation)
    assert len(verdict.text) <= 500
    assert verdict.text.isprintable()


@pytest.mark.parametrize("bad", ["[" * 100_000, '{"message": ' * 50_000, "{" * 9])
def test_deeply_nested_bodies_are_only_text(bad):
    assert classify(500, {}, bad.encode()).kind is AnswerKind.RETRY


def test_texts_are_tried_in_order():
    data = {
        "title": "t",
        "detail": "d",
        "errorMessage": "e",
        "message": "m",
        "error_description": "x",
    }
    seen = []
    while data:
        text = describe(data)[1]
        seen.append(text)
        data = {key: value for key, value in data.items() if value != text}
    assert seen == ["m", "e", "d", "t", "x"]
