"""The shared poll: tasks that wait for the same thing ride on one poll loop per triggerer.

Airflow runs one :func:`rounds` per ``shared_stream_key``; each waiting trigger joins the key's
:class:`Group` with what it wants to know and gets every snapshot. So API calls grow with the work, not
with the number of waiting tasks. A round that fails is a snapshot with an error: the stream never ends.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import time
import weakref
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from . import endpoints, exports, lookup
from .endpoints import PAGE_SIZE, Call
from .errors import AepCallError, AepError, AepNotFoundError, AepRequestError
from .models import ExportJob, FlowRun, Pair

if TYPE_CHECKING:
    from .hook import AdobeExperiencePlatformAsyncHook

T = TypeVar("T")

SHORTEST_PAUSE = 2.0
"""Seconds between two polls at the beginning of a wait."""
PAUSE_SHARE = 0.1
"""A pause is this share of the time waited so far: an end is noticed at most 10 % late, within bounds."""
NEWCOMER_GAP = 1.0
"""Seconds that a newcomer's poll keeps from the last one, however many come."""


@dataclass(slots=True)
class Subscription:
    """What one waiting trigger wants to know.

    :param wanted: ids of flow runs, or of flows whose runs matter.
    :param interval: longest pause between two polls, seconds.
    :param deadline: when the wait ends (aware time).
    """

    wanted: set[str]
    interval: float
    deadline: dt.datetime
    joined: float = field(default_factory=time.monotonic)

    def pause(self) -> float:
        """Return the seconds until this subscriber wants to know more."""
        left = (self.deadline - dt.datetime.now(tz=dt.UTC)).total_seconds()
        usual = next_pause(time.monotonic() - self.joined, self.interval)
        return min(usual, max(left, 0.1)) if left > 0 else usual


