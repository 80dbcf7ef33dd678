"""Whatever bytes answer, both hooks end in a value or in one of our errors that tells the truth; over real sockets.

`AEP_STRANGE_ANSWERS=50000 pytest tests/promises/hostile/test_wire.py` draws as many.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adobe_experience_platform.aep import Call, Pace, auth, endpoints, transport
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.errors import AepError, AepLostAnswerError, AepTransientError
from adobe_experience_platform.hooks.async_hook import AdobeExperiencePlatformAsyncHook
from tests.promises.hostile.answers import FIVE_MILLION, FLOODS, STRANGE, ZIPPED, Server, drawn, strange_server, whole
from tests.promises.hostile.material import check_message
from tests.support.hooks import Async, Sync
from tests.support.leaks import leaks, told_by
from tests.support.sockets import raw_server

NUMBER = int(os.environ.get("AEP_STRANGE_ANSWERS", "40"))
SECRET = "p8e-secret/of+the=tests"
CALLS: dict[str, Callable[[], Call[Any]]] = {
    "GET": endpoints.destination_flows,
    "POST": lambda: endpoints.activate([Pair("mail", "gold")], export_id=None),
    "token": endpoints.destination_flows,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with strange_server() as running:
        yield running


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that points the connection at a server."""
    monkeypatch.setattr(transport, "ATTEMPTS", 1)
    monkeypatch.setattr(Pace, "_close", lambda *_: None)  # a drawn 429 would be waited for: hours for 50,000 answers
    monkeypatch.setattr(transport, "REFUSALS", 1)
    auth.forget_all()

    def change(url: str, call: str, **extra: Any) -> None:
        given = {} if call == "token" else {"access_token": "given-token"}
        value = {
            "conn_type": "adobe_experience_platform",
            "host": url,
            "login": "client-1",
            "password": SECRET,
            "extra": {"org_id": "ORG@AdobeOrg", "ims_url": url, "timeout": 30, **given, **extra},
        }
        monkeypatch.setenv("AIRFLOW_CONN_AEP_TEST", json.dumps(value))

    return change


