"""Flow Service: flows and flow runs (Adobe's Flow Service OpenAPI)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from starlette.responses import Response

from .documents import flow_document, run_document
from .entities import Flow, Json, Run
from .gateway import Call, json_answer
from .query import ListQuery
from .world import World


def list_runs(call: Call) -> Response:
    """``GET /runs``: newest first."""
    world, now = call.world, call.world.clock.ms()
    query = ListQuery.parse(call.request.query_params, world.settings)
    if (ids := query.values_of("id")) is not None:
        found = [run for run_id in dict.fromkeys(ids) if (run := world.runs.get(run_id)) is not None]
        runs: Iterable[Run] = sorted(found, key=lambda run: (run.created_ms, run.number), reverse=True)
        conditions = query.without("id")
    else:
        runs = world.runs.newest_first(query.values_of("flowId"))
        conditions = query.without("flowId")
    here = [run for run in runs if run.flow.sandbox == call.sandbox and run.listed_from_ms <= now]
    render = partial(_run, world, now)
    if conditions:
        here = [run for run in here if all(c.holds(_with_state(render(run))) for c in conditions)]
    return json_answer(query.page(here, "runs", render))


def get_run(call: Call) -> Response:
    """``GET /runs/{id}``: a list of one, as the schema says."""
    run_id = call.request.path_params["run_id"]
    world, now = call.world, call.world.clock.ms()
    run = world.runs.get(run_id)
    if run is None or run.flow.sandbox != call.sandbox or now < run.found_from_ms:
        # The text is documented for flows. "Not found" exists as HTTP 400, too.
        status = world.settings.run_not_found
        prefix = "1439-400: " if status == 400 else ""
        raise call.service.error(status, f"{prefix}runs not found with id = [{run_id}]", f"runs/{run_id}")
    return json_answer({"items": [_run(world, now, run)], "_links": {}})


def list_flows(call: Call) -> Response:
    """``GET /flows``: newest first; sources are in it, too."""
    world = call.world
    query = ListQuery.parse(call.request.query_params, world.settings)
    render = partial(_flow, world)
    flows = world.flows_of(call.sandbox)
    matching = [flow for flow in flows if all(c.holds(render(flow)) for c in query.conditions)]
    return json_answer(query.page(matching, "flows", render))


def get_flow(call: Call) -> Response:
    """``GET /flows/{id}``: a list of one, as for runs."""
    flow_id = call.request.path_params["flow_id"]
    flow = call.world.flows.get(flow_id)
    if flow is None or flow.sandbox != call.sandbox:
        raise call.service.error(404, f"flows not found with id = [{flow_id}]", f"flows/{flow_id}")
    return json_answer({"items": [_flow(call.world, flow)], "_links": {}})


def _with_state(run: Json) -> Json:
    """Return a run with the ``state`` that lists can be filtered by, though no run shows it."""
    summary = (run.get("metrics") or {}).get("statusSummary") or {}
    return {**run, "state": summary.get("status") or "inProgress"}


def _run(world: World, now_ms: int, run: Run) -> Json:
    return run_document(run, world.org_id, world.settings, now_ms)


def _flow(world: World, flow: Flow) -> Json:
    now = world.clock.ms()
    ended = (run for run in world.runs.newest_first([flow.id]) if not run.in_progress(now))
    return flow_document(flow, next(ended, None), world.settings)
