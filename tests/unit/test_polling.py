"""The shared poll: how often, for whom, and what a round reads."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import pytest

from adobe_experience_platform import endpoints, polling
from adobe_experience_platform.errors import AepAuthError, AepNotFoundError, AepRequestError, AepTransientError
from adobe_experience_platform.models import ExportJob, FlowRun, Pair
from adobe_experience_platform.polling import (
    Bulk,
    Snapshot,
    Subscription,
    blockers,
    export_call,
    group,
    next_pause,
    read_runs,
    rounds,
    runs_call,
)
from tests.support.parts import NOW, answer, job_json, run_json

HOUR = dt.timedelta(hours=1)


def soon(seconds=3600.0):
    return dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=seconds)


# -- how often


@pytest.mark.parametrize(
    ("waited", "interval", "pause"),
    [(0, 30, 2), (19, 30, 2), (100, 30, 10), (300, 30, 30), (10_000, 30, 30), (0, 1, 1), (10_000, 300, 300)],
)
def test_pauses_grow_with_the_wait(waited, interval, pause):
    assert next_pause(waited, interval) == pytest.approx(pause)


@pytest.mark.parametrize(("left", "low", "high"), [(3600, 2, 2), (1, 0.8, 1), (0.01, 0.1, 0.1), (0, 2, 2), (-5, 2, 2)])
def test_the_last_poll_is_at_the_deadline_and_none_hurries_after_it(left, low, high):
    assert low - 0.01 <= Subscription(set(), 30, soon(left)).pause() <= high + 0.01


# -- for whom


def in_loop(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


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


def test_one_round_serves_everybody_and_an_error_does_not_end_the_stream(monkeypatch):
    monkeypatch.setattr(polling, "NEWCOMER_GAP", 0.01)
    answers = [Snapshot(jobs=()), AepTransientError("GET /runs", status=503), ValueError("odd"), Snapshot()]
    wanted = []

    async def read(here):
        wanted.append(sorted(here.wanted()))
        result = answers.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def scene():
        here = group("key")
        with here.joined(Subscription({"r1"}, 0.01, soon())), here.joined(Subscription({"r2"}, 0.01, soon())):
            stream = rounds("key", read)
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
        stream = rounds("key", read)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.1)

    in_loop(scene())
    assert not asked


def test_a_newcomer_is_served_before_the_others_next_poll(monkeypatch):
    monkeypatch.setattr(polling, "NEWCOMER_GAP", 0.01)
    wanted = []

    async def read(here):
        wanted.append(sorted(here.wanted()))
        return Snapshot()

    async def scene():
        here = group("key")
        stream = rounds("key", read)
        with here.joined(Subscription({"r1"}, 30, soon())):
            await anext(stream)
            following = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.05)
            assert not following.done()
            with here.joined(Subscription({"r2"}, 30, soon())):
                await asyncio.wait_for(following, 1)

    in_loop(scene())
    assert wanted == [["r1"], ["r1", "r2"]]


def test_the_pause_that_aep_asks_for_holds_for_newcomers_too():
    async def scene():
        here = group("key")
        here.wake.set()
        start = time.monotonic()
        with here.joined(Subscription({"r"}, 0.01, soon())):
            await here.pause(0.2)
        return time.monotonic() - start

    assert in_loop(scene()) >= 0.2


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
            call.send(endpoints.Response({"items": found}))
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


def test_without_the_triggerer_runs_are_read_one_after_the_other():
    found, requests = answer(runs_call(["r1", "r2"]), {"items": [run_json("r1")]}, {"items": []})
    assert isinstance(found["r1"], FlowRun)
    assert isinstance(found["r2"], AepNotFoundError)
    assert [request.path for request in requests] == [endpoints.RUNS, f"{endpoints.RUNS}/r2"]


# -- what must end first


def test_an_export_round_reads_exports_and_the_runs_of_each_flow():
    pages = ({"records": [job_json(1, "NEW")]}, {"items": [run_json("r1", "f1")]}, {"items": []})
    snapshot, requests = answer(export_call(["f1", "f2"], NOW), *pages)
    assert [job.id for job in snapshot.jobs] == ["1"]
    assert {flow: [run.id for run in runs] for flow, runs in snapshot.flow_runs.items()} == {"f1": ["r1"], "f2": []}
    assert len(requests) == 3


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
    assert blockers(seen, pairs, {}, NOW) == (["flow run r1 of flow flow-1"], [])


def test_an_imported_audiences_run_counts_by_its_other_id():
    seen = snapshot(runs=[run_json("r1", status="inProgress", audiences=["external"])])
    assert len(blockers(seen, [Pair("flow-1", "a")], {"a": "external"}, NOW)[0]) == 1
