"""Whose a flow run is, as the DAG runs tell one another."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from adobe_experience_platform.aep import Activation, Pair
from adobe_experience_platform.errors import AepSubmissionError
from adobe_experience_platform.operators import notes, owners
from adobe_experience_platform.operators.notes import NotedStore
from adobe_experience_platform.triggers import submissions_asset
from tests.support.asset_events import InletEvents, OutletEvents, Told
from tests.support.tasks import Context, Store, TaskInstance

A, B = Pair("f1", "a"), Pair("f2", "b")
BEGAN = dt.datetime(2026, 3, 10, 6, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


class Counted(dict[str, Any]):
    """The state store of the asset; it counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.calls.append("get")
        self.read.add(key)
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.calls.append("set")
        self[key] = value

    def delete(self, key: str) -> None:
        self.calls.append("delete")
        self.pop(key, None)


class Airflow:
    """The notes and events that all DAG runs share, and one clock."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.notes = Counted()
        self.events: list[Told] = []
        self.asked: list[int] = []

    def context(self, run_id: str, *, try_number: int = 1, clears: int = 0, began: dt.datetime = BEGAN) -> Context:
        ti = TaskInstance(try_number=try_number)
        ti.run_id = run_id
        return Context(
            ti=ti,
            task_state_store=Store(),
            asset_state_store=defaultdict(lambda: self.notes),
            dag_run=SimpleNamespace(conf={}, run_after=began, clear_number=clears),
            inlet_events=InletEvents(lambda: self.events, self.asked.append),
        )

    def plan(self, run_id: str, *jobs: list[Pair], began: dt.datetime = BEGAN) -> None:
        """Let a plan succeed."""
        outlets = OutletEvents()
        owners.register(Context(self.context(run_id, began=began), outlet_events=outlets), jobs)
        self.events += outlets.told(self.now)

    def store(self, run_id: str, *pairs: Pair, planned: bool = True, **how: Any) -> NotedStore:
        return NotedStore(self.context(run_id, **how), pairs or [A], planned=planned)

    def owned(self, *run_ids: str, by: str = "another", flow_id: str = "f1", **how: Any) -> list[bool | None]:
        """Return which flow runs a DAG run finds to be another's."""
        store = self.store(by, **how)
        store.set("submission", {})
        store.read_others([flow_id])
        return [store.is_anothers(flow_id, run_id) for run_id in run_ids]


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    here = Airflow()
    for module in (notes, owners):
        monkeypatch.setattr(module, "now", lambda: here.now)
    return here


def runs(flow_id: str, number: int, *, adopted: bool = False) -> list[Activation]:
    return [Activation(flow_id, f"audience-{n}", f"run-{n}", adopted) for n in range(number)]


def test_a_planned_job_notes_all_its_flow_runs_at_once(airflow: Airflow) -> None:
    airflow.plan("first", [A])
    store = airflow.store("first")
    store.set("submission", {})
    airflow.notes.calls.clear()

    store.claim(runs("f1", 80))

    assert airflow.notes.calls == ["get", "set"]
    assert airflow.owned("run-0", "run-79", "run-80") == [True, True, False]
    assert airflow.owned("run-0", by="first") == [False]


def test_what_a_later_answer_names_is_added(airflow: Airflow) -> None:
    airflow.plan("first", [A])
    airflow.store("first").claim(runs("f1", 1))
    airflow.store("first").claim([Activation("f1", "b", "later")])

    assert airflow.owned("run-0", "later") == [True, True]


