"""Segment export jobs as AEP answers them, with every oddity that Adobe's own sources show."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep.export_jobs import ExportJob, ExportStatus


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NEW", ExportStatus.IN_PROGRESS),
        ("PROCESSING", ExportStatus.IN_PROGRESS),
        ("QUEUED", ExportStatus.IN_PROGRESS),
        ("CANCELLING", ExportStatus.IN_PROGRESS),
        ("SUCCEEDED", ExportStatus.SUCCEEDED),
        ("succeeded", ExportStatus.SUCCEEDED),
        ("FAILED", ExportStatus.FAILED),
        ("CANCELLED", ExportStatus.FAILED),
        ("REWINDING", ExportStatus.IN_PROGRESS),
        ("", ExportStatus.IN_PROGRESS),
        (None, ExportStatus.IN_PROGRESS),
    ],
)
def test_export_status_words(word, status):
    assert ExportJob.from_json({"id": 1, "status": word}).status is status


def test_an_export_job_as_in_adobes_samples():
    job = ExportJob.from_json(
        {
            "id": 24115,
            "jobType": "BATCH",
            "destination": {"dataSetId": "5b7c86968f7b6501e21ba9df", "segmentPerBatch": False, "batchId": ""},
            "fields": "identities.id,personalEmail.address",
            "schema": {"name": "_xdm.context.profile"},
            "status": "SUCCEEDED",
            "filter": {"segments": [{"segmentId": "52c26d0d", "segmentNs": "ups", "status": "realized"}]},
            "errors": [{"code": "0100000003", "msg": "Error in Export Job", "callStack": "com.adobe"}],
            "metrics": {
                "totalTime": {"startTimeInMs": 1538615973895, "endTimeInMs": 1538616233239, "totalTimeInMs": 259344},
                "totalExportedProfileCounter": 10,
            },
            "computeGatewayJobId": {},
            "creationTime": 1538615973895,
            "updateTime": 1538616233239,
        }
    )
    assert (job.id, job.status, job.is_profile, job.records) == ("24115", ExportStatus.SUCCEEDED, True, 10)
    assert job.created_at == dt.datetime.fromtimestamp(1538615973.895, tz=dt.UTC)
    assert job.finished_at == dt.datetime.fromtimestamp(1538616233.239, tz=dt.UTC)
    assert job.snapshot_at == job.created_at


def test_errors_on_a_job_do_not_make_it_a_failure():
    job = ExportJob.from_json({"id": 1, "status": "SUCCEEDED", "errors": [{"code": "1", "msg": "x"}]})
    assert job.status is ExportStatus.SUCCEEDED


def test_times_of_an_export_may_be_in_seconds_as_adobes_schema_says():
    job = ExportJob.from_json({"id": 1, "status": "FAILED", "creationTime": 1538615973, "updateTime": 1538616233})
    assert job.created_at is not None
    assert job.created_at.year == 2018
    assert job.finished_at == dt.datetime.fromtimestamp(1538616233, tz=dt.UTC)


def test_a_job_in_progress_has_not_finished_although_it_was_updated():
    job = ExportJob.from_json({"id": 1, "status": "PROCESSING", "updateTime": 1538616233239})
    assert job.finished_at is None


@pytest.mark.parametrize("schema", [None, {}, "profile", {"name": "_xdm.context.account"}, {"name": None}])
def test_only_exports_of_people_count_as_profile_exports(schema):
    assert not ExportJob.from_json({"id": 1, "status": "NEW", "schema": schema}).is_profile
