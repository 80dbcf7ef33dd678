"""The table "What you press → what is sent" of docs/exactly-once.md, cell by cell, for every shape of a delivery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.operators import notes
from tests.docs.test_docs import rows
from tests.promises.gates.world import ACTIVATE, REPORT, WATCH, Aep, World

DOCS = Path(__file__).resolve().parents[3] / "docs" / "exactly-once.md"
SHAPES: dict[str, tuple[dict[str, list[str]], int]] = {
    "a pair": ({"f1": ["a1"]}, 80),
    "pairs of one job": ({"f1": ["a1"], "f2": ["a2", "a3"]}, 80),
    "jobs": ({"f1": ["a1"], "f2": ["a1", "a2"]}, 2),
}


@dataclass
class Delivery:
    """A delivery of some shape, with its last pair as the one that meets trouble."""

    aep: Aep
    info: dict[str, list[str]]
    limit: int

    def run(self, run_id: str = "run") -> World:
        # A run to another flow would hold up the same audience's: two deliveries, one after the other.
        self.aep.scope = "pair"
        return World(self.aep, self.info, run_id=run_id, max_audiences_per_job=self.limit)

    @property
    def pairs(self) -> list[Pair]:
        return [Pair(flow, name) for flow, names in self.info.items() for name in names]

    @property
    def last(self) -> Pair:
        return self.pairs[-1]

    def counts(self) -> list[int]:
        """Return how often each pair was sent."""
        return [len(self.aep.ours(pair)) for pair in self.pairs]

    def once(self, last: int = 1) -> list[int]:
        return [1] * (len(self.pairs) - 1) + [last]


@pytest.fixture(params=SHAPES)
def delivery(request: pytest.FixtureRequest, aep: Aep) -> Delivery:
    return Delivery(aep, *SHAPES[request.param])


@pytest.fixture
def some(request: pytest.FixtureRequest, aep: Aep) -> Delivery:
    """Give a delivery of any shape, always the same one to the same test."""
    shapes = list(SHAPES.values())
    return Delivery(aep, *shapes[sum(map(ord, request.node.name)) % len(shapes)])


def refused(delivery: Delivery) -> World:
    """Return a run of which every job was refused: pairs without a run."""
    world = delivery.run()
    delivery.aep.bad = {pair.audience_id for pair in delivery.pairs}
    world.play()
    delivery.aep.bad = set()
    assert world.state == "failed"
    return world


def failed(delivery: Delivery) -> World:
    """Return a run whose last pair failed in AEP."""
    delivery.aep.endings[delivery.last] = ["failed"]
    world = delivery.run()
    world.play()
    assert world.state == "failed"
    return world


def delivered(delivery: Delivery) -> World:
    world = delivery.run()
    world.play()
    assert world.state == "success"
    return world


def press_at(world: World, moment: str, button: Callable[[], None]) -> bool:
    """Press a button when a wait is about to begin; return whether it came to that."""
    world.before[moment] = button
    world.play(stop_at="nowhere")
    return moment not in world.before


# ---------------------------------------------------------------------------------- Airflow retries


@pytest.mark.parametrize("meets", ["ok", "broken_after", "broken_before"])
@pytest.mark.parametrize("moment", range(1, 31, 4))
def test_retry_of_a_process_that_died_at_a_request(some: Delivery, meets: str, moment: int) -> None:
    """`activate` sends what has no run, after looking for it; `wait_for_flow_runs` nothing new."""
    world = some.run()
    some.aep.posts, some.aep.crashes.at = [meets], moment
    world.play()

    assert some.aep.crashes.seen > moment, "a test that cannot see its crash fails"
    assert (world.state, some.counts()) == ("success", some.once())


@pytest.mark.parametrize("at", ["start", "resume"])
def test_retry_finishes_a_repair_that_had_begun(delivery: Delivery, at: str) -> None:
    world = failed(delivery)
    delivery.aep.posts = ["broken_after"]
    world.clear_failed()
    world.before[f"{WATCH}:LostSubmissionTrigger"] = lambda: world.crashes.update({WATCH: ["resume", at]})
    world.play()

    assert (world.state, delivery.counts()) == ("success", delivery.once(2))


# ---------------------------------------------------------------------------------- clear only the failed tasks


def test_clear_the_failed_tasks_sends_pairs_without_a_run(delivery: Delivery) -> None:
    world = refused(delivery)
    assert delivery.counts() == [0] * len(delivery.pairs)

    world.clear_failed()
    world.play()

    assert (world.state, delivery.counts()) == ("success", delivery.once())


def test_clear_the_failed_tasks_looks_for_pairs_without_a_run_first(delivery: Delivery) -> None:
    """AEP had begun them, though no try has lived to see it."""
    aep, world = delivery.aep, delivery.run()
    aep.lag, aep.posts = 500.0, ["broken_after"]
    world.before[f"{ACTIVATE}:LostSubmissionTrigger"] = lambda: world.mark(ACTIVATE, "failed")
    world.play()
    assert world.state == "failed"
    assert "not_sent" not in [status for name, status in world.statuses().items() if aep.ours(pair_of(delivery, name))]
    aep.advance(1000)

    aep.lag = 0.0
    world.clear_failed()
    world.play()

    assert (world.state, delivery.counts()) == ("success", delivery.once())


def pair_of(delivery: Delivery, audience_id: str) -> Pair:
    return next(pair for pair in delivery.pairs if pair.audience_id == audience_id)


def test_clear_the_failed_tasks_sends_what_failed_again(delivery: Delivery) -> None:
    world = failed(delivery)

    world.clear_failed()
    world.play()

    assert (world.state, delivery.counts()) == ("success", delivery.once(2))


def test_a_repair_that_fails_too_is_sent_again_by_another_clear_only(delivery: Delivery) -> None:
    delivery.aep.endings[delivery.last] = ["failed", "failed"]
    world = delivery.run()
    world.play()
    world.clear_failed()
    world.crashes[WATCH] = ["resume"]
    world.play()
    assert (world.state, delivery.counts()) == ("failed", delivery.once(2))

    world.clear_failed()
    world.play()
    assert (world.state, delivery.counts()) == ("success", delivery.once(3))


# ---------------------------------------------------------------------------------- clear the whole run


def test_clear_a_whole_green_run_sends_nothing(delivery: Delivery) -> None:
    world = delivered(delivery)
    before = world.instances[REPORT, -1].xcoms["return_value"]["results"]

    for _ in range(2):
        world.clear()
        world.play()

    assert (world.state, delivery.counts()) == ("success", delivery.once())
    assert world.instances[REPORT, -1].xcoms["return_value"]["results"] == before


@pytest.mark.parametrize(("trouble", "last"), [(failed, 2), (refused, 1)])
def test_clear_a_whole_red_run_sends_what_is_missing(
    delivery: Delivery, trouble: Callable[[Delivery], World], last: int
) -> None:
    world = trouble(delivery)

    world.clear()
    world.play()

    assert (world.state, delivery.counts()) == ("success", delivery.once(last))


# ---------------------------------------------------------------------------------- clear one task


@pytest.mark.parametrize("task", [REPORT, ACTIVATE, WATCH])
@pytest.mark.parametrize("downstream", [True, False])
def test_clear_one_task_of_a_green_run_sends_nothing(delivery: Delivery, task: str, downstream: bool) -> None:
    world = delivered(delivery)

    world.clear(task, downstream=downstream)
    world.play()

    assert (world.state, delivery.counts()) == ("success", delivery.once())


def test_clear_the_report_of_a_red_run_sends_nothing(delivery: Delivery) -> None:
    world = failed(delivery)

    world.clear(REPORT)
    world.play()

    assert (world.state, delivery.counts()) == ("failed", delivery.once())
    assert world.statuses()[delivery.last.audience_id] == "failed"


def test_clear_the_watching_task_while_it_waits_sends_what_has_failed_by_then(delivery: Delivery) -> None:
    aep, world = delivery.aep, delivery.run()

    def press() -> None:
        aep.end(aep.ours(delivery.last)[0], "failed")
        world.clear(WATCH)

    assert press_at(world, f"{WATCH}:FlowRunTrigger", press)

    assert (world.state, delivery.counts()) == ("success", delivery.once(2))


def test_what_a_clear_lets_begin_is_not_sent_again_by_the_same_clear(delivery: Delivery) -> None:
    aep, world = delivery.aep, refused(delivery)
    world.clear_failed()
    world.play(stop_at=WATCH)
    aep.end(aep.ours(delivery.last)[0], "failed")
    world.play()
    assert (world.state, delivery.counts()) == ("failed", delivery.once())
    assert world.statuses()[delivery.last.audience_id] == "failed"

    world.clear_failed()
    world.play()

    assert (world.state, delivery.counts()) == ("success", delivery.once(2))


# ---------------------------------------------------------------------------------- mark


@pytest.mark.parametrize("state", ["success", "failed"])
@pytest.mark.parametrize(
    ("task", "wait"),
    [(ACTIVATE, "LostSubmissionTrigger"), (ACTIVATE, "SegmentExportTrigger"), (WATCH, "FlowRunTrigger")],
)
def test_mark_a_task_while_it_waits_sends_nothing_more(delivery: Delivery, state: str, task: str, wait: str) -> None:
    aep, world = delivery.aep, delivery.run()
    if wait == "LostSubmissionTrigger":
        aep.posts = ["broken_before"]
    if wait == "SegmentExportTrigger":
        world.before["activate[0]"] = lambda: setattr(aep, "exporting", True)
    sent: list[int] = []

    def press() -> None:
        world.mark(task, state)
        sent.append(len(aep.sent))
        aep.exporting = False

    assert press_at(world, f"{task}:{wait}", press)

    assert len(aep.sent) == sent[0]
    assert world.state == "failed", "whatever was marked: the pairs were not delivered when the run ended"
    aep.advance(1000)
    world.follow_advice()
    assert (world.state, delivery.counts()) == ("success", delivery.once())


def test_mark_the_report_as_successful_is_a_persons_word_against_it(delivery: Delivery) -> None:
    """The one exception to "no green run with an undelivered pair": Airflow colours a run by its last task."""
    world = delivery.run()
    world.play(stop_at=REPORT)
    world.mark(REPORT, "success")
    world.play(stop_at="nowhere")

    assert (world.state, delivery.counts()) == ("success", delivery.once())


# ---------------------------------------------------------------------------------- a new run


def test_a_new_run_sends_everything(delivery: Delivery) -> None:
    delivered(delivery)

    again = delivery.run("again")
    again.play()

    assert (again.state, delivery.counts()) == ("success", [2] * len(delivery.pairs))


def test_a_run_that_was_deleted_and_begun_anew_sends_everything(delivery: Delivery) -> None:
    """Its record went with it. Only the run's id is the same."""
    failed(delivery)
    delivery.aep.player, delivery.aep.owners = "", dict.fromkeys(delivery.aep.owners, "the deleted one")

    again = delivery.run()
    again.play()

    assert (again.state, delivery.counts()) == ("success", [2] * len(delivery.pairs))


