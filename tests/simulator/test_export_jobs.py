"""Segment export jobs."""

from __future__ import annotations

import pytest

PROFILE = "_xdm.context.profile"


def records(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["records"]


def test_ids_are_integers_and_times_milliseconds(aep):
    job = records(aep.get(aep.jobs, {"limit": 1}))[0]
    assert isinstance(job["id"], int)
    assert len(str(job["creationTime"])) == len(str(job["updateTime"])) == 13
    assert job["metrics"]["totalTime"]["totalTimeInMs"] == job["updateTime"] - job["creationTime"]


def test_the_default_history_begins_with_another_schema_and_has_a_failure(aep):
    jobs = records(aep.get(aep.jobs))
    assert jobs[0]["schema"]["name"] != PROFILE
    assert [j["creationTime"] for j in jobs] == sorted((j["creationTime"] for j in jobs), reverse=True)
    newest = next(job for job in jobs if job["schema"]["name"] == PROFILE)
    assert newest["status"] == "SUCCEEDED"
    assert any(job["status"] == "FAILED" and job["errors"] for job in jobs)
    assert any("filter" in job for job in jobs)


def test_pages_follow_the_relative_link_to_an_empty_one(aep):
    everything = [job["id"] for job in records(aep.get(aep.jobs))]
    found, path = [], "/export/jobs?limit=10"
    while path:
        answer = aep.get(f"/data/core/ups{path}")
        page = records(answer)
        found += [job["id"] for job in page]
        details = answer.json()["page"]
        assert details["pageOffset"] == f"{page[-1]['creationTime']}_{page[-1]['id']}"
        assert (details["sortField"], details["sort"], details["pageSize"]) == (
            "createdTime",
            "desc",
            len(page),
        )
        path = answer.json()["link"]["next"]
        assert path == "" or path == f"/export/jobs/?limit=10&offset={details['pageOffset']}"
    assert found == everything
    assert len(found) > 30


def test_only_the_documented_statuses_filter(aep):
    assert {job["status"] for job in records(aep.get(aep.jobs, {"status": "FAILED"}))} == {"FAILED"}
    assert aep.get(aep.jobs, {"status": "PROCESSING"}).status_code == 400


@pytest.mark.parametrize("params", [{"limit": "0"}, {"limit": "many"}, {"offset": "12"}, {"offset": "x_1"}])
def test_bad_paging_is_refused(aep, params):
    assert aep.get(aep.jobs, params).status_code == 400


def test_a_single_job_comes_bare(small):
    assert small.get(f"{small.jobs}/722").json()["id"] == 722
    missing = small.get(f"{small.jobs}/999")
    assert missing.status_code == 404
    body = missing.json()
    assert body["errors"]["404"][0]["code"] == 404
    assert body["type"].endswith("/UPAPI-113430-404")
    assert body["requestId"]
    small.settings(forms="older")
    assert small.get(f"{small.jobs}/999").json()["statusCode"] == "404"


def test_the_shops_newest_export_is_one_of_a_single_audience(aep):
    first = next(job for job in aep.get(aep.jobs).json()["records"] if job["schema"]["name"] == "_xdm.context.profile")
    assert first["filter"]["segments"]
    refused = aep.adhoc({"x": ["y"]}, accept=None, exportIds=[str(first["id"])])
    assert "is no finished profile export" in refused.json()["message"]


def test_a_job_succeeds_after_its_duration(small):
    job_id = small.control("POST", "export-jobs", {"duration": 600})["id"]
    running = small.get(f"{small.jobs}/{job_id}").json()
    assert running["status"] == "PROCESSING"
    assert "endTimeInMs" not in running["metrics"]["totalTime"]
    small.advance(601)
    assert small.get(f"{small.jobs}/{job_id}").json()["status"] == "SUCCEEDED"


def test_the_default_duration_is_divided_by_the_speed(small):
    job_id = small.control("POST", "export-jobs", {})["id"]
    small.advance(2400 / 60 - 2)
    assert small.get(f"{small.jobs}/{job_id}").json()["status"] == "PROCESSING"
    small.advance(3)
    assert small.get(f"{small.jobs}/{job_id}").json()["status"] == "SUCCEEDED"


def test_a_job_can_be_ended_by_hand(small):
    job_id = small.control("POST", "export-jobs", {"id": "a-text", "status": "NEW"})["id"]
    assert [job["id"] for job in records(small.get(small.jobs, {"status": "NEW"}))] == [job_id]
    small.control("PATCH", f"export-jobs/{job_id}", {"status": "FAILED"})
    assert small.get(f"{small.jobs}/{job_id}").json()["status"] == "FAILED"


def test_a_seeded_job_hangs_without_a_duration(aep):
    aep.reset({"export_jobs": [{"id": 1, "status": "PROCESSING", "age": "2d"}]})
    aep.advance(80000)
    assert aep.get(f"{aep.jobs}/1").json()["status"] == "PROCESSING"


def test_a_scheduled_export_starts_each_day(aep):
    before = len(records(aep.get(aep.jobs)))
    aep.advance(22 * 3600)
    jobs = records(aep.get(aep.jobs))
    assert len(jobs) == before + 1
    assert (jobs[0]["schema"]["name"], jobs[0]["status"]) == (PROFILE, "SUCCEEDED")


def test_raw_changes_what_is_shown(aep):
    aep.reset({"export_jobs": [{"id": 1, "raw": {"metrics": None, "destination": {"batchId": "b"}}}]})
    job = aep.get(f"{aep.jobs}/1").json()
    assert "metrics" not in job
    assert job["destination"]["batchId"] == "b"
    assert "datasetId" in job["destination"]
