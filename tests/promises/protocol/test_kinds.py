"""More kinds of trouble than the histories have: AEP's clocks, gateways, parts of an answer, imported audiences."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from adobe_experience_platform.aep import Activation, Pair
from adobe_experience_platform.errors import AepSubmissionError
from adobe_experience_platform.operators import notes
from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.operators.notes import NotedStore
from adobe_experience_platform.operators.owners import _flow_run_note
from adobe_experience_platform.triggers import FlowRunTrigger, LostSubmissionTrigger, SegmentExportTrigger
from tests.promises.protocol.test_histories import BOTH, ONE, P, an_hour_ago, check_delivered_once, mapped, runs_of
from tests.promises.protocol.world import AssetStore, World, event_of
from tests.support.aep import ADHOC, LocalAep
from tests.support.tasks import Context, Store, TaskInstance

Make = Callable[..., World]
PAIR = {"f1": ["a", "c"]}


# -- AEP's lists


@pytest.mark.parametrize("jitter", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("info", [ONE, PAIR])
def test_nodes_of_aep_whose_clocks_differ_hide_no_run(world: Make, jitter: float, info: Any) -> None:
    here = world(posts=["broken_after"], scope="nothing")
    here.aep.jitter = jitter
    here.aep.foreign("f1", "a", "c", seconds=1)
    here.aep.foreign("f1", "a", "c", seconds=1)  # by the clock that is ahead, just before our run

    done = here.run().activate(info).start()

    check_delivered_once(here, info, done)
    assert len(here.aep.sent) == 1


@pytest.mark.parametrize("seconds", [20.0, 70.0, 400.0])
@pytest.mark.parametrize("lost", ["broken_after", "empty_order", "omit_order"])
def test_a_run_that_names_its_audiences_one_by_one_is_waited_for(world: Make, seconds: float, lost: str) -> None:
    here = world(posts=[lost], shared_runs=True, scope="nothing", run_seconds=3000.0)
    here.aep.one_by_one = seconds
    info = {"f1": ["a", "b", "c"]}

    done = here.run().activate(info).start()

    check_delivered_once(here, info, done)
    assert len(here.aep.sent) == 1


def test_a_list_that_goes_backwards_loses_nothing(world: Make) -> None:
    """It shows our runs, then those of an hour ago only, then ours again."""
    here = world(posts=["broken_after"], scope="nothing")
    an_hour_ago(here, PAIR)
    back = [None, lambda data: {"items": data["items"][-1:]}]
    here.aep.odd_lists = [None] + back * 20
    task = here.run().activate(PAIR)

    done = task.start()
    while not isinstance(done, list):
        done = task.start()

    check_delivered_once(here, PAIR, done)


# -- what a POST meets


@pytest.mark.parametrize("info", [ONE, PAIR, BOTH])
def test_a_gateway_that_repeats_our_post_delivers_once_and_what_cannot_be_told_is_unknown(
    world: Make, info: Any
) -> None:
    here = world(posts=["repeated"])
    task = here.run().activate(info)

    done = task.start()

    assert set(here.delivered.values()) == {1}
    assert not here.aep.breaches
    assert isinstance(done, AepSubmissionError)
    assert "It is not known what the activation started" in str(done)
    assert task.said()[P] == "unknown"
    assert isinstance(task.start(), AepSubmissionError), "a retry decides nothing either"
    assert set(here.delivered.values()) == {1}


def test_a_404_to_several_pairs_may_have_started_some(world: Make) -> None:
    here = world(posts=["404_in_part"], lag=60.0)
    task = here.run().activate({"f1": ["a", "b", "c"]})

    refused = task.start()

    assert isinstance(refused, AepSubmissionError)
    assert "audience c" in str(refused)
    assert "audience a" not in str(refused)
    assert here.delivered == {("f1", "a"): 1, ("f1", "b"): 1}
    said = task.said()
    assert (said["f1", "c"], said["f1", "a"][:4]) == ("not_sent", "ours")
    assert isinstance(task.clear(), list)
    assert here.delivered == {("f1", "a"): 1, ("f1", "b"): 1, ("f1", "c"): 1}


@pytest.mark.parametrize("info", [ONE, PAIR])
def test_the_answer_to_a_conflict_outlives_a_clear(world: Make, info: Any) -> None:
    """Somebody else's run was in the way, began as we looked, and ended while a person cleared: it is not ours."""
    here = world(scope="audience")
    task = here.run().activate(info)
    task.store.on_open = lambda: here.aep.foreign("f1", "a", seconds=None)
    task.start(until=LostSubmissionTrigger)
    (theirs,) = [run for run in here.aep.runs if not run.ours]
    here.aep.end(theirs, "success")

    done = task.clear()

    assert isinstance(done, AepSubmissionError), "a gateway may have sent our POST twice"
    done = task.clear()
    check_delivered_once(here, info, done)
    assert theirs.id not in runs_of(done).values()


