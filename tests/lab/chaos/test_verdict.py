"""The judge: what counts as wrong, and that the paper says so."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from lab.chaos import blows, paper, races
from lab.chaos.kills import KillResult
from lab.chaos.paper import ChaosFindings
from lab.chaos.plan import Kill, Moment, Point, Victim
from lab.chaos.races import Finish, Kind, Race
from lab.chaos.strikes import StrikeResult
from lab.chaos.verdict import DeliveryOutcome

GOLD, SILVER = ("mail", "gold"), ("mail", "silver")


def outcome(**changes: Any) -> DeliveryOutcome:
    well: dict[str, Any] = {
        "run_id": "kill-1",
        "state": "success",
        "expected": {GOLD: 1, SILVER: 1},
        "counted": {GOLD: 1, SILVER: 1},
        "reported": {GOLD: "success", SILVER: "success"},
    }
    return DeliveryOutcome(**{**well, **changes})


def test_a_delivery_that_went_well_has_no_problems() -> None:
    assert outcome().problems() == []
    assert outcome().counts == "1 1"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"counted": {GOLD: 2, SILVER: 1}}, "DUPLICATE: audience gold → flow mail was delivered 2 times instead of 1"),
        ({"counted": {GOLD: 1, SILVER: 1, ("shop", "gold"): 1}}, "DUPLICATE: audience gold → flow shop"),
        ({"counted": {GOLD: 1}, "state": "failed", "reported": {SILVER: "not_sent"}}, "LOST: audience silver"),
        ({"reported": {GOLD: "success", SILVER: "unknown"}}, "FALSE: the run is a success, but reports unknown"),
        ({"reported": {}}, "FALSE: the run is a success, but reports nothing"),
        ({"counted": {GOLD: 1}}, "FALSE: audience silver → flow mail is reported as delivered and was not"),
        ({"reported": {GOLD: "not_sent"}, "state": "failed"}, "FALSE: audience gold → flow mail is reported as not se"),
        (
            {"reported": {GOLD: "failed", SILVER: "success"}, "state": "failed", "delivered": frozenset({GOLD})},
            "FALSE: audience gold → flow mail is reported as failed and was delivered",
        ),
        (
            {"reported": {GOLD: "unknown", SILVER: "success"}, "state": "failed", "delivered": frozenset({GOLD})},
            "VAGUE: audience gold → flow mail is reported as unknown and was delivered",
        ),
        ({"state": "running"}, "STUCK: the run is running"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], problem: str) -> None:
    assert any(f"kill-1: {problem}" in found for found in outcome(**changes).problems())


def test_a_red_run_that_says_what_is_so_is_no_problem() -> None:
    assert outcome(state="failed", reported={GOLD: "success", SILVER: "unknown"}).problems() == []


def test_the_paper_has_a_row_for_each_kill_and_a_summary_of_the_races() -> None:
    point = Point(Victim.TRIGGERER, Moment.AWAITED)
    kill = Kill(4, point, {"mail": ["gold", "silver"]}, 0.0, lost_took_effect=False, ends_meanwhile=True, away=5.0)
    result = KillResult(kill, (outcome(), outcome(run_id="besides")), 12.4)
    finish = Finish(Race(0, Kind.TWINS, "wait"), ("success", "success"), 2, 0, ())

    strike = blows.Strike(
        9, blows.Moment.HELD, blows.Blow.CLEAR_ALL, {"mail": ["gold", "silver"]}, jobs=True, daily=False, list_lag=0
    )
    struck = StrikeResult(strike, ("failed", "success"), outcome(), (), 31.2)
    findings = ChaosFindings([result], [struck], [finish], "It held.", [])

    text = paper.document("make chaos SEED=7", 7, 600, findings, "PostgreSQL")

    assert "| 4 | triggerer | flow runs are awaited | 1 1 | 1 1 | success success | 0 | 12 s |" in text
    assert f"| {Kind.TWINS} | `wait` | 1 | 1 | success and success | 2 | 0 |" in text
    row = "| 9 | POST has taken effect, no answer yet | whole run cleared | `aep_chaos` | one an audience | 1 1 |"
    assert f"{row} failed success | 0 | 31 s |" in text
    assert "1 kills, 1 strikes, 6 deliveries, 1 races: nothing was delivered twice" in text
    assert "(LocalExecutor, PostgreSQL)" in text
    assert "`make chaos SEED=7`" in text
    assert "It held." in text


def test_the_paper_names_every_problem() -> None:
    text = paper.document("make chaos", 7, 60, ChaosFindings([], [], [], "", ["LOST: a", "DUPLICATE: b"]), "SQLite")

    assert "* LOST: a\n* DUPLICATE: b" in text
    assert "nothing was delivered twice" not in text


def test_there_are_so_many_races_of_each_kind_and_every_setting_whose_end_is_certain() -> None:
    drawn = races.races(10)

    assert Counter(race.kind for race in drawn) == dict.fromkeys(Kind, 10)
    assert {(race.kind, race.on_conflict) for race in drawn} == {(kind, mode) for kind in Kind for mode in kind.modes}
    assert set(Kind.LOST.modes) == {"wait"} < set(Kind.TWINS.modes)
