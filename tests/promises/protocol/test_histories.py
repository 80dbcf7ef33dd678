"""Histories of two troubles at once that delivered twice, or said what was not so; each stays as a test by name.

The numbers are those of the review that found them. ``f1``, ``f2`` are flows; the pairs are named by their audiences.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.delivery import KEY
from adobe_experience_platform.errors import AepNotSentError, AepSubmissionError, AepTransientError
from adobe_experience_platform.operators import notes
from adobe_experience_platform.operators.notes import RUNS_KEPT
from adobe_experience_platform.triggers import FlowRunTrigger, LostSubmissionTrigger
from tests.promises.protocol.world import AssetStore, Task, World, event_of
from tests.support.memory_aep import Crash

P, Q = ("f1", "a"), ("f2", "b")
ONE, BOTH = {"f1": ["a"]}, {"f1": ["a"], "f2": ["b"]}
SHAPES = pytest.mark.parametrize("info", [ONE, {"f1": ["a", "c"]}, BOTH, {"f1": ["a", "c"], "f2": ["a", "b"]}])
EARLIER = pytest.mark.parametrize("earlier", [False, True], ids=["first_run_of_its_flow", "after_earlier_runs"])
Make = Callable[..., World]


def once(info: dict[str, list[str]]) -> dict[tuple[str, str], int]:
    return {(flow, name): 1 for flow, names in info.items() for name in names}


def an_hour_ago(here: World, info: dict[str, list[str]]) -> None:
    """Let somebody have delivered the same an hour ago."""
    for flow, names in info.items():
        here.aep.foreign(flow, *names, seconds=60)
    here.aep.advance(3600)


def lacking_ours(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "items": [item for item in data["items"] if not item["id"].startswith("ours")]}


def empty(_: dict[str, Any]) -> dict[str, Any]:
    return {"items": []}


def runs_of(done: Any) -> dict[tuple[str, str], str]:
    assert isinstance(done, list), done
    return {(item["flow_id"], item["audience_id"]): item["run_id"] for item in done}


def check_delivered_once(here: World, info: dict[str, list[str]], done: Any) -> None:
    """Every pair has one run of ours, and is said to be in that run."""
    assert here.delivered == once(info)
    assert not here.aep.breaches
    assert runs_of(done) == {pair: here.aep.ours(Pair(*pair))[0].id for pair in once(info)}


# -- repairs


@pytest.mark.parametrize("lag", [0.0, 60.0])
def test_2_a_pair_that_joins_a_lost_repair_gets_a_watermark_of_its_own(world: Make, lag: float) -> None:
    here = world()
    an_hour_ago(here, BOTH)
    run = here.run()
    job = {"job": 1, "of": 1, "activation_info": BOTH, "aliases": {}}
    run.activate(job=job, map_index=0, briefing={"settings": {}}, resend_failed=False).start()
    first, second = here.aep.ours(Pair(*P))[0], here.aep.ours(Pair(*Q))[0]
    here.aep.end(first, "failed")
    second.ends_at = None
    wait = run.watch([job])
    wait.start(until=FlowRunTrigger)
    here.aep.posts, here.aep.lag = ["broken_after"], lag
    wait.clear(until=LostSubmissionTrigger)
    here.aep.end(second, "failed")

    done = wait.clear()

    assert here.delivered == {P: 2, Q: 2}
    assert not here.aep.breaches
    assert done["summary"]["success"] == 2
    assert {item["run_id"] for item in done["results"]}.isdisjoint({first.id, second.id})


# -- lost answers


@SHAPES
@EARLIER
@pytest.mark.parametrize("lists", [2, 1000], ids=["for_a_moment", "for_good"])
def test_4_what_a_wait_has_found_is_kept_though_the_next_lists_lag(
    world: Make, info: Any, earlier: bool, lists: int
) -> None:
    here = world(posts=["broken_after"], scope="nothing", lag=0.5)
    if earlier:
        an_hour_ago(here, info)
    task = here.run().activate(info)
    event = event_of(here, task.start(until=LostSubmissionTrigger))
    assert (event["settled"], len(event["found"])) == (False, len(once(info)))
    here.aep.odd_lists = [lacking_ours] * lists

    done = task.resume(event)

    assert len(here.aep.sent) == 1
    check_delivered_once(here, info, done)


@pytest.mark.parametrize("lag", [300.0, 3000.0])
@EARLIER
def test_5_a_conflict_that_names_our_own_run_is_our_run(world: Make, lag: float, earlier: bool) -> None:
    """The lists lag longer than the settling time; AEP's refusal of the second POST is what tells."""
    here = world(posts=["broken_after"], lag=lag, run_seconds=1000.0)
    if earlier:
        an_hour_ago(here, ONE)

    done = here.run().activate(ONE).start()

    assert len(here.aep.sent) == 2
    check_delivered_once(here, ONE, done)