@pytest.fixture(params=[Sync, Async], ids=["worker", "triggerer"])
def hook(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.param()
    yield made
    made.close()


def play(hook: Any, call: str) -> AepError | None:
    """Carry out a call that a server answers strangely; check what it ends in, and return it."""
    error = None
    try:
        hook.call(CALLS[call]())
    except AepError as raised:
        error = raised
    if error is not None:
        check_message(error)
        assert not leaks(told_by(error), [SECRET, "given-token"])
    if error is not None and call == "POST":
        # It has reached the server, so it is never called unsent; AEP's own refusal is another thing.
        assert not isinstance(error, AepTransientError), error
        assert "nothing was sent" not in str(error)
        assert isinstance(error, AepLostAnswerError) or 400 <= getattr(error, "status", 0) < 500, error
    return error


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Collect no garbage: an answer may be read until the stack ends, and what is finalized just there fails."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("call", CALLS)
def test_strange_answers_end_in_a_value_or_one_of_our_errors(
    call: str, hook: Any, server: Server, connect: Callable[..., None]
) -> None:
    connect(server.url, call)
    for name, answer in STRANGE.items():
        server.answer, before = answer, server.requests
        try:
            error = play(hook, call)
        except Exception as other:
            raise AssertionError(f"{name}: {other!r}") from other
        assert server.requests > before, name
        if name.startswith("redirect to"):
            assert error is not None, name
            assert call == "GET" or server.requests == before + 1, f"{name}: followed"


@pytest.mark.parametrize("call", CALLS)
def test_drawn_answers_end_in_a_value_or_one_of_our_errors(
    call: str, hook: Any, server: Server, connect: Callable[..., None]
) -> None:
    connect(server.url, call)
    for answer in drawn(NUMBER, seed=len(call)):
        server.answer = answer
        try:
            play(hook, call)
        except Exception as other:
            raise AssertionError(f"{answer!r}: {other!r}") from other


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("call", ["GET", "POST"])
def test_what_has_no_end_is_not_read_to_its_end(name: str, call: str, hook: Any, connect: Callable[..., None]) -> None:
    """That the call ends shows it; the time-out of the connection is what ends the slowest."""
    with raw_server(FLOODS[name]) as flooding:
        connect(flooding.url, call, timeout=1)
        tracemalloc.start()
        try:
            assert play(hook, call) is not None
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 120_000_000


@pytest.mark.parametrize("call", CALLS)
def test_the_bodies_of_redirects_are_not_read(
    call: str, hook: Any, server: Server, connect: Callable[..., None]
) -> None:
    """Case 5: requests unpacked 1.5 MB of gzip into 3 GiB, of an answer that nobody was to follow."""
    connect(server.url, call)
    server.answer = STRANGE["redirect with a gzip bomb"]
    tracemalloc.start()
    try:
        assert play(hook, call) is not None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


# -- case 9: items, and the event loop


def test_millions_of_empty_items_are_refused_before_they_are_made(
    hook: Any, server: Server, connect: Callable[..., None]
) -> None:
    connect(server.url, "GET")
    server.answer = whole(FIVE_MILLION, ZIPPED)
    tracemalloc.start()
    try:
        with pytest.raises(AepTransientError, match="the body holds more than 500,000 values"):
            hook.call(endpoints.destination_flows())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000_000


def test_a_long_list_is_refused(hook: Any, server: Server, connect: Callable[..., None]) -> None:
    connect(server.url, "GET")
    server.answer = whole(b'{"items": [' + b"{}," * 10_000 + b"{}]}")
    with pytest.raises(AepTransientError, match="the body holds a list of more than 10,000 entries"):
        hook.call(endpoints.destination_flows())


@pytest.mark.parametrize(("size", "threads"), [(100, {"loop"}), (100_000, {"elsewhere"})], ids=["small", "large"])
def test_a_large_answer_is_decoded_and_understood_off_the_event_loop(
    size: int, threads: set[str], server: Server, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(server.url, "GET")
    server.answer = whole(json.dumps({"items": [{"id": "mail", "name": "x" * size}]}).encode())
    loop = threading.current_thread()
    seen: set[str] = set()
    decode = transport._read
    understand = endpoints.DestinationFlow.from_json

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def note(*values: Any, **named: Any) -> Any:
            seen.add("loop" if threading.current_thread() is loop else "elsewhere")
            return work(*values, **named)

        return note

    monkeypatch.setattr(transport, "_read", noted(decode))
    monkeypatch.setattr(endpoints.DestinationFlow, "from_json", noted(understand))

    async def ask() -> Any:
        async with AdobeExperiencePlatformAsyncHook("aep_test") as hook:
            return await hook.call(endpoints.destination_flows())

    assert [flow.id for flow in asyncio.run(ask())] == ["mail"]
    assert seen == threads


# -- sent, not sent, unknown


def test_before_the_first_byte_a_request_is_not_sent_and_after_it_nobody_knows(
    hook: Any, connect: Callable[..., None]
) -> None:
    """A server that hangs up at once may have got the activation; one that nobody reaches has not."""
    with raw_server(lambda send: None) as silent:
        connect(silent.url, "POST")
        with pytest.raises(AepLostAnswerError, match="may or may not have started"):
            hook.call(CALLS["POST"]())
        url = silent.url
    connect(url, "POST")
    with pytest.raises(AepTransientError, match="this request was not sent"):
        type(hook)().call(CALLS["POST"]())


@pytest.mark.parametrize("refusal", [RuntimeError("too late"), OSError("too late"), AepError("too late")], ids=repr)
def test_what_keeps_the_first_byte_back_is_raised_as_it_is(
    refusal: Exception, hook: Any, server: Server, connect: Callable[..., None]
) -> None:
    connect(server.url, "POST")
    before = server.requests

    def ask() -> None:
        raise refusal

    def call() -> Any:
        activation = CALLS["POST"]()
        request = next(activation)
        yield transport.replace(request, before_bytes=ask)

    with pytest.raises(type(refusal), match="too late"):
        hook.call(call())
    assert server.requests == before