@pytest.mark.parametrize("lost", ["broken_after", "empty_order", "ok"])
@pytest.mark.parametrize("map_index", [-1, 0])
def test_an_imported_audience_of_the_operator_alone_is_known_by_its_other_id(
    world: Make, lost: str, map_index: int
) -> None:
    here = world(posts=[lost], scope="nothing", aliases={"a": "external-a"}, entity_external=True, order_external=True)

    done = here.run().activate(PAIR, map_index=map_index).start()

    check_delivered_once(here, PAIR, done)
    assert len(here.aep.sent) == 1


# -- several jobs, clocks, kills


@pytest.mark.parametrize("crash", range(1, 14))
@pytest.mark.parametrize("post", ["ok", "broken_after", "late"])
def test_a_kill_at_any_request_of_one_job_leaves_the_other_alone(world: Make, crash: int, post: str) -> None:
    here = world(scope="nothing", lag=20.0)
    first, second = mapped(here.run(), {"f1": ["a", "c"]}, {"f1": ["d"], "f2": ["b"]})
    here.aep.posts = ["ok", post]
    first.start()
    killed = second.start(crash=crash)

    done = [first.clear(), second.clear() if killed == "killed" else killed]

    assert here.delivered == {("f1", "a"): 1, ("f1", "c"): 1, ("f1", "d"): 1, ("f2", "b"): 1}
    assert not here.aep.breaches
    assert {pair for each in done for pair in runs_of(each)} == set(here.delivered)


def test_a_kill_on_resuming_after_a_wait_settles_nothing(world: Make) -> None:
    here = world(posts=["broken_before"], scope="nothing", lag=50.0)
    task = here.run().activate(PAIR)
    event = event_of(here, task.start(until=LostSubmissionTrigger))
    for crash in range(1, 5):
        task.resume(event, crash=crash)

    done = task.start()

    check_delivered_once(here, PAIR, done)


def test_a_wait_for_an_export_settles_nothing(world: Make) -> None:
    """The POST is open, and the task resumes with the event of a wait for an export: it says nothing of the POST."""
    here = world(posts=["late"], scope="nothing")
    task = here.run().activate(ONE)
    here.aep.exporting = True
    wait = task.start(until=SegmentExportTrigger)
    event = event_of(here, wait)
    lost = task.resume(event, until=LostSubmissionTrigger)
    assert isinstance(lost, LostSubmissionTrigger)

    again = task.resume(event, until=LostSubmissionTrigger)

    assert isinstance(again, LostSubmissionTrigger)
    assert len(here.aep.sent) == 1
    check_delivered_once(here, ONE, task.resume(event_of(here, again)))


@pytest.mark.parametrize("lost", ["broken_after", "broken_before"])
def test_a_task_that_watched_and_sends_again_resumes_where_it_waits(world: Make, lost: str) -> None:
    here = world(lag=20.0)
    task = here.run().activate(ONE, wait_for_completion=True)
    task.start(until=FlowRunTrigger)
    here.aep.end(here.aep.runs[0], "failed")
    here.aep.posts = [lost]

    done = task.clear()

    assert done["summary"]["success"] == 1
    assert here.delivered == {P: 2}
    assert not here.aep.breaches


