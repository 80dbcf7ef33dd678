"""Traps: they kill or hold the process that steps on them, once, and nobody else."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from pathlib import Path

import pytest

from lab.chaos.traps import Spot, Traps

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def traps(tmp_path: Path) -> Traps:
    return Traps(tmp_path)


def test_a_process_that_steps_on_a_deadly_trap_dies_and_the_next_one_does_not(traps: Traps) -> None:
    traps.kill("run", "activate", Spot.POST)

    first = SPAWN.Process(target=traps.step_on, args=("run", "activate", Spot.POST))
    first.start()
    first.join(60)

    assert first.exitcode == -signal.SIGKILL
    assert not traps.is_armed("run", "activate", Spot.POST)
    traps.step_on("run", "activate", Spot.POST)


def test_a_trap_is_for_one_run_one_task_and_one_spot(traps: Traps) -> None:
    traps.kill("run", "activate", Spot.POST)

    traps.step_on("another", "activate", Spot.POST)
    traps.step_on("run", "report", Spot.POST)
    traps.step_on("run", "activate", Spot.ANSWER)

    assert traps.is_armed("run", "activate", Spot.POST)


def test_a_trap_holds_until_it_is_released(traps: Traps) -> None:
    traps.hold("run", "report", Spot.START)
    held = threading.Thread(target=traps.step_on, args=("run", "report", Spot.START))
    held.start()
    held.join(0.3)
    assert held.is_alive()

    traps.release("run", "report", Spot.START)

    held.join(60)
    assert not held.is_alive()


def test_all_traps_of_a_run_are_taken_away_at_once(traps: Traps) -> None:
    traps.hold("run", "activate", Spot.START)
    traps.kill("run", "report", Spot.POST)
    traps.hold("run-2", "report", Spot.START)

    traps.release_all("run")

    assert not traps.is_armed("run", "activate", Spot.START)
    assert not traps.is_armed("run", "report", Spot.POST)
    assert traps.is_armed("run-2", "report", Spot.START)


def test_a_trap_may_be_an_error_once(tmp_path: Path) -> None:
    traps = Traps(tmp_path)
    traps.fail("run", "activate", Spot.STORE)

    with pytest.raises(RuntimeError, match="does not answer"):
        traps.step_on("run", "activate", Spot.STORE)
    traps.step_on("run", "activate", Spot.STORE)
