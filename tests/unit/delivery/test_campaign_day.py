"""The day rules: which run delivers a campaign day, as tables of what a campaign owner expects."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform.delivery.campaign_day import (
    LATE,
    CampaignDay,
    DayAction,
    DayDecision,
    Holder,
    clock_time,
)
from adobe_experience_platform.errors import AepInputError

BERLIN = CampaignDay("Europe/Berlin")


def at(text: str) -> dt.datetime:
    """Return a moment given in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def judge(
    rules: CampaignDay,
    ended: str,
    now: str,
    *,
    holder: Holder | None = None,
    delivered: Holder | None = None,
    export_id: str = "722",
) -> DayDecision:
    return rules.judge(at(ended), at(now), run_id="mine", export_id=export_id, holder=holder, delivered=delivered)


def run(state: str = "success", *, sent: bool = True, run_id: str = "other") -> Holder:
    return Holder(run_id, "721", sent, state)


# ------------------------------------------------------------------------------------------ which day


@pytest.mark.parametrize(
    ("timezone", "moment", "day"),
    [
        ("UTC", "2026-03-10T23:30", "2026-03-10"),
        ("Europe/Berlin", "2026-03-10T23:30", "2026-03-11"),
        ("America/Los_Angeles", "2026-03-10T05:30", "2026-03-09"),
        ("Asia/Kolkata", "2026-03-10T18:30", "2026-03-11"),
    ],
)
def test_a_day_is_a_day_of_the_campaigns_time_zone(timezone: str, moment: str, day: str) -> None:
    assert CampaignDay(timezone).day_of(at(moment)).isoformat() == day


@pytest.mark.parametrize(
    ("day", "clock", "utc"),
    [
        ("2026-03-10", "07:00", "2026-03-10T06:00"),
        ("2026-07-10", "07:00", "2026-07-10T05:00"),
        ("2026-03-29", "02:30", "2026-03-29T01:30"),  # skipped by summer time: 03:30 there
        ("2026-10-25", "02:30", "2026-10-25T00:30"),  # comes twice: the first
    ],
)
def test_a_time_of_day_follows_summer_time(day: str, clock: str, utc: str) -> None:
    assert clock_time(dt.date.fromisoformat(day), dt.time.fromisoformat(clock), "Europe/Berlin") == at(utc)


# --------------------------------------------------------------------------------------- once per day


def test_the_first_export_of_a_day_delivers() -> None:
    verdict = judge(BERLIN, "2026-03-10T04:30", "2026-03-10T04:31")

    assert (verdict.act, verdict.day.isoformat()) == (DayAction.DELIVER, "2026-03-10")


@pytest.mark.parametrize("state", ["success", "running", "queued", "failed"])
def test_a_day_that_a_run_has_begun_to_send_stays_its_own(state: str) -> None:
    """Also if it failed: it is red, and its clear completes it; a second run would send twice."""
    verdict = judge(BERLIN, "2026-03-10T14:00", "2026-03-10T14:01", holder=run(state))

    assert verdict.act is DayAction.SKIP
    assert "'other'" in verdict.reason
    assert "one delivery per day" in verdict.reason


@pytest.mark.parametrize("state", ["running", "queued"])
def test_a_run_that_is_about_to_send_keeps_its_day(state: str) -> None:
    assert judge(BERLIN, "2026-03-10T14:00", "2026-03-10T14:01", holder=run(state, sent=False)).act is DayAction.SKIP


@pytest.mark.parametrize("state", ["failed", ""])
def test_a_day_of_a_run_that_failed_or_is_gone_before_it_sent_is_free(state: str) -> None:
    assert judge(BERLIN, "2026-03-10T14:00", "2026-03-10T14:01", holder=run(state, sent=False)).act is DayAction.DELIVER


def test_a_day_that_a_person_did_not_approve_is_closed() -> None:
    verdict = judge(BERLIN, "2026-03-10T14:00", "2026-03-10T14:01", holder=run("success", sent=False))

    assert verdict.act is DayAction.SKIP
    assert "not approved" in verdict.reason


def test_a_cleared_run_finishes_its_own_day_whatever_the_clock_says() -> None:
    rules = CampaignDay("Europe/Berlin", not_after="12:00")

    assert (
        judge(rules, "2026-03-10T04:30", "2026-03-12T20:00", holder=run("running", run_id="mine")).act
        is DayAction.DELIVER
    )


def test_an_event_that_is_told_twice_delivers_once() -> None:
    """Also if its day is counted differently now: somebody has changed the campaign's time zone."""
    again = judge(BERLIN, "2026-03-10T04:30", "2026-03-10T04:40", delivered=Holder("other", "722", True, "success"))

    assert again.act is DayAction.SKIP
    assert "722" in again.reason


@given(st.integers(1, 12), st.integers(0, 48), st.booleans())
def test_of_all_runs_of_a_day_one_delivers(exports: int, hours: int, fails: bool) -> None:
    """Several merge policies, exports by API, an event told twice: whatever comes, in whatever order."""
    claims: dict[dt.date, Holder] = {}
    sent: list[dt.date] = []
    begin = at("2026-03-10T00:10") + dt.timedelta(hours=hours)
    for number in range(exports):
        moment = begin + dt.timedelta(minutes=95 * number)
        day = BERLIN.day_of(moment)
        verdict = BERLIN.judge(moment, moment + dt.timedelta(minutes=1), run_id=f"run {number}", holder=claims.get(day))
        if verdict.act is DayAction.DELIVER:
            lost = fails and number % 3 == 0
            claims[day] = Holder(f"run {number}", "", not lost, "failed" if lost else "success")
            if not lost:
                sent.append(day)

    assert len(sent) == len(set(sent))
    assert {day for day, holder in claims.items() if holder.sent} == set(sent)