def test_a_store_that_fails_before_the_post_keeps_it_back(world: Make) -> None:
    here = world()
    task = here.run().activate(BOTH)
    task.store.on_open = _fails

    assert isinstance(task.start(), RuntimeError)
    assert here.aep.sent == []
    check_delivered_once(here, BOTH, task.start())


def test_a_store_that_fails_after_the_post_makes_it_a_lost_answer(world: Make) -> None:
    here = world(scope="nothing")
    task = here.run().activate(BOTH)
    task.store.on_open = lambda: setattr(here.aep, "after_post", _fails)
    task.start()

    check_delivered_once(here, BOTH, task.start())


def _fails() -> None:
    raise RuntimeError("the API server does not answer")


def test_the_notes_of_old_runs_are_deleted(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "KEPT_FOR", dt.timedelta(0))
    here = world(scope="nothing")
    sizes = []
    for number in range(30):
        for task in mapped(here.run(f"run-{number}"), ONE, {"f2": ["b"]}):
            assert isinstance(task.start(), list)
        here.aep.advance(1000)
        sizes.append(sum(map(len, here.assets.values())))
    assert sizes[-1] == sizes[19]
    assert len(json.dumps(here.assets)) < 60_000


# -- the wire


@pytest.mark.parametrize("location", ["http://[broken", "https://evil.example/x", "/\x00", "//", "ftp://x", ""])
def test_a_redirect_with_an_odd_location_after_the_post_is_one_post_only(
    aep: LocalAep, context: Any, location: str
) -> None:
    aep.add_faults({"kind": "redirect", "location": location, "method": "POST", "path": ADHOC, "times": None})
    task = AdHocActivationOperator(task_id="task", activation_info={"mail": ["gold"]}, poll_interval=1)

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - a wait or an error, both will do
        task.execute(context)

    assert len(aep.posts()) == 1, caught.value
    assert context["task_state_store"]["submission"]["state"] != "ready"


