"""The triggerer, where all waiting is done, dies and comes back."""

from __future__ import annotations

from tests.support.aep import ENDLESS
from tests.support.stage import Stage
from tools.local_airflow import LocalAirflow


def test_waits_outlive_a_triggerer_that_was_killed(airflow: LocalAirflow, stage: Stage) -> None:
    scene = stage.scene("triggerer")
    scene.aep.add_outcomes({"seconds": ENDLESS, "times": None})
    info = {"mail": ["gold"], "shop": ["silver"]}
    run = scene.start(info)
    run.wait_task("wait_for_flow_runs", "deferred")

    airflow.kill("triggerer")
    scene.aep.end_runs()
    assert run.states()["wait_for_flow_runs"] == "deferred"
    airflow.start("triggerer")

    assert run.wait() == "success"
    assert scene.aep.delivered() == {("mail", "gold"): 1, ("shop", "silver"): 1}