def test_only_jobs_of_the_flow_are_read(airflow: Airflow) -> None:
    airflow.plan("first", [A], [B])
    airflow.store("first", A).claim([Activation(*A, "run-a")])
    airflow.store("first", B).claim([Activation(*B, "run-b")])

    assert airflow.owned("run-a", "run-b", flow_id="f1") == [True, False]
    assert airflow.owned("run-a", "run-b", flow_id="f2") == [False, True]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"planned": False}, id="its own list"),
        pytest.param({"try_number": 2}, id="a later try: a frozen process of the first may still write the note"),
        pytest.param({"clears": 1}, id="cleared"),
    ],
)
def test_every_other_task_notes_each_flow_run(airflow: Airflow, how: dict[str, Any]) -> None:
    airflow.plan("first", [A])
    airflow.store("first", **how).claim(runs("f1", 2))

    airflow.events.clear()
    assert airflow.owned("run-0", "run-1", "run-2") == [True, True, False]


def not_planned(airflow: Airflow) -> None:
    """The task was marked as a success by hand: Airflow makes no event of that."""


def planned_something_else(airflow: Airflow) -> None:
    airflow.plan("first", [B])


def told_of_another_flow(airflow: Airflow) -> None:
    """A person has made an event that names the note, but not where others look for it."""
    airflow.plan("first", [A])
    told = airflow.events.pop()
    airflow.events.append(told._replace(extra={"flows": {"f2": told.extra["flows"]["f1"]}}))


def planned_long_ago(airflow: Airflow) -> None:
    airflow.plan("first", [A])
    airflow.now += owners.REGISTERED_FOR + dt.timedelta(seconds=1)


def planned_by_a_deleted_run(airflow: Airflow) -> None:
    airflow.plan("first", [A], began=BEGAN - HOUR)


def planned_behind_many(airflow: Airflow) -> None:
    for number in range(owners.EVENTS_READ):
        airflow.plan(f"other-{number}", [A])
    airflow.plan("first", [A])


def told_by_a_person(airflow: Airflow) -> None:
    """Whoever may, can make an event of any asset, with whatever in it."""
    named: list[Any] = [None, 5, "f1", {}, [], [None, 5, [], "", "../jobs", "f" * 25]]
    extras: list[Any] = [None, {}, *({"flows": each} for each in named), *({"flows": {"f1": each}} for each in named)]
    airflow.events += [Told(submissions_asset().name, BEGAN, extra) for extra in extras]


@pytest.mark.parametrize(
    "before",
    [
        not_planned,
        planned_something_else,
        told_of_another_flow,
        planned_long_ago,
        planned_by_a_deleted_run,
        planned_behind_many,
        told_by_a_person,
    ],
)
def test_what_nobody_would_find_is_noted_one_by_one(airflow: Airflow, before: Callable[[Airflow], None]) -> None:
    before(airflow)

    airflow.store("first").claim(runs("f1", 2))

    airflow.events.clear()
    assert airflow.owned("run-0", "run-1", "run-2") == [True, True, False]


def test_what_is_answered_long_after_the_plan_is_noted_one_by_one(airflow: Airflow) -> None:
    """An export or another run for the audience was in the way for hours."""
    airflow.plan("first", [A])
    store = airflow.store("first")
    store.set("submission", {})
    airflow.now += owners.REGISTERED_FOR + dt.timedelta(seconds=1)

    store.claim(runs("f1", 1))

    airflow.events.clear()
    assert airflow.owned("run-0") == [True]


def test_a_flow_run_that_aep_has_answered_to_two_dag_runs_is_none_that_either_may_find(airflow: Airflow) -> None:
    for run_id in ("first", "second"):
        airflow.plan(run_id, [A])
        airflow.store(run_id).claim(runs("f1", 1))

    assert airflow.owned("run-0", by="first") == [True]


@pytest.mark.parametrize("waited", [dt.timedelta(0), owners.REGISTERED_FOR])
def test_a_run_that_begins_after_the_plan_finds_what_is_answered_after_it_began(
    airflow: Airflow, waited: dt.timedelta
) -> None:
    """The clocks of workers and of Airflow's database differ too."""
    airflow.plan("first", [A])
    airflow.now += waited
    airflow.store("first").claim(runs("f1", 1))

    began = airflow.now + owners.MARGIN
    assert airflow.owned("run-0", began=began) == [True]


