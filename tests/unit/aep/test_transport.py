"""How a request is carried, explored as the state machine it is: no socket, no clock, no sleep."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from adobe_experience_platform.aep import auth, transport
from adobe_experience_platform.aep.calls import Request
from adobe_experience_platform.aep.endpoints import ACCEPT_V2
from adobe_experience_platform.aep.transport import (
    ATTEMPTS,
    LONGEST_SLEEP,
    MAX_REDIRECTS,
    REFUSALS,
    NeedToken,
    Received,
    Send,
    Sleep,
    TransportError,
    exchange,
    mint,
    require_open,
)
from adobe_experience_platform.errors import (
    AepAuthError,
    AepCallError,
    AepConflictError,
    AepLostAnswerError,
    AepNotFoundError,
    AepNotReadyError,
    AepRequestError,
    AepTooLargeError,
    AepTransientError,
)
from tests.support.parts import BASE_URL, play, received, settings

GET = Request("GET /runs", "GET", "/data/foundation/flowservice/runs", (("property", "id==a,b"),))
POST = Request(
    "POST /adhocrun",
    "POST",
    "/data/core/activation/disflowprovider/adhocrun",
    headers={"Accept": ACCEPT_V2},
    json={"activationInfo": {"f": ["a"]}},
    is_activation=True,
)
OK = received(200, {"items": []}, x_request_id="req-1")
EXPIRED = received(401, {"error_code": "401013", "message": "Oauth token is not valid"})
CONFLICT = received(400, {"message": "Run already going on for audience a for order f with run id r-1"})
NOT_READY = received(400, {"message": "Following order ID(s) are not ready, please wait for 10 minutes and retry."})
SLOW = received(429, {"message": "slow"})
NOT_SENT = TransportError("connection refused", sent=False)
BROKEN = TransportError("the connection was closed", sent=True)
TOO_LARGE = TransportError("the response is larger than 16 bytes", sent=True, begun=received(200), too_large=True)
LIST = Request("GET /flows", "GET", "/data/foundation/flowservice/flows", (("limit", "100"),))


class Wire:
    """Plays prepared answers and notes what happened."""

    def __init__(self, *answers: Received | TransportError, given: bool = False) -> None:
        self.given = given
        self.answers = list(answers)
        self.sent: list[Send] = []
        self.slept: list[float] = []
        self.tokens: list[str | None] = []

    def __call__(self, effect):
        if isinstance(effect, NeedToken):
            self.tokens.append(effect.refused)
            if self.given and effect.refused:
                auth.mint_body(settings(access_token="given"))
            return f"token-{len(self.tokens)}"
        if isinstance(effect, Sleep):
            self.slept.append(effect.seconds)
            return None
        self.sent.append(effect)
        answer = self.answers.pop(0)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    def carry(self, request: Request = GET, **changes):
        return play(exchange(settings(**changes), request), self)

    def fail(self, kind, request: Request = GET, **changes):
        with pytest.raises(AepCallError) as caught:
            self.carry(request, **changes)
        assert type(caught.value) is kind, caught.value
        assert not self.answers, "not every answer was asked for"
        return caught.value


@pytest.fixture(autouse=True)
def plain_backoff(monkeypatch):
    """Make pauses certain: 1 s before the second attempt, 2 s before the third."""
    monkeypatch.setattr(transport, "backoff", float)


# -- one request


def test_a_request_carries_the_four_headers_and_its_parameters():
    wire = Wire(OK)
    response = wire.carry()
    assert (response.data, response.request_id) == ({"items": []}, "req-1")
    assert wire.sent == [
        Send(
            "GET",
            BASE_URL + GET.path,
            (("property", "id==a,b"),),
            {
                "Accept": "application/json",
                "Authorization": "Bearer token-1",
                "x-api-key": "client-1",
                "x-gw-ims-org-id": "ORG@AdobeOrg",
                "x-sandbox-name": "prod",
            },
            None,
        )
    ]


def test_an_activation_is_json_on_a_connection_of_its_own():
    wire = Wire(received(200, {"order": []}))
    wire.carry(POST)
    (send,) = wire.sent
    assert send.headers["Accept"] == ACCEPT_V2
    assert send.headers["Content-Type"] == "application/json"
    assert json.loads(send.body or b"") == {"activationInfo": {"f": ["a"]}}
    assert send.fresh_connection


def test_neither_token_nor_body_is_shown():
    wire = Wire(received(200, {"order": []}))
    wire.carry(POST)
    assert "token-1" not in repr(wire.sent)
    assert "activationInfo" not in repr(wire.sent)


def test_a_list_that_is_too_large_is_not_asked_for_again_as_it_was():
    error = Wire(TOO_LARGE).fail(AepTooLargeError, LIST)
    assert str(error).startswith("GET /flows failed with HTTP 200: the response is larger than 16 bytes")


@pytest.mark.parametrize("request_", [GET, replace(LIST, params=(("limit", "1"),))])
def test_what_cannot_be_asked_for_in_smaller_pages_may_be_a_slip(request_):
    assert Wire(TOO_LARGE, OK).carry(request_).request_id == "req-1"


def test_an_answer_to_an_activation_that_is_too_large_is_a_lost_one():
    assert "may or may not have started" in str(Wire(TOO_LARGE).fail(AepLostAnswerError, POST))


@pytest.mark.parametrize("body", [b'{"items": [' + b"0," * 500_001 + b"0]}", b'{"items": [' + b"0," * 10_000 + b"0]}"])
def test_a_body_of_too_many_values_is_too_large(body):
    error = Wire(received(200, body)).fail(AepTooLargeError, LIST)
    assert "the body holds" in str(error)


# -- reading calls are tried again

TROUBLE = [
    BROKEN,
    NOT_SENT,
    received(408),
    received(500, {"message": "x"}),
    received(502, b"<html>"),
    received(503),
    received(504),
    received(200, b"<html>all is well</html>"),
    received(200, b""),
    received(200, b"[]"),
    received(200, b'{"items": ['),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda item: str(getattr(item, "status", item)))
def test_a_reading_call_survives_trouble(trouble):
    wire = Wire(trouble, trouble, OK)
    assert wire.carry().data == {"items": []}
    assert wire.slept == [1.0, 2.0]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda item: str(getattr(item, "status", item)))
def test_a_reading_call_gives_up_after_some_attempts(trouble):
    wire = Wire(*[trouble] * ATTEMPTS)
    error = wire.fail(AepTransientError)
    assert error.retriable
    assert len(wire.sent) == ATTEMPTS
    assert wire.slept == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (received(400, {"message": "bad filter"}), AepRequestError),
        (received(403, {"error_code": "403025", "message": "x"}), AepAuthError),
        (received(404, {"errorMessage": "flows not found"}), AepNotFoundError),
        (received(400, {"code": "1439-400", "message": "not found"}), AepNotFoundError),
        (received(409, {}), AepRequestError),
    ],
)
def test_a_refusal_is_final_at_once(answer, kind):
    wire = Wire(answer)
    error = wire.fail(kind)
    assert not error.retriable
    assert not wire.slept


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("403000", "Login"),
        ("403003", "Login"),
        ("403025", "org_id"),
        ("403027", "org_id"),
        ("2118-403", "role"),
        ("", "View Destinations"),
    ],
)
def test_a_403_says_what_to_check(code, advice):
    error = Wire(received(403, {"error_code": code, "message": "no"})).fail(AepAuthError)
    assert advice in str(error)


# -- the token


def test_a_refused_token_is_renewed_once():
    wire = Wire(EXPIRED, OK)
    wire.carry()
    assert wire.tokens == [None, "token-1"]
    assert [send.headers["Authorization"] for send in wire.sent] == ["Bearer token-1", "Bearer token-2"]
    assert not wire.slept


def test_a_token_that_is_refused_even_when_new_may_be_accepted_a_moment_later():
    wire = Wire(EXPIRED, EXPIRED, EXPIRED, OK)
    wire.carry()
    assert wire.tokens == [None, "token-1"]
    assert wire.slept == [2.0, 3.0]


def test_a_token_that_is_always_refused_ends_the_call_and_is_renewed_only_once():
    wire = Wire(*[EXPIRED] * ATTEMPTS)
    error = wire.fail(AepAuthError)
    assert len(wire.tokens) == 2
    assert "a newly issued token was rejected" in str(error)
    assert error.retriable


def test_a_given_token_that_is_refused_may_be_accepted_a_moment_later():
    wire = Wire(EXPIRED, EXPIRED, OK, given=True)
    wire.carry()
    assert {send.headers["Authorization"] for send in wire.sent} == {"Bearer token-1"}
    wire = Wire(*[EXPIRED] * (ATTEMPTS - 1), given=True)
    assert "enter a new extra 'access_token'" in str(wire.fail(AepAuthError))


def test_the_renewed_token_serves_later_attempts_too():
    wire = Wire(EXPIRED, received(503), OK)
    wire.carry()
    assert [send.headers["Authorization"][-1] for send in wire.sent] == ["1", "2", "2"]


# -- how long


@pytest.mark.parametrize(
    "answer",
    [
        SLOW,
        received(429, {}, retry_after="7"),
        received(503, {}, retry_after="30"),
        received(429, {"retryAfterMs": "2500"}),
        received(429, {}, retry_after="0"),
        received(429, {}, retry_after="60"),
    ],
)
def test_being_asked_for_a_pause_is_no_failed_attempt_and_the_hook_keeps_it(answer):
    wire = Wire(*[answer] * (REFUSALS - 1), OK)
    assert wire.carry().data == {"items": []}
    assert wire.slept == []
    assert Wire(*[answer] * REFUSALS).fail(AepTransientError).status == answer.status


def test_who_is_waited_for_by_a_person_is_told_at_once():
    wire = Wire(SLOW)
    with pytest.raises(AepTransientError):
        play(exchange(settings(), GET, 1), wire)


@pytest.mark.parametrize("given", [SLOW, None])
def test_where_nothing_may_be_asked_for_long_nothing_is_sent_and_the_error_says_for_how_long(given):
    closed = TransportError("AEP has asked not to be asked for a while", sent=False, closed_for=2399.0)
    error = Wire(*([given] if given else []), closed).fail(AepTransientError)
    assert (error.status, error.retry_after, error.retriable) == (429, 2399.0, True)
    assert given or str(error).endswith("it is asked in 2399 s")
    assert error.text == ("slow" if given else "AEP has asked not to be asked for a while")


def test_a_pause_up_to_a_minute_is_waited_for():
    require_open(LONGEST_SLEEP)
    with pytest.raises(TransportError) as caught:
        require_open(LONGEST_SLEEP + 1)
    assert (caught.value.sent, caught.value.closed_for) == (False, LONGEST_SLEEP + 1)


def test_a_pause_that_is_too_long_is_left_to_the_tasks_retry():
    wire = Wire(received(429, {"message": "slow"}, retry_after="600"))
    error = wire.fail(AepTransientError)
    assert error.retry_after == 600
    assert error.retriable
    assert str(error).endswith("the call is retried in 600 s")
    assert not wire.slept


# -- redirects


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/data/elsewhere?x=1", f"{BASE_URL}/data/elsewhere?x=1"),
        (f"{BASE_URL}/data/elsewhere", f"{BASE_URL}/data/elsewhere"),
        ("HTTPS://PLATFORM.adobe.io/data/elsewhere", None),
        ("//platform.adobe.io/data/elsewhere", f"{BASE_URL}/data/elsewhere"),
    ],
)
def test_a_redirect_on_the_same_host_is_followed(location, url):
    wire = Wire(received(302, location=location), OK)
    wire.carry()
    assert wire.sent[1].url.lower() == (url or f"{BASE_URL}/data/elsewhere")
    assert wire.sent[1].params == ()
    assert wire.sent[1].headers["Authorization"] == "Bearer token-1"


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/data",
        "//evil.example/data",
        "http://platform.adobe.io/data",
        "https://platform.adobe.io:8443/data",
        "https://platform.adobe.io.evil.example/data",
        "https://platform.adobe.io@evil.example/data",
        "https://platform-stage.adobe.io/data",
        "ftp://platform.adobe.io/data",
        "https://[broken",
        "https://platform.adobe.io:99999/data",
        "javascript:alert(1)",
        "",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_anywhere_else_is_refused(location, status):
    wire = Wire(received(status, location=location))
    error = wire.fail(AepRequestError)
    assert len(wire.sent) == 1
    assert "token-1" not in str(error)


def test_redirects_end_somewhere():
    wire = Wire(*(received(302, location=f"/hop/{number}") for number in range(MAX_REDIRECTS + 1)))
    wire.fail(AepRequestError)
    assert len(wire.sent) == MAX_REDIRECTS + 1


# -- the activation


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (BROKEN, AepLostAnswerError),
        (received(408), AepLostAnswerError),
        (received(429, {}, retry_after="1"), AepLostAnswerError),
        (received(429, {"error_code": "429050", "message": "Too many requests"}), AepLostAnswerError),
        (received(500, {"message": "x"}), AepLostAnswerError),
        (received(502, b"<html>"), AepLostAnswerError),
        (received(504), AepLostAnswerError),
        (received(200, b"<html>"), AepLostAnswerError),
        (received(200, b""), AepLostAnswerError),
        (received(200, b'{"order": ['), AepLostAnswerError),
        (received(307, location="/data/core/activation/disflowprovider/adhocrun"), AepLostAnswerError),
        (CONFLICT, AepConflictError),
        (NOT_READY, AepNotReadyError),
        (received(400, {"message": "Segments x are not part of this dataflow"}), AepRequestError),
        (received(403, {"message": "no"}), AepAuthError),
        (received(404, {"message": "no"}), AepNotFoundError),
    ],
    ids=lambda item: str(getattr(item, "status", getattr(item, "__name__", item))),
)
def test_an_activation_is_never_repeated_once_it_was_sent(answer, kind):
    wire = Wire(answer)
    wire.fail(kind, POST)
    assert len(wire.sent) == 1
    assert not wire.slept


def test_an_activation_that_provably_never_left_is_sent_again():
    wire = Wire(NOT_SENT, NOT_SENT, received(200, {"order": []}))
    assert wire.carry(POST).data == {"order": []}
    assert wire.slept == [1.0, 2.0]


def test_an_activation_that_never_leaves_is_not_called_lost():
    wire = Wire(*[NOT_SENT] * ATTEMPTS)
    wire.fail(AepTransientError, POST)


def test_an_activation_refused_for_its_token_is_sent_again_with_a_new_one():
    wire = Wire(EXPIRED, received(200, {"order": []}))
    wire.carry(POST)
    assert [send.headers["Authorization"][-1] for send in wire.sent] == ["1", "2"]


def test_an_activation_is_not_repeated_after_a_renewal_either():
    wire = Wire(EXPIRED, BROKEN)
    wire.fail(AepLostAnswerError, POST)


def test_a_conflict_names_the_run():
    error = Wire(CONFLICT).fail(AepConflictError, POST)
    assert error.conflict == ("f", "a", "r-1")


def test_not_ready_asks_to_come_back_as_late_as_aep_says():
    error = Wire(NOT_READY).fail(AepNotReadyError, POST)
    assert (error.retriable, error.retry_after) == (True, 600)


# -- minting

TOKEN = received(200, {"access_token": "tok", "token_type": "bearer", "expires_in": 86399})


def mint_with(*answers, **changes):
    wire = Wire(*answers)
    return wire, lambda: play(mint(settings(**changes)), wire)


def test_the_token_is_asked_for_in_the_body():
    wire, run = mint_with(TOKEN)
    assert run().value == "tok"
    (send,) = wire.sent
    assert (send.method, send.url, send.params) == ("POST", "https://ims-na1.adobelogin.com/ims/token/v3", ())
    assert b"client_secret=p8e-secret" in (send.body or b"")
    assert "Authorization" not in send.headers
    assert "p8e-secret" not in repr(send)


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda item: str(getattr(item, "status", item)))
def test_minting_survives_trouble(trouble):
    wire, run = mint_with(trouble, trouble, TOKEN)
    assert run().value == "tok"
    assert wire.slept == [1.0, 2.0]


def test_minting_gives_up_after_some_attempts():
    wire, run = mint_with(*[received(503)] * ATTEMPTS)
    with pytest.raises(AepTransientError):
        run()
    assert len(wire.sent) == ATTEMPTS


@pytest.mark.parametrize("answer", [SLOW, received(429, {}, retry_after="5"), received(503, {}, retry_after="5")])
def test_minting_is_tried_as_often_as_the_hook_can_wait_where_too_many_ask(answer):
    wire, run = mint_with(*[answer] * (REFUSALS - 1), TOKEN)
    assert run().value == "tok"
    assert wire.slept == [], "the account's pace is the hook's"
    with pytest.raises(AepTransientError):
        mint_with(*[answer] * REFUSALS)[1]()
    with pytest.raises(AepTransientError):
        play(mint(settings(), 1), Wire(answer))


def test_minting_waits_no_longer_than_its_hook():
    long = received(429, {}, retry_after=str(LONGEST_SLEEP + 1))
    with pytest.raises(AepTransientError) as caught:
        mint_with(long)[1]()
    assert caught.value.retry_after == LONGEST_SLEEP + 1
    assert play(mint(settings(), patience=3600.0), Wire(long, TOKEN)).value == "tok"


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("word", ["invalid_client", "invalid_scope", "access_denied"])
def test_a_refused_credential_is_final(status, word):
    _, run = mint_with(received(status, {"error": word, "error_description": "no"}))
    with pytest.raises(AepAuthError, match=word) as caught:
        run()
    assert "p8e-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"error_code": "403000", "message": "Api Key is required"}),
        (404, {"errorMessage": "no such page"}),
        (405, b""),
        (401, b"<html>Sign in"),
        (400, {"type": "https://ns.adobe.com/errors/7", "title": "Bad Request"}),
        (200, b"<html>Welcome"),
        (200, {"token": "of another kind"}),
    ],
)
def test_a_stranger_at_the_address_of_ims_is_told_from_a_refusal(status, body):
    _, run = mint_with(*[received(status, body)] * ATTEMPTS)
    with pytest.raises(AepCallError, match="check that extra 'ims_url' names Adobe's IMS"):
        run()


def test_a_redirect_of_ims_is_not_followed():
    wire, run = mint_with(received(302, location="https://evil.example/ims/token/v3"))
    with pytest.raises(AepAuthError):
        run()
    assert len(wire.sent) == 1


def test_a_given_token_that_is_refused_is_not_replaced():
    _, run = mint_with(access_token="given")
    with pytest.raises(AepAuthError, match="access token in the connection was rejected"):
        run()


def test_pauses_grow_within_bounds(monkeypatch):
    monkeypatch.undo()
    for attempt in range(1, 12):
        pauses = [transport.backoff(attempt) for _ in range(200)]
        assert min(pauses) >= 0.1
        assert max(pauses) <= min(transport.BACKOFF_LAST, 2.0 ** (attempt - 1))
        assert len(set(pauses)) > 100
    assert auth.TOKEN_PATH == "/ims/token/v3"
