"""Evaluations of audiences as AEP answers them."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep.segment_jobs import SegmentJob


def test_a_job_as_in_adobes_sample():
    job = SegmentJob.from_json(
        {
            "id": "468eeefd",
            "source": "scheduler",
            "status": "SUCCEEDED",
            "segments": [{"segmentId": "30230300", "segment": {"id": "30230300"}}],
            "metrics": {
                "totalTime": {"startTimeInMs": 1573203617195, "endTimeInMs": 1573204395655, "totalTimeInMs": 778460},
                "totalProfiles": 13146432,
                "segmentedProfileCounter": {"94509dba": 1033},
                "segmentedProfileByStatusCounter": {"94509dba": {"exited": 144646, "existing": 10, "realized": 2056}},
            },
            "updateTime": 1573204395000,
            "creationTime": 1573203600535,
            "updateEpoch": 1573204395,
        }
    )

    assert (job.id, job.is_done, dict(job.sizes)) == ("468eeefd", True, {"94509dba": 1033})
    assert job.created_at == dt.datetime.fromtimestamp(1573203600.535, tz=dt.UTC)
    assert job.finished_at == dt.datetime.fromtimestamp(1573204395.655, tz=dt.UTC)


@pytest.mark.parametrize("word", ["NEW", "QUEUED", "PROCESSING", "CANCELLING", "CANCELLED", "FAILED", "", None, 7])
def test_only_a_success_has_evaluated_all_of_its_audiences(word):
    assert not SegmentJob.from_json({"id": "j", "status": word}).is_done


@pytest.mark.parametrize("counter", [None, [], "many", {"a": -1, "b": "x", "c": None, "d": True, "e": float("nan")}])
def test_what_is_no_count_is_no_size(counter):
    assert SegmentJob.from_json({"id": "j", "metrics": {"segmentedProfileCounter": counter}}).sizes == {}


def test_an_empty_audience_has_a_size():
    assert SegmentJob.from_json({"id": "j", "metrics": {"segmentedProfileCounter": {"a": 0}}}).sizes == {"a": 0}


def test_a_job_that_says_less_ended_at_its_last_change_or_when_it_began():
    moment = dt.datetime(2026, 3, 10, tzinfo=dt.UTC)
    began, changed = int(moment.timestamp() * 1000), int(moment.timestamp() * 1000) + 60_000
    job = {"id": "j", "metrics": None, "creationTime": began}

    assert SegmentJob.from_json({**job, "updateTime": changed}).finished_at == moment + dt.timedelta(minutes=1)
    assert SegmentJob.from_json(job).finished_at == moment
    assert SegmentJob.from_json({"id": "j"}).finished_at is None
