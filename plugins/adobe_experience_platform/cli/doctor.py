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
    done = list(_examine(hook, now))
    yield from done
    for step in steps[len(done) :]:
        yield Check(step, CheckState.NOT_CHECKED, "what comes before it has to be put right first")
    permission = "the permission Activate Destinations shows only when something is delivered"
    yield Check("delivering", CheckState.NOT_CHECKED, permission)


def _examine(hook: WorkerHook, now: dt.datetime) -> Iterator[Check]:
    try:
        settings = hook.settings
    except AepError as error:
        yield Check("connection", CheckState.FAILED, str(error))
        return
    place = f"sandbox {settings.sandbox_name} of {settings.org_id} at {settings.base_url}"
    yield Check("connection", CheckState.OK, place)
    own = "the connection's own, which expires: use it for short tests only"
    token = Check("token", CheckState.OK, own if settings.access_token else "Adobe has issued one")
    try:
        flows = hook.call(endpoints.destination_flows())
    except AepError as error:
        has_token = not (isinstance(error, AepCallError) and error.call == auth.CALL)
        yield from [token] * has_token
        yield Check("destinations" if has_token else "token", CheckState.FAILED, explain(error, settings))
        return
    yield token
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