@pytest.mark.parametrize("apart", [dt.timedelta(0), dt.timedelta(seconds=1)])
def test_events_are_read_page_by_page_to_the_end(airflow: Airflow, apart: dt.timedelta) -> None:
    """Airflow's API server has seconds for an answer, and a run that is cleared after a week has thousands to read."""
    airflow.plan("first", [A])
    airflow.store("first").claim(runs("f1", 1))
    [first], airflow.events = airflow.events, []
    for number in range(2 * owners.PAGE):
        airflow.plan(f"other-{number}", [B])
        airflow.now += apart
    airflow.events.append(first._replace(timestamp=airflow.now))

    assert airflow.owned("run-0") == [True]
    assert max(airflow.asked) <= (4 if not apart else 1) * owners.PAGE


def unlisted(airflow: Airflow) -> set[str]:
    """Return the notes that no list names, so that nobody would ever delete them."""
    lists = [note for note in airflow.notes.values() if "names" in note]
    indexes = {name for name, note in airflow.notes.items() if "runs" in note and "run" not in note}
    named = {name for note in lists for name in (note["run"], *note["names"])}
    return {name for name, note in airflow.notes.items() if note not in lists} - indexes - named


def test_the_first_note_of_a_run_is_listed_before_it_is_made(airflow: Airflow) -> None:
    airflow.plan("first", [A])
    airflow.store("first").set("submission", {})

    assert airflow.notes.calls == ["get", "set", "set", "set"], "runs, runs, the list (there was none), the note"
    assert unlisted(airflow) == set()


@pytest.mark.parametrize(
    ("tries", "entry"),
    [(1, "kept"), (2, "kept"), (2, "lost to another run that began at the same moment")],
)
def test_what_is_listed_stays_so(airflow: Airflow, tries: int, entry: str) -> None:
    airflow.store("first", planned=False).set("submission", {})
    if entry != "kept":
        [index] = [value for value in airflow.notes.values() if "runs" in value]
        index["runs"] = []

    airflow.store("first", planned=False, try_number=tries).claim(runs("f1", 2))

    assert len(airflow.notes) == 1 + 1 + 1 + 2
    assert unlisted(airflow) == set()


def crowd(airflow: Airflow, number: int) -> None:
    """Let so many DAG runs begin, of which each has a flow run of its own."""
    for each in range(number):
        store = NotedStore(airflow.context(f"run-{each}", try_number=2), [A])
        store.set("submission", {})
        store.claim([Activation(*A, f"run-{each}")])


def test_of_many_runs_that_begin_at_once_each_knows_the_flow_runs_of_all(airflow: Airflow) -> None:
    """More of them than are kept for good: the answer of one was lost meanwhile."""
    early = airflow.context("early")
    NotedStore(early, [A]).set("submission", {"orders": {}})
    crowd(airflow, 2 * notes.RUNS_KEPT)

    store = NotedStore(early, [A])
    store.read_others(["f1"])

    assert all(store.is_anothers("f1", f"run-{each}") for each in range(2 * notes.RUNS_KEPT))
    assert store.is_anothers("f1", "unknown") is False


def test_notes_of_old_runs_are_deleted_a_few_at_a_time_and_those_of_the_last_ones_stay(airflow: Airflow) -> None:
    crowd(airflow, 2 * notes.RUNS_KEPT)
    before = len(airflow.notes)
    airflow.now += notes.KEPT_FOR
    airflow.notes.calls.clear()

    for each in range(notes.RUNS_KEPT + 5):
        airflow.store(f"later-{each}").set("submission", {})
        assert airflow.notes.calls.count("delete") <= 4 * (each + 1) * notes.FORGOTTEN_AT_ONCE

    assert len(airflow.notes) < before
    assert not any(airflow.owned(*(f"run-{each}" for each in range(2 * notes.RUNS_KEPT))))


