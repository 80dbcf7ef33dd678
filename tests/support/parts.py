"""Small parts that tests put together: settings, requests, AEP's JSON, and drivers for generators."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, TypeVar

from adobe_experience_platform.aep.calls import Call, Request, Response
from adobe_experience_platform.aep.connection import AepConnection
from adobe_experience_platform.aep.transport import Received

T = TypeVar("T")

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
BASE_URL = "https://platform.adobe.io"


def millis(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def settings(**changes: Any) -> AepConnection:
    """Return a checked connection."""
    values: dict[str, Any] = {
        "conn_id": "aep_default",
        "base_url": BASE_URL,
        "ims_url": "https://ims-na1.adobelogin.com",
        "client_id": "client-1",
        "client_secret": "p8e-secret",
        "org_id": "ORG@AdobeOrg",
        "sandbox_name": "prod",
        "scopes": "openid,AdobeID",
    }
    return AepConnection(**{**values, **changes})


def received(status: int, body: object = b"", **headers: str) -> Received:
    """Return a raw answer; ``body`` may be JSON. Header names with ``_`` stand for ``-``."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Received(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def answer(call: Call[T], *bodies: Mapping[str, object]) -> tuple[T, list[Request]]:
    """Carry out a call with prepared answers; return its result and the requests that it made."""
    requests: list[Request] = []
    prepared = iter(bodies)
    try:
        request = next(call)
        while True:
            requests.append(request)
            request = call.send(Response(next(prepared)))
    except StopIteration as stop:
        assert not list(prepared), "answers were left over"
        result: T = stop.value
        return result, requests


def play(effects: Generator[Any, Any, T], react: Callable[[Any], Any]) -> T:
    """Run a generator of effects; ``react`` returns what is sent in, or raises what is thrown in."""
    try:
        effect = next(effects)
        while True:
            try:
                result = react(effect)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is thrown into the generator
                effect = effects.throw(error)
            else:
                effect = effects.send(result)
    except StopIteration as stop:
        value: T = stop.value
        return value


def run_json(
    run_id: str = "run-1",
    flow_id: str = "flow-1",
    status: str | None = "success",
    audiences: Iterable[str] = (),
    created: dt.datetime | None = NOW,
    **more: object,
) -> dict[str, object]:
    """Return a flow run as AEP shows it."""
    metrics: dict[str, Any] = {}
    if status is not None:
        metrics["statusSummary"] = {"status": status}
    named = list(audiences)
    if named:
        entities = [{"id": f"segment:{name}", "inputRecordCount": 5} for name in named]
        metrics["recordSummary"] = {"sourceSummaries": [{"id": "source", "entitySummaries": entities}]}
    data: dict[str, object] = {"id": run_id, "flowId": flow_id, "metrics": metrics}
    if created is not None:
        data["createdAt"] = millis(created)
    return {**data, **more}


def job_json(
    job_id: object = 722,
    status: str = "SUCCEEDED",
    age: dt.timedelta = dt.timedelta(hours=3),
    schema: str = "_xdm.context.profile",
) -> dict[str, object]:
    """Return an export job as AEP shows it."""
    return {"id": job_id, "status": status, "schema": {"name": schema}, "creationTime": millis(NOW - age)}


def selector(audience_id: str = "aud-1", **changes: object) -> dict[str, object]:
    """Return an entry of ``segmentSelectors``; a change to None removes the field."""
    value: dict[str, object] = {
        "id": audience_id,
        "name": f"Audience {audience_id}",
        "filenameTemplate": "%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%",
        "exportMode": "DAILY_FULL_EXPORT",
        "schedule": {"frequency": "DAILY", "startDate": "2026-01-01", "endDate": "2026-12-31"},
        "createTime": str(millis(NOW - dt.timedelta(days=30)) // 1000),
    }
    value = {key: item for key, item in {**value, **changes}.items() if item is not None}
    return {"type": "PLATFORM_SEGMENT", "value": value}


def flow_json(flow_id: str = "flow-1", *selectors: object, **changes: object) -> dict[str, object]:
    """Return a destination flow as AEP shows it; a change to None removes the field."""
    data: dict[str, object] = {
        "id": flow_id,
        "name": f"Flow {flow_id}",
        "state": "enabled",
        "inheritedAttributes": {"properties": {"isDestinationFlow": True}},
        "transformations": [
            {"name": "GeneralTransform", "params": {"segmentSelectors": {"selectors": list(selectors)}}}
        ],
    }
    return {key: item for key, item in {**data, **changes}.items() if item is not None}
