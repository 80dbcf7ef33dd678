"""What ``airflow aep doctor`` checks: the connection's *Test*, call by call, and whether a delivery could start."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from adobe_experience_platform.aep import Call, DestinationFlow, ExportJob, auth, count, endpoints, explain
from adobe_experience_platform.errors import AepCallError, AepError
from adobe_experience_platform.hooks import WorkerHook
from adobe_experience_platform.operators import describe

T = TypeVar("T")
LOOK_BACK = dt.timedelta(days=2)


class CheckState(enum.StrEnum):
    """What a check has shown."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's table: what was looked at, how it is, and what was seen or is to be done."""

    what: str
    state: CheckState
    said: str


def examine(hook: WorkerHook, now: dt.datetime) -> Iterator[Check]:
    """Check a connection step by step, reading only; what a failed step leaves open is said to be not checked."""
    steps = ("connection", "token", "destinations", "audiences", "segment exports", "flow runs")
    hook.attempts = 1  # somebody waits
    done = 0
    for check in _examine(hook, now):
        done += 1
        yield check
    for step in steps[done:]:
        yield Check(step, CheckState.NOT_CHECKED, "what comes before it has to be put right first")
    yield Check(
        "delivering",
        CheckState.NOT_CHECKED,
        "the permission Activate Destinations shows only when something is delivered",
    )


def _examine(hook: WorkerHook, now: dt.datetime) -> Iterator[Check]:
    try:
        settings = hook.settings
    except AepError as error:
        yield Check("connection", CheckState.FAILED, str(error))
        return
    place = f"sandbox {settings.sandbox_name} of {settings.org_id} at {settings.base_url}"
    yield Check("connection", CheckState.OK, place)
    refused: AepError | None = None
    flows: list[DestinationFlow] = []
    try:
        flows = hook.call(endpoints.destination_flows())
    except AepError as error:
        refused = error
    if isinstance(refused, AepCallError) and refused.call == auth.CALL:
        yield Check("token", CheckState.FAILED, explain(refused, settings))
        return
    own = "the connection's own, which expires: use it for short tests only"
    yield Check("token", CheckState.OK, own if settings.access_token else "Adobe has issued one")
    if refused is not None:
        yield Check("destinations", CheckState.FAILED, explain(refused, settings))
        return
    if flows:
        yield Check("destinations", CheckState.OK, count(len(flows), "destination flow"))
    else:
        yield Check("destinations", CheckState.WARNING, "there is none: set one up in AEP, under Destinations")
    yield _audiences(flows, now)
    yield _asked(hook, "segment exports", endpoints.profile_export_jobs(now - LOOK_BACK), _exports)
    if flows:
        runs = endpoints.runs_of_flow(flows[0].id, lambda _: True, limit=1)
        yield _asked(hook, "flow runs", runs, lambda _: (CheckState.OK, "can be read"))


def _audiences(flows: list[DestinationFlow], now: dt.datetime) -> Check:
    audiences = [audience for flow in flows for audience in describe(flow, now)["audiences"]]
    ready = sum(audience["ready"] for audience in audiences)
    said = f"{ready:,} of {count(len(audiences), 'audience')} can be delivered now"
    if ready:
        return Check("audiences", CheckState.OK, said)
    return Check("audiences", CheckState.WARNING, f"{said}: airflow aep catalog says why")


def _asked(hook: WorkerHook, what: str, call: Call[T], judge: Callable[[T], tuple[CheckState, str]]) -> Check:
    try:
        found = hook.call(call)
    except AepError as error:
        return Check(what, CheckState.FAILED, explain(error, hook.settings))
    return Check(what, *judge(found))


def _exports(jobs: list[ExportJob]) -> tuple[CheckState, str]:
    ended = next((job for job in jobs if job.is_snapshot), None)
    if ended is None:
        return CheckState.WARNING, "none has ended in the last two days: nothing can be delivered"
    return CheckState.OK, f"the newest that has ended is {ended.id}"
