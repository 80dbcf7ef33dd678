"""Every call under every fault ends as the table says, over real sockets and with both hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import pytest

from adobe_experience_platform.aep import endpoints, transport
from adobe_experience_platform.delivery.submission import Settle, WaitFor
from adobe_experience_platform.errors import (
    AepAuthError,
    AepCallError,
    AepConflictError,
    AepLostAnswerError,
    AepNotFoundError,
    AepNotReadyError,
    AepRequestError,
    AepSubmissionError,
    AepTooLargeError,
    AepTransientError,
)
from include.aep_simulator.faults import FaultSpec
from tests.promises.faults.conftest import SHORT, Aep
from tests.promises.faults.play import PAIR, PATHS, PAUSES, SECRET, Delivery, read, right, says, spec_of
from tests.promises.faults.table import CALLS, EXPLAINED, FLOWS, JOBS, POST, RUN, RUNS, SIZES, TABLE, TOKEN, End
from tests.support.leaks import leaks, told_by

MakeHook = Callable[[], Any]
CELLS = [(fault, call, end) for fault, ends in TABLE.items() for call, end in zip(CALLS, ends, strict=True)]
READING = [cell for cell in CELLS if cell[1] != POST]
SURVIVED = [(fault, call) for fault, call, end in READING if end in (End.SURVIVES, End.RENEWS)]
FAILED = [(fault, call, end) for fault, call, end in READING if end not in (End.SURVIVES, End.RENEWS)]
TIMED = ("no answer in time", "slow body, byte by byte", "slow headers, byte by byte")
TOO_LARGE = "200 with a body above the bound"
# How often a list is asked for in smaller pages: of 100, 25 and 6 entries (or of 3) before those of one.
LISTS = {JOBS: 3, FLOWS: 3, RUNS: 3, SIZES: 1}
HARMLESS = ("200 with extra fields", "200 with a body of 10 MB")
ERRORS = {
    End.LATER: AepTransientError,
    End.UNREADABLE: AepTransientError,
    End.DENIED: AepAuthError,
    End.ABSENT: AepNotFoundError,
    End.REFUSED: AepRequestError,
}
NOT_SENT = {"400 not ready, retry": AepNotReadyError, "403": AepAuthError, "404": AepNotFoundError}


def ids(value: object) -> str | None:
    return value if isinstance(value, str) else None


def test_the_table_has_every_call_and_explains_every_word() -> None:
    assert all(len(ends) == len(CALLS) for ends in TABLE.values())
    assert {end for ends in TABLE.values() for end in ends} == set(EXPLAINED) == set(End)


@pytest.fixture
def arm(aep: Aep, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes a fault happen."""

    def make(fault: str, call: str, *, times: int | None = 1, effect: bool = False) -> None:
        if fault in TIMED:
            aep.connect(timeout=SHORT)
        if call != TOKEN:
            aep.give_token()
        if fault == TOO_LARGE:
            monkeypatch.setattr(transport, "MAX_BODY", 200_000)
        if fault == "connection refused":
            aep.wire.cut()
            if times is None:
                monkeypatch.setattr(aep.wire, "open", lambda: None)
        elif fault.startswith("slow"):
            aep.wire.dribble(PATHS[call], headers="headers" in fault, times=times)
        else:
            token = aep.token() if call == TOKEN else ""
            spec = spec_of(fault, call, token=token, foreign=aep.foreign[0], effect=effect)
            aep.simulator.faults.add(spec.model_copy(update={"times": times}))

    return make


def check_message(error: Exception, fault: str, call: str, aep: Aep) -> None:
    """Check that a message names the call, the status, AEP's code and words, the request id, and what to do."""
    message = str(error)
    said, arrow, advice = message.partition(" → ")
    assert said.startswith(call)
    for part in says(fault):
        assert part in said
    assert arrow
    assert len(advice) > 10
    assert message.isprintable()
    assert not leaks(told_by(error), aep.secrets)


# -- the token and reading


@pytest.mark.parametrize(("fault", "call"), SURVIVED, ids=ids)
def test_reading_survives(fault: str, call: str, aep: Aep, make_hook: MakeHook, arm: Callable[..., None]) -> None:
    arm(fault, call)
    assert read(make_hook(), call) == right(call)
    assert all(armed.hits == 1 for armed in aep.simulator.faults.all()), "the fault did not strike"
    if fault == "401" or fault.startswith("redirect"):
        assert [request.status for request in aep.requests(call)] == [int(says(fault)[0]), 200]
    elif fault in HARMLESS or (fault == TOO_LARGE and call in LISTS):  # a list: asked for at once in smaller pages
        assert not aep.slept
    elif not fault.startswith("reset"):  # aiohttp itself repeats a GET once when its connection breaks
        assert aep.slept[0] == pytest.approx(PAUSES.get(fault, 0.01), abs=2)


