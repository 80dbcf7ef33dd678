"""The shared poll: how often, for whom, and what a round reads."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from contextlib import ExitStack
from itertools import pairwise
from types import SimpleNamespace

import pytest

from adobe_experience_platform.aep import calls, endpoints
from adobe_experience_platform.aep.export_jobs import ExportJob
from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.rounds import Snapshot, blockers, export_call
from adobe_experience_platform.errors import AepAuthError, AepNotFoundError, AepRequestError, AepTransientError
from adobe_experience_platform.hooks.throttle import CONCURRENCY
from adobe_experience_platform.triggers import polling
from adobe_experience_platform.triggers.polling import Bulk, Subscription, group, next_pause, read_runs, rounds
from tests.support.parts import NOW, answer, job_json, run_json

HOUR = dt.timedelta(hours=1)


def soon(seconds=3600.0):
    return dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=seconds)


# -- how often


@pytest.mark.parametrize(
    ("waited", "interval", "pause"),
    [
        *[(0, 30, 2), (1, 30, 2), (2, 30, 4), (4, 30, 8), (100, 30, 8), (200, 30, 10), (600, 30, 30)],
        *[(10_000, 30, 30), (0, 1, 1), (10_000, 300, 300)],
    ],
)
def test_pauses_grow_with_the_wait(waited, interval, pause):
    assert next_pause(waited, interval) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("pause", "interval", "step"),
    [
        (2, 30, 2),
        (2.8, 30, 2),
        (3, 30, 4),
        (15, 30, 16),
        (24, 30, 30),
        (30, 30, 30),
        (31, 30, 30),
        (1, 1, 1),
        (0.5, 30, 2),
    ],
)
def test_pauses_are_steps_of_a_grid_so_that_waits_share_their_polls(pause, interval, step):
    assert polling.grid_step(pause, interval) == step


@pytest.mark.parametrize(("left", "low", "high"), [(3600, 0, 2), (1, 0, 1), (0.01, 0, 0.1), (0, 0, 2), (-5, 0, 2)])
def test_the_last_poll_is_at_the_deadline_and_none_hurries_after_it(left, low, high, clock, monkeypatch):
    member = Subscription(set(), 30, soon(), joined=clock.now)
    monkeypatch.setattr(Subscription, "left", property(lambda _: left))
    assert low <= member.next_due(clock.now) - clock.now <= high + 1e-6


def test_a_poll_that_costs_many_requests_is_not_fast_at_first():
    pauses = [Subscription(set(), 30, soon()).next_due(time.monotonic(), cost) for cost in (0, 20, 1000)]
    steps = [round(due % step, 6) % step for due, step in zip(pauses, (2, 16, 30), strict=True)]
    assert steps == pytest.approx([0, 0, 0], abs=1e-5)


# -- when something should end


def looks(clock, ends, windows, interval=30.0, *, knows_all=True):
    """Return when a wait looks, in seconds since it began, until what it waits for has ended."""
    began, found = clock.now, []
    member = Subscription(set(), interval, soon(1e6), joined=began)
    member.expected = [polling.Window(began + opens, began + closes) for opens, closes in windows]
    member.is_all_expected = bool(windows) and knows_all
    while not found or found[-1] < ends:
        clock.now = member.next_due(began)
        found.append(clock.now - began)
    return found


@pytest.mark.parametrize("ends", [96.0, 100.0, 104.0])
def test_a_run_that_ends_as_its_flows_others_did_is_noticed_soon_by_fewer_looks(ends, clock):
    unknown, known = looks(clock, ends, []), looks(clock, ends, [(95, 105)])
    assert len(known) < len(unknown) <= 17
    assert known[-1] - ends <= 2


@pytest.mark.parametrize("ends", [114.0, 120.0, 126.0])
def test_a_run_of_two_minutes_is_looked_at_thirteen_times_at_most_where_its_flow_has_a_past(ends, clock):
    found = looks(clock, ends, [(114, 126)])
    assert len(found) <= 13 + (ends - 114) / 2
    assert max(later - earlier for earlier, later in pairwise([0, *found])) <= 20, "it may fail early"


def test_where_only_some_ends_are_known_the_others_are_looked_at_as_often_as_ever(clock):
    some = looks(clock, 300, [(280, 300)], knows_all=False)
    clock.now = 1000.0
    none = looks(clock, 300, [])
    assert [look for look in some if look < 270] == [look for look in none if look < 270]
    assert some[-1] <= none[-1]


def test_one_that_ends_sooner_or_later_than_the_others_is_noticed_too(clock):
    sooner, later = looks(clock, 40, [(95, 105)]), looks(clock, 300, [(95, 105)])
    assert sooner[-1] - 40 <= 40 * polling.SPARSE_SHARE * 2
    assert later[-1] - 300 <= 300 * polling.PAUSE_SHARE * 2


@pytest.mark.parametrize("ends", [127.0, 128.5, 131.0])
def test_a_run_that_is_a_little_late_is_noticed_as_soon_as_one_in_time(ends, clock):
    found = looks(clock, ends, [(114, 126)])
    assert found[-1] - ends <= 2


def test_of_several_runs_the_next_that_should_end_decides(clock):
    found = looks(clock, 500, [(95, 105), (400, 420)])
    assert any(95 <= look <= 97 for look in found)
    assert any(400 <= look <= 402 for look in found)


def test_a_poll_that_costs_much_does_not_hurry_to_an_end_that_is_expected(clock):
    ahead = [polling.Window(clock.now + 15, clock.now + 20)]
    member = Subscription(set(), 30, soon(1e6), expected=ahead, is_all_expected=True)
    clock.now += 12  # 1012
    assert member.next_due(clock.now - 100) == 1016.0, "when it should end"
    assert member.next_due(clock.now - 100, 20) == 1020.0, "the next step of its own grid"


async def learn(bulk, *runs, listed=None):
    asked = []

    class Learns:
        async def call(self, call):
            request = next(call)
            asked.append([value for name, value in request.params if name == "property"])
            if isinstance(listed, Exception):
                raise listed
            try:
                call.send(calls.Response({"items": listed}))
            except StopIteration as stop:
                return stop.value

    snapshot = Snapshot(runs={item["id"]: FlowRun.from_json(item) for item in runs})
    return await polling.learn_usual(Learns(), snapshot, bulk), asked


def past(flow_id, seconds=60, run_id="old"):
    times = {"startedAtUTC": 1_700_000_000_000, "completedAtUTC": 1_700_000_000_000 + seconds * 1000}
    body = run_json(run_id, flow_id)
    return {**body, "metrics": {**body["metrics"], "durationSummary": times}}


def test_the_past_of_a_flow_is_looked_at_once_a_poll():
    async def scene():
        bulk = Bulk()
        going_on = [run_json("r1", "f1", "inProgress"), run_json("r2", "f2", "inProgress"), run_json("r3", "f3")]
        first, asked = await learn(bulk, *going_on, listed=[past("f1")])
        again, more = await learn(bulk, *going_on, listed=[])
        return first, asked, again, more

    first, asked, again, more = in_loop(scene())
    assert asked == [["metrics.statusSummary.status==success", "flowId==f1,f2"]]
    assert more == []
    assert first.usual == again.usual == {"f1": pytest.approx((57, 63))}


def test_runs_that_end_tell_when_the_others_of_their_flow_will():
    bulk = Bulk()
    asked_nothing = AepRequestError("GET /runs", status=400)
    young = run_json("young", "flow-1", "inProgress")
    in_loop(learn(bulk, young, listed=asked_nothing))
    assert bulk.lengths.usual() == {}
    seen, asked = in_loop(learn(bulk, young, past("flow-1", 100), listed=asked_nothing))
    assert asked == []
    assert seen.usual["flow-1"] == pytest.approx((95, 105))
    seen, _ = in_loop(learn(bulk, young, past("flow-1", 120, "other"), listed=asked_nothing))
    assert seen.usual["flow-1"] == pytest.approx((95, 126))


def test_when_most_of_a_delivery_has_ended_the_rest_is_looked_for_as_often_as_the_first(clock):
    """The past took 120 s; of this delivery's twenty some took 108 to 131: that makes nobody look less often."""

    async def scene():
        bulk, going_on = Bulk(), run_json("last", "f", "inProgress")
        await learn(bulk, going_on, listed=[past("f", 120)])
        ended = [past("f", 108 + each, f"run {each:02}") for each in range(20)]
        return (await learn(bulk, going_on, *ended))[0].usual["f"]

    usual, began = in_loop(scene()), clock.now
    member = Subscription({"last"}, 30, soon(1e6), joined=began)
    member.expected, member.is_all_expected = [polling.Window(began + usual.shortest, began + usual.longest)], True
    clock.now = began + 128
    assert member.next_due(began) - clock.now <= 2


