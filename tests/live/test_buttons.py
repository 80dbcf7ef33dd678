"""Every button of Airflow at every stage of a run: what AEP is sent, and what Airflow then shows.

Read the table below as: *while a run is at this stage, somebody presses this; in the end AEP has counted so many
deliveries of the audience, and the run shows this: its state, and what its report says of the audience.*
``tests/promises/gates`` has every cell of the documented table without a scheduler.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import pytest

from lab.chaos.traps import Spot
from tests.support.aep import ADHOC, ENDLESS
from tests.support.stage import CHAOS_DAG, Run, Scene, Stage

INFO = {"mail": ["gold"]}
PAIR = ("mail", "gold")
EXPORT_JOB = 800


class At(StrEnum):
    """A stage of a run."""

    PLAN = "plan"
    EXPORT = "export-deferred"
    POST = "activate-running"
    ACTIVATE = "activate-deferred"
    RUNS = "runs-deferred"
    REPORT = "report"
    END = "ended"


class Press(StrEnum):
    """What happens to the run there."""

    RETRY = "retry"
    """The task's process dies, and Airflow tries again."""
    CLEAR = "clear-task"
    CLEAR_ALL = "clear-all"
    MARK_FAILED = "mark-failed"
    """Afterwards somebody clears only the failed tasks, which must always bring the run to its good end."""
    MARK_SUCCESS = "mark-success"
    NEW_RUN = "new-run"


TASK = {
    At.PLAN: "plan_jobs",
    At.EXPORT: "wait_for_segment_export",
    At.POST: "activate",
    At.ACTIVATE: "activate",
    At.RUNS: "wait_for_flow_runs",
    At.REPORT: "report",
    At.END: "report",
}
GREEN = "success"
RED = "failed"
NOTHING = None
Shown = tuple[str, str | None]


@dataclass(frozen=True)
class Row:
    """One row of the table, which plays itself on a scene.

    :param sent: deliveries that AEP has counted
    :param shown: state of the DAG run, and status of the audience in the report (None without a report). Where a
        dying process may still find something out, either of several is true
    :param quick: whether ``make test`` plays it: each stage and each button; ``make chaos`` plays all rows
    """

    at: At
    press: Press
    sent: int
    shown: Shown | tuple[Shown, Shown]
    quick: bool = False

    @property
    def __name__(self) -> str:
        return f"{self.at}--{self.press}"

    def __call__(self, scene: Scene) -> None:
        run = _arrive(scene, self.at, self.__name__, dies=self.press is Press.RETRY)
        PRESSES[self.press](self, scene, run)

    def check(self, scene: Scene, run: Run) -> None:
        truths = self.shown if isinstance(self.shown[0], tuple) else (self.shown,)
        assert (run.wait(), _says(run)) in truths, f"{run.states()}\n{run.log('report')}"
        assert scene.aep.delivered().get(PAIR, 0) == self.sent