def next_pause(waited: float, interval: float) -> float:
    """Return the pause before the next poll, in seconds: short at first, longer with the wait's age."""
    return min(interval, max(SHORTEST_PAUSE, waited * PAUSE_SHARE))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What AEP said in one round.

    :param runs: run id → run, or the error of reading it.
    :param jobs: profile export jobs, newest first.
    :param flow_runs: flow id → its recent runs.
    :param place: organization and sandbox that were asked, where it matters.
    :param error: why the whole round failed.
    """

    runs: Mapping[str, FlowRun | AepError] = field(default_factory=dict)
    jobs: Sequence[ExportJob] = ()
    flow_runs: Mapping[str, Sequence[FlowRun]] = field(default_factory=dict)
    place: str = ""
    error: Exception | None = None


class Group:
    """All subscribers of one shared poll in this triggerer."""

    def __init__(self) -> None:
        self.subscriptions: dict[int, Subscription] = {}
        self.wake = asyncio.Event()
        self._numbers = itertools.count()

    @contextmanager
    def joined(self, subscription: Subscription) -> Iterator[Subscription]:
        """Take part in the poll for as long as the block runs."""
        number = next(self._numbers)
        self.subscriptions[number] = subscription
        self.wake.set()
        try:
            yield subscription
        finally:
            del self.subscriptions[number]

    def wanted(self) -> list[str]:
        """Return what the subscribers want, each once."""
        return list(dict.fromkeys(itertools.chain.from_iterable(s.wanted for s in self.subscriptions.values())))

    async def pause(self, at_least: float) -> None:
        """Wait for the next round: the most impatient subscriber or a newcomer decides."""
        seconds = min((s.pause() for s in self.subscriptions.values()), default=None)
        if at_least > 0:
            await asyncio.sleep(at_least)
            return
        try:
            await asyncio.wait_for(self.wake.wait(), seconds)
        except TimeoutError:
            return
        await asyncio.sleep(min(NEWCOMER_GAP, seconds or NEWCOMER_GAP))


_groups: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Group]] = weakref.WeakKeyDictionary()
"""Groups are small and never removed: a poll that ends while another begins must find the same one."""


def group(key: Hashable) -> Group:
    """Return the group of a key in this triggerer."""
    groups = _groups.setdefault(asyncio.get_running_loop(), {})
    return groups.setdefault(key, Group())


async def rounds(key: Hashable, read: Callable[[Group], Awaitable[Snapshot]]) -> AsyncIterator[Snapshot]:
    """Poll for as long as anybody waits, yielding one full snapshot a round.

    :param key: the shared stream's key.
    :param read: asks AEP once for all that the group wants.
    """
    here = group(key)
    while True:
        if not here.subscriptions:
            await here.wake.wait()
        here.wake.clear()
        asked_to_wait = 0.0
        try:
            snapshot = await read(here)
        except Exception as error:  # noqa: BLE001 - every error belongs to the subscribers, who count and judge it
            snapshot = Snapshot(error=error)
            asked_to_wait = (error.retry_after or 0.0) if isinstance(error, AepError) else 0.0
        yield snapshot
        await here.pause(min(asked_to_wait, 300.0))


class Bulk:
    """Whether AEP lets runs be read in bulk; found out once per poll."""

    def __init__(self) -> None:
        self.refused = False


async def read_runs(hook: AdobeExperiencePlatformAsyncHook, run_ids: Sequence[str], bulk: Bulk) -> Snapshot:
    """Read runs, 100 per request, and one by one what a list does not return or is refused for."""
    found: dict[str, FlowRun | AepError] = {}
    if len(run_ids) > 1 and not bulk.refused:
        chunks = [run_ids[start : start + PAGE_SIZE] for start in range(0, len(run_ids), PAGE_SIZE)]
        for result in await asyncio.gather(*(_outcome(hook, endpoints.runs_by_id(chunk)) for chunk in chunks)):
            if isinstance(result, AepError):
                bulk.refused = bulk.refused or isinstance(result, AepRequestError | AepNotFoundError)
                if not bulk.refused:
                    raise result
            else:
                found.update(result)
    rest = [run_id for run_id in run_ids if run_id not in found]
    results = await asyncio.gather(*(_outcome(hook, endpoints.run(run_id)) for run_id in rest))
    failed = [result for result in results if isinstance(result, AepError) and not isinstance(result, AepNotFoundError)]
    if failed and len(failed) == len(run_ids):
        raise failed[0]
    return Snapshot(runs={**found, **dict(zip(rest, results, strict=True))})


async def _outcome(hook: AdobeExperiencePlatformAsyncHook, call: Call[T]) -> T | AepError:
    try:
        return await hook.call(call)
    except AepCallError as error:
        return error


def runs_call(run_ids: Sequence[str]) -> Call[dict[str, FlowRun | AepError]]:
    """Read runs one after the other, for waits that do not use the triggerer."""
    found: dict[str, FlowRun | AepError] = {}
    if len(run_ids) > 1:
        for start in range(0, len(run_ids), PAGE_SIZE):
            try:
                found.update((yield from endpoints.runs_by_id(run_ids[start : start + PAGE_SIZE])))
            except (AepRequestError, AepNotFoundError):
                break
    for run_id in run_ids:
        if run_id not in found:
            try:
                found[run_id] = yield from endpoints.run(run_id)
            except AepNotFoundError as error:
                found[run_id] = error
    return found


def export_call(flow_ids: Iterable[str], now: dt.datetime) -> Call[Snapshot]:
    """Read the profile exports and the recent runs of these flows."""
    since = now - exports.LOOK_BACK
    jobs = yield from endpoints.profile_export_jobs(since)
    flow_runs: dict[str, Sequence[FlowRun]] = {}
    for flow_id in flow_ids:
        flow_runs[flow_id] = yield from endpoints.recent_runs_of_flow(flow_id, since)
    return Snapshot(jobs=jobs, flow_runs=flow_runs)


def blockers(
    snapshot: Snapshot, pairs: Sequence[Pair], aliases: Mapping[str, str], now: dt.datetime
) -> tuple[list[str], list[str]]:
    """Return (what must end first, what is stuck and not waited for), as ids and words for people.

    :param pairs: if given, runs in progress that concern them count too.
    """
    state = exports.state_of(snapshot.jobs, now)
    waiting = [f"segment export job {job.id} ({job.raw_status})" for job in state.in_progress]
    stuck = [exports.describe(job, now) for job in state.stuck]
    for flow_id, runs in snapshot.flow_runs.items():
        own = [pair for pair in pairs if pair.flow_id == flow_id]
        concerned: dict[str, int] = {}
        for run in lookup.concerns(runs, own, aliases).values():
            concerned[run.id] = concerned.get(run.id, 0) + 1
        waiting += [f"flow run {run_id} of flow {flow_id}" for run_id in concerned]
    return waiting, stuck
