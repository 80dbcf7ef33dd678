"""The control calls under ``/_simulator/``: how a test arranges the world and looks into it.

No authentication; JSON in and out; a bad body is a 400 ``{"error": …}``. ``README.md`` lists them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from .control_bodies import (
    ExportJobChange,
    NewExportJob,
    NewRun,
    Release,
    RunChange,
    one_or_many,
)
from .documents import export_job_document, run_document
from .entities import Json, phase_of
from .faults import FaultSpec
from .gate import CONTROL_PREFIX
from .gateway import Endpoint
from .seed import OutcomeSeed, SeedDocument
from .simulator import Simulator

SCOPES = "openid,session,AdobeID,read_organizations,additional_info.projectedProductContext"


class MissingError(Exception):
    """What the call is about does not exist."""


class Control:
    """The control calls; each takes the request and its JSON body (null if empty)."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def health(self, _request: Request, _body: object) -> object:
        """Say that the simulator is up."""
        return {"status": "ok"}

    def reset(self, _request: Request, body: object) -> object:
        """Start again, with the first seed or with the one in the body."""
        if isinstance(body, dict) and set(body) == {"seed"}:
            body = body["seed"]
        self._simulator.reset(None if body is None else SeedDocument.model_validate(body))
        return self.state(_request, None)

    def state(self, _request: Request, _body: object) -> object:
        """Return an overview."""
        world = self._simulator.world
        now = world.clock.ms()
        flows = [
            {
                "id": flow.id,
                "name": flow.name,
                "sandbox": flow.sandbox,
                "state": flow.state,
                "kind": flow.kind,
                "audiences": [{"id": m.audience.id, "name": m.audience.name} for m in flow.mappings.values()],
            }
            for flow in world.flows.values()
        ]
        jobs = Counter(job.status(now) for box in world.sandboxes for job in world.export_jobs(box))
        return {
            "now": now,
            "settings": world.settings.model_dump(),
            "sandboxes": list(world.sandboxes),
            "flows": flows,
            "export_jobs": dict(jobs),
            "runs": {"total": len(world.runs), "in_progress": len(world.runs.in_progress(now))},
            "requests": len(self._simulator.journal),
            "faults": len(self._simulator.faults.all()),
            "held": self._simulator.faults.held,
            "tokens": world.tokens.minted,
        }

    def connection(self, request: Request, _body: object) -> object:
        """Return the demo account as an Airflow connection."""
        world = self._simulator.world
        account, base = world.tokens.demo_account, str(request.base_url).rstrip("/")
        return {
            "conn_type": "adobe_experience_platform",
            "host": base,
            "login": account.client_id,
            "password": account.secrets[0],
            "extra": {
                "org_id": world.org_id,
                "sandbox_name": next(iter(world.sandboxes), "prod"),
                "scopes": ",".join(account.scopes) or SCOPES,
                "ims_url": base,
                "tenant": world.tenant,
            },
        }

    # ------------------------------------------------------------------------- looking back

    def requests(self, request: Request, _body: object) -> object:
        """Return the requests AEP received; ``?path=`` and ``?method=`` filter."""
        query = request.query_params
        found = self._simulator.journal.all(path=query.get("path"), method=query.get("method"))
        return {"requests": [exchange.report() for exchange in found]}

    def clear_requests(self, _request: Request, _body: object) -> object:
        """Forget the requests."""
        return {"removed": self._simulator.journal.clear()}

    def deliveries(self, _request: Request, _body: object) -> object:
        """Return how often each pair was activated ad hoc, and how often that succeeded."""
        world = self._simulator.world
        now = world.clock.ms()
        return {
            "deliveries": [
                {
                    "flow_id": flow_id,
                    "audience_id": audience_id,
                    "count": len(runs),
                    "run_ids": [run.id for run in runs],
                    "successful": sum(
                        run.ended(now) and run.outcome.status is not None and phase_of(run.outcome.status) == "success"
                        for run in runs
                    ),
                }
                for (flow_id, audience_id), runs in world.deliveries.items()
            ]
        }

    def tokens(self, _request: Request, _body: object) -> object:
        """Return how many tokens were minted."""
        return {"minted": self._simulator.world.tokens.minted}

    # ------------------------------------------------------------------------------ trouble

    def add_faults(self, _request: Request, body: object) -> object:
        """Arm one fault or several; all are checked before any is armed."""
        specs = one_or_many(FaultSpec, body)
        return {"faults": [self._simulator.faults.add(spec).report() for spec in specs]}

    def list_faults(self, _request: Request, _body: object) -> object:
        """Return the armed faults with their hits."""
        return {"faults": [fault.report() for fault in self._simulator.faults.all()]}

    def remove_faults(self, request: Request, _body: object) -> object:
        """Disarm all faults, or the one of ``?id=``."""
        wanted = request.query_params.get("id")
        return {"removed": self._simulator.faults.remove(None if wanted is None else int(wanted))}

    def release(self, _request: Request, body: object) -> object:
        """Let held requests go on, or drop them."""
        wish = Release.model_validate(body or {})
        carry_on = wish.then == "continue"
        return {"released": self._simulator.faults.release(fault_id=wish.fault_id, carry_on=carry_on)}

    def expire_tokens(self, _request: Request, _body: object) -> object:
        """Expire every token."""
        return {"expired": self._simulator.world.tokens.expire()}

    # ------------------------------------------------------------------------ changing AEP

    def change_settings(self, _request: Request, body: object) -> object:
        """Change settings and return all of them."""
        if not isinstance(body, dict):
            raise ValueError("the body must be an object of settings")
        self._simulator.world.change_settings(body)
        return self._simulator.world.settings.model_dump()

    def add_outcomes(self, _request: Request, body: object) -> object:
        """Decide how the next matching runs end."""
        world = self._simulator.world
        world.outcomes.extend(one_or_many(OutcomeSeed, body))
        return {"outcomes": [outcome.model_dump() for outcome in world.outcomes]}

    def add_export_job(self, _request: Request, body: object) -> object:
        """Start an export job now and return it."""
        world = self._simulator.world
        new = NewExportJob.model_validate(body or {})
        job = world.start_export_job(new.as_seed(), new.duration)
        return export_job_document(job, world.org_id, world.clock.ms())

    def change_export_job(self, request: Request, body: object) -> object:
        """Put an export job into a status now and return it."""
        world = self._simulator.world
        job = world.export_job(request.path_params["job_id"])
        if job is None:
            raise MissingError
        world.end_export_job(job, ExportJobChange.model_validate(body or {}).status)
        return export_job_document(job, world.org_id, world.clock.ms())

    def add_run(self, _request: Request, body: object) -> object:
        """Start a run that somebody else asked for, and return it."""
        world = self._simulator.world
        new = NewRun.model_validate(body or {})
        run = world.start_run(new.as_seed(), new.seconds)
        return run_document(run, world.org_id, world.settings, world.clock.ms())

    def change_run(self, request: Request, body: object) -> object:
        """End or change a run now and return it."""
        world = self._simulator.world
        run = world.runs.get(request.path_params["run_id"])
        if run is None:
            raise MissingError
        change = RunChange.model_validate(body or {})
        world.change_run(run, change.model_dump(exclude={"raw"}, exclude_unset=True), change.raw)
        return run_document(run, world.org_id, world.settings, world.clock.ms())


