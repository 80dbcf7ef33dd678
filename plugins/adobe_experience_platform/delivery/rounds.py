"""What one round of a poll asks AEP, and what the answer means for those who wait. Calls and rules, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adobe_experience_platform.aep import Call, ExportJob, FlowRun, Pair, endpoints, one_line
from adobe_experience_platform.errors import AepError

from . import exports, search
from .run_news import Audience, Carriers
from .usual import Usual


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What AEP said in one round.

    :param runs: run id → run, or the error of reading it.
    :param jobs: profile export jobs, newest first.
    :param flow_runs: flow id, or an audience's ids → its recent runs.
    :param flow_errors: the same → why its runs could not be read, where those of others could.
    :param carriers: an audience's ids → the flows that it is mapped to.
    :param place: organization and sandbox that were asked, where it matters.
    :param error: why the whole round failed.
    :param asked: what the round asked for; a round serves those subscribers that are due. None: of all.
    :param usual: flow id → how long its runs usually take.
    :param is_pause: nothing is known, mostly because AEP has asked for a pause; waits may end meanwhile.
    """

    runs: Mapping[str, FlowRun | AepError] = field(default_factory=dict)
    jobs: Sequence[ExportJob] = ()
    flow_runs: Mapping[Any, Sequence[FlowRun]] = field(default_factory=dict)
    flow_errors: Mapping[Any, AepError] = field(default_factory=dict)
    carriers: Mapping[Audience, Carriers] = field(default_factory=dict)
    place: str = ""
    error: Exception | None = None
    asked: frozenset[Hashable] | None = None
    usual: Mapping[str, Usual] = field(default_factory=dict)
    is_pause: bool = False


def export_call(flow_ids: Iterable[str], now: dt.datetime) -> Call[Snapshot]:
    """Read the profile exports and the recent runs of these flows."""
    since = now - exports.LOOK_BACK
    jobs = yield from endpoints.profile_export_jobs(since)
    return Snapshot(jobs=jobs, flow_runs=(yield from endpoints.recent_runs(flow_ids, since)))


def blockers(
    snapshot: Snapshot,
    pairs: Sequence[Pair],
    aliases: Mapping[str, str],
    now: dt.datetime,
    names: Mapping[str, str] | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Return (what must end first, job id → what is stuck and not waited for), in words for people.

    :param pairs: if given, runs in progress that concern them count too.
    """
    state = exports.state_of(snapshot.jobs, now)
    waiting = [f"segment export job {job.id} ({job.raw_status})" for job in state.in_progress]
    stuck = {job.id: exports.describe(job, now) for job in state.stuck}
    for flow_id, runs in snapshot.flow_runs.items():
        own = [pair for pair in pairs if pair.flow_id == flow_id]
        concerned = dict.fromkeys(run.id for run in search.concerns(runs, own, aliases).values())
        name = (names or {}).get(flow_id)
        flow = f"{one_line(name)} ({flow_id})" if name else flow_id
        waiting += [f"flow run {run_id} of flow {flow}" for run_id in concerned]
    return waiting, stuck