@SHAPES
@pytest.mark.parametrize("lag", [0.0, 60.0])
def test_6_an_old_event_does_not_settle_the_next_post(world: Make, info: Any, lag: float) -> None:
    here = world(posts=["broken_before"], scope="nothing", lag=lag)
    task = here.run().activate(info)
    event = event_of(here, task.start(until=LostSubmissionTrigger))
    assert event["settled"]

    def killed_on_its_way() -> None:
        if len(here.aep.sent) == 1:
            here.aep.due.append((here.aep.now + 20, [Pair(*pair) for pair in once(info)]))
            raise Crash

    here.aep.at_post = killed_on_its_way
    assert task.resume(event) == "killed"

    done = task.clear(while_running=True)

    check_delivered_once(here, info, done)


@pytest.mark.parametrize("freeze", [11.0, 1000.0])
@pytest.mark.parametrize("suspended", [False, True], ids=["stopped", "machine_suspended"])
@SHAPES
def test_9_a_frozen_process_that_thaws_sends_nothing(world: Make, info: Any, freeze: float, suspended: bool) -> None:
    here = world(scope="nothing")
    task = here.run().activate(info)
    others: list[Any] = []

    def another_try() -> None:
        before = here.aep.now
        other = Task(task.run, "activate", -1, task.make, info)
        other.store, other.ti = task.store, task.ti
        if freeze > 300:  # Airflow gives the try up
            others.append(other.start())
        here.aep.advance(freeze)
        here.aep.paused = here.aep.now - before if suspended else 0.0

    task.store.on_open = another_try

    thawed = task.start()

    assert isinstance(thawed, AepNotSentError)
    assert len(here.aep.sent) == len(others)
    done = others[0] if others else task.start()
    check_delivered_once(here, info, done)


def test_9_a_short_stop_does_not_keep_a_process_from_sending(world: Make) -> None:
    here = world()
    task = here.run().activate(BOTH)
    task.store.on_open = lambda: here.aep.advance(9)

    check_delivered_once(here, BOTH, task.start())
    assert here.lasting == []


def test_9_a_process_that_was_told_to_end_sends_nothing(world: Make) -> None:
    here = world()
    task = here.run().activate(BOTH)
    task.is_killed = True

    assert isinstance(task.start(), AepNotSentError)
    assert here.aep.sent == []
    assert set(task.said().values()) == {"unknown"}
    task.is_killed = False
    check_delivered_once(here, BOTH, task.start())


@pytest.mark.parametrize("lag", [60.0, 700.0], ids=["listed_in_time", "listed_too_late"])
def test_10_another_run_that_is_listed_first_does_not_pass_for_ours(world: Make, lag: float) -> None:
    here = world(posts=["broken_after"], scope="nothing", lag=lag)
    task = here.run().activate(ONE)
    trigger = task.start(until=LostSubmissionTrigger)
    theirs = here.aep.foreign("f1", "a", seconds=None, lag=0.0)
    event = event_of(here, trigger)
    here.aep.end(theirs, "failed")

    done = task.resume(event)
    if lag > 120:
        assert runs_of(done) == {P: theirs.id}
        here.aep.advance(1000)
        done = task.clear()

    check_delivered_once(here, ONE, done)
    assert len(here.aep.sent) == 1


def never_ending() -> Callable[[dict[str, Any]], dict[str, Any]]:
    numbers = itertools.count()
    return lambda data: {"items": [], "_links": {"next": {"href": f"?continuationToken={next(numbers)}"}}}


