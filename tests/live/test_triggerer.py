"""The triggerer, where all waiting is done, dies and comes back."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.aep import ENDLESS
from tests.support.stage import Scene, through_an_outage


@through_an_outage
def test_waits_outlive_a_triggerer_that_was_killed(scene: Scene) -> Iterator[None]:
    scene.aep.add_outcomes({"seconds": ENDLESS, "times": None})
    info = {"mail": ["gold"], "shop": ["silver"]}
    run = scene.start(info)
    run.wait_task("wait_for_flow_runs", "deferred")

    yield
    scene.aep.end_runs()
    assert run.states()["wait_for_flow_runs"] == "deferred"

    yield
    assert run.wait() == "success"
    assert scene.aep.delivered() == {("mail", "gold"): 1, ("shop", "silver"): 1}
