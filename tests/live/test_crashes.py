"""A worker that dies around the POST, and answers that get lost: no pair is ever sent twice."""

from __future__ import annotations

from tests.support.aep import ADHOC
from tests.support.live import SETTLE_MARGIN, TIMEOUT
from tests.support.stage import Run, Scene, together

INFO = {"mail": ["gold", "silver"], "shop": ["bronze"]}
PAIRS = {("mail", "gold"): 1, ("mail", "silver"): 1, ("shop", "bronze"): 1}
POST = {"method": "POST", "path": ADHOC}


def crash_in_post(scene: Scene, **fault: object) -> Run:
    """Start a run, kill its worker while AEP holds the POST, and let AEP go on."""
    scene.aep.add_faults({"kind": "wait_release", **POST, **fault})
    run = scene.start(INFO)
    scene.until(lambda: scene.aep.state()["held"])
    run.kill("activate[0]")
    scene.until(lambda: run.states()["activate[0]"] != "running")
    scene.aep.release(then="continue")
    return run


def delivered_once(scene: Scene, run: Run) -> None:
    """Assert that the run is green and every pair was sent exactly once."""
    assert run.wait() == "success"
    assert scene.aep.delivered() == PAIRS
    assert run.statuses() == dict.fromkeys(PAIRS, "success")


@together
def test_a_worker_killed_before_the_post_took_effect_sends_it_again(scene: Scene) -> None:
    run = crash_in_post(scene, effect=False)

    delivered_once(scene, run)
    assert [post["effect"] for post in scene.aep.posts()] == [False, True]
    assert run.tries()["activate[0]"] == 2


@together
def test_a_post_that_takes_effect_after_its_worker_died_is_found(scene: Scene) -> None:
    run = crash_in_post(scene, effect=False, if_gone="carry_out")

    delivered_once(scene, run)
    assert [post["effect"] for post in scene.aep.posts()] == [True]
    assert run.report()["summary"]["adopted"] == 3


@together
def test_a_worker_killed_after_the_post_took_effect_sends_nothing_again(scene: Scene) -> None:
    run = crash_in_post(scene, effect=True)

    delivered_once(scene, run)
    assert [post["effect"] for post in scene.aep.posts()] == [True]
    assert run.report()["summary"]["adopted"] == 3


@together
def test_a_post_whose_answer_is_lost_is_looked_for_and_not_sent_again(scene: Scene) -> None:
    scene.aep.add_faults({"kind": "close_after", **POST})

    run = scene.start(INFO)

    delivered_once(scene, run)
    assert [post["effect"] for post in scene.aep.posts()] == [True]
    assert run.tries()["activate[0]"] == 1
    assert "adopted" in run.log("activate", map_index=0)


@together
def test_a_post_answered_500_that_took_effect_is_not_sent_again(scene: Scene) -> None:
    scene.aep.add_faults({"kind": "status", "status": 500, "effect": True, **POST})

    run = scene.start(INFO)

    delivered_once(scene, run)
    assert [post["effect"] for post in scene.aep.posts()] == [True]


@together
def test_a_post_that_never_arrived_is_sent_again(scene: Scene) -> None:
    scene.aep.add_faults({"kind": "close_before", **POST})

    run = scene.start(INFO)

    delivered_once(scene, run)
    assert [post["effect"] for post in scene.aep.posts()] == [False, True]
    lost, again = scene.aep.posts()
    assert again["at"] - lost["at"] >= TIMEOUT + SETTLE_MARGIN, "only then is AEP taken to know nothing"


@together
def test_a_half_answer_of_the_post_is_not_believed(scene: Scene) -> None:
    scene.aep.add_faults({"kind": "truncate", **POST})

    run = scene.start(INFO)

    delivered_once(scene, run)
    assert [post["effect"] for post in scene.aep.posts()] == [True]
