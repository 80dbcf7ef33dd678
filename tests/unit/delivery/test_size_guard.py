"""The size guard: what it compares, what it cannot, and which limits make sense."""

from __future__ import annotations

import datetime as dt
import json

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
LABEL = "audience 'Audience a' (a) of flow 'Flow f1' (f1)"
NOTHING = ([], [], [])


def last(exported, left_out=0):
    return LastDelivery(NOW - dt.timedelta(days=1), exported, left_out, exported + left_out, 1, exported)


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
    assert judge(**limits) == NOTHING


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"min_records": 1001}, "less than min_records, 1,001"),
        ({"max_records": 999}, "more than max_records, 999"),
    ],
)
def test_a_breach_says_the_numbers_and_when_they_were_true(limits, said):
    breach = f"{LABEL} has 1,000 profiles at its last evaluation, 2026-03-10 10:00 UTC, {said}"
    remedy = "see in AEP why, and change size_guard if this is right"
    assert judge(**limits) == ([f"{breach}: {remedy}"], [], [])
    assert judge(**limits, on_breach="ask") == ([], [f"{breach}: a person is asked"], [breach])


@pytest.mark.parametrize(
    ("before", "percent", "said"),
    [
        (last(100), 899, "900.0% more than the 100 records of its last delivery, 2026-03-09 12:00 UTC"),
        (last(2000), 49.5, "50.0% less than the 2,000 records of its last delivery"),
        (last(1500, 500), 10, "50.0% less than the 2,000 records (1,500 exported) of its last delivery"),
        (last(0), 1_000_000, "evaluation, 2026-03-10 10:00 UTC, more than the 0 records of its last delivery"),
    ],
)
def test_a_change_is_measured_by_the_last_delivery_either_way(before, percent, said):
    [breach] = judge(Outlook(size=SIZE, last=before), max_change_percent=percent, on_breach="ask").asks
    assert said in breach
    assert breach.endswith(f"max_change_percent is {percent:g}")


@pytest.mark.parametrize("before", [last(2000), last(1000, 1000), last(667)])
def test_a_change_of_just_as_much_is_allowed(before):
    assert judge(Outlook(size=SIZE, last=before), max_change_percent=50) == NOTHING


@pytest.mark.parametrize(("percent", "before", "now"), [(0.57, 10_000, 10_057), (1.1, 10**9, 1_011 * 10**6)])
def test_a_limit_is_not_a_rounding_error_below_what_it_says(percent, before, now):
    assert judge(Outlook(size=Size(now, None), last=last(before)), max_change_percent=percent) == NOTHING
    [fault] = judge(Outlook(size=Size(now + 1, None), last=last(before)), max_change_percent=percent).faults
    shown = float(fault.partition(" profiles at its last evaluation, ")[2].partition("%")[0])
    assert shown > percent, "no share is shown that the limit would allow"


def test_an_empty_audience_that_was_empty_has_not_changed():
    assert judge(Outlook(size=Size(0, None), last=last(0)), max_change_percent=0) == NOTHING


def test_records_that_were_left_out_were_in_the_audience():
    """A destination that always skips a third of its audience does not trip a guard of 10 percent every day."""
    assert judge(Outlook(size=SIZE, last=last(660, 340)), max_change_percent=10) == NOTHING


@pytest.mark.parametrize(
    ("outlook", "said"),
    [
        (Outlook(last=last(1000), without_size="AEP does not tell"), "its size is not known (AEP does not tell)"),
        (
            Outlook(size=SIZE, without_last="none yet"),
            "how much its size has changed is not known (last delivery: none yet)",
        ),
        (
            Outlook(size=SIZE, without_last="not known: GET /runs failed with HTTP 503"),
            "is not known (last delivery: not known: GET /runs failed with HTTP 503)",
        ),
        (
            Outlook(size=SIZE, last=LastDelivery(None, None, None, None, 3, 3000)),
            "how much its size has changed is not known (last delivery: 3,000 records of 3 audiences together)",
        ),
        (Outlook(size=SIZE, last=last(9), may_be_incremental=True), "its scheduled exports hold changes only"),
    ],
)
def test_what_is_not_known_is_said_to_be_and_on_unknown_decides(outlook, said):
    faults, [warning], asks = judge(outlook, max_change_percent=10)
    assert (faults, asks) == ([], [])
    assert warning.startswith(f"{LABEL}: ")
    assert said in warning
    assert warning.endswith(": it is sent unchecked, as size_guard's on_unknown is send")

    [fault], warnings, asks = judge(outlook, max_change_percent=10, on_unknown="refuse", on_breach="ask")
    assert (warnings, asks) == ([], [])
    assert said in fault
    assert "size_guard refuses what is not known: clear this task to look again" in fault


def test_limits_that_need_no_last_delivery_hold_without_one():
    ruling = judge(Outlook(size=SIZE), max_records=10, max_change_percent=10)
    assert (len(ruling.faults), len(ruling.warnings)) == (1, 1)
    assert judge(Outlook(size=SIZE), max_records=2000) == NOTHING


def test_nobody_is_asked_about_what_is_refused_anyway():
    ruling = judge(Outlook(size=SIZE), max_records=10, max_change_percent=10, on_breach="ask", on_unknown="refuse")
    assert (len(ruling.faults), ruling.asks) == (2, [])


def test_a_person_is_asked_about_so_much_as_a_store_keeps():
    names = [f"{number}{'x' * 200}" for number in range(40)]
    flow = DestinationFlow.from_json(flow_json("f1", *(selector(name, name="\N{OWL}" * 255) for name in names)))
    findings = Findings(pairs=[Pair("f1", name) for name in names], flows={"f1": flow})
    outlooks = dict.fromkeys(findings.pairs, Outlook(size=SIZE))

    asks = SizeGuard(max_records=1, on_breach="ask").judge(findings, outlooks).asks

    assert len(asks) == 20 + 1
    assert all(text.endswith("more than max_records, 1") for text in asks[:-1])
    assert asks[-1] == "and 20 more: see the log of plan_jobs"
    assert len(json.dumps(asks)) < 65_535


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
