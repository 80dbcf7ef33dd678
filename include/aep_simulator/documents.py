"""The JSON that AEP shows: flows, flow runs, export jobs, sandboxes.

Fields and samples follow Adobe's OpenAPI files of the Segmentation, Flow Service and Destinations APIs.
"""

from __future__ import annotations

import math

from .entities import (
    Flow,
    Json,
    Mapping,
    Run,
    Sandbox,
    SimulatedExportJob,
    SimulatedSegmentJob,
    derived_id,
    merged,
    phase_of,
)
from .run_metrics import final_metrics, progress_metrics, with_nulls
from .settings import Settings

CLIENT = "acp_foundation_connectors"


def sandbox_document(sandbox: Sandbox) -> Json:
    """Return a sandbox. Its shape is not in the files named above: a minimal one, unconfirmed."""
    return {
        "id": sandbox.id,
        "name": sandbox.name,
        "title": sandbox.title,
        "state": sandbox.state,
        "type": sandbox.type,
    }


def export_job_document(job: SimulatedExportJob, org_id: str, now_ms: int) -> Json:
    """Return an export job: integer id, times in milliseconds (Adobe's schema says seconds)."""
    status = job.status(now_ms)
    running = status in {"NEW", "PROCESSING"}
    updated = now_ms if running or job.ends_ms is None else job.ends_ms
    span = {"startTimeInMs": job.created_ms}
    if not running:
        span |= {"endTimeInMs": updated, "totalTimeInMs": updated - job.created_ms}
    document: Json = {
        "id": job.id,
        "jobType": "BATCH",
        "destination": {
            "datasetId": derived_id(f"dataset of {job.schema}").replace("-", "")[:24],
            "segmentPerBatch": False,
            "batchId": "" if running else f"{job.created_ms:032x}",
        },
        "schema": {"name": job.schema},
        "imsOrgId": org_id,
        "status": status,
        "mergePolicy": {"id": "timestampOrdered-none-mp", "version": 1},
        "profileInstanceId": "ups",
        "errors": [],
        "metrics": {"totalTime": dict(span), "profileExportTime": dict(span)},
        "computeGatewayJobId": {} if status == "NEW" else {"exportJob": f"export-{job.id}", "pushJob": ""},
        "creationTime": job.created_ms,
        "updateTime": max(updated, job.created_ms),
        "requestId": f"request-{job.id}",
    }
    if status == "SUCCEEDED":
        document["metrics"]["aCPDatasetWriteTime"] = dict(span)
    if status == "FAILED":
        document["errors"] = [{"code": "0100000003", "msg": "Error in Export Job", "callStack": ""}]
    if job.segments:
        states = ["realized", "existing"]
        named = [{"segmentId": s, "segmentNs": "ups", "status": states} for s in job.segments]
        document["filter"] = {"segments": named}
    return merged(document, job.raw)