@pytest.mark.parametrize("listed", [AepRequestError("GET /runs", status=400), AepTransientError("GET /runs"), []])
def test_where_the_past_cannot_be_told_nothing_is_expected(listed):
    async def scene():
        return await learn(Bulk(), run_json("r1", "f1", "inProgress"), listed=listed)

    assert in_loop(scene())[0].usual == {}


# -- for whom


def in_loop(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves: what waits for a time-out goes on when nothing else can."""
    clock = SimpleNamespace(now=1000.0)

    async def wait_for(work, seconds):
        waiting = asyncio.ensure_future(work)
        for _ in range(3):
            await asyncio.sleep(0)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        clock.now += max(seconds, 1e-6)
        raise TimeoutError

    monkeypatch.setattr(polling, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(polling, "asyncio", SimpleNamespace(**{**vars(asyncio), "wait_for": wait_for}))
    return clock


def test_a_group_wants_what_its_members_want_while_they_are_there():
    async def scene():
        here = group("key")
        assert group("key") is here
        assert group("other") is not here
        with here.joined(Subscription({"r1", "r2"}, 30, soon())):
            with here.joined(Subscription({"r2", "r3"}, 30, soon())):
                assert sorted(here.wanted()) == ["r1", "r2", "r3"]
            assert sorted(here.wanted()) == ["r1", "r2"]
        assert here.wanted() == []

    in_loop(scene())


def test_one_round_serves_everybody_and_an_error_does_not_end_the_stream(clock):
    answers = [Snapshot(jobs=()), AepTransientError("GET /runs", status=503), ValueError("odd"), Snapshot()]
    wanted = []

    async def read(ids):
        wanted.append(sorted(ids))
        result = answers.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def scene():
        here = group("key")
        with here.joined(Subscription({"r1"}, 30, soon())), here.joined(Subscription({"r2"}, 30, soon())):
            stream = rounds(here, read)
            seen = [await anext(stream) for _ in range(4)]
            await stream.aclose()
        return seen

    first, second, third, last = in_loop(scene())
    assert wanted == [["r1", "r2"]] * 4
    assert (first.error, last.error) == (None, None)
    assert isinstance(second.error, AepTransientError)
    assert isinstance(third.error, ValueError)


def test_nothing_is_asked_while_nobody_waits():
    asked = []

    async def read(_):
        asked.append(1)
        return Snapshot()

    async def scene():
        stream = rounds(group("key"), read)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.1)

    in_loop(scene())
    assert not asked


def rounds_in(clock, here, seconds, wanted):
    """Play the shared poll for some time, and note what each round asks for."""

    async def play():
        async def read(ids):
            wanted.append((clock.now, sorted(ids)))
            return Snapshot()

        stream = rounds(here, read)
        end = clock.now + seconds
        while clock.now < end:
            await anext(stream)
        await stream.aclose()

    return play()


def test_a_newcomer_is_served_at_once_and_does_not_hurry_what_is_old(clock):
    seen = []

    async def scene():
        here = group("key")
        old = Subscription({"old"}, 30, soon(1e6), joined=clock.now - 10_000)
        with here.joined(old):
            await rounds_in(clock, here, 90, seen)
            joined = clock.now
            with here.joined(Subscription({"young"}, 30, soon(1e6), joined=clock.now)):
                await rounds_in(clock, here, 60, seen)
        return joined

    joined = in_loop(scene())
    young = [at for at, ids in seen if "young" in ids]
    old = [at for at, ids in seen if "old" in ids]
    assert young[0] - joined <= polling.NEWCOMER_GAP + 0.01
    assert len(young) >= 9
    assert len(old) <= 2 + (90 + 60) / 30


def test_many_waits_of_different_ages_share_their_polls(clock):
    seen = []

    async def scene():
        here = group("key")
        with ExitStack() as stack:
            for number in range(200):
                member = Subscription({f"r{number}"}, 30, soon(1e6), joined=clock.now - 800 - number * 7.3)
                stack.enter_context(here.joined(member))
            await rounds_in(clock, here, 300, seen)

    in_loop(scene())
    assert len(seen) <= 300 / 30 + 2
    assert all(len(ids) == 200 for _, ids in seen)


def test_a_thousand_tasks_that_wait_for_one_export_cost_as_many_polls_as_one(clock):
    def polls(tasks):
        seen = []
        clock.now = 1000.0

        async def scene():
            here = group(("export", tasks), per_request=1, same_thing=True)
            with ExitStack() as stack:
                for batch in range(10):
                    for _ in range(tasks // 10 or int(batch == 0)):
                        stack.enter_context(here.joined(Subscription({"flow"}, 30, soon(1e6), joined=clock.now)))
                    await rounds_in(clock, here, 60, seen)

        in_loop(scene())
        return len(seen)

    assert polls(1000) <= polls(1) <= 600 / 30 + 60  # the first minutes are polled faster


def test_a_newcomer_that_waits_for_another_flow_as_well_is_served_at_once(clock):
    seen = []

    async def scene():
        here = group("key", per_request=1, same_thing=True)
        with here.joined(Subscription({"f1"}, 30, soon(1e6), joined=clock.now - 10_000)):
            await rounds_in(clock, here, 40, seen)
            with here.joined(Subscription({"f2"}, 30, soon(1e6), joined=clock.now)):
                await rounds_in(clock, here, 1, seen)

    in_loop(scene())
    assert seen[-1][1] == ["f2"]


def test_the_pause_that_aep_asks_for_holds_for_newcomers_too():
    async def read(_):
        raise AepTransientError("GET /runs", status=429, retry_after=0.2)

    async def scene():
        here = group("key")
        stream = rounds(here, read)
        with here.joined(Subscription({"r"}, 0.01, soon())):
            await anext(stream)
            start = time.monotonic()
            with here.joined(Subscription({"r2"}, 0.01, soon())):
                await anext(stream)
        return time.monotonic() - start

    assert in_loop(scene()) >= 0.2


def test_a_round_concerns_only_those_that_it_asked_for():
    member = Subscription({"r1"}, 30, soon())
    assert member.concerned(Snapshot())
    assert member.concerned(Snapshot(asked=frozenset({"r1", "r2"})))
    assert not member.concerned(Snapshot(asked=frozenset({"r2"})))
    assert Subscription(set(), 30, soon()).concerned(Snapshot(asked=frozenset()))


# -- reading runs


class Hook:
    """Carries out calls against runs in memory; notes the requests."""

    def __init__(self, runs=(), *, bulk=None, single=None):
        self.runs = {run["id"]: run for run in runs}
        self.bulk, self.single = bulk, single or {}
        self.requests = []

    async def call(self, call):
        try:
            request = next(call)
            self.requests.append(request)
            if request.path != endpoints.RUNS:
                run_id = request.path.rsplit("/", 1)[-1]
                if run_id in self.single:
                    raise self.single[run_id]
                found = [self.runs[run_id]] if run_id in self.runs else []
            elif self.bulk is not None:
                raise self.bulk
            else:
                ids = dict(request.params)["property"].removeprefix("id==").split(",")
                found = [self.runs[run_id] for run_id in ids if run_id in self.runs]
            call.send(calls.Response({"items": found}))
        except StopIteration as stop:
            return stop.value
        raise AssertionError("one request is enough")


def read(hook, ids, bulk=None):
    return in_loop(read_runs(hook, ids, bulk or Bulk())).runs


def test_many_runs_are_read_a_hundred_at_a_time():
    ids = [f"r{number}" for number in range(250)]
    hook = Hook([run_json(run_id) for run_id in ids])
    found = read(hook, ids)
    assert sorted(found) == sorted(ids)
    assert len(hook.requests) == 3


def test_one_run_is_read_by_itself():
    hook = Hook([run_json("r1")])
    assert read(hook, ["r1"])["r1"].id == "r1"
    assert [request.path for request in hook.requests] == [f"{endpoints.RUNS}/r1"]


def test_what_a_list_leaves_out_is_asked_for_one_by_one():
    hook = Hook([run_json("r1")])
    found = read(hook, ["r1", "r2"])
    assert isinstance(found["r1"], FlowRun)
    assert isinstance(found["r2"], AepNotFoundError)
    assert len(hook.requests) == 2


@pytest.mark.parametrize(
    "refusal", [AepRequestError("GET /runs", status=400), AepNotFoundError("GET /runs", status=404)]
)
def test_a_refusal_to_read_in_bulk_is_remembered(refusal):
    hook, bulk = Hook([run_json("r1"), run_json("r2")], bulk=refusal), Bulk()
    assert set(read(hook, ["r1", "r2"], bulk)) == {"r1", "r2"}
    assert set(read(hook, ["r1", "r2"], bulk)) == {"r1", "r2"}
    assert sum(request.path == endpoints.RUNS for request in hook.requests) == 1


@pytest.mark.parametrize("error", [AepTransientError("GET /runs", status=503), AepAuthError("GET /runs", status=403)])
def test_trouble_of_the_whole_round_is_an_error_of_the_round(error):
    with pytest.raises(type(error)):
        read(Hook(bulk=error), ["r1", "r2"])
    with pytest.raises(type(error)):
        read(Hook(single={"r1": error}), ["r1"])


def test_trouble_of_one_run_is_its_own():
    trouble = AepTransientError("GET /runs/{id}", status=503)
    found = read(Hook([run_json("r1")], single={"r2": trouble}), ["r1", "r2"])
    assert isinstance(found["r1"], FlowRun)
    assert found["r2"] is trouble


def test_ten_thousand_runs_are_read_a_few_requests_at_a_time():
    ids = [f"r{number}" for number in range(10_000)]
    hook = Hook([run_json(run_id) for run_id in ids])
    together, most = 0, 0
    call = hook.call

    async def slow(work):
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.sleep(0)
        together -= 1
        return await call(work)

    hook.call = slow
    assert len(read(hook, ids)) == 10_000
    assert len(hook.requests) == 100
    assert most <= CONCURRENCY


@pytest.mark.parametrize("bulk", [Bulk(), None])
def test_too_many_requests_ends_the_round_instead_of_asking_for_the_others(bulk):
    trouble = AepTransientError("GET /runs", status=429)
    ids = [f"r{number}" for number in range(1000)]
    refused = Bulk()
    refused.refused = bulk is None
    hook = Hook(bulk=trouble, single=dict.fromkeys(ids, trouble))
    with pytest.raises(AepTransientError):
        read(hook, ids, refused)
    assert len(hook.requests) <= CONCURRENCY


def test_a_list_that_does_not_filter_is_not_asked_again():
    hook, bulk = Hook([run_json("r1"), run_json("r2")]), Bulk()
    runs, hook.runs = hook.runs, {}

    class Blind(dict):
        def __contains__(self, key):
            return len(hook.requests) > 1 and key in runs

        def __getitem__(self, key):
            return runs[key]

    hook.runs = Blind()
    assert isinstance(read(hook, ["r1", "r2"], bulk)["r1"], FlowRun)
    assert bulk.refused


# -- what must end first


def test_an_export_round_reads_exports_and_the_runs_of_each_flow():
    pages = ({"records": [job_json(1, "NEW")]}, {"items": [run_json("r1", "f1")]})
    snapshot, requests = answer(export_call(["f1", "f2"], NOW), *pages)
    assert [job.id for job in snapshot.jobs] == ["1"]
    assert {flow: [run.id for run in runs] for flow, runs in snapshot.flow_runs.items()} == {"f1": ["r1"], "f2": []}
    assert [dict(request.params).get("property") for request in requests] == [None, "flowId==f1,f2"]


def snapshot(jobs=(), runs=()):
    return Snapshot(
        jobs=[ExportJob.from_json(item) for item in jobs],
        flow_runs={"flow-1": [FlowRun.from_json(item) for item in runs]},
    )


PAIRS = [Pair("flow-1", "a"), Pair("flow-2", "b")]


@pytest.mark.parametrize(
    ("seen", "pairs", "waiting", "stuck"),
    [
        (snapshot(), PAIRS, 0, 0),
        (snapshot([job_json(1, "PROCESSING", HOUR)]), [], 1, 0),
        (snapshot([job_json(1, "PROCESSING", 25 * HOUR)]), [], 0, 1),
        (snapshot([job_json(1)]), [], 0, 0),
        (snapshot(runs=[run_json("r1", status="inProgress", audiences=["a"])]), PAIRS, 1, 0),
        (snapshot(runs=[run_json("r1", status="inProgress", audiences=["a"])]), [], 0, 0),
        (snapshot(runs=[run_json("r1", status="inProgress", audiences=["b"])]), PAIRS, 0, 0),
        (snapshot(runs=[run_json("r1", status=None)]), PAIRS, 1, 0),
        (snapshot(runs=[run_json("r1", audiences=["a"])]), PAIRS, 0, 0),
    ],
)
def test_what_must_end_before_a_delivery(seen, pairs, waiting, stuck):
    found = blockers(seen, pairs, {}, NOW)
    assert (len(found[0]), len(found[1])) == (waiting, stuck)


def test_a_run_that_concerns_many_pairs_is_named_once():
    seen = snapshot(runs=[run_json("r1", status="inProgress", audiences=["a", "b"])])
    pairs = [Pair("flow-1", "a"), Pair("flow-1", "b")]
    assert blockers(seen, pairs, {}, NOW) == (["flow run r1 of flow flow-1"], {})
    assert blockers(seen, pairs, {}, NOW, {"flow-1": "Mail"}) == (["flow run r1 of flow Mail (flow-1)"], {})


def test_an_imported_audiences_run_counts_by_its_other_id():
    seen = snapshot(runs=[run_json("r1", status="inProgress", audiences=["external"])])
    assert len(blockers(seen, [Pair("flow-1", "a")], {"a": "external"}, NOW)[0]) == 1