def test_however_many_runs_begin_in_a_day_their_list_has_a_limit(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "MOST_KEPT", notes.RUNS_KEPT + 1)
    crowd(airflow, notes.RUNS_KEPT + 3)

    [index] = [value for value in airflow.notes.values() if "runs" in value and "run" not in value]
    assert len(index["runs"]) == notes.RUNS_KEPT + 1


def test_a_run_so_old_that_the_notes_of_others_may_be_gone_takes_nothing(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer was lost, and it is cleared after many newer runs; which of them had this flow run is not known."""
    monkeypatch.setattr(notes, "KEPT_FOR", dt.timedelta(0))
    old = airflow.context("old")
    store = NotedStore(old, [A])
    store.set("submission", {"orders": {}})
    for number in range(notes.RUNS_KEPT):
        airflow.plan(f"run-{number}", [A])
        newer = airflow.store(f"run-{number}")
        newer.set("submission", {})
        newer.claim([Activation(*A, f"run-{number}")])

    for again in (1, 2):
        cleared = NotedStore(Context({**old, "ti": TaskInstance(try_number=again + 1)}), [A])
        cleared.get("submission")
        cleared.set("submission", {"orders": {}})
        cleared.read_others(["f1"])
        assert cleared.is_anothers("f1", "run-5") is True
        with pytest.raises(AepSubmissionError, match=r"whose AEP's run unknown is.*audience a → flow f1"):
            cleared.is_anothers("f1", "unknown")


def test_a_run_ahead_of_its_time_finds_what_was_answered_to_others(airflow: Airflow) -> None:
    """``dag.test`` runs a DAG run at once that is due only tomorrow."""
    airflow.plan("first", [A])
    airflow.store("first").claim(runs("f1", 1))

    assert airflow.owned("run-0", began=BEGAN + 24 * HOUR) == [True]


def test_what_a_person_tells_takes_nothing_from_a_dag_run(airflow: Airflow) -> None:
    """Whose a note is, the note says."""
    airflow.plan("first", [A])
    airflow.store("first").claim(runs("f1", 1))
    told_by_a_person(airflow)
    airflow.events += [event._replace(extra={**event.extra, "dag_run": "x"}) for event in airflow.events if event.extra]

    assert airflow.owned("run-0", by="first") == [False]
    assert airflow.owned("run-0", by="another") == [True]
    assert all(map(owners.NAME.fullmatch, airflow.notes.read))


def test_what_a_claim_needs_is_read_before_anything_is_sent(airflow: Airflow) -> None:
    """Directly after AEP's answer nothing more than the notes themselves can fail."""
    airflow.plan("first", [A])
    store = airflow.store("first")
    store.set("submission", {})
    airflow.asked.clear()

    store.claim(runs("f1", 1))

    assert airflow.asked == []
    assert airflow.owned("run-0") == [True]


def test_what_is_noted_meanwhile_is_found_at_the_next_look(airflow: Airflow) -> None:
    airflow.plan("first", [A])
    store = airflow.store("another")
    store.set("submission", {})
    store.read_others(["f1"])
    airflow.store("first").claim(runs("f1", 1))

    store.read_others(["f1"])

    assert store.is_anothers("f1", "run-0") is True


def test_an_answer_outweighs_what_another_has_found(airflow: Airflow) -> None:
    """Two DAG runs lay claim to one flow run: the one that AEP has told of it has it."""
    airflow.store("another").claim(runs("f1", 1, adopted=True))
    airflow.plan("first", [A])
    airflow.store("first").claim(runs("f1", 1))

    assert airflow.owned("run-0", by="another") == [True]
    assert airflow.owned("run-0", by="first") == [False]


def test_of_two_that_have_found_a_run_the_first_has_it(airflow: Airflow) -> None:
    airflow.plan("first", [A])
    airflow.store("first").claim(runs("f1", 1, adopted=True))
    airflow.store("another").claim(runs("f1", 1, adopted=True))

    assert airflow.owned("run-0", by="another") == [True]
    assert airflow.owned("run-0", by="first") == [False]