def segment_job_document(job: SimulatedSegmentJob, sandbox: Sandbox, org_id: str) -> Json:
    """Return an evaluation of audiences; only one that has succeeded has counted."""
    policy = {"id": "timestampOrdered-none-mp", "version": 1}
    segments = [
        {
            "segmentId": ident,
            "segment": {
                "id": ident,
                "expression": {
                    "type": "PQL",
                    "format": "pql/text",
                    "value": "chain(xEvent, timestamp, [A: WHAT(true)])",
                },
                "mergePolicyId": policy["id"],
                "mergePolicy": policy,
            },
        }
        for ident in job.sizes
    ]
    span = {"startTimeInMs": job.created_ms}
    metrics: Json = {"totalTime": span, "profileSegmentationTime": span}
    if job.status == "SUCCEEDED":
        took = {**span, "endTimeInMs": job.updated_ms, "totalTimeInMs": job.updated_ms - job.created_ms}
        metrics = {
            "totalTime": took,
            "profileSegmentationTime": took,
            "totalProfiles": max(job.sizes.values(), default=0) * 10,
            "segmentedProfileCounter": job.sizes,
            "segmentedProfileByStatusCounter": {
                ident: {"realized": size, "existing": 0, "exited": size // 10} for ident, size in job.sizes.items()
            },
        }
    ids = {"scheduleId": derived_id("schedule"), "runId": derived_id(f"run of {job.id}")}
    return merged(
        {
            "id": job.id,
            "imsOrgId": org_id,
            "sandbox": {
                "sandboxId": sandbox.id,
                "sandboxName": sandbox.name,
                "type": sandbox.type,
                "default": sandbox.name == "prod",
            },
            "profileInstanceId": "ups",
            "source": job.source,
            "status": job.status,
            "segments": segments,
            "metrics": metrics,
            "requestId": f"request-{job.id}",
            "schema": {"name": "_xdm.context.profile"},
            "properties": ids if job.source == "scheduler" else {},
            "updateTime": job.updated_ms,
            "creationTime": job.created_ms,
            "updateEpoch": job.updated_ms // 1000,
        },
        job.raw,
    )


def _selector(mapping: Mapping, flow: Flow) -> Json:
    """Return an entry of ``segmentSelectors``; an imported audience has its own id under two names."""
    audience = mapping.audience
    value: Json = {"id": audience.id_as("external")}
    if audience.external_id is not None:
        value["systemSegmentId"] = audience.id
        value["namespace"] = audience.namespace or "CustomerAudienceUpload"
    value |= {"name": audience.name, "description": ""}
    if flow.kind == "file":
        # That streaming flows lack these is unconfirmed; the samples show them for file-based ones only.
        schedule: Json = {
            "frequency": mapping.schedule.frequency,
            "triggerType": mapping.schedule.trigger_type,
            "startDate": mapping.schedule.start.isoformat(),
        }
        if mapping.schedule.end is not None:
            schedule["endDate"] = mapping.schedule.end.isoformat()
        if mapping.schedule.start_time is not None:
            schedule["startTime"] = mapping.schedule.start_time
        value |= {
            "filenameTemplate": mapping.filename_template,
            "exportMode": mapping.export_mode,
            "schedule": schedule,
        }
    # Epoch *seconds*, as text, unlike every other time of Flow Service.
    seconds = str(mapping.mapped_ms // 1000)
    return {"type": "PLATFORM_SEGMENT", "value": {**value, "createTime": seconds, "updateTime": seconds}}


def _contents(flow: Flow) -> Json:
    """Return what a flow carries: audiences, datasets (``transformations`` is always empty then) or a source's data."""
    start = flow.created_ms // 1000
    if flow.kind == "dataset":
        return {"transformations": [], "scheduleParams": {"interval": 6, "timeUnit": "hour", "startTime": start}}
    if flow.kind == "source":
        mapping = {"mappingId": flow.source_connection_id.replace("-", ""), "mappingVersion": 0}
        return {
            "transformations": [{"name": "Mapping", "params": mapping}],
            "scheduleParams": {"startTime": start, "frequency": "hour", "interval": "1"},
        }
    selectors = [_selector(mapping, flow) for mapping in flow.mappings.values()]
    return {"transformations": [{"name": "GeneralTransform", "params": {"segmentSelectors": {"selectors": selectors}}}]}


def flow_body(flow: Flow, sandbox: Sandbox, org_id: str) -> Json:
    """Return the part of a flow's JSON that does not change."""
    connection_spec = {"id": flow.connection_spec_id, "version": "1.0"}
    updated = max((m.mapped_ms for m in flow.mappings.values()), default=flow.created_ms)
    etag = f'"{flow.created_ms:016x}"'
    return {
        "id": flow.id,
        "createdAt": flow.created_ms,
        "updatedAt": max(updated, flow.created_ms),
        "createdBy": f"{CLIENT}@AdobeID",
        "updatedBy": f"{CLIENT}@AdobeID",
        "createdClient": "exc_app",
        "updatedClient": CLIENT,
        "sandboxId": sandbox.id,
        "sandboxName": flow.sandbox,
        "imsOrgId": org_id,
        "name": flow.name,
        "description": "",
        "flowSpec": {"id": flow.flow_spec_id, "version": "1.0"},
        "state": flow.state,
        "version": etag,
        "etag": etag,
        "sourceConnectionIds": [flow.source_connection_id],
        "targetConnectionIds": [flow.target_connection_id],
        "inheritedAttributes": {
            "properties": {"isSourceFlow": True} if flow.kind == "source" else {"isDestinationFlow": True},
            "sourceConnections": [{"id": flow.source_connection_id}],
            "targetConnections": [{"id": flow.target_connection_id, "connectionSpec": connection_spec}],
        },
        **_contents(flow),
        "runs": f"/runs?property=flowId=={flow.id}",
        "lastOperation": {
            "started": flow.created_ms,
            "updated": flow.created_ms,
            "percentCompleted": 100,
            "status": {"value": "completed", "properties": None, "errors": []},
            "operation": "create",
        },
    }


def flow_document(flow: Flow, last_ended: Run | None, settings: Settings) -> Json:
    """Return a flow as it is now; its last run's state is documented as success or failed, one page has a third."""
    document = dict(flow.body)
    if flow.kind == "source" and not settings.documented:
        document["inheritedAttributes"] = {
            **document["inheritedAttributes"],
            "properties": {"isDestinationFlow": False},
        }
    if last_ended is not None:
        phase = phase_of(last_ended.outcome.status)
        partly = "partialSuccess" if phase == "partial" and settings.documented else "success"
        document["lastRunDetails"] = {
            "id": last_ended.id,
            "state": "failed" if phase == "failed" else partly,
            "startedAtUTC": started_ms(last_ended),
            "completedAtUTC": last_ended.ends_ms,
        }
    return merged(document, flow.raw)


def started_ms(run: Run) -> int:
    """Return when a run's work began: 1.5 s after its creation, or sooner if it is very short."""
    lasts = math.inf if run.ends_ms is None else run.ends_ms - run.created_ms
    return run.created_ms + int(min(1500, lasts / 10))


def run_document(run: Run, org_id: str, settings: Settings, now_ms: int) -> Json:
    """Return a flow run as it is now.

    A young run names no audience; an unfinished one has no ``completedAtUTC`` and more; a failed one lacks
    ``sizeSummary`` and ``fileSummary``. What is not there yet is null; in the older form it is missing, of a run that
    has just begun all ``metrics``.
    """
    if run.final is not None:
        return run.final
    ended = run.ended(now_ms)
    document: Json = {
        "id": run.id,
        "createdAt": run.created_ms,
        "updatedAt": run.ends_ms if ended else now_ms,
        "createdBy": f"{CLIENT}@AdobeID",
        "updatedBy": f"{CLIENT}@AdobeID",
        "createdClient": CLIENT,
        "updatedClient": CLIENT,
        "sandboxId": run.flow.body["sandboxId"],
        "sandboxName": run.flow.sandbox,
        "imsOrgId": org_id,
        "flowId": run.flow.id,
        "flowSpec": {"id": run.flow.flow_spec_id, "version": "1.0"},
        "providerRefId": run.id.replace("-", ""),
        "etag": f'"{run.created_ms:016x}"',
    }
    if settings.documented:
        document |= {"predecessors": None, "sourceInfo": None, "targetInfo": None}
    ids = [f"segment:{audience.id_as(settings.entity_id)}" for audience in run.audiences]
    if ended:
        document["metrics"], document["activities"] = final_metrics(run, ids, started_ms(run))
        run.final = merged(document, run.raw)
        return run.final
    third = (run.young_until_ms - run.created_ms) // 3
    has_just_begun = now_ms < run.young_until_ms and now_ms < run.created_ms + third
    if has_just_begun and not settings.documented:
        return merged(document, run.raw)
    named = ids if now_ms >= run.young_until_ms else None
    # A run that is to stay as it is shows the running word it was given.
    word = run.outcome.status if run.ends_ms is None else None
    started = started_ms(run) if started_ms(run) <= now_ms else None
    status = None if has_just_begun else word or "inProgress"
    document["metrics"] = progress_metrics(run, named, started, status)
    if settings.documented:
        document["metrics"] = with_nulls(document["metrics"], run)
    return merged(document, run.raw)
