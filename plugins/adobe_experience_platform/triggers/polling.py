"""The shared poll: tasks that wait for the same thing ride on one poll loop per triggerer.

Airflow runs one :func:`rounds` per ``shared_stream_key``; each waiting trigger joins the key's
:class:`Group` with what it wants to know and gets every snapshot. So API calls grow with the work, not
with the number of waiting tasks. A round serves those that are due: what has waited for long is not asked for more
often because something young is. A round that fails is a snapshot with an error: the stream never ends.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import math
import time
import weakref
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from adobe_experience_platform.aep import LONGEST_PAUSE, PAGE_SIZE, Call, FlowRun, endpoints
from adobe_experience_platform.delivery import Lengths, Snapshot, run_lists
from adobe_experience_platform.errors import AepCallError, AepError, AepNotFoundError, AepRequestError
from adobe_experience_platform.hooks import CONCURRENCY

if TYPE_CHECKING:
    from adobe_experience_platform.hooks import AdobeExperiencePlatformAsyncHook

K = TypeVar("K")
T = TypeVar("T")
SHORTEST_PAUSE = 2.0
"""Seconds between two polls at the beginning of a wait."""
EARLY_SHARE, EARLY_STEPS = 2.0, 4
"""How fast a pause becomes so many shortest ones: AEP's runs take minutes, so looks at young ones are vain."""
PAUSE_SHARE = 0.05
"""A pause is about this share of the time waited so far, and so late an end is noticed, within bounds."""
SPARSE_SHARE = 0.25
"""The same while all that is waited for should still go on, as the flow's runs before did."""
LOOKS = 8
"""Into how many the time is divided in which a run usually ends, and at least that before."""
NEWCOMER_GAP = 1.0
"""Seconds that a newcomer's poll keeps from the last one, however many come."""
REQUESTS_PER_SECOND = 4.0
"""What one shared poll asks AEP for at most, on average, while its waits are younger than their interval allows."""


class Window(NamedTuple):
    """When a run should end, on the monotonic clock."""

    opens: float
    closes: float


@dataclass(slots=True, eq=False)
class Subscription:
    """What one waiting trigger wants to know.

    :param wanted: ids of flow runs, ids of flows whose runs matter, or which runs of them.
    :param is_all_expected: whether it is known of all that is wanted when it should end.
    :param interval: longest pause between two polls, seconds.
    """

    wanted: set[Any]
    interval: float
    deadline: dt.datetime
    joined: float = field(default_factory=time.monotonic)
    due: float = 0.0
    """When this subscriber is to be served next, on the monotonic clock; 0 is at once."""
    expected: Sequence[Window] = ()
    """When what is wanted should end, as far as that is known."""
    is_all_expected: bool = False

    def next_due(self, since: float, at_least: float = 0.0) -> float:
        """Return when to poll after now: on a grid, so that waits of the same age share their polls.

        :param at_least: seconds; what the whole poll costs may ask for longer pauses than a young wait does.
        """
        now = time.monotonic()
        step = grid_step(max(self._pause(now, now - since), at_least), self.interval)
        usual = (math.floor(now / step) + 1) * step
        if opens := [window.opens for window in self.expected if window.opens > now + at_least]:
            usual = min(usual, math.ceil(min(opens) / SHORTEST_PAUSE) * SHORTEST_PAUSE)
        left = self.left
        return min(usual, now + max(left, 0.1)) if left > 0 else usual

    @property
    def ends(self) -> bool:
        """Whether this is a wait that ends; what watches for ever is no measure of a wait's age."""
        return self.deadline.year < dt.MAXYEAR

    def _pause(self, now: float, waited: float) -> float:
        """Return the pause before the next poll: long before anything should end, short while it should or is late."""
        due = [(max(each.closes, now) - each.opens, now > each.closes) for each in self.expected if each.opens <= now]
        if steps := [min(size / LOOKS, next_pause(waited, self.interval) if late else size) for size, late in due]:
            return min(self.interval, max(SHORTEST_PAUSE, min(steps)))
        ahead = min((each.opens - now for each in self.expected), default=0.0) if self.is_all_expected else 0.0
        if ahead <= 0:
            return next_pause(waited, self.interval)
        return max(next_pause(waited, self.interval, SPARSE_SHARE), min(self.interval, (waited + ahead) / LOOKS))

    @property
    def left(self) -> float:
        """Seconds until the wait ends."""
        return (self.deadline - dt.datetime.now(tz=dt.UTC)).total_seconds()

    def concerned(self, snapshot: Snapshot) -> bool:
        """Tell whether a round asked for anything that this subscriber wants."""
        if snapshot.is_pause:
            return False
        return not self.wanted or snapshot.asked is None or not self.wanted.isdisjoint(snapshot.asked)


