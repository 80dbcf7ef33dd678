"""Profile and Segmentation ("ups"): segment export jobs, segment jobs (Adobe's Segmentation Service OpenAPI)."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from .documents import export_job_document, segment_job_document
from .gateway import Call, json_answer

_STATUS_FILTERS = ("NEW", "SUCCEEDED", "FAILED")
_EVALUATIONS = 100
"""Segment jobs of a page without ``limit``. Adobe documents no number."""


def list_export_jobs(call: Call) -> Response:
    """``GET /export/jobs``: newest first; ``link.next`` is relative, and empty on the last page."""
    query = call.request.query_params
    world, now = call.world, call.world.clock.ms()
    jobs = world.export_jobs(call.sandbox)
    status = query.get("status")
    if status is not None:
        # PROCESSING is a status, but no documented filter. What AEP makes of it is unconfirmed.
        if status not in _STATUS_FILTERS:
            raise call.service.error(400, f"status must be one of {', '.join(_STATUS_FILTERS)}")
        jobs = [job for job in jobs if job.status(now) == status]
    offset = query.get("offset")
    if offset is not None:
        created, _, job_id = offset.partition("_")
        if not created.isdecimal() or not job_id:
            raise call.service.error(400, "offset must be <creation time>_<job id>")
        jobs = [job for job in jobs if (job.created_ms, str(job.id)) < (int(created), job_id)]
    limit = query.get("limit")
    size = len(jobs)
    if limit is not None:
        if not limit.isdecimal() or int(limit) < 1:
            raise call.service.error(400, "limit must be a positive number")
        size = int(limit)
    page, rest = jobs[:size], jobs[size:]
    following = {"limit": str(size)}
    if status is not None:
        following["status"] = status
    cursor = page[-1].cursor if page else ""
    # Adobe's sample shows the cursor unescaped and a slash before the question mark.
    link = f"/export/jobs/?{urlencode(following)}&offset={cursor}" if rest else ""
    return json_answer(
        {
            "records": [export_job_document(job, world.org_id, now) for job in page],
            "page": {
                "sortField": "createdTime",
                "sort": "desc",
                "pageOffset": cursor,
                "pageSize": len(page),
            },
            "link": {"next": link},
        }
    )


def get_export_job(call: Call) -> Response:
    """``GET /export/jobs/{id}``: the bare job."""
    job_id = call.request.path_params["job_id"]
    call.world.export_jobs(call.sandbox)  # starts a daily export that has become due
    job = call.world.export_job(job_id, call.sandbox)
    if job is None:
        raise call.service.error(404, f"Export job not found: {job_id}")  # unconfirmed text
    return json_answer(export_job_document(job, call.world.org_id, call.world.clock.ms()))


def list_segment_jobs(call: Call) -> Response:
    """``GET /segment/jobs``: ``status`` and ``sort`` are as documented; ``start`` is read as a number of jobs.

    Without ``sort`` the order is unconfirmed: here the newest is the last. ``property`` and ``snapshot.name`` are
    ignored.
    """
    query = call.request.query_params
    jobs = call.world.segment_jobs(call.sandbox)
    if (status := query.get("status")) is not None:
        jobs = [job for job in jobs if job.status == status]
    if query.get("sort") != "creationTime:desc":
        jobs.reverse()
    numbers = {name: query.get(name) for name in ("start", "limit")}
    for name, text in numbers.items():
        if text is not None and not text.isdecimal():
            raise call.service.error(400, f"{name} must be a number")
    start, size = int(numbers["start"] or 0), int(numbers["limit"] or _EVALUATIONS)
    page = jobs[start : start + size]
    following = f"@/segment/jobs?start={start + size}&limit={size}" if jobs[start + size :] else ""
    sandbox = call.world.sandboxes[call.sandbox]
    return json_answer(
        {
            "_page": {"totalCount": len(jobs), "pageSize": len(page)},
            "children": [segment_job_document(job, sandbox, call.world.org_id) for job in page],
            "_links": {"next": {"href": following} if following else {}},
        }
    )
