"""How long runs usually take: by AEP's own times of the last that succeeded."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.delivery.usual import LAST, usual_lengths
from tests.support.parts import NOW, millis, run_json


def run(seconds=None, status="success"):
    body = run_json("r", "f", status)
    times = {"startedAtUTC": millis(NOW)}
    if seconds is not None:
        times["completedAtUTC"] = millis(NOW + dt.timedelta(seconds=seconds))
    body["metrics"]["durationSummary"] = times
    return FlowRun.from_json(body)


def test_a_flows_runs_take_from_its_shortest_to_its_longest_with_a_margin():
    usual = usual_lengths({"f": [run(100), run(200), run(150)], "g": [run(60)]})
    assert usual["f"] == pytest.approx((95, 210))
    assert usual["g"] == pytest.approx((57, 63))


def test_only_runs_that_succeeded_and_tell_their_times_count():
    odd = [run(1, "failed"), run(2, "inProgress"), run(3, "partialSuccess"), run(), FlowRun.from_json(run_json("x"))]
    assert usual_lengths({"f": odd, "g": []}) == {}
    assert usual_lengths({"f": [*odd, run(100)]})["f"] == pytest.approx((95, 105))


def test_what_is_long_ago_no_longer_counts():
    assert usual_lengths({"f": [*[run(100)] * LAST, run(9000)]})["f"] == pytest.approx((95, 105))


def test_a_clock_that_went_back_makes_no_run_shorter_than_nothing():
    assert usual_lengths({"f": [run(-5)]})["f"] == (0, 0)