@pytest.mark.parametrize(
    "defect",
    [
        lambda data: {**lacking_ours(data), "_links": {"next": {"href": "?cursor=77"}}},
        lambda data: {**lacking_ours(data), "_links": {"next": {"href": "/runs"}}},
        lambda data: {"items": [], "_links": {"next": {"href": "?continuationToken=77"}}},
        lambda data: {"items": [{"id": ""}]},
        lambda data: {"items": ["odd"]},
        lambda data: {"message": "try later"},
        never_ending(),
    ],
    ids=["unknown_parameter", "no_parameter", "goes_round", "no_ids", "no_objects", "no_list", "never_ends"],
)
@SHAPES
def test_11_a_list_with_an_unread_rest_proves_nothing_absent(world: Make, info: Any, defect: Any) -> None:
    here = world(posts=["broken_after"], scope="nothing")
    task = here.run().activate(info)
    task.store.on_open = lambda: here.aep.odd_lists.extend([defect] * 2000)

    failed = task.start()

    assert isinstance(failed, AepTransientError)
    assert len(here.aep.sent) == 1
    assert set(task.said().values()) == {"unknown"}
    here.aep.odd_lists.clear()
    check_delivered_once(here, info, task.start())


def test_11_an_empty_page_with_a_next_link_is_read_on(world: Make) -> None:
    here = world(posts=["broken_after"], scope="nothing")
    task = here.run().activate(ONE)
    pages = [lambda data: {"items": [], "_links": {"next": {"href": "?continuationToken=2"}}}, None]
    task.store.on_open = lambda: here.aep.odd_lists.extend(pages * 20)

    check_delivered_once(here, ONE, task.start())
    assert len(here.aep.sent) == 1


# -- records


class InterruptedStore(AssetStore):
    """Notes; something else happens before one of the reads and writes."""

    left = -1
    interrupt: Any = None

    def get(self, key: str, default: Any = None) -> Any:
        self._use()
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self._use()
        super().set(key, value)

    def _use(self) -> None:
        self.left -= 1
        if self.left == -1:
            self.interrupt()


def mapped(run: Any, *infos: dict[str, list[str]]) -> list[Task]:
    return [run.activate(info, map_index=index) for index, info in enumerate(infos)]


def cleared_with(tasks: list[Task], *infos: dict[str, list[str]]) -> list[Any]:
    """Clear the whole run; the list that the task is mapped over has changed."""
    while len(tasks) < len(infos):
        tasks.append(tasks[0].run.activate(infos[len(tasks)], map_index=len(tasks)))
    for task, info in zip(tasks, infos, strict=True):
        task.info = info
    return [task.clear() for task in tasks]


A, B, C, AC, N = {"f1": ["a"]}, {"f2": ["b"]}, {"f1": ["c"]}, {"f1": ["a", "c"]}, {"f3": ["n"]}


@pytest.mark.parametrize("changed", [[N, A, B], [B, A], [B, N, A], [A, B, N], [A, N, B], [N, B, A]])
@pytest.mark.parametrize("forgets", [False, True], ids=["rows_kept", "rows_deleted"])
def test_12_pairs_of_a_mapped_task_keep_their_record_wherever_they_stand(
    world: Make, changed: list[Any], forgets: bool
) -> None:
    here = world(scope="nothing")
    tasks = mapped(here.run(), A, B)
    first = {pair: run for task in tasks for pair, run in runs_of(task.start()).items()}
    here.aep.advance(1000)
    if forgets:
        for task in tasks:
            task.forget()

    done = cleared_with(tasks, *changed)

    now = {pair: run for each in done if isinstance(each, list) for pair, run in runs_of(each).items()}
    assert {pair: now.get(pair) for pair in first} == first
    assert here.delivered == dict.fromkeys(now, 1)
    assert not here.aep.breaches
    if not forgets:
        assert len(now) == len(changed)