# ---------------------------------------------------------------------------------------------- times


def test_an_export_that_ends_early_waits_for_not_before() -> None:
    rules = CampaignDay("Europe/Berlin", not_before="07:00")
    verdict = judge(rules, "2026-03-10T04:30", "2026-03-10T04:31")

    assert (verdict.act, verdict.wait_until) == (DayAction.WAIT, at("2026-03-10T06:00"))
    assert judge(rules, "2026-03-10T04:30", "2026-03-10T06:00").act is DayAction.DELIVER


def test_nothing_is_sent_after_not_after() -> None:
    rules = CampaignDay("Europe/Berlin", not_before="07:00", not_after="12:00")

    assert judge(rules, "2026-03-10T10:59", "2026-03-10T11:00").act is DayAction.DELIVER
    verdict = judge(rules, "2026-03-10T14:00", "2026-03-10T14:01")  # an export by API at 3 pm
    assert verdict.act is DayAction.TOO_LATE
    assert "12:00" in verdict.reason


def test_an_export_that_ends_before_midnight_is_delivered_after_it_for_its_own_day() -> None:
    verdict = judge(BERLIN, "2026-03-10T22:50", "2026-03-10T23:20")  # 23:50, judged at 00:20

    assert (verdict.act, verdict.day.isoformat()) == (DayAction.DELIVER, "2026-03-10")


def test_after_a_paused_week_yesterdays_export_is_not_delivered() -> None:
    """Otherwise it would take the place of today's."""
    verdict = judge(BERLIN, "2026-03-09T04:30", "2026-03-10T03:00")

    assert verdict.act is DayAction.TOO_LATE
    assert "2026-03-09 is over" in verdict.reason
    assert judge(BERLIN, "2026-03-10T04:30", "2026-03-10T13:00").act is DayAction.DELIVER, "today's is, on the same day"
    assert at("2026-03-10T03:00") - at("2026-03-09T04:30") > LATE


def test_the_days_of_a_campaign_are_its_own() -> None:
    rules = CampaignDay("Europe/Berlin", start="2026-03-10", end="2026-03-11")

    acts = [judge(rules, f"2026-03-{day:02}T05:00", f"2026-03-{day:02}T05:01").act for day in range(9, 13)]

    assert acts == [DayAction.SKIP, DayAction.DELIVER, DayAction.DELIVER, DayAction.SKIP]
    assert "begins on 2026-03-10" in judge(rules, "2026-03-09T05:00", "2026-03-09T05:01").reason
    assert "ended on 2026-03-11" in judge(rules, "2026-03-12T05:00", "2026-03-12T05:01").reason


# ------------------------------------------------------------------------------------------- overdue


@pytest.mark.parametrize(
    ("holder", "act"),
    [
        (None, DayAction.TOO_LATE),
        (run("success"), DayAction.SKIP),
        (run("running"), DayAction.SKIP),
        (run("running", sent=False), DayAction.SKIP),
        (run("success", sent=False), DayAction.SKIP),
        (run("failed"), DayAction.TOO_LATE),
        (run("failed", sent=False), DayAction.TOO_LATE),
        (run("", sent=False), DayAction.TOO_LATE),
    ],
)
def test_a_day_is_overdue_unless_a_run_delivers_it(holder: Holder | None, act: DayAction) -> None:
    rules = CampaignDay("Europe/Berlin", due="09:00")

    assert rules.judge_overdue(at("2026-03-10T08:00"), holder).act is act


def test_nothing_is_overdue_outside_of_a_campaigns_days() -> None:
    rules = CampaignDay("Europe/Berlin", due="09:00", end="2026-03-09")

    assert rules.judge_overdue(at("2026-03-10T08:00"), None).act is DayAction.SKIP


# -------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"timezone": "Europe/Berlim"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"not_before": "7"}, "not_before"),
        ({"not_before": dt.time(7, 0, 30)}, "not_before"),
        ({"not_befor": "07:00"}, "did you mean 'not_before'?"),
        ({"not_before": 700}, "not_before"),
        ({"not_after": "24:00"}, "not_after"),
        ({"due": "nine"}, "due"),
        ({"start": "2026-02-30"}, "start"),
        ({"end": "tomorrow"}, "end"),
        ({"start": "2026-04-02", "end": "2026-04-01"}, "end: 2026-04-01 is before start 2026-04-02"),
        ({"not_before": "22:00", "not_after": "02:00"}, "not_after: 02:00 is not later than not_before 22:00"),
        ({"not_before": "09:00", "due": "09:00"}, "due: 09:00 is not later than not_before 09:00"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(AepInputError) as error:
        CampaignDay(**{"timezone": "UTC", **values})  # type: ignore[arg-type]

    assert words in str(error.value)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(AepInputError) as error:
        CampaignDay("Nowhere/City", not_before="soon", end="never")

    assert len(error.value.faults) == 3


def test_contradictions_come_at_once() -> None:
    with pytest.raises(AepInputError) as error:
        CampaignDay("UTC", not_before="09:00", due="8:00", start="2026-04-02", end="2026-04-01")

    assert [fault.split(":")[0] for fault in error.value.faults] == ["due", "end"]


def test_rules_take_dates_and_times_as_well_as_text() -> None:
    rules = CampaignDay(
        "UTC", not_before=dt.time(7), start=dt.date(2026, 3, 1), end=dt.datetime(2026, 4, 1, 12, tzinfo=dt.UTC)
    )

    assert rules == CampaignDay("UTC", not_before="7:00", start="2026-03-01", end="2026-04-01")
    assert (rules.not_before, rules.start, rules.end) == (dt.time(7), dt.date(2026, 3, 1), dt.date(2026, 4, 1))