def next_pause(waited: float, interval: float, share: float = PAUSE_SHARE) -> float:
    """Return the pause before the next poll, in seconds: short at first, longer with the wait's age."""
    early = min(waited * EARLY_SHARE, EARLY_STEPS * SHORTEST_PAUSE)
    return min(interval, max(SHORTEST_PAUSE, early, waited * share))


def grid_step(pause: float, interval: float) -> float:
    """Round a pause to the shortest one doubled some times; the longest is the interval itself."""
    doublings = round(math.log2(max(pause / SHORTEST_PAUSE, 1.0)))
    return min(interval, float(SHORTEST_PAUSE * 2**doublings))


class Group:
    """All subscribers of one shared poll in this triggerer.

    :param per_request: how many ids one request reads.
    :param same_thing: whether all wait for the same thing, as for an export: then the oldest wait sets the pace, and
        a newcomer that wants nothing new brings no poll of its own.
    """

    def __init__(self, *, per_request: int = PAGE_SIZE, same_thing: bool = False) -> None:
        self.subscriptions: dict[int, Subscription] = {}
        self.wake = asyncio.Event()
        self.per_request = per_request
        self.same_thing = same_thing
        self._numbers = itertools.count()
        self._covered: frozenset[Any] | None = None
        self._last = -math.inf

    @contextmanager
    def joined(self, subscription: Subscription) -> Iterator[Subscription]:
        """Take part in the poll for as long as the block runs."""
        number = next(self._numbers)
        if self.same_thing and self._covered is not None and subscription.wanted <= self._covered:
            subscription.due = min((s.due for s in self.subscriptions.values()), default=0.0)
        self.subscriptions[number] = subscription
        self.wake.set()
        try:
            yield subscription
        finally:
            del self.subscriptions[number]
            if not self.subscriptions:
                self._covered = None

    def wanted(self) -> list[Any]:
        """Return what the subscribers want, each once."""
        return _union(self.subscriptions.values())

    async def rest(self, seconds: float) -> None:
        """Let nobody ask for as long as AEP has said, but no longer than until somebody's wait ends."""
        until = time.monotonic() + seconds
        with suppress(TimeoutError):
            while (pause := until - time.monotonic()) > 0:
                self.wake.clear()
                left = min((s.left for s in self.subscriptions.values()), default=pause)
                # What wakes is a newcomer, whose wait may end sooner.
                await asyncio.wait_for(self.wake.wait(), min(pause, max(left, 0.1)))

    async def due(self) -> list[Any]:
        """Wait until somebody is due, and return what all who are due want; plan when they are due again."""
        while True:
            self.wake.clear()
            members = list(self.subscriptions.values())
            if not members:
                await self.wake.wait()
                continue
            gap = min(NEWCOMER_GAP, *(s.interval for s in members))
            delay = max(min(s.due for s in members), self._last + gap) - time.monotonic()
            if delay <= 0:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), delay)
        self._last = now = time.monotonic()
        served = [s for s in members if s.due <= now]
        cost = len(_union(members)) / self.per_request / REQUESTS_PER_SECOND
        oldest = min((s.joined for s in members if s.ends), default=-math.inf)
        for s in served:
            s.due = s.next_due(oldest if self.same_thing and s.ends else s.joined, cost)
        asked = _union(served)
        self._covered = (self._covered or frozenset()) | set(asked)
        return asked


def _union(subscriptions: Iterable[Subscription]) -> list[Any]:
    return list(dict.fromkeys(itertools.chain.from_iterable(s.wanted for s in subscriptions)))


_groups: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Group]] = weakref.WeakKeyDictionary()
"""Groups are small and never removed: a poll that ends while another begins must find the same one."""
_turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


def group(key: Hashable, **kind: Any) -> Group:
    """Return the group of a key in this triggerer; ``kind`` is what a new one is made with."""
    groups = _groups.setdefault(asyncio.get_running_loop(), {})
    return groups.get(key) or groups.setdefault(key, Group(**kind))