def test_no_byte_leaves_after_the_lease(aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real hook asks when its connection is open, and before its first byte."""
    task = AdHocActivationOperator(task_id="task", activation_info={"mail": ["gold"]}, poll_interval=1)
    keep = context["task_state_store"].set

    def slow(key: str, value: Any, **more: Any) -> None:
        keep(key, value, **more)
        if value.get("state") == "open":
            task.on_kill()

    monkeypatch.setattr(context["task_state_store"], "set", slow)
    with pytest.raises(Exception, match="was told to end"):
        task.execute(context)
    assert aep.posts() == []
    assert context["task_state_store"]["submission"]["state"] == "open"


# -- what two DAG runs, or two troubles, do to the notes


@pytest.mark.parametrize("unknown_for", [1, 3])
def test_a_gateway_repeats_our_post_and_the_run_in_the_way_is_not_shown_yet(world: Make, unknown_for: int) -> None:
    here = world(posts=["repeated"])
    here.aep.hidden = unknown_for
    task = here.run().activate(ONE)

    done = task.start()

    assert isinstance(done, AepSubmissionError)
    assert task.said()[P] == "unknown"
    assert here.delivered == {P: 1}
    assert not here.aep.breaches


@pytest.mark.parametrize("moment", range(4))
def test_two_claims_in_one_instant_lose_none(moment: int) -> None:
    """The second DAG run claims its flow run between any two steps of the first one's claim."""
    steps = 0

    class Notes(AssetStore):
        def step(self) -> None:
            nonlocal steps
            steps += 1
            if steps == moment + 1:
                noted("second").claim([Activation("f1", "b", "run-b")])

        def get(self, key: str, default: Any = None) -> Any:
            found = super().get(key, default)
            self.step()
            return found

        def set(self, key: str, value: Any) -> None:
            self.step()
            super().set(key, value)

    notes = Notes()

    def noted(run_id: str) -> NotedStore:
        ti = TaskInstance()
        ti.run_id = run_id
        assets = defaultdict(lambda: notes)
        dag_run = SimpleNamespace(conf={})
        return NotedStore(Context(ti=ti, task_state_store=Store(), asset_state_store=assets, dag_run=dag_run), [])

    noted("first").claim([Activation("f1", "a", "run-a")])

    assert steps > moment
    third = noted("third")
    third.set("submission", {})
    assert [third.is_anothers("f1", run) for run in ("run-a", "run-b", "run-c")] == [True, True, False]


def test_ours_is_found_behind_a_run_that_another_dag_run_was_told_of_late(world: Make) -> None:
    """Both are listed; whose the first one is, is noted as late as the settled look."""
    here = world(posts=["broken_after"], scope="nothing")
    task = here.run().activate(ONE)
    task.store.on_open = lambda: here.aep.foreign("f1", "a", seconds=1.0)
    settling = task.start(until=LostSubmissionTrigger)
    event = event_of(here, settling)
    event["found"] = []
    here.assets["aep_submissions"].set(_flow_run_note("f1", here.aep.runs[0].id), {"run": "another"})

    done = task.resume(event)

    assert runs_of(done)[P] == here.aep.ours(Pair(*P))[0].id
    assert here.delivered == {P: 1}


# -- what a clear leaves


def test_a_run_that_was_deleted_and_begun_anew_does_not_go_by_the_notes_of_the_old_one(world: Make) -> None:
    """Its first pass has sent nothing, and a person clears it: only then are notes looked at."""
    here = world(scope="nothing")
    here.run().activate(ONE).start()
    anew = here.run().activate(ONE)

    anew.clear()

    assert here.delivered == {P: 2}


@pytest.mark.parametrize("lost", ["broken_after", "ok"])
def test_rows_that_are_gone_are_no_empty_record_to_a_retry(world: Make, lost: str) -> None:
    here = world(posts=[lost], scope="nothing")
    task = here.run().activate(ONE)
    task.start(crash=None, until=LostSubmissionTrigger)
    task.forget()
    task.was_resumed = False
    here.aep.advance(1000)

    check_delivered_once(here, ONE, task.start())


def test_a_clear_while_it_runs_counts_once_and_not_for_a_failure_that_came_later(world: Make) -> None:
    """A worker that dies after AEP's "failed" is retried by Airflow, by nobody."""
    here = world(posts=["broken_before"], scope="nothing", run_seconds=None)
    task = here.run().activate(ONE, wait_for_completion=True)
    task.event, task.was_resumed = event_of(here, task.start(until=LostSubmissionTrigger)), True
    assert isinstance(task.clear(while_running=True, until=FlowRunTrigger), FlowRunTrigger)
    [failed] = here.aep.ours(Pair(*P))
    here.aep.end(failed, "failed")
    task.was_resumed = False

    assert failed.id in str(task.start())
    assert here.delivered == {P: 1}

    assert isinstance(task.clear(until=FlowRunTrigger), FlowRunTrigger)
    assert here.delivered == {P: 2}
    assert not here.aep.breaches


def test_a_clear_while_it_runs_decides_nothing_that_nobody_was_told_yet(world: Make) -> None:
    here = world(posts=["broken_after"], scope="nothing", young=10_000.0)
    task = here.run().activate(ONE)
    waiting = task.start(until=LostSubmissionTrigger)
    [run] = here.aep.ours(Pair(*P))
    here.aep.end(run, nameless=True)
    task.event, task.was_resumed = event_of(here, waiting), True
    assert run.id in str(task.clear(while_running=True))

    task.was_resumed = False  # its worker died before it could say so

    assert run.id in str(task.start())
    assert here.delivered == {P: 1}