TABLE = [
    Row(At.PLAN, Press.RETRY, 1, (GREEN, "success")),
    Row(At.PLAN, Press.CLEAR, 1, (GREEN, "success")),
    Row(At.PLAN, Press.CLEAR_ALL, 1, (GREEN, "success")),
    Row(At.PLAN, Press.MARK_FAILED, 0, (RED, NOTHING)),
    Row(At.PLAN, Press.MARK_SUCCESS, 0, (RED, NOTHING), quick=True),
    Row(At.PLAN, Press.NEW_RUN, 2, (GREEN, "success")),
    Row(At.EXPORT, Press.RETRY, 1, (GREEN, "success")),
    Row(At.EXPORT, Press.CLEAR, 1, (GREEN, "success")),
    Row(At.EXPORT, Press.CLEAR_ALL, 1, (GREEN, "success")),
    Row(At.EXPORT, Press.MARK_FAILED, 0, (RED, "not_sent"), quick=True),
    Row(At.EXPORT, Press.MARK_SUCCESS, 1, (GREEN, "success")),
    Row(At.EXPORT, Press.NEW_RUN, 2, (GREEN, "success")),
    # A process that dies here: test_crashes.py
    Row(At.POST, Press.CLEAR, 1, (GREEN, "success")),
    Row(At.POST, Press.CLEAR_ALL, 1, (GREEN, "success"), quick=True),
    Row(At.POST, Press.MARK_FAILED, 1, ((RED, "unknown"), (RED, "success"))),
    Row(At.POST, Press.MARK_SUCCESS, 1, ((RED, "unknown"), (GREEN, "success"))),
    Row(At.POST, Press.NEW_RUN, 2, (GREEN, "success")),
    Row(At.ACTIVATE, Press.RETRY, 1, (GREEN, "success"), quick=True),
    Row(At.ACTIVATE, Press.CLEAR, 1, (GREEN, "success"), quick=True),
    Row(At.ACTIVATE, Press.CLEAR_ALL, 1, (GREEN, "success")),
    Row(At.ACTIVATE, Press.MARK_FAILED, 0, (RED, "not_sent")),
    Row(At.ACTIVATE, Press.MARK_SUCCESS, 0, (RED, "not_sent")),
    Row(At.ACTIVATE, Press.NEW_RUN, 2, (GREEN, "success")),
    Row(At.RUNS, Press.RETRY, 1, (GREEN, "success")),
    Row(At.RUNS, Press.CLEAR, 1, (GREEN, "success")),
    Row(At.RUNS, Press.CLEAR_ALL, 1, (GREEN, "success")),
    Row(At.RUNS, Press.MARK_FAILED, 1, (RED, "in_progress"), quick=True),
    Row(At.RUNS, Press.MARK_SUCCESS, 1, (RED, "in_progress")),
    Row(At.RUNS, Press.NEW_RUN, 2, (GREEN, "success"), quick=True),
    Row(At.REPORT, Press.RETRY, 1, (GREEN, "success")),
    Row(At.REPORT, Press.CLEAR, 1, (GREEN, "success")),
    Row(At.REPORT, Press.CLEAR_ALL, 1, (GREEN, "success")),
    Row(At.REPORT, Press.MARK_FAILED, 1, (RED, NOTHING)),
    Row(At.REPORT, Press.MARK_SUCCESS, 1, (GREEN, NOTHING), quick=True),
    Row(At.REPORT, Press.NEW_RUN, 2, (GREEN, "success")),
    Row(At.END, Press.CLEAR, 1, (GREEN, "success")),
    Row(At.END, Press.CLEAR_ALL, 1, (GREEN, "success"), quick=True),
    # Airflow does not judge a run again that has ended.
    Row(At.END, Press.MARK_FAILED, 1, (GREEN, "success")),
    Row(At.END, Press.NEW_RUN, 2, (GREEN, "success")),
]


ROWS = TABLE if os.environ.get("AEP_ALL_BUTTONS") else [row for row in TABLE if row.quick]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_what_is_sent_and_shown(stage: Stage, row: Row) -> None:
    stage.result(row)


def _says(run: Run) -> str | None:
    report = run.report() or {"results": []}
    return next((item["status"] for item in report["results"]), None)


# -- getting there, and on from there


