"""Deadlines: they hold while a task is deferred, over retries and over restarts of the triggerer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from lab.chaos.traps import Spot
from tests.support.aep import ENDLESS
from tests.support.stage import CHAOS_DAG, Run, Scene, through_an_outage, together

INFO = {"mail": ["gold"]}
PAIR = ("mail", "gold")
SHORT = 0.25
"""Minutes."""


def deadline(run: Run, task_id: str, name: str) -> dt.datetime | None:
    """Return the deadline that a task keeps."""
    kept = run.stored(task_id).get(f"deadline_{name}")
    return kept and dt.datetime.fromisoformat(kept["at"])


@together
def test_a_delivery_that_does_not_end_in_time_is_red_and_can_be_watched_on(scene: Scene) -> None:
    scene.aep.add_outcomes({"seconds": ENDLESS})
    run = scene.start(INFO, activation_timeout_minutes=SHORT)

    assert run.wait() == "failed"
    [delivery] = scene.aep.deliveries()
    assert run.statuses() == {PAIR: "in_progress"}
    log = run.log("wait_for_flow_runs")
    assert delivery["run_ids"][0] in log
    assert "What is in progress goes on in AEP" in log
    first = deadline(run, "wait_for_flow_runs", "watch")

    scene.aep.change_run(delivery["run_ids"][0], status="success")
    run.clear_failed()

    assert run.wait() == "success"
    assert scene.aep.delivered() == {PAIR: 1}
    assert run.statuses() == {PAIR: "success"}
    assert deadline(run, "wait_for_flow_runs", "watch") > first, "a person's clear gives new time"


@together
def test_an_export_that_does_not_end_in_time_is_red_and_nothing_is_sent(scene: Scene) -> None:
    job = scene.aep.start_export_job(duration=ENDLESS)
    run = scene.start(INFO, export_timeout_minutes=SHORT)

    assert run.wait() == "failed"
    assert scene.aep.posts() == []
    assert run.statuses() == {PAIR: "not_sent"}
    log = run.log("wait_for_segment_export")
    assert "Waited 0:00:15 (export_timeout_minutes = 0.25)" in log
    assert f"segment export job {job['id']}" in log


def die_at_the_deadline(scene: Scene, task_id: str, name: str, **conf: float) -> Run:
    """Kill the process that is resumed at a task's deadline; return the run after its end."""
    run = scene.start(INFO, dag_id=CHAOS_DAG, **conf)
    run.wait_task(task_id, "deferred")
    kept = deadline(run, task_id, name)
    scene.traps.kill(run.run_id, task_id, Spot.START)
    scene.until(lambda: not scene.traps.is_armed(run.run_id, task_id, Spot.START))
    assert dt.datetime.now(tz=dt.UTC) >= kept
    assert run.wait() == "failed"
    assert run.tries()[task_id] == 2
    assert deadline(run, task_id, name) == kept, "a retry gives no new time"
    return run


@together
def test_a_retry_keeps_the_deadline_of_a_delivery(scene: Scene) -> None:
    scene.aep.add_outcomes({"seconds": ENDLESS})

    run = die_at_the_deadline(scene, "wait_for_flow_runs", "watch", activation_timeout_minutes=SHORT)

    assert run.statuses() == {PAIR: "in_progress"}
    assert scene.aep.delivered() == {PAIR: 1}


@together
def test_a_retry_keeps_the_deadline_of_an_export(scene: Scene) -> None:
    scene.aep.start_export_job(duration=ENDLESS)

    run = die_at_the_deadline(scene, "wait_for_segment_export", "export", export_timeout_minutes=SHORT)

    assert run.statuses() == {PAIR: "not_sent"}
    assert scene.aep.posts() == []


@through_an_outage
def test_a_triggerer_that_was_away_past_the_deadline_ends_in_the_truth(scene: Scene) -> Iterator[None]:
    pairs = {"success": ("mail", "gold"), "failed": ("shop", "silver"), "inProgress": ("north", "town-00")}
    yield
    scene.aep.add_outcomes({"seconds": ENDLESS, "times": None})
    runs = {
        ending: scene.start({flow: [audience]}, suffix=f"-{ending}", activation_timeout_minutes=SHORT)
        for ending, (flow, audience) in pairs.items()
    }
    for ending, run in runs.items():
        run.wait_task("wait_for_flow_runs", "deferred")
        kept = deadline(run, "wait_for_flow_runs", "watch")
        scene.until(lambda kept=kept: dt.datetime.now(tz=dt.UTC) > kept)
        [flow_run] = [
            delivery["run_ids"][0]
            for delivery in scene.aep.deliveries()
            if (delivery["flow_id"], delivery["audience_id"]) == pairs[ending]
        ]
        scene.aep.change_run(flow_run, status=ending)
    assert {run.states()["wait_for_flow_runs"] for run in runs.values()} == {"deferred"}

    yield
    statuses = {"success": "success", "failed": "failed", "inProgress": "in_progress"}
    for ending, run in runs.items():
        assert run.wait() == ("success" if ending == "success" else "failed")
        assert run.statuses() == {pairs[ending]: statuses[ending]}
    assert scene.aep.delivered() == dict.fromkeys(pairs.values(), 1)