# ---------------------------------------------------------------------------------- before a task has noted anything


@pytest.mark.parametrize("task", [ACTIVATE, WATCH])
@pytest.mark.parametrize("button", ["clear all", "clear task"])
@pytest.mark.parametrize("forgets", [False, True], ids=["rows_kept", "rows_deleted"])
def test_clear_a_task_in_the_moment_in_which_it_begins(
    delivery: Delivery, task: str, button: str, forgets: bool
) -> None:
    """Its process dies without a note. That is no reason for a run that can never end well."""
    world = delivery.run()
    label = f"{task}[0]" if task == ACTIVATE else task

    def press() -> None:
        world.clear(*([task] if button == "clear task" else []))
        if forgets:
            forget(world)

    world.before[label] = press
    world.crashes[label] = ["start"]
    world.play()

    assert world.crashes[label] == [], world.log
    assert (world.state, delivery.counts()) == ("success", delivery.once()), world.log


def forget(world: World, *, copies: bool = False) -> None:
    """Delete what the tasks have kept, and at will the copies too."""
    for one in world.instances.values():
        one.store.clear()
    if copies:
        world.assets.clear()


def test_a_run_that_is_planned_anew_does_not_remember_what_its_first_plan_has_sent(delivery: Delivery) -> None:
    world = delivered(delivery)
    forget(world, copies=True)
    world.clear()
    world.play()

    assert (world.state, delivery.counts()) == ("failed", delivery.once())