def _arrive(scene: Scene, at: At, name: str, *, dies: bool) -> Run:
    """Start a run and wait until it is at the stage; if it dies there, until it was tried again."""
    task = TASK[at]
    if at in (At.PLAN, At.REPORT) and not dies:
        scene.traps.hold(name, task, Spot.START)
    elif at is At.EXPORT:
        scene.aep.start_export_job(id=EXPORT_JOB, duration=ENDLESS)
    elif at is At.POST:
        scene.aep.add_faults(
            {"kind": "wait_release", "method": "POST", "path": ADHOC, "effect": True, "if_gone": "carry_out"}
        )
    elif at is At.ACTIVATE:
        scene.traps.hold(name, task, Spot.START)
    elif at is At.RUNS:
        scene.aep.add_outcomes({"seconds": ENDLESS})
    if dies and at is not At.ACTIVATE:
        scene.traps.kill(name, task, Spot.START)
    run = scene.start(INFO, dag_id=CHAOS_DAG)
    if at is At.ACTIVATE:
        run.wait_task("activate[0]", "running")
        scene.aep.start_export_job(id=EXPORT_JOB, duration=ENDLESS)
        scene.traps.release(name, task, Spot.START)
        run.wait_task("activate[0]", "deferred")
        if dies:
            scene.traps.kill(name, task, Spot.START)
    elif dies:
        scene.until(lambda: not scene.traps.is_armed(name, task, Spot.START))
    elif at is At.POST:
        scene.until(lambda: scene.aep.state()["held"])
    elif at is At.END:
        assert run.wait() == GREEN
    else:
        run.wait_task(task, "running" if at in (At.PLAN, At.REPORT) else "deferred")
    if at is At.RUNS:
        scene.until(lambda: scene.client.xcom(CHAOS_DAG, run.run_id, task, "progress"))
    return run


def _go_on(scene: Scene, row: Row, run: Run) -> None:
    """Take away what kept the run at the stage."""
    if row.press is not Press.RETRY:
        scene.traps.release(run.run_id, TASK[row.at], Spot.START)
    if row.at in (At.EXPORT, At.ACTIVATE):
        scene.aep.end_export_job(EXPORT_JOB)
    scene.aep.release()
    if row.at is At.RUNS:
        scene.aep.end_runs()


# -- the buttons


def _retry(row: Row, scene: Scene, run: Run) -> None:
    task = TASK[row.at]
    if row.at is At.EXPORT:
        run.wait_task(task, "deferred")
    _go_on(scene, row, run)
    row.check(scene, run)
    assert run.tries()["activate[0]" if task == "activate" else task] == 2


def _clear(row: Row, scene: Scene, run: Run) -> None:
    run.clear(TASK[row.at] if row.at is not At.END else "activate")
    _go_on(scene, row, run)
    row.check(scene, run)


def _clear_all(row: Row, scene: Scene, run: Run) -> None:
    run.clear()
    _go_on(scene, row, run)
    row.check(scene, run)


def _mark_failed(row: Row, scene: Scene, run: Run) -> None:
    run.mark(TASK[row.at], "failed")
    row.check(scene, run)
    if row.at is At.RUNS:
        [delivery] = scene.aep.deliveries()
        scene.until(lambda: _names(run.log("wait_for_flow_runs"), "AEP cannot cancel", delivery["run_ids"][0]))
    _go_on(scene, row, run)
    run.clear_failed()
    assert run.wait() == GREEN
    assert scene.aep.delivered() == {PAIR: 1}
    assert _says(run) == "success"


def _mark_success(row: Row, scene: Scene, run: Run) -> None:
    run.mark(TASK[row.at], "success")
    if row.at is At.EXPORT:
        run.wait_task("activate[0]", "deferred")
        assert scene.aep.posts() == [], "AEP exports: the mark is no reason to send"
        _go_on(scene, row, run)
    row.check(scene, run)
    _go_on(scene, row, run)


def _new_run(row: Row, scene: Scene, run: Run) -> None:
    again = scene.start(INFO, dag_id=CHAOS_DAG, suffix="--again")
    if row.at is At.RUNS:
        again.wait_task("wait_for_segment_export", "deferred")
    _go_on(scene, row, run)
    run.wait()
    again.wait()
    row.check(scene, run)
    row.check(scene, again)
    assert run.report()["results"][0]["run_id"] != again.report()["results"][0]["run_id"]


def _names(log: str, *words: str) -> bool:
    return any(all(word in line for word in words) for line in log.splitlines())


PRESSES: dict[Press, Callable[[Row, Scene, Run], None]] = {
    Press.RETRY: _retry,
    Press.CLEAR: _clear,
    Press.CLEAR_ALL: _clear_all,
    Press.MARK_FAILED: _mark_failed,
    Press.MARK_SUCCESS: _mark_success,
    Press.NEW_RUN: _new_run,
}