@pytest.mark.parametrize("other", [A, AC], ids=["same_list", "overlapping"])
@pytest.mark.parametrize("ids", [("activate", "activate"), ("activate", "again")], ids=["mapped", "two_tasks"])
def test_a_pair_that_stands_twice_in_a_run_is_sent_once_whatever_is_retried_or_cleared(
    world: Make, other: Any, ids: tuple[str, str]
) -> None:
    here = world(scope="nothing")
    first, second = mapped(here.run(), A, other)
    first.ti.task_id, second.ti.task_id = ids
    first.start()
    here.aep.advance(1000)

    for refused in (second.start(), second.start()):
        assert isinstance(refused, AepSubmissionError)
        assert "audience a → flow f1" in str(refused)
        assert "Nothing more was sent" in str(refused)
    for task in (second, first, second):
        task.clear()
    assert here.delivered == {P: 1}


@pytest.mark.parametrize("forgets", [False, True], ids=["rows_kept", "rows_deleted"])
def test_a_pair_that_stands_twice_is_sent_once_though_its_run_is_so_old_that_the_notes_are_gone(
    world: Make, forgets: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "KEPT_FOR", dt.timedelta(0))
    here = world(scope="nothing")
    first, second = mapped(here.run("old"), A, A)
    first.start()
    second.start()
    for number in range(RUNS_KEPT):
        here.run(f"run_{number}").activate(A, map_index=0).start()
    if forgets:
        second.forget()

    assert isinstance(second.clear(), AepSubmissionError)

    assert here.delivered == {P: 1 + RUNS_KEPT}


@pytest.mark.parametrize("moment", range(26))
@pytest.mark.parametrize("clears", [0, 1, 2])
def test_a_pair_that_stands_twice_is_sent_at_most_once_by_two_tasks_at_once(
    world: Make, moment: int, clears: int
) -> None:
    here = world(scope="nothing")
    first, second = mapped(here.run(), A, A)
    notes = here.assets.setdefault("aep_submissions", InterruptedStore())
    assert isinstance(notes, InterruptedStore)

    def interrupt() -> None:
        second.start()
        for _ in range(clears):  # by somebody who saw it refused, while the first one is at work
            second.clear()

    notes.left, notes.interrupt = moment, interrupt

    first.start()

    assert notes.left < 0, "it used them less often than that"
    assert here.delivered.get(P, 0) <= 1
    first.clear()
    assert here.delivered.get(P, 0) <= 1
    assert here.delivered or clears


@pytest.mark.parametrize("map_index", [-1, 0])
@pytest.mark.parametrize("notes", ["kept", "gone"])
def test_rows_that_vanish_while_a_task_is_deferred_are_noticed_when_it_resumes(
    world: Make, map_index: int, notes: str
) -> None:
    here = world(posts=["broken_after"], scope="nothing")
    task = here.run().activate(ONE, map_index=map_index)
    wait = task.start(until=LostSubmissionTrigger)
    task.forget()
    if notes == "gone":
        here.assets.clear()

    done = task.resume(event_of(here, wait))

    assert isinstance(done, list if notes == "kept" else AepSubmissionError), done
    assert len(here.aep.sent) == 1
    assert here.delivered == {P: 1}


@pytest.mark.parametrize("repairs", [False, True])
def test_rows_that_vanish_while_a_delivery_is_watched_change_nothing(world: Make, repairs: bool) -> None:
    here = world()
    run, job = here.run(), {"job": 1, "of": 1, "activation_info": ONE, "aliases": {}}
    run.activate(job=job, map_index=0, briefing={"settings": {}}, resend_failed=False).start()
    watch = run.watch([job])
    wait = watch.start(until=FlowRunTrigger)
    if repairs:
        here.aep.end(here.aep.ours(Pair(*P))[0], "failed")
        here.aep.posts = ["broken_after"]
        wait = watch.clear(until=LostSubmissionTrigger)
    sent = len(here.aep.sent)
    watch.forget()

    done = watch.resume(event_of(here, wait), until=FlowRunTrigger)

    assert not isinstance(done, AepSubmissionError), done
    assert len(here.aep.sent) == sent == 1 + repairs