def test_a_run_whose_copies_went_with_its_age_does_not_pass_for_one_that_remembers(
    aep: Aep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each task the notes of a day and of the last 20 runs are kept. Runs planned before may send after."""
    monkeypatch.setattr(notes, "KEPT_FOR", dt.timedelta(0))
    small = Delivery(aep, {"f1": ["a1"]}, 80)
    *others, world = (small.run(f"run-{number}") for number in range(notes.RUNS_KEPT + 1))
    for other in others:
        other.assets = world.assets
        other.play(stop_at=ACTIVATE)
    world.play()
    assert world.state == "success"
    for other in others:
        other.play()
    sent = small.counts()

    forget(world)
    world.clear()
    world.play()

    assert (world.state, small.counts()) == ("failed", sent)


# ---------------------------------------------------------------------------------- while a lost answer settles


@pytest.mark.parametrize("meets", ["broken_after", "broken_before", "late"])
@pytest.mark.parametrize("button", ["clear all", "clear task", "clear failed", "mark failed", "mark success"])
def test_any_button_while_a_lost_answer_settles(some: Delivery, meets: str, button: str) -> None:
    aep, world = some.aep, some.run()
    aep.posts, aep.lag = [meets], 20.0
    buttons: dict[str, Callable[[], Any]] = {
        "clear all": world.clear,
        "clear task": lambda: world.clear(ACTIVATE),
        "clear failed": world.clear_failed,
        "mark failed": lambda: world.mark(ACTIVATE, "failed"),
        "mark success": lambda: world.mark(ACTIVATE, "success"),
    }

    assert press_at(world, f"{ACTIVATE}:LostSubmissionTrigger", buttons[button])

    if world.state != "success":
        aep.advance(1000)
        world.follow_advice()
    assert (world.state, some.counts()) == ("success", some.once())


@pytest.mark.parametrize("meets", ["broken_after", "broken_before", "late"])
@pytest.mark.parametrize("button", ["clear all", "clear task", "clear failed", "mark failed", "mark success"])
def test_any_button_while_the_lost_answer_of_a_repair_settles(some: Delivery, meets: str, button: str) -> None:
    aep, world = some.aep, failed(some)
    aep.posts, aep.lag = [meets], 20.0
    buttons: dict[str, Callable[[], Any]] = {
        "clear all": world.clear,
        "clear task": lambda: world.clear(WATCH),
        "clear failed": world.clear_failed,
        "mark failed": lambda: world.mark(WATCH, "failed"),
        "mark success": lambda: world.mark(WATCH, "success"),
    }
    world.clear_failed()

    assert press_at(world, f"{WATCH}:LostSubmissionTrigger", buttons[button])

    if world.state != "success":
        assert world.statuses()[some.last.audience_id] == "unknown"
        aep.advance(1000)
        world.follow_advice()
    assert (world.state, some.counts()) == ("success", some.once(2))


# ---------------------------------------------------------------------------------- the table itself


def test_every_row_of_the_table_is_one_of_these() -> None:
    pressed = [cells[0].replace("*", "").replace("`", "") for cells in rows(DOCS, "you")]

    assert [text.partition(":")[0] for text in pressed] == [
        "do nothing",
        "clear only the failed tasks of a red run",
        "clear the whole run, it was green",
        "clear the whole run, it was red",
        "clear report",
        "clear one activate that succeeded",
        "clear wait_for_flow_runs while it waits",
        "clear the whole run, or a task in front of wait_for_flow_runs, while that waits",
        "clear, and a run that this clear lets activate begin fails, too",
        "mark a task or the run as failed or success",
        "trigger a new run",
        "delete the run and trigger it again",
    ]
