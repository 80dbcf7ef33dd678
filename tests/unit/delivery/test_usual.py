"""How long runs usually take: by AEP's own times of the last that succeeded."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.delivery.usual import LAST, Lengths
from tests.support.parts import NOW, millis, run_json


def run(seconds=None, status="success", flow="f", ended=0, run_id=None):
    """Return a run that took seconds and ended so many minutes after others."""
    body = run_json(run_id or f"{flow} {seconds} {ended}", flow, status)
    start = NOW + dt.timedelta(minutes=ended)
    times = {"startedAtUTC": millis(start)}
    if seconds is not None:
        times["completedAtUTC"] = millis(start + dt.timedelta(seconds=seconds))
    body["metrics"]["durationSummary"] = times
    return FlowRun.from_json(body)


def usual_of(*runs):
    lengths = Lengths()
    lengths.learn(runs)
    return lengths.usual()


def test_a_flows_runs_take_from_its_shortest_to_its_longest_with_a_margin():
    usual = usual_of(run(100), run(200), run(150), run(60, flow="g"))
    assert usual["f"] == pytest.approx((95, 210))
    assert usual["g"] == pytest.approx((57, 63))


def test_only_runs_that_succeeded_and_tell_their_times_and_their_flow_count():
    odd = [run(1, "failed"), run(2, "inProgress"), run(3, "partialSuccess"), run(), FlowRun.from_json(run_json("x"))]
    assert usual_of(*odd, run(100, flow="")) == {}
    assert usual_of(*odd, run(100))["f"] == pytest.approx((95, 105))


def test_what_is_long_ago_no_longer_counts_in_whatever_order_it_was_shown():
    old, new = run(9000, ended=-500), [run(100, ended=minutes) for minutes in range(LAST)]
    for runs in ([old, *new], [*new, old], [*new[5:], old, *new[:5]]):
        assert usual_of(*runs)["f"] == pytest.approx((95, 105))


def test_what_ends_meanwhile_pushes_out_what_was_known_and_counts_once():
    lengths = Lengths()
    lengths.learn([run(9000, ended=-500)])
    for minute in range(LAST):
        assert lengths.usual()["f"].longest == pytest.approx(9450)
        for _ in range(3):  # each is shown to everybody who waits for it
            lengths.learn([run(100 + minute, ended=minute)])
    assert lengths.usual()["f"] == pytest.approx((95, 109 * 1.05))


def test_a_clock_that_went_back_makes_no_run_shorter_than_nothing():
    assert usual_of(run(-5))["f"] == (0, 0)
