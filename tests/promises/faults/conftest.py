"""The simulated AEP behind a wire that can be broken, and no long pauses."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from adobe_experience_platform.aep import Pace, auth, transport
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from include.aep_simulator.server import running
from include.aep_simulator.simulator import Simulator
from tests.promises.faults.play import PATHS, SECRET, SEED
from tests.promises.faults.table import POST
from tests.support.hooks import Async, Sync
from tests.support.leaks import leaks
from tests.support.sockets import Wire, tiny_server

SHORT = 0.5
"""Seconds of the connection's time-out, in tests that wait for it."""


@dataclass
class Aep:
    """The simulated AEP, its wire, and what the client has slept.

    :param foreign: URL of another host, and the requests that it got.
    """

    simulator: Simulator
    wire: Wire
    foreign: tuple[str, list[Any]]
    connect: Callable[..., None]
    slept: list[float] = field(default_factory=list)

    def requests(self, call: str) -> list[Any]:
        return self.simulator.journal.all(path=PATHS[call])

    @property
    def deliveries(self) -> list[tuple[str, str, int]]:
        """How often each pair was activated."""
        posts = [request.json["activationInfo"] for request in self.requests(POST) if request.effect]
        pairs = [(flow, audience) for info in posts for flow, audiences in info.items() for audience in audiences]
        return [(*pair, number) for pair, number in Counter(pairs).items()]

    def token(self) -> str:
        """Return a token that works."""
        tokens = self.simulator.world.tokens
        return str(tokens.mint(tokens.demo_account, time.time() + 3600).value)

    @property
    def secrets(self) -> set[str]:
        """What must be seen nowhere: the client secret and every token."""
        return {SECRET, *self.simulator.world.tokens._tokens}

    def give_token(self) -> None:
        """Let the client have a token already."""
        auth.keep(AdobeExperiencePlatformHook("aep_test").settings, auth.Token(self.token(), float("inf")))


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Simulator, Wire, tuple[str, list[Any]]]]:
    simulator = Simulator(SEED)
    with running(simulator) as url, tiny_server() as foreign:
        wire = Wire(url)
        wire.open()
        yield simulator, wire, foreign
        wire.cut()


@pytest.fixture
def aep(
    server: tuple[Simulator, Wire, tuple[str, list[Any]]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Aep]:
    """Give AEP afresh; when the test is over, no log (not even at DEBUG, nor that of a library) holds a secret."""
    caplog.set_level(logging.DEBUG)
    simulator, wire, foreign = server
    simulator.reset(SEED)
    foreign[1].clear()
    wire.calm()
    wire.open()

    def connect(**extra: Any) -> None:
        value = {
            "conn_type": "adobe_experience_platform",
            "host": wire.url,
            "login": "client-1",
            "password": SECRET,
            "extra": {"org_id": "ORG@AdobeOrg", "ims_url": wire.url, "timeout": 10, **extra},
        }
        monkeypatch.setenv("AIRFLOW_CONN_AEP_TEST", json.dumps(value))

    found = Aep(simulator, wire, foreign, connect)

    def sleep(seconds: float) -> transport.Sleep:
        """Note the pause, mend the wire, and go on at once."""
        found.slept.append(seconds)
        wire.open()
        return slept(0.0)

    def close(_: Pace, until: float) -> None:
        if (pause := until - time.monotonic()) <= transport.LONGEST_SLEEP:
            found.slept.append(pause)

    slept = transport.Sleep
    monkeypatch.setattr(transport, "Sleep", sleep)
    monkeypatch.setattr(transport, "backoff", lambda _: 0.01)
    monkeypatch.setattr(Pace, "_close", close)
    connect()
    auth.forget_all()
    yield found
    auth.forget_all()
    simulator.faults.remove()
    simulator.faults.release(carry_on=False)
    assert not leaks(caplog.text, found.secrets)


@pytest.fixture(params=[Sync, Async], ids=["worker", "triggerer"])
def make_hook(request: pytest.FixtureRequest, aep: Aep) -> Iterator[Callable[[], Any]]:
    """Return a function that makes a hook, of each kind in turn."""
    made: list[Any] = []

    def make() -> Any:
        made.append(request.param())
        return made[-1]

    yield make
    for hook in made:
        hook.close()