@pytest.mark.parametrize(
    "changed", [[{"f1": ["a", "c"]}], [A, {"f1": ["c"]}], [N, A, {"f1": ["c"]}], [N, {"f1": ["c"]}]]
)
def test_12_pairs_that_were_put_together_otherwise_are_refused(world: Make, changed: list[Any]) -> None:
    here = world(scope="nothing")
    tasks = mapped(here.run(), {"f1": ["a", "c"], "f2": ["b"]})
    tasks[0].start()
    here.aep.advance(1000)

    for answer, info in zip(cleared_with(tasks, *changed), changed, strict=True):
        assert isinstance(answer, list) if info == N else isinstance(answer, AepSubmissionError)

    assert {pair: number for pair, number in here.delivered.items() if pair[0] != "f3"} == once(
        {"f1": ["a", "c"], "f2": ["b"]}
    )


DAMAGED = [
    "a text",
    ["a", "list"],
    5,
    True,
    {},
    {"v": 1},
    {"v": 99},
    lambda kept: {key: value for key, value in kept.items() if key != "orders"},
    lambda kept: {**kept, "intent": {}},
    lambda kept: {**kept, "orders": {}},
    lambda kept: {**kept, "orders": {"f1": {}}},
    lambda kept: {**kept, "orders": {"f1": {"z": None}}},
    lambda kept: {**kept, "orders": {"f1": {"a": ""}}},
    lambda kept: {**kept, "state": "ready", "intent": None},
    lambda kept: {**kept, "marks": None},
]


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("place", ["own", "note"])
@pytest.mark.parametrize("post", ["broken_after", "ok"])
def test_14_a_damaged_record_is_refused_and_nothing_is_sent(world: Make, damage: Any, place: str, post: str) -> None:
    here = world(posts=[post], scope="nothing")
    task = here.run().activate(ONE)
    task.start(until=LostSubmissionTrigger)

    def damaged(kept: Any) -> Any:
        return damage(kept) if callable(damage) else damage

    if place == "own":
        dict.__setitem__(task.store, KEY, damaged(task.store[KEY]))
    else:
        task.forget()
        (notes,) = here.assets.values()
        for kept in notes.values():
            if "record" in kept:
                kept["record"] = damaged(kept["record"])

    refused = task.clear() if place == "note" else task.start()

    assert isinstance(refused, AepSubmissionError), refused
    assert "othing more was sent" in str(refused)
    assert len(here.aep.sent) == 1


# -- clears


@pytest.mark.parametrize("trouble", ["none", "broken_after", "broken_before", "omit_order", "killed"])
@pytest.mark.parametrize("clears", [1, 2])
@SHAPES
def test_18_a_clear_that_forgets_the_tasks_state_delivers_nothing_twice(
    world: Make, info: Any, trouble: str, clears: int
) -> None:
    here = world(scope="nothing", posts=[] if trouble in ("none", "killed") else [trouble])
    task = here.run().activate(info)
    if trouble == "killed":
        task.store.on_ready = _die  # after AEP's answer was recorded
    task.start(until=LostSubmissionTrigger)

    for _ in range(clears):
        task.forget()
        done = task.clear()
        here.aep.advance(1000)
    if trouble == "omit_order":
        assert isinstance(done, list | AepSubmissionError)
        assert max(here.delivered.values()) == 1
        return
    check_delivered_once(here, info, done)


def _die() -> None:
    raise Crash


@pytest.mark.parametrize("map_index", [-1, 0])
@pytest.mark.parametrize("trouble", ["none", "broken_after"])
def test_18_where_nothing_is_certain_it_refuses_and_says_what_to_look_up(
    world: Make, map_index: int, trouble: str
) -> None:
    here = world(scope="nothing", posts=[trouble] if trouble != "none" else [])
    task = here.run().activate(BOTH, map_index=map_index)
    task.start(until=LostSubmissionTrigger)
    task.forget()
    here.assets.clear()

    for _ in range(2):
        refused = task.clear()
        assert isinstance(refused, AepSubmissionError)
        assert "audience a → flow f1; audience b → flow f2" in str(refused)
    assert len(here.aep.sent) == 1


