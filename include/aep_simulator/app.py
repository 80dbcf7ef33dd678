"""The ASGI application: AEP's routes, IMS and the control calls, behind the gate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from .activation import run_adhoc_activation
from .control import control_routes
from .documents import sandbox_document
from .errors import AepService, ApiError, error_body
from .flowservice import get_flow, get_run, list_flows, list_runs
from .gate import Gate
from .gateway import Call, Handler, guarded, json_answer
from .ims import token_endpoint
from .simulator import Simulator
from .ups import get_export_job, list_export_jobs, list_segment_jobs

_Answerer: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]
_CALLS: tuple[tuple[str, AepService, str, Handler], ...] = (
    ("POST", AepService.ACTIVATION, "/adhocrun", run_adhoc_activation),
    ("GET", AepService.UPS, "/export/jobs", list_export_jobs),
    ("GET", AepService.UPS, "/export/jobs/", list_export_jobs),  # as its own link.next has it
    ("GET", AepService.UPS, "/export/jobs/{job_id}", get_export_job),
    ("GET", AepService.UPS, "/segment/jobs", list_segment_jobs),
    ("GET", AepService.FLOW_SERVICE, "/runs", list_runs),
    ("GET", AepService.FLOW_SERVICE, "/runs/{run_id}", get_run),
    ("GET", AepService.FLOW_SERVICE, "/flows", list_flows),
    ("GET", AepService.FLOW_SERVICE, "/flows/{flow_id}", get_flow),
)


def list_sandboxes(call: Call) -> Response:
    """``GET /sandboxes``: path and shape are unconfirmed, as none of the files used here describes them."""
    return json_answer({"sandboxes": [sandbox_document(s) for s in call.world.sandboxes.values()]})


def build_app(simulator: Simulator) -> ASGIApp:
    """Return the application."""
    routes = [
        Route(service.value + path, guarded(simulator, service, handler), methods=[method])
        for method, service, path, handler in (
            *_CALLS,
            ("GET", AepService.SANDBOXES, "/sandboxes", list_sandboxes),
        )
    ]
    routes.append(Route("/ims/token/v3", token_endpoint(simulator), methods=["POST"]))
    app = Starlette(
        routes=[*routes, *control_routes(simulator)],
        exception_handlers={ApiError: _api_error(simulator), HTTPException: _no_such_call(simulator)},
    )
    app.router.redirect_slashes = False
    return Gate(app, simulator)


def _api_error(simulator: Simulator) -> _Answerer:
    async def answer(_: Request, exc: Exception) -> Response:
        if not isinstance(exc, ApiError):
            raise exc
        body = exc.json(documented=simulator.world.settings.documented)
        return JSONResponse(body, status_code=exc.status, headers=exc.headers)

    return answer


def _no_such_call(simulator: Simulator) -> _Answerer:
    """Answer an unknown path or method; AEP's own words for it are unconfirmed."""

    async def answer(request: Request, exc: Exception) -> Response:
        status = exc.status_code if isinstance(exc, HTTPException) else 500
        text = f"{request.method} {request.url.path}"
        body = error_body(request.url.path, status, text, documented=simulator.world.settings.documented)
        return JSONResponse(body, status_code=status)

    return answer
