"""The ad-hoc activation call (Adobe's Ad Hoc Activation API, OpenAPI 2.0).

All pairs of a call are checked before any run starts: all or nothing is unconfirmed, but the documented
error text lists its offenders, which suggests it. The setting ``partial_400`` plays the other reading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.responses import Response

from .entities import PROFILE_SCHEMA, Audience, Flow, Json, Run
from .errors import AepService, ApiError
from .gateway import Call, json_answer
from .world import World

_VERSION = re.compile(r"application/vnd\.adobe\.adhoc\.activation\+json\s*;\s*version\s*=\s*\"?(\d+)\"?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MappedPair:
    """An audience that is to be activated to a flow."""

    flow: Flow
    audience: Audience


def run_adhoc_activation(call: Call) -> Response:
    """``POST /adhocrun``."""
    info, export_ids = _read_body(call)
    if export_ids is not None:
        _check_exports(call, export_ids)
    pairs = _find_pairs(call, info)
    refused, error = _check_pairs(call, pairs)
    if error is not None:
        good = [pair for pair in pairs if pair not in refused]
        if call.world.settings.partial_400 and good:
            _start_runs(call, good)
        raise error
    return json_answer({"order": _start_runs(call, pairs)})


def _bad(text: str, status: int = 400) -> ApiError:
    return AepService.ACTIVATION.error(status, text)


def _read_body(call: Call) -> tuple[dict[str, list[str]], list[str] | None]:
    """Return ``activationInfo`` and, for version 1, ``exportIds``.

    Without the v2 media type, version 1 applies; so it is assumed for ``*/*``. The texts for malformed
    bodies are unconfirmed, and so is that v2 ignores ``exportIds``.
    """
    accept = call.request.headers.get("accept", "")
    found = _VERSION.search(accept)
    version = int(found[1]) if found else 1
    if version not in {1, 2} or (found is None and "vnd.adobe.adhoc" in accept):
        raise _bad(f"Accept is not supported: {accept}")
    try:
        body = json.loads(call.body)
    except ValueError:
        raise _bad("BadRequestError: the body is not JSON") from None
    info = body.get("activationInfo") if isinstance(body, dict) else None
    if not isinstance(info, dict) or not info:
        raise _bad("Invalid parameter: activationInfo is missing or empty")
    for flow_id, audience_ids in info.items():
        if not isinstance(audience_ids, list) or not audience_ids:
            raise _bad(f"Invalid parameter: activationInfo lists no audience for {flow_id}")
        if not all(isinstance(audience_id, str) for audience_id in audience_ids):
            raise _bad(f"Invalid parameter: audience ids must be strings for {flow_id}")
        if len(set(audience_ids)) < len(audience_ids):
            raise _bad(f"Invalid parameter: an audience is listed twice for {flow_id}")
    if version == 2:
        return info, None
    export_ids = body.get("exportIds")
    if not isinstance(export_ids, list) or not export_ids:
        raise _bad("Invalid parameter: exportIds is missing or empty")
    if not all(isinstance(export_id, str) for export_id in export_ids):
        # The OpenAPI types them as strings although export jobs have integer ids.
        raise _bad("Invalid parameter: exportIds must be strings")
    return info, export_ids


def _check_exports(call: Call, export_ids: Iterable[str]) -> None:
    """Version 1 names a finished profile export. Unconfirmed texts, and whether it must be the latest."""
    for export_id in export_ids:
        job = call.world.export_job(export_id, call.sandbox)
        if job is None:
            raise _bad(f"Invalid parameter: export job {export_id} does not exist")
        # Documented for the UI: "does not pick up data from API-triggered export jobs".
        if job.schema != PROFILE_SCHEMA or not job.scheduled or job.status(call.world.clock.ms()) != "SUCCEEDED":
            raise _bad(f"Invalid parameter: export job {export_id} is no finished profile export")


def _find_pairs(call: Call, info: dict[str, list[str]]) -> list[MappedPair]:
    """Return the pairs of the call. A flow or audience AEP does not know is a 404 (documented)."""
    world = call.world
    pairs = []
    for flow_id, audience_ids in info.items():
        flow = world.flows.get(flow_id)
        if flow is None or flow.sandbox != call.sandbox:
            raise _bad(f"Flow not found: {flow_id}", 404)  # unconfirmed text
        for audience_id in audience_ids:
            # An imported audience is known by Platform's own id only, not by its external one.
            audience = world.audiences.get((call.sandbox, audience_id))
            if audience is None:
                raise _bad(f"Audience not found: {audience_id}", 404)  # unconfirmed text
            pairs.append(MappedPair(flow, audience))
    if len(pairs) > world.settings.max_pairs:
        # Documented: "will cause the job to fail". The text is unconfirmed.
        raise _bad(f"A job can activate at most {world.settings.max_pairs} audiences, not {len(pairs)}")
    return pairs


def _check_pairs(call: Call, pairs: list[MappedPair]) -> tuple[list[MappedPair], ApiError | None]:
    """Return the pairs that are refused and the first error."""
    world = call.world
    for flow in {pair.flow.id: pair.flow for pair in pairs}.values():
        if flow.kind != "file":
            # Documented for the dataset variant of this call; that it is the same here is unconfirmed.
            raise _bad(
                f"Invalid parameter: Flow for id {flow.id} is incorrect. "
                f"Error is [Adhoc run can not be executed for Flow spec={flow.flow_spec_id}."
            )
        if flow.state != "enabled":
            raise _bad(f"Invalid parameter: Flow for id {flow.id} is not enabled")  # unconfirmed text
    if (job := world.export_in_progress(call.sandbox)) is not None:
        # Documented: ad-hoc jobs cannot run in parallel with the scheduled export. Unconfirmed text.
        raise _bad(f"Scheduled audience export is in progress: export job {job.id}")

    texts: list[str] = []
    unmapped = [pair for pair in pairs if not _mapped_and_in_schedule(world, pair)]
    if unmapped:
        # Documented text, with names where one would expect ids.
        names = ", ".join(dict.fromkeys(pair.audience.name for pair in unmapped))
        texts.append(f"Segments {names} are not part of this dataflow or out of schedule range!")
    fresh = [pair for pair in pairs if pair not in unmapped and _freshly_mapped(world, pair)]
    if fresh:
        # Documented: one hour must have passed. Unconfirmed text.
        names = ", ".join(dict.fromkeys(pair.audience.name for pair in fresh))
        texts.append(f"Segments {names} were activated less than an hour ago")
    busy = _runs_in_progress(world, [pair for pair in pairs if pair not in unmapped and pair not in fresh])
    if busy:
        pair, run = busy[0]
        word = world.settings.audience_word
        stop = "." if world.settings.documented else ""
        said = f"Run already going on for {word} {pair.audience.id} for order {run.flow.id}"
        texts.append(f"{said} with run id {run.id}{stop}")
    refused = [*unmapped, *fresh, *(pair for pair, _ in busy)]
    return refused, _bad(texts[0]) if texts else None


def _mapped_and_in_schedule(world: World, pair: MappedPair) -> bool:
    mapping = pair.flow.mappings.get(pair.audience.id)
    return mapping is not None and mapping.schedule.covers(world.clock.today())


def _freshly_mapped(world: World, pair: MappedPair) -> bool:
    age_ms = world.clock.ms() - pair.flow.mappings[pair.audience.id].mapped_ms
    return age_ms < world.settings.first_hour_seconds * 1000


def _runs_in_progress(world: World, pairs: list[MappedPair]) -> list[tuple[MappedPair, Run]]:
    """Return the pairs whose audience has a run in progress, whoever started it, with that run."""
    any_flow = world.settings.conflict_scope == "audience"
    busy: dict[tuple[str, str], Run] = {}
    for run in world.runs.in_progress(world.clock.ms()):
        for audience in run.audiences:
            busy[run.flow.id, audience.id] = run
            if any_flow:
                busy.setdefault(("", audience.id), run)
    found = []
    for pair in pairs:
        run_of_pair = busy.get((pair.flow.id, pair.audience.id)) or busy.get(("", pair.audience.id))
        if run_of_pair is not None:
            found.append((pair, run_of_pair))
    return found


def _start_runs(call: Call, pairs: list[MappedPair]) -> list[Json]:
    """Start the runs and return the ``order``: one entry per pair, in the order of the call."""
    world = call.world
    base = world.settings.status_url_base or call.base_url
    omitted = {(p.flow.id, p.audience.id): world.omitted(p.flow, p.audience) for p in pairs}
    wanted = [pair for pair in pairs if omitted[pair.flow.id, pair.audience.id] is not False]
    runs: dict[tuple[str, str], Run] = {}
    if world.settings.shared_runs:
        for flow in {pair.flow.id: pair.flow for pair in wanted}.values():
            audiences = [pair.audience for pair in wanted if pair.flow is flow]
            run = world.activate(flow, audiences)
            runs |= {(flow.id, audience.id): run for audience in audiences}
    else:
        for pair in wanted:
            runs[pair.flow.id, pair.audience.id] = world.activate(pair.flow, [pair.audience])
    call.exchange.effect = call.exchange.effect or bool(runs)
    return [
        {
            "segment": pair.audience.id_as(world.settings.order_segment),
            "order": pair.flow.id,
            "statusURL": f"{base}{AepService.FLOW_SERVICE.value}/runs/{runs[pair.flow.id, pair.audience.id].id}",
        }
        for pair in pairs
        if omitted[pair.flow.id, pair.audience.id] is None
    ]