@pytest.mark.parametrize(("fault", "call", "end"), FAILED, ids=ids)
def test_reading_fails_at_once_and_says_why(
    fault: str, call: str, end: End, aep: Aep, make_hook: MakeHook, arm: Callable[..., None]
) -> None:
    arm(fault, call, times=None)
    with pytest.raises(ERRORS[end]) as caught:
        read(make_hook(), call)
    check_message(caught.value, fault, call, aep)
    assert len(aep.requests(call)) == 1
    assert not aep.slept
    assert caught.value.retriable == (end in (End.LATER, End.UNREADABLE))
    if end is End.LATER:
        assert caught.value.retry_after == PAUSES[fault]
    assert aep.foreign[1] == [], "the token was sent to another host"


@pytest.mark.parametrize(("fault", "call"), [cell for cell in SURVIVED if cell[0] not in HARMLESS], ids=ids)
def test_what_lasts_fails_in_the_end_and_says_why(
    fault: str, call: str, aep: Aep, make_hook: MakeHook, arm: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 1 if fault in TIMED else 2  # each takes its time
    monkeypatch.setattr(transport, "ATTEMPTS", attempts)
    monkeypatch.setattr(transport, "REFUSALS", attempts)
    arm(fault, call, times=None)
    with pytest.raises(AepCallError) as caught:
        read(make_hook(), call)
    check_message(caught.value, fault, call, aep)
    large = AepTransientError if call == TOKEN else AepTooLargeError
    expected = {"401": AepAuthError, "redirect to the same host": AepRequestError, TOO_LARGE: large}
    assert type(caught.value) is expected.get(fault, AepTransientError)
    pages = LISTS.get(call, 0) if fault == TOO_LARGE else 0
    if not fault.startswith(("connection refused", "reset")):
        assert len(aep.requests(call)) == attempts + pages


# -- the activation


@pytest.mark.parametrize("effect", [False, True], ids=["not carried out", "carried out"])
@pytest.mark.parametrize("fault", [fault for fault, call, end in CELLS if call == POST and end is End.LOOK])
def test_an_activation_with_an_unknown_end_is_looked_for_and_delivered_once(
    fault: str, effect: bool, aep: Aep, make_hook: MakeHook, arm: Callable[..., None]
) -> None:
    arm(fault, POST, effect=effect)
    played = Delivery(make_hook()).play()
    assert aep.deliveries == [(*PAIR, 1)]
    assert played.record["orders"]["mail"]["gold"]
    assert "intent" not in played.record
    posts = aep.requests(POST)
    assert any(look.n > posts[0].n for look in aep.requests(RUNS)), "AEP was not asked what became of the first"
    assert len(posts) == (1 if posts[0].effect else 2)
    if len(posts) == 2:
        assert Settle in played.steps, "it was sent again without waiting for runs that show up late"
    if fault in PAUSES and not effect:
        assert played.asked_to_wait == pytest.approx(PAUSES[fault], abs=2)
    assert aep.foreign[1] == []


@pytest.mark.parametrize("effect", [False, True], ids=["not carried out", "carried out"])
@pytest.mark.parametrize("fault", [fault for fault, call, end in CELLS if call == POST and end is End.PERSON])
def test_an_activation_whose_answer_names_no_run_is_looked_for_and_else_left_to_a_person(
    fault: str, effect: bool, aep: Aep, make_hook: MakeHook, arm: Callable[..., None]
) -> None:
    arm(fault, POST, effect=effect)
    delivery = Delivery(make_hook())
    if effect:
        assert delivery.play().record["adopted"] == {"mail": ["gold"]}
    else:
        with pytest.raises(AepSubmissionError, match="audience gold → flow mail") as caught:
            delivery.play()
        assert not caught.value.retriable
    assert len(aep.requests(POST)) == 1
    assert any(look.n > aep.requests(POST)[0].n for look in aep.requests(RUNS))


@pytest.mark.parametrize("fault", [fault for fault, call, end in CELLS if call == POST and end is End.SENT])
def test_an_activation_that_provably_never_left_is_sent_once(
    fault: str, aep: Aep, make_hook: MakeHook, arm: Callable[..., None]
) -> None:
    hook = make_hook()
    if fault == "connection refused":
        read(hook, TOKEN)  # the hook has connections that wait for their next use
        played = Delivery(hook, before_send=lambda: arm(fault, POST)).play()
        assert len(aep.slept) == 1
    else:
        arm(fault, POST)
        played = Delivery(hook).play()
    assert Settle not in played.steps
    assert played.record["orders"]["mail"]["gold"] == "run-7" if fault in HARMLESS else True
    assert aep.deliveries == ([] if fault in HARMLESS else [(*PAIR, 1)])
    assert [request.effect for request in aep.requests(POST)][-1] is (fault not in HARMLESS)


@pytest.mark.parametrize("fault", NOT_SENT)
def test_an_activation_that_was_not_taken_says_so(
    fault: str, aep: Aep, make_hook: MakeHook, arm: Callable[..., None]
) -> None:
    assert {fault for fault, call, end in CELLS if call == POST and end is End.NOT_SENT} == set(NOT_SENT)
    arm(fault, POST)
    delivery = Delivery(make_hook())
    with pytest.raises(NOT_SENT[fault]) as caught:
        delivery.play()
    check_message(caught.value, fault, POST, aep)
    assert "intent" not in delivery.record
    assert aep.deliveries == []
    again = Delivery(delivery.hook, store=delivery.store).play()
    assert again.steps == again.steps[-1:]
    assert aep.deliveries == [(*PAIR, 1)]


def test_an_activation_that_aep_refuses_is_left_to_a_person(
    aep: Aep, make_hook: MakeHook, arm: Callable[..., None]
) -> None:
    assert [fault for fault, call, end in CELLS if call == POST and end is End.REFUSED] == ["400"]
    arm("400", POST, times=None)
    with pytest.raises(AepSubmissionError) as caught:
        Delivery(make_hook()).play()
    check_message(caught.value, "400", POST, aep)
    assert not caught.value.retriable
    assert len(aep.requests(POST)) == 1
    assert aep.deliveries == []


def test_an_activation_whose_audience_is_being_delivered_waits(
    aep: Aep, make_hook: MakeHook, arm: Callable[..., None]
) -> None:
    assert [fault for fault, call, end in CELLS if call == POST and end is End.CONFLICT] == ["400 run already going on"]
    arm("400 run already going on", POST, times=None)
    played = Delivery(make_hook()).play()
    assert played.steps[-1] is WaitFor
    assert len(aep.requests(POST)) == 1
    assert aep.deliveries == []


@pytest.mark.parametrize("fault", [fault for fault, call, end in CELLS if call == POST and fault not in HARMLESS])
def test_an_activation_that_fails_says_why(
    fault: str, aep: Aep, make_hook: MakeHook, arm: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a person sees it who calls the hook alone, or the protocol when it gives up."""
    monkeypatch.setattr(transport, "ATTEMPTS", 2)
    arm(fault, POST, times=None)
    call = endpoints.activate([PAIR], export_id=None)
    if fault in ("200 with wrong types", "200 with missing fields"):
        assert make_hook().call(call) == []
        return
    with pytest.raises(AepCallError) as caught:
        make_hook().call(call)
    check_message(caught.value, fault, POST, aep)
    end = TABLE[fault][CALLS.index(POST)]
    expected = {End.LOOK: AepLostAnswerError, End.CONFLICT: AepConflictError, End.REFUSED: AepRequestError}.get(end)
    assert type(caught.value) is (
        expected or NOT_SENT.get(fault) or (AepAuthError if fault == "401" else AepTransientError)
    )
    assert len(aep.requests(POST)) == {"connection refused": 0, "401": 2}.get(fault, 1)


# -- secrets that come back


@pytest.mark.parametrize("status", [400, 403, 404, 429, 502])
@pytest.mark.parametrize("call", [TOKEN, RUN, POST])
def test_an_error_page_that_echoes_the_request_is_shown_without_its_secrets(
    call: str, status: int, aep: Aep, make_hook: MakeHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "ATTEMPTS", 1)
    if call != TOKEN:
        aep.give_token()
    used = {SECRET} if call == TOKEN else aep.secrets - {SECRET}
    assert len(used) == 1
    echo = f"Odd request: {' '.join([*used, *map(quote_plus, used)])} was sent"
    aep.simulator.faults.add(FaultSpec(kind="status", path=PATHS[call], status=status, body=echo, times=None))
    with pytest.raises(AepCallError, match=r"Odd request: .*\*\*\*.* was sent") as caught:
        make_hook().call(endpoints.activate([PAIR], export_id=None) if call == POST else endpoints.run("run-1"))
    assert not leaks(told_by(caught.value), used)