def test_18_a_task_that_never_ran_and_is_cleared_simply_runs(world: Make) -> None:
    here = world()
    run = here.run()
    run.activate({"f3": ["n"]}, map_index=1).start()
    for task in (run.activate(ONE), run.activate({"f2": ["b"]}, map_index=0)):
        task.forget()
        assert isinstance(task.clear(), list)
    assert here.delivered == {P: 1, Q: 1, ("f3", "n"): 1}


def test_18_a_task_that_failed_before_it_looked_at_its_record_simply_runs_when_cleared(world: Make) -> None:
    here = world()
    task = here.run().activate({})
    assert not isinstance(task.start(), list)
    task.info = ONE

    check_delivered_once(here, ONE, task.clear())


def test_18_a_repair_is_not_forgotten_either(world: Make) -> None:
    here = world(scope="nothing")
    run = here.run()
    job = {"job": 1, "of": 1, "activation_info": BOTH, "aliases": {}}
    run.activate(job=job, map_index=0, briefing={"settings": {}}, resend_failed=False).start()
    here.aep.end(here.aep.ours(Pair(*P))[0], "failed")
    wait = run.watch([job])
    wait.start()
    assert wait.clear()["summary"]["success"] == 2

    wait.forget()
    for _ in range(2):
        assert wait.clear()["summary"]["success"] == 2

    assert here.delivered == {P: 2, Q: 1}
    assert not here.aep.breaches


# -- looks


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("odd", [empty, lacking_ours], ids=["empty", "lags"])
@pytest.mark.parametrize("lag", [0.0, 100.0])
@EARLIER
def test_19_one_empty_look_outweighs_nothing(world: Make, number: int, odd: Any, lag: float, earlier: bool) -> None:
    here = world(posts=["broken_after"], scope="nothing", lag=lag)
    if earlier:
        an_hour_ago(here, ONE)
    here.aep.odd_lists = [None] * number + [odd]
    task = here.run().activate(ONE)

    done = task.start()
    while isinstance(done, AepTransientError):
        done = task.start()

    check_delivered_once(here, ONE, done)
    assert len(here.aep.sent) == 1


# -- two DAG runs at once


@pytest.mark.parametrize("mine", [{"f1": ["a", "c"]}, BOTH, {"f1": ["a", "c"], "f2": ["a", "b"]}])
@pytest.mark.parametrize("in_part", [False, True])
@pytest.mark.parametrize("answer", ["in_time", "is_lost"])
def test_20_two_dag_runs_at_once_are_two_deliveries(world: Make, mine: Any, in_part: bool, answer: str) -> None:
    here = world(partial_400=in_part)
    first, second = here.run("first").activate(mine), here.run("second").activate(mine)
    done: dict[str, Any] = {}
    second.store.on_open = lambda: done.update(first=first.start())
    if answer == "is_lost":  # the first has sent, is killed, and knows its runs no earlier than the second meets them
        here.aep.after_post = _die
    found = second.start(until=LostSubmissionTrigger)
    if answer == "is_lost":
        assert done["first"] == "killed"
        done["first"] = first.start()
    wait = isinstance(found, LostSubmissionTrigger)
    done["second"] = second.resume(event_of(here, found)) if wait else found

    runs = runs_of(done["first"]), runs_of(done["second"])
    assert runs[0].keys() == runs[1].keys() == once(mine).keys()
    assert not set(runs[0].values()) & set(runs[1].values())
    assert here.delivered == dict.fromkeys(once(mine), 2)


def test_20_the_rest_of_a_job_that_was_refused_in_part_is_still_found(world: Make) -> None:
    here = world(partial_400=True)
    first, second = here.run("first").activate(ONE), here.run("second").activate({"f1": ["a", "c"]})
    second.store.on_open = lambda: first.start()

    done = second.start()

    assert here.delivered == {P: 2, ("f1", "c"): 1}
    assert runs_of(done)["f1", "c"] == here.aep.ours(Pair("f1", "c"))[0].id


def test_20_under_adopt_the_other_dag_runs_delivery_is_ours_too(world: Make) -> None:
    here = world()
    first = here.run("first").activate(ONE)
    second = here.run("second").activate(ONE, on_conflict="adopt")
    second.store.on_open = lambda: first.start()

    assert runs_of(second.start()) == {P: "ours-1"}
    assert here.delivered == {P: 1}
