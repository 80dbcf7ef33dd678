"""Rules about segment export jobs."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep import endpoints
from adobe_experience_platform.aep.export_jobs import ExportJob
from adobe_experience_platform.delivery.exports import LOOK_BACK, ExportState, ago, describe, require_fresh, state_of
from adobe_experience_platform.errors import AepExportError
from tests.support.parts import NOW, answer, job_json

HOUR = dt.timedelta(hours=1)


def job(job_id, status="SUCCEEDED", hours=3.0):
    return ExportJob.from_json(job_json(job_id, status, hours * HOUR))


def ids(jobs):
    return [item.id for item in jobs]


@pytest.mark.parametrize("word", ["NEW", "PROCESSING", "QUEUED", "SOMETHING"])
def test_a_job_in_progress_is_waited_for(word):
    state = state_of([job(2, word, 1), job(1)], NOW)
    assert ids(state.in_progress) == ["2"]
    assert state.stuck == ()
    assert state.latest is not None
    assert state.latest.id == "1"


def test_a_job_in_progress_for_longer_than_a_day_is_stuck_and_not_waited_for():
    state = state_of([job(3, "PROCESSING", 24.01), job(2, "PROCESSING", 24), job(1)], NOW)
    assert ids(state.stuck) == ["3"]
    assert ids(state.in_progress) == ["2"]
    assert dt.timedelta(hours=24) == LOOK_BACK


def test_a_job_that_tells_no_time_is_waited_for():
    undated = ExportJob.from_json({"id": 1, "status": "NEW", "schema": {"name": "_xdm.context.profile"}})
    assert ids(state_of([undated], NOW).in_progress) == ["1"]


def test_the_newest_success_is_delivered_and_newer_failures_are_known():
    state = state_of([job(4, "FAILED", 1), job(3, "CANCELLED", 2), job(2), job(1, "FAILED", 9)], NOW)
    assert state.latest is not None
    assert state.latest.id == "2"
    assert ids(state.failed_since) == ["4", "3"]


def test_without_any_success_all_failures_are_known():
    state = state_of([job(2, "FAILED"), job(1, "FAILED")], NOW)
    assert state.latest is None
    assert ids(state.failed_since) == ["2", "1"]


def test_no_jobs_at_all():
    assert state_of([], NOW) == ExportState((), (), None, ())


def test_the_state_is_the_same_in_whatever_order_aep_lists_the_jobs():
    records = [job_json(1, age=30 * HOUR), job_json(4, "FAILED", HOUR), job_json(3, age=2 * HOUR), job_json(2, "NEW")]
    states = set()
    for turn in range(len(records)):
        jobs, _ = answer(endpoints.profile_export_jobs(NOW - HOUR), {"records": records[turn:] + records[:turn]})
        state = state_of(jobs, NOW)
        assert state.latest is not None
        states.add((state.latest.id, *ids(state.failed_since), *ids(state.in_progress)))
    assert states == {("3", "4", "2")}


@pytest.mark.parametrize(("hours", "limit"), [(3, 36), (36, 36), (500, None), (0, 0)])
def test_an_export_that_is_fresh_enough_is_delivered(hours, limit):
    assert require_fresh(state_of([job(7, hours=hours)], NOW), NOW, limit).id == "7"


@pytest.mark.parametrize(
    ("hours", "limit", "age"), [(36.1, 36, "36 h 6 min"), (100, 36, "4 days 4 h"), (1, 0.5, "1 h 0 min")]
)
def test_an_export_that_is_too_old_is_refused(hours, limit, age):
    with pytest.raises(AepExportError, match="older than max_export_age_hours") as caught:
        require_fresh(state_of([job(7, hours=hours)], NOW), NOW, limit)
    assert f"is {age} old (job 7)" in str(caught.value)
    assert f"= {limit:g}" in str(caught.value)
    assert not caught.value.retriable


def test_the_refusal_names_the_newer_export_that_failed():
    with pytest.raises(
        AepExportError, match=r"A newer one failed: segment export job 8 \(FAILED, created 2 h 0 min ago\)"
    ):
        require_fresh(state_of([job(8, "FAILED", 2), job(7, hours=40)], NOW), NOW, 36)


@pytest.mark.parametrize("limit", [36, None])
def test_without_any_export_there_is_nothing_to_deliver(limit):
    with pytest.raises(AepExportError, match="nothing to deliver"):
        require_fresh(state_of([job(1, "FAILED")], NOW), NOW, limit)


def test_an_export_that_tells_no_time_is_not_called_old():
    undated = ExportJob.from_json({"id": 1, "status": "SUCCEEDED", "schema": {"name": "_xdm.context.profile"}})
    assert require_fresh(state_of([undated], NOW), NOW, 1).id == "1"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (12_000, "3 h 20 min"),
        (47 * 3600 + 3540, "47 h 59 min"),
        (49 * 3600, "2 days 1 h"),
    ],
)
def test_spans_as_people_say_them(seconds, text):
    assert ago(dt.timedelta(seconds=seconds)) == text


def test_a_job_in_one_line():
    assert describe(job(7, "PROCESSING", 0.5), NOW) == "segment export job 7 (PROCESSING, created 30 min ago)"
    assert describe(ExportJob.from_json({"id": 7}), NOW) == "segment export job 7 ((no status))"
