"""The size guard: what it compares, what it cannot, and which limits make sense."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import ValidationError

from adobe_experience_platform.aep.flows import DestinationFlow
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.findings import Findings
from adobe_experience_platform.delivery.outlook import LastDelivery, Outlook, Size
from adobe_experience_platform.delivery.size_guard import SizeGuard
from tests.support.parts import NOW, flow_json, selector

PAIR = Pair("f1", "a")
SIZE = Size(1000, NOW - dt.timedelta(hours=2))
LABEL = "flow 'Flow f1' (f1): audience 'Audience a' (a)"


def last(exported, left_out=0):
    return LastDelivery(NOW - dt.timedelta(days=1), exported, left_out, 1, exported)


def judge(outlook=None, **limits):
    flow = DestinationFlow.from_json(flow_json("f1", selector("a")))
    findings = Findings(pairs=[PAIR], flows={"f1": flow})
    return SizeGuard.model_validate(limits).judge(findings, {PAIR: outlook or Outlook(size=SIZE, last=last(1000))})


@pytest.mark.parametrize(
    "limits",
    [
        {"min_records": 1000},
        {"max_records": 1000},
        {"max_change_percent": 0},
        {"min_records": 0, "max_records": 5000, "max_change_percent": 10},
    ],
)
def test_what_is_within_its_limits_is_sent(limits):
    assert judge(**limits) == ([], [])


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"min_records": 1001}, "less than min_records, 1,001"),
        ({"max_records": 999}, "more than max_records, 999"),
    ],
)
def test_a_breach_says_the_numbers_and_when_they_were_true(limits, said):
    assert judge(**limits).breaches == [
        f"{LABEL} has 1,000 profiles at its last evaluation, 2026-03-10 10:00 UTC, {said}"
    ]


@pytest.mark.parametrize(
    ("before", "percent", "said"),
    [
        (last(100), 899, "900.0% more than the 100 records of its last delivery, 2026-03-09 12:00 UTC"),
        (last(2000), 49.5, "50.0% less than the 2,000 records of its last delivery"),
        (last(1500, 500), 10, "50.0% less than the 2,000 records (500 left out) of its last delivery"),
        (last(0), 1_000_000, "evaluation, 2026-03-10 10:00 UTC, more than the 0 records of its last delivery"),
    ],
)
def test_a_change_is_measured_by_the_last_delivery_either_way(before, percent, said):
    [breach] = judge(Outlook(size=SIZE, last=before), max_change_percent=percent).breaches
    assert said in breach
    assert breach.endswith(f"max_change_percent is {percent:g}")


@pytest.mark.parametrize("before", [last(2000), last(1000, 1000), last(667)])
def test_a_change_of_just_as_much_is_allowed(before):
    assert judge(Outlook(size=SIZE, last=before), max_change_percent=50) == ([], [])


def test_an_empty_audience_that_was_empty_has_not_changed():
    assert judge(Outlook(size=Size(0, None), last=last(0)), max_change_percent=0) == ([], [])


def test_records_that_were_left_out_were_in_the_audience():
    """A destination that always skips a third of its audience does not trip a guard of 10 percent every day."""
    assert judge(Outlook(size=SIZE, last=last(660, 340)), max_change_percent=10) == ([], [])


@pytest.mark.parametrize(
    ("outlook", "said"),
    [
        (Outlook(last=last(1000), without_size="AEP does not tell"), "its size is not known (AEP does not tell)"),
        (
            Outlook(size=SIZE, without_last="none yet"),
            "how much its size has changed is not known (last delivery: none yet)",
        ),
        (
            Outlook(size=SIZE, last=LastDelivery(None, None, 0, 3, 3000)),
            "how much its size has changed is not known (last delivery: 3,000 records of 3 audiences together)",
        ),
        (Outlook(size=SIZE, last=last(9), may_be_incremental=True), "its scheduled exports hold changes only"),
    ],
)
def test_what_is_not_known_is_said_to_be_and_is_no_breach(outlook, said):
    breaches, [unknown] = judge(outlook, max_change_percent=10)
    assert breaches == []
    assert unknown.startswith(f"{LABEL}: ")
    assert said in unknown


def test_limits_that_need_no_last_delivery_hold_without_one():
    ruling = judge(Outlook(size=SIZE), max_records=10, max_change_percent=10)
    assert (len(ruling.breaches), len(ruling.unknown)) == (1, 1)
    assert judge(Outlook(size=SIZE), max_records=2000) == ([], [])


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, "there is no limit: set at least one of min_records, max_records, max_change_percent"),
        ({"on_unknown": "refuse"}, "there is no limit"),
        ({"min_records": 10, "max_records": 9}, "min_records 10 is above max_records 9"),
        ({"min_records": -1}, "greater than or equal to 0"),
        ({"max_records": "10"}, "valid integer"),
        ({"max_records": True}, "valid integer"),
        ({"max_change_percent": -5}, "greater than or equal to 0"),
        ({"max_change_percent": float("nan")}, "less than or equal to 1000000"),
        ({"max_records": 1, "on_breach": "stop"}, "'refuse' or 'ask'"),
        ({"max_record": 1}, "Extra inputs"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits, said):
    with pytest.raises(ValidationError, match=said):
        SizeGuard.model_validate(limits)
