"""The promise, explored: whatever AEP, the network, crashes and people do, no pair is sent twice and no report lies.

Small worlds are explored to their end, with the protocol alone; large ones at random, with the real tasks, triggers,
repairs and reports. ``make chaos`` explores more of both: ``AEP_MODEL_HISTORIES`` and ``AEP_MODEL_STATES``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.delivery import submission

from .exhaustive import IDS, BreachError, Explorer, Scope
from .found import FOUND, QUIET, Found
from .history import History, explore, replay, shorten
from .surroundings import SURROUNDED

HISTORIES = int(os.environ.get("AEP_MODEL_HISTORIES", "120"))
STATES = int(os.environ.get("AEP_MODEL_STATES", "1000"))
SEED = int(os.environ.get("AEP_MODEL_SEED", "0"))
BLOCK = 40
STEPS = 30
A, B = Pair("f1", "a"), Pair("f2", "a")
KINDS = ("crash", "clear", "fail", "foreign", "freeze", "stale")


def scope(*pairs: Pair, blocks: bool = True, young: bool = False, **budget: int) -> Scope:
    return Scope(pairs, blocks=blocks, young=young, budget=tuple((kind, budget.get(kind, 0)) for kind in KINDS))


SCOPES = {
    "a crash, a clear, a failed run": scope(A, crash=1, clear=1, fail=1, young=True),
    "a process that stands still": scope(A, crash=1, clear=1, freeze=1),
    "somebody else's run, a list that goes backwards": scope(A, crash=1, foreign=1, stale=1),
    "two pairs": scope(A, B, crash=1, clear=1, fail=1),
    "two pairs, and AEP refuses nothing": scope(A, B, blocks=False, crash=1, clear=1),
}


@pytest.fixture(scope="module", autouse=True)
def surrounded() -> Iterator[None]:
    with SURROUNDED.installed():
        yield


@pytest.mark.parametrize("name", SCOPES)
def test_a_small_world_breaks_no_promise(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(submission, "uuid", IDS)
    explorer = Explorer(SCOPES[name])
    states = explorer.explore(10, most=STATES)
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {states:,} states, {explorer.transitions:,} transitions ")
    assert states >= min(STATES, 1_000)


@pytest.mark.parametrize("block", range(SEED, SEED + HISTORIES // BLOCK))
def test_a_large_world_breaks_no_promise(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        history, problems = explore(seed, STEPS)
        unknown = [(kind, text) for kind, text in problems if not any(f.covers(history, kind, text) for f in FOUND)]
        if unknown:
            kind, text = unknown[0]
            pytest.fail(f"seed {seed}: {kind}: {text}\n{shorten(history, kind)}")


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.name)
def test_what_was_found_is_mended(found: Found, request: pytest.FixtureRequest) -> None:
    if found.reason:
        request.applymarker(pytest.mark.xfail(strict=True, reason=found.reason))
    assert replay(found.history).invariant.problems == []


def test_the_model_notices_what_is_sent_twice() -> None:
    """A promise that is broken on purpose is noticed, and its history made short."""
    history = History(
        {**QUIET, "scope": "nothing"}, [("go", 0, 0, "", 0, 0)] * 3 + [("post", "broken_after"), ("go", 0, 0, "", 0, 0)]
    )
    play = replay(history)
    assert play.invariant.problems == []
    (run, *_) = [run for run in play.aep.runs if run.ours]
    play.aep.sender = "run-1"
    play.aep._start([A])
    play.invariant.breaches()
    assert [kind for kind, _ in play.invariant.problems] == ["twice"]
    assert run.id in play.invariant.problems[0][1]


@pytest.mark.parametrize(
    ("broken", "trouble"),
    [
        ("adobe_experience_platform.delivery.steps.Lease.require", "freeze"),
        ("adobe_experience_platform.delivery.record.Watermark.is_newer", "crash"),
    ],
)
def test_the_explorer_notices_a_rule_that_is_missing(
    broken: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "uuid", IDS)
    monkeypatch.setattr(broken, lambda *_: False)
    with pytest.raises(BreachError, match="is sent again"):
        Explorer(scope(A, blocks=False, **{trouble: 1})).explore(6, most=2_500)