def turn() -> asyncio.Lock:
    """Return the lock under which one subscriber at a time considers a snapshot.

    A snapshot wakes all of them at once. Each needs little time, but the event loop looks after nothing else until
    all that were woken have run; who waits for a lock is woken one by one.
    """
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def rounds(here: Group, read: Callable[[list[Any]], Awaitable[Snapshot]]) -> AsyncIterator[Snapshot]:
    """Poll for as long as anybody waits, yielding a snapshot of what is due each round."""
    while True:
        wanted = await here.due()
        asked_to_wait = 0.0
        try:
            snapshot = replace(await read(wanted), asked=frozenset(wanted))
        except Exception as error:  # noqa: BLE001 - every error belongs to the subscribers, who count and judge it
            snapshot = Snapshot(error=error, asked=frozenset(wanted))
            asked_to_wait = (error.retry_after or 0.0) if isinstance(error, AepError) else 0.0
        yield snapshot
        until = time.monotonic() + min(asked_to_wait, LONGEST_PAUSE)
        while (pause := until - time.monotonic()) > 0:
            await here.rest(pause)
            yield Snapshot(is_pause=True)


class Bulk:
    """What a poll has found out: may runs be read in bulk, how long do they usually take, which flows have what."""

    def __init__(self) -> None:
        self.refused = False
        self.mappings: dict[str, run_lists.Mappings] = defaultdict(run_lists.Mappings)
        self.lengths = Lengths()
        self.asked: set[str] = set()
        """Flows whose past runs were looked at."""


async def learn_usual(hook: AdobeExperiencePlatformAsyncHook, snapshot: Snapshot, bulk: Bulk) -> Snapshot:
    """Look once at the past runs of flows that are new to a poll, and at those that this round has seen end.

    Where neither tells, nothing is expected.
    """
    runs = [run for run in snapshot.runs.values() if isinstance(run, FlowRun)]
    going_on = {run.flow_id for run in runs if not run.status.is_terminal}
    if new := sorted(going_on - bulk.asked - {""})[:PAGE_SIZE]:
        bulk.asked.update(new)
        with suppress(AepError):
            past = await hook.call(endpoints.runs_of_flows(new, lambda _: True, succeeded=True))
            bulk.lengths.learn(itertools.chain.from_iterable((past or {}).values()))
    bulk.lengths.learn(runs)
    return replace(snapshot, usual=bulk.lengths.usual())


async def read_runs(hook: AdobeExperiencePlatformAsyncHook, run_ids: Sequence[str], bulk: Bulk) -> Snapshot:
    """Read runs, 100 per request, and one by one what a list does not return or is refused for."""
    found: dict[str, FlowRun | AepError] = {}
    listed = len(run_ids) > 1 and not bulk.refused
    if listed:
        chunks = [run_ids[start : start + PAGE_SIZE] for start in range(0, len(run_ids), PAGE_SIZE)]
        async for _, result in outcomes(hook, ((chunk[0], endpoints.runs_by_id(chunk)) for chunk in chunks)):
            if not isinstance(result, AepError):
                found.update(result)
            elif isinstance(result, AepRequestError | AepNotFoundError):
                bulk.refused = True
                break
            else:
                raise result
    rest = [run_id for run_id in run_ids if run_id not in found]
    failed: list[AepError] = []
    async for run_id, one in outcomes(hook, ((run_id, endpoints.run(run_id)) for run_id in rest)):
        found[run_id] = one
        if isinstance(one, AepError) and not isinstance(one, AepNotFoundError):
            failed.append(one)
            if is_throttled(one):
                raise one  # asking for the others now would be as impolite
    if failed and len(failed) == len(run_ids):
        raise failed[0]
    if listed and len(rest) == len(run_ids) and any(isinstance(run, FlowRun) for run in found.values()):
        bulk.refused = True  # the list knows none of them although they are there: it does not filter as documented
    return Snapshot(runs=found)


def is_throttled(error: AepError) -> bool:
    """Whether AEP asks for fewer requests."""
    return error.retry_after is not None or getattr(error, "status", None) == 429


async def outcomes(
    hook: AdobeExperiencePlatformAsyncHook, calls: Iterable[tuple[K, Call[T]]]
) -> AsyncIterator[tuple[K, T | AepError]]:
    """Carry out calls, a few at a time; the first that the reader breaks off for is the last that is sent."""
    waiting = iter(calls)
    running: dict[asyncio.Task[T | AepError], K] = {}
    try:
        while True:
            for name, call in itertools.islice(waiting, CONCURRENCY - len(running)):
                running[asyncio.ensure_future(_outcome(hook, call))] = name
            if not running:
                return
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield running.pop(task), task.result()
    finally:
        for task in running:
            task.cancel()


async def _outcome(hook: AdobeExperiencePlatformAsyncHook, call: Call[T]) -> T | AepError:
    try:
        return await hook.call(call)
    except AepCallError as error:
        return error