def control_routes(simulator: Simulator) -> list[BaseRoute]:
    """Return the routes of the control calls."""
    control = Control(simulator)
    calls: tuple[tuple[str, str, Callable[[Request, object], object]], ...] = (
        ("GET", "health", control.health),
        ("GET", "state", control.state),
        ("GET", "connection", control.connection),
        ("POST", "reset", control.reset),
        ("GET", "requests", control.requests),
        ("DELETE", "requests", control.clear_requests),
        ("GET", "deliveries", control.deliveries),
        ("GET", "tokens", control.tokens),
        ("POST", "expire-tokens", control.expire_tokens),
        ("GET", "faults", control.list_faults),
        ("POST", "faults", control.add_faults),
        ("DELETE", "faults", control.remove_faults),
        ("POST", "release", control.release),
        ("POST", "settings", control.change_settings),
        ("POST", "outcomes", control.add_outcomes),
        ("POST", "export-jobs", control.add_export_job),
        ("PATCH", "export-jobs/{job_id}", control.change_export_job),
        ("POST", "runs", control.add_run),
        ("PATCH", "runs/{run_id}", control.change_run),
    )
    return [Route(CONTROL_PREFIX + path, _endpoint(call), methods=[method]) for method, path, call in calls]


def _endpoint(call: Callable[[Request, object], object]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        text = await request.body()
        try:
            return JSONResponse(call(request, json.loads(text) if text.strip() else None))
        except MissingError:
            return JSONResponse({"error": f"there is no {request.url.path}"}, status_code=404)
        except ValidationError as exc:
            problems: list[Json] = [
                {"where": ".".join(str(part) for part in error["loc"]), "problem": error["msg"]}
                for error in exc.errors(include_url=False)
            ]
            return JSONResponse({"error": "the body is not valid", "problems": problems}, status_code=400)
        except ValueError as exc:
            return JSONResponse({"error": str(exc)}, status_code=400)

    return endpoint
