"""Histories of a delivery whose tasks a person clears, marks and answers, as whole runs."""

from __future__ import annotations

import datetime as dt
import re
from types import SimpleNamespace
from typing import Any

import pytest

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.delivery import Approval, CampaignDay
from adobe_experience_platform.operators.campaign_gate import Claims
from tests.promises.gates.world import (
    ACTIVATE,
    APPROVE,
    LATEST,
    PLAN,
    REPORT,
    WAIT_EXPORT,
    WATCH,
    Aep,
    World,
)
from tests.support.memory_aep import START

P, Q = Pair("f1", "a1"), Pair("f2", "a2")
BOTH = {"f1": ["a1"], "f2": ["a2"]}
BY_PERSON = Approval(within=dt.timedelta(hours=1))


def reasons(world: World) -> str:
    report = world.instances[REPORT, -1].xcoms["return_value"]["verdict"]
    return " ".join([report["headline"], *report["advice"]])


def test_a_delivery_of_several_jobs_goes_well(aep: Aep) -> None:
    world = World(aep, BOTH, max_audiences_per_job=1)

    world.play()

    assert world.state == "success", world.log
    assert world.statuses() == {"a1": "success", "a2": "success"}
    assert world.posts() == [["a1"], ["a2"]]


# ------------------------------------------------------------------ 1: a repair passes the gates of this pass


@pytest.mark.parametrize("answer", ["Reject", None])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_repair_is_not_sent_when_the_cleared_run_is_not_approved(aep: Aep, answer: str | None, jobs: int) -> None:
    aep.endings[Q] = ["failed"]
    world = World(aep, BOTH, approval=BY_PERSON, max_audiences_per_job=2 if jobs == 1 else 1)
    world.answer("Approve")
    world.play()
    assert world.statuses() == {"a1": "success", "a2": "failed"}

    world.clear()
    world.answer(answer)
    world.play()

    assert len(aep.ours(Q)) == 1
    assert (world.state, world.statuses()) == ("failed", {"a1": "success", "a2": "failed"})
    assert "NOT APPROVED: 1 of 2 deliveries did not succeed" in world.log

    world.clear_failed()
    world.answer("Approve")
    world.play()
    assert (world.state, len(aep.ours(P)), len(aep.ours(Q))) == ("success", 1, 2)


def test_a_repair_waits_for_the_answer_of_a_question_that_was_cleared_alone(aep: Aep) -> None:
    aep.endings[P] = ["failed"]
    world = World(aep, BOTH, approval=BY_PERSON)
    world.answer("Approve")
    world.play()

    world.clear(APPROVE, downstream=False)
    world.clear_failed()
    world.play()

    assert len(aep.ours(P)) == 1
    assert world.statuses()["a1"] == "failed"
    assert "needs the success of approve (awaiting_input)" in world.log

    world.answer("Approve")
    world.play()
    world.clear_failed()
    world.play()
    assert (world.state, len(aep.ours(P))) == ("success", 2)


def test_a_first_send_does_not_pass_a_question_that_was_cleared_alone(aep: Aep) -> None:
    """`activate` itself does not stand behind `approve`: other tasks lie between them."""
    aep.posts = ["400"]
    world = World(aep, {"f1": ["a1"]}, approval=BY_PERSON)
    world.answer("Approve")
    world.play()
    assert world.statuses() == {"a1": "not_sent"}

    world.clear(APPROVE, downstream=False)
    world.clear_failed()
    world.play()
    assert (aep.ours(P), world.statuses()) == ([], {"a1": "not_sent"})

    world.answer("Reject")
    world.play()
    assert aep.ours(P) == []
    world.clear_failed()
    world.answer("Approve")
    world.play()
    assert (world.state, len(aep.ours(P))) == ("success", 1)


def test_a_repair_is_not_sent_past_a_wait_that_failed_in_this_pass(aep: Aep) -> None:
    aep.endings[P] = ["failed"]
    world = World(aep, {"f1": ["a1"]}, export_timeout_minutes=1)
    world.play()

    aep.exporting = True
    world.clear()
    world.play()
    assert (world.states(WAIT_EXPORT), len(aep.ours(P))) == (["failed"], 1)
    assert world.statuses() == {"a1": "failed"}

    aep.exporting = False
    world.clear_failed()
    world.play()
    assert (world.state, len(aep.ours(P))) == ("success", 2)


@pytest.mark.parametrize("state", ["success", "failed"])
@pytest.mark.parametrize("task", [ACTIVATE, WATCH])
def test_a_task_that_is_marked_while_it_runs_sends_nothing_more(aep: Aep, task: str, state: str) -> None:
    """Its process goes on for seconds. What it had not sent when it was marked stays unsent, and is said so."""
    world = World(aep, {"f1": ["a1"]})
    if task == WATCH:
        aep.endings[P] = ["failed"]
        world.play()
        world.clear()
    label = "activate[0]" if task == ACTIVATE else WATCH
    world.before[label] = lambda: world.mark(task, state)
    sent = len(aep.sent)

    world.play()

    assert len(aep.sent) == sent
    assert world.state == "failed"
    world.clear()
    world.play()
    assert (world.state, world.statuses()) == ("success", {"a1": "success"})


# ------------------------------------------------- 3: a repair is reported like any other activation


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_repair_whose_outcome_is_unknown_is_reported_as_unknown(aep: Aep, jobs: int) -> None:
    aep.endings[Q] = ["failed"]
    world = World(aep, BOTH, max_audiences_per_job=2 if jobs == 1 else 1)
    world.play()

    aep.posts = ["broken_after", "broken_after", "broken_after"]
    aep.lag = 10_000.0
    world.clear_failed()
    world.crashes[WATCH] = ["resume"] * 3
    world.play()

    assert world.statuses() == {"a1": "success", "a2": "unknown"}
    assert world.state == "failed"
    assert "check in AEP what became of the unknown deliveries" in reasons(world)
    assert "to send again exactly" not in reasons(world)

    aep.advance(20_000)
    aep.posts = []
    world.clear_failed()
    world.play()
    assert (world.state, len(aep.ours(P)), len(aep.ours(Q))) == ("success", 1, 2)


def test_a_repair_that_runs_out_of_time_while_its_outcome_is_open_is_unknown(aep: Aep) -> None:
    aep.endings[P] = ["failed"]
    world = World(aep, {"f1": ["a1"]}, export_timeout_minutes=1)
    world.play()

    aep.posts, aep.young, aep.lag = ["broken_after"], 50_000.0, 0.0
    world.clear_failed()
    world.play()

    assert (world.state, world.statuses()) == ("failed", {"a1": "unknown"})
    aep.advance(100_000)
    world.clear_failed()
    world.play()
    assert (world.state, len(aep.ours(P))) == ("success", 2)


def test_what_a_repair_leaves_when_its_last_try_dies_is_no_failure(aep: Aep) -> None:
    """The XComs of a try go when the next one starts, and the last one dies before it has said anything."""
    aep.endings = {P: ["failed"], Q: ["failed", "failed"]}
    world = World(aep, BOTH)
    world.play()
    world.clear_failed()
    world.crashes[WATCH] = ["resume", "start", "start"]
    world.play()

    assert (world.state, world.crashes[WATCH]) == ("failed", [])
    assert set(world.statuses().values()) == {"unknown"}
    world.clear_failed()
    world.play()
    assert (world.state, len(aep.ours(P)), len(aep.ours(Q))) == ("success", 2, 3)


@pytest.mark.parametrize("refusal", ["400", "refused"])
def test_a_repair_that_certainly_was_not_sent_leaves_the_pair_failed(aep: Aep, refusal: str) -> None:
    aep.endings[P] = ["failed"]
    world = World(aep, {"f1": ["a1"]})
    world.play()

    aep.posts = [refusal] * 200
    world.clear_failed()
    world.play()

    assert (world.state, len(aep.ours(P))) == ("failed", 1)
    assert world.statuses()["a1"] in ("failed", "unknown")
    aep.posts = []
    world.clear_failed()
    world.play()
    assert (world.state, len(aep.ours(P))) == ("success", 2)


def test_only_what_had_failed_when_a_person_cleared_is_sent_again(aep: Aep) -> None:
    """Q fails after the clear: no retry of the repairing task takes it for cleared."""
    aep.endings = {P: ["failed"], Q: ["failed"]}
    world = World(aep, BOTH, activation_timeout_minutes=2)
    world.before[f"{WATCH}:FlowRunTrigger"] = lambda: aep.end(aep.ours(P)[0], "failed")
    world.play()
    assert world.statuses() == {"a1": "failed", "a2": "in_progress"}

    world.clear_failed()
    world.before[f"{WATCH}:FlowRunTrigger"] = lambda: world.crashes.update({WATCH: ["resume"]})
    world.play()

    assert (len(aep.ours(P)), len(aep.ours(Q))) == (2, 1)
    assert world.statuses()["a2"] == "failed"


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("cleared", [PLAN, WAIT_EXPORT, ACTIVATE])
def test_what_fails_while_a_clear_is_still_on_its_way_is_sent_by_the_next_clear(
    aep: Aep, cleared: str, jobs: int
) -> None:
    """The tasks in front wait for that very run, so it fails long after the clear."""
    aep.endings = {P: ["failed"]}
    world = World(aep, BOTH, max_audiences_per_job=2 if jobs == 1 else 1)

    def clear() -> None:
        world.before[f"{WATCH}:FlowRunTrigger"] = lambda: None
        world.clear(cleared)
        world.before[WATCH] = lambda: aep.end(aep.ours(P)[0], "failed")

    world.before[f"{WATCH}:FlowRunTrigger"] = clear
    world.play()

    assert (world.state, len(aep.ours(P))) == ("failed", 1)
    assert world.statuses() == {"a1": "failed", "a2": "success"}

    world.follow_advice()
    assert (world.state, len(aep.ours(P)), len(aep.ours(Q))) == ("success", 2, 1)


def test_repairs_of_every_job_are_sent(aep: Aep) -> None:
    info = {"f1": ["a1", "a2", "a3"]}
    pairs = [Pair("f1", name) for name in info["f1"]]
    aep.endings = {pair: ["failed"] for pair in pairs[1:]}
    world = World(aep, info, max_audiences_per_job=1)
    world.play()
    assert list(world.statuses().values()).count("failed") == 2

    world.clear_failed()
    world.play()

    assert world.state == "success"
    assert [len(aep.ours(pair)) for pair in pairs] == [1, 2, 2]


# --------------------------------------- 7, 8: "not sent" and "nothing was sent" are said only when proven


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_note_that_went_with_a_dead_try_is_no_proof_that_nothing_was_sent(aep: Aep, jobs: int) -> None:
    world = World(aep, BOTH, max_audiences_per_job=2 if jobs == 1 else 1)
    world.play()

    world.clear()
    world.crashes["activate[0]"] = ["start"] * 9
    world.play()

    assert world.state == "failed"
    assert "not_sent" not in world.statuses().values()
    assert "First check in AEP" in reasons(world)

    world.crashes.clear()
    world.clear_failed()
    world.play()
    assert (world.state, len(aep.ours(P)), len(aep.ours(Q))) == ("success", 1, 1)


def test_a_note_that_was_lost_earlier_is_no_proof_when_the_task_does_not_run_again(aep: Aep) -> None:
    world = World(aep, BOTH, export_timeout_minutes=1)
    world.play()
    world.clear()
    world.crashes.update({"activate[0]": ["start"] * 9, WATCH: ["start"] * 9})
    world.play()
    assert set(world.statuses().values()) == {"unknown"}

    world.crashes.clear()
    aep.exporting = True
    world.clear()
    world.play()
    assert world.states(ACTIVATE) == ["upstream_failed"]
    assert set(world.statuses().values()) == {"unknown"}


@pytest.mark.parametrize("clears", [0, 1, 2])
def test_a_task_that_never_ran_has_certainly_sent_nothing(aep: Aep, clears: int) -> None:
    aep.exporting = True
    world = World(aep, BOTH, export_timeout_minutes=1)
    world.play()
    for _ in range(clears):
        world.clear_failed()
        world.play()

    assert set(world.statuses().values()) == {"not_sent"}
    aep.exporting = False
    world.clear_failed()
    world.play()
    assert world.state == "success"


def test_a_task_may_have_run_between_two_clears_that_no_report_has_seen(aep: Aep) -> None:
    aep.exporting = True
    world = World(aep, BOTH, export_timeout_minutes=1)
    world.play()
    aep.exporting = False
    world.clear()
    world.play(stop_at=WATCH)
    aep.advance(1000)
    world.crashes["activate[0]"] = ["start"] * 9
    world.clear()
    world.play(stop_at=WATCH)
    aep.exporting = True
    world.clear()
    world.play()

    assert set(world.statuses().values()) == {"unknown"}


@pytest.mark.parametrize("green", [True, False])
@pytest.mark.parametrize("dies", ["start", ""])
def test_a_plan_that_fails_after_a_clear_says_what_was_sent_before(aep: Aep, green: bool, dies: str) -> None:
    if not green:
        aep.endings[P] = ["failed"]
    world = World(aep, BOTH)
    before = world.play()["results"]

    world.clear()
    if dies:
        world.crashes[PLAN] = ["start"] * 9
    else:
        world.dag = world._dag({"nowhere/": ["a1"]})
    world.play()

    assert world.state == "failed"
    assert world.instances[REPORT, -1].xcoms["return_value"]["results"] == before
    assert "this attempt sent nothing; before it" in reasons(world)
    assert "If it is wrong, start a new run with only what is not delivered yet." in reasons(world)
    assert dies or "This attempt sent nothing. 1 fault found" in world.log
    assert "Nothing was sent" not in world.log


def test_a_plan_that_fails_when_all_notes_are_lost_does_not_say_that_nothing_was_sent(aep: Aep) -> None:
    world = World(aep, BOTH)
    world.play()
    world.clear()
    world.crashes.update({"activate[0]": ["start"] * 9, WATCH: ["start"] * 9})
    world.play()
    world.clear()
    world.crashes.update({PLAN: ["start"] * 9})
    world.play()

    assert "this attempt sent nothing" in reasons(world)


def test_a_plan_that_fails_at_once_has_sent_nothing(aep: Aep) -> None:
    world = World(aep, {"nowhere/": ["a1"]})
    world.play()

    assert (reasons(world)).startswith("nothing was sent")
    world.clear_failed()
    world.play()
    assert (reasons(world)).startswith("nothing was sent")


# ------------------------------------------------------------------ 13: a run is one delivery


@pytest.mark.parametrize(
    "other",
    [{"f1": ["a1"], "f2": ["a3"]}, {"f1": ["a1", "a3"], "f2": ["a2"]}, {"f1": ["a1"]}, {"f2": ["a1"], "f1": ["a2"]}],
)
@pytest.mark.parametrize("green", [True, False])
def test_a_run_whose_input_has_changed_is_refused(aep: Aep, other: Any, green: bool) -> None:
    if not green:
        aep.endings[P] = ["failed"]
    world = World(aep, BOTH)
    before = world.play()["results"]

    world.dag = world._dag(other)
    world.clear()
    world.play()

    assert world.state == "failed"
    assert len(aep.sent) == 1
    assert world.instances[REPORT, -1].xcoms["return_value"]["results"] == before
    assert "since this run was planned, and a run is one delivery" in world.log

    world.dag = world._dag(BOTH)
    world.clear_failed()
    world.play()
    assert world.state == "success"


def test_the_order_of_the_input_does_not_matter(aep: Aep) -> None:
    world = World(aep, {"f1": ["a1", "a2"], "f2": ["a3"]}, max_audiences_per_job=1)
    world.play()

    world.dag = world._dag({"f2": ["a3"], "f1": ["a2", "a1"]})
    world.clear()
    world.play()

    assert (world.state, len(aep.sent)) == ("success", 3)


def test_a_run_is_not_finished_in_another_sandbox(aep: Aep, monkeypatch: pytest.MonkeyPatch) -> None:
    aep.endings[P] = ["failed"]
    world = World(aep, BOTH)
    world.play()
    world.instances[PLAN, -1].store["jobs"]["place"] = ["ORG@AdobeOrg", "dev"]

    world.clear()
    world.play()

    assert (world.state, len(aep.sent)) == ("failed", 1)
    assert "the sandbox or the organization is another one (prod)" in world.log


@pytest.mark.parametrize("damage", [None, {"job": 1}, "text"])
def test_a_kept_job_that_is_missing_is_not_left_out(aep: Aep, damage: Any) -> None:
    aep.exporting = True
    world = World(aep, BOTH, max_audiences_per_job=1, export_timeout_minutes=1)
    world.play()
    store = world.instances[PLAN, -1].store
    if damage is None:
        del store["job_2"]
        world.assets.clear()
    else:
        store["job_2"] = damage

    aep.exporting = False
    world.clear()
    world.play()

    assert (world.state, aep.sent) == ("failed", [])
    assert "The plan that this run has kept is damaged" in world.log


# ------------------------------------------------------------------ 15: the pairs have the last word


@pytest.mark.parametrize("state", ["in_progress", "failed"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_that_is_marked_as_successful_makes_no_run_green(aep: Aep, state: str, jobs: int) -> None:
    world = World(aep, BOTH, max_audiences_per_job=2 if jobs == 1 else 1)
    if state == "failed":
        aep.endings[Q] = ["failed"]
        world.play()
        world.clear_failed()
        aep.endings[Q] = ["failed"]

    def mark() -> None:
        trigger_has_looked(world)
        world.mark(WATCH, "success")

    world.before[f"{WATCH}:FlowRunTrigger"] = mark
    world.play()

    assert world.states(WATCH) == ["success"]
    assert world.state == "failed"
    assert "Clear wait_for_flow_runs too, with the tasks that follow" in reasons(world)

    aep.advance(3600)
    aep.endings[Q] = []
    world.clear(WATCH)
    world.play()
    assert (world.state, world.statuses()) == ("success", {"a1": "success", "a2": "success"})


def trigger_has_looked(world: World) -> None:
    """Leave what the trigger would have written: runs in progress."""
    from adobe_experience_platform.delivery import results_of, xcom

    orders, _ = xcom.read_submissions(world.instances[WATCH, -1].xcom_pull(ACTIVATE, xcom.SUBMISSION))
    note = xcom.progress_note(results_of(list(orders.values()), {}, {}))
    world.instances[WATCH, -1].xcom_push(xcom.PROGRESS, note)


def test_a_submitting_task_that_is_marked_as_successful_makes_no_run_green(aep: Aep) -> None:
    world = World(aep, BOTH)
    world.before["activate[0]"] = lambda: world.mark(ACTIVATE, "success")
    world.play()

    assert world.state == "failed"
    assert aep.sent == []
    assert "Clear activate too, with the tasks that follow" in reasons(world)
    world.clear(ACTIVATE)
    world.play()
    assert world.state == "success"


def test_a_job_that_never_began_is_said_to_be_unsent_by_the_task_that_watches_too(aep: Aep) -> None:
    world = World(aep, BOTH, max_audiences_per_job=1)

    def skip_the_second() -> None:
        world.instances[ACTIVATE, 1].state = "skipped"

    world.before["activate[0]"] = skip_the_second
    world.play()

    assert (world.state, world.statuses()) == ("failed", {"a1": "success", "a2": "not_sent"})
    assert "no activation was sent or accepted for it" in world.log
    assert "it is not known whether AEP started it" not in world.log


@pytest.mark.parametrize(("policy", "state"), [("fail", "failed"), ("accept", "success")])
def test_the_colour_goes_by_the_policy_on_partial_success(aep: Aep, policy: str, state: str) -> None:
    aep.endings[P] = ["partialSuccess"]
    world = World(aep, {"f1": ["a1"]}, on_partial_success=policy)
    world.play(stop_at=REPORT)
    world.instances[WATCH, -1].state = "success"
    world.play(stop_at="nothing")

    assert world.state == state


# ------------------------------------------------------------------ 16, 17: campaign days

BERLIN = CampaignDay("Europe/Berlin")


def campaign(aep: Aep, run_id: str, like: World | None = None, **more: Any) -> World:
    """Return a run that an export has started; runs share the claims."""
    arguments = {"campaign_day": BERLIN, "export_timeout_minutes": 1, **more}
    kind = arguments.pop("kind", "asset_triggered")
    world = World(aep, {"f1": ["a1"]}, run_id=run_id, kind=kind, **arguments)
    payload = {"export_id": f"export of {run_id}", "ended_at": aep.clock().isoformat()}
    world.events = [SimpleNamespace(extra={"payload": payload}, timestamp=aep.clock())]
    if like is not None:
        world.assets = like.assets
        world.other_runs = like.other_runs
    return world


def claim(world: World) -> Any:
    [store] = [store for name, store in world.assets.items() if "campaign_day" in name]
    [day] = [key for key in store if re.fullmatch(rf"{PLAN}/\d{{4}}-\d\d-\d\d", key)]
    return store.get(f"{day}/sent", store[day])


def ended(world: World) -> None:
    world.other_runs[world.run_id] = world.state


def test_a_day_is_claimed_as_sent_with_the_intent_and_not_before(aep: Aep) -> None:
    first = campaign(aep, "first")
    first.before["activate[0]"] = lambda: setattr(aep, "exporting", True)
    first.play()
    ended(first)
    assert (first.state, aep.sent, claim(first)["sent"]) == ("failed", [], False)

    aep.exporting = False
    second = campaign(aep, "second", first)
    second.play()
    ended(second)
    assert (second.state, claim(second)["run_id"], claim(second)["sent"]) == ("success", "second", True)

    first.clear_failed()
    first.play()
    assert first.state == "failed"
    assert len(aep.sent) == 1
    assert "now belongs to run 'second'" in first.log


def test_a_claim_that_was_lost_is_made_again_with_the_intent(aep: Aep) -> None:
    world = campaign(aep, "first")
    world.before["activate[0]"] = world.assets.clear
    world.play()

    assert (world.state, claim(world)["sent"]) == ("success", True)


def test_a_day_that_another_run_has_taken_during_the_lookups_is_not_taken_again(aep: Aep) -> None:
    """Two runs at once, with max_active_runs raised: the second has judged before the first takes the day."""
    first, second = campaign(aep, "first"), campaign(aep, "second")
    second.assets, second.other_runs = first.assets, first.other_runs
    original = aep._answer

    def answer(send: Any) -> Any:
        if "/flows/" in send.url and not first.other_runs:
            first.other_runs["first"] = "running"
            first.play()
            ended(first)
        return original(send)

    aep._answer = answer  # type: ignore[method-assign]
    second.play()

    assert (first.state, second.state) == ("success", "skipped")
    assert len(aep.sent) == 1
    assert claim(first)["run_id"] == "first"


def test_of_two_runs_that_claim_a_day_at_once_one_sends(aep: Aep) -> None:
    first, second = campaign(aep, "first"), campaign(aep, "second")
    second.assets, second.other_runs = first.assets, first.other_runs
    first.other_runs.update(first="running", second="running")
    first.play(stop_at=ACTIVATE)
    first.assets.clear()
    second.play(stop_at=ACTIVATE)

    first.play()
    second.play()

    assert (first.state, second.state) == ("failed", "success")
    assert len(aep.sent) == 1


def test_a_repair_keeps_to_the_campaign_day(aep: Aep) -> None:
    aep.endings[P] = ["failed"]
    world = campaign(aep, "first")
    world.play()
    claim(world)["run_id"] = "second"
    world.other_runs["second"] = "running"

    world.clear(WATCH)
    world.play()

    assert (world.state, len(aep.sent)) == ("failed", 1)
    assert "now belongs to run 'second'" in world.log


def test_a_run_that_a_person_queued_behind_the_days_delivery_does_not_repeat_it(aep: Aep) -> None:
    """It was started while the other waited for `not_before`, and max_active_runs held it back."""
    rules = CampaignDay("Europe/Berlin", not_before="09:00")
    first = campaign(aep, "first", campaign_day=rules)
    queued = campaign(aep, "queued", first, campaign_day=rules, kind="manual")
    first.play()
    ended(first)
    assert (first.state, len(aep.sent)) == ("success", 1)
    assert aep.clock() >= START.replace(hour=8)

    queued.play()
    assert (queued.state, len(aep.sent)) == ("skipped", 1)
    assert "has delivered 2026-03-10 since this run was started" in queued.log

    later = campaign(aep, "later", first, campaign_day=rules, kind="manual")
    later.play()
    assert (later.state, len(aep.sent)) == ("success", 2), "who starts it now knows"
    queued.clear()
    queued.play()
    assert (queued.state, len(aep.sent)) == ("success", 3), "and so does who clears"


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        ("2026-03-28", "2026-03-28T01:30", "2026-03-28T02:00"),
        (
            "2026-03-29",
            "2026-03-29T01:30",
            "2026-03-29T02:00",
        ),  # 02:30 does not exist, 03:00 comes before its substitute
        ("2026-10-25", "2026-10-25T00:30", "2026-10-25T02:00"),  # 02:30 comes twice
    ],
)
def test_a_window_does_not_collapse_when_clocks_change(day: str, opens: str, closes: str) -> None:
    rules = CampaignDay("Europe/Berlin", not_before="02:30", not_after="03:00")

    window = rules.window(dt.date.fromisoformat(day))

    assert [moment.isoformat()[:16] for moment in window if moment] == [opens, closes]


@pytest.mark.parametrize("stage", [WAIT_EXPORT, LATEST, ACTIVATE, WATCH, REPORT])
def test_a_whole_run_may_be_cleared_at_any_moment(aep: Aep, stage: str) -> None:
    aep.endings[Q] = ["failed"]
    world = World(aep, BOTH, approval=BY_PERSON, max_audiences_per_job=1)
    world.answer("Approve")
    world.play(stop_at=stage)

    world.clear()
    world.answer("Approve")
    world.play()
    if world.state == "failed":
        world.clear_failed()
        world.play()

    assert world.state == "success"
    assert (len(aep.ours(P)), len(aep.ours(Q))) == (1, 2)


# ------------------------------------------------------------------ what a clear forgets, and what was damaged


def forget(world: World, *tasks: str) -> None:
    """Delete the state rows of tasks, as a clear may do one day; without names all."""
    for (task, _), one in world.instances.items():
        if not tasks or task in tasks:
            one.store.clear()


def test_a_run_of_a_deleted_runs_id_that_is_cleared_before_it_sent_sends_everything(aep: Aep) -> None:
    old = World(aep, BOTH)
    old.play()
    aep.player, aep.owners = "", dict.fromkeys(aep.owners, "the deleted one")
    anew = World(aep, BOTH)
    anew.assets, anew.run_after = old.assets, old.run_after
    anew.crashes[WAIT_EXPORT] = ["start"] * 3
    anew.play()
    assert (anew.state, len(aep.sent)) == ("failed", 1)

    anew.clear_failed()
    anew.play()

    assert (anew.state, len(aep.sent)) == ("success", 2)


def test_a_repair_is_sent_although_every_clear_forgets(aep: Aep) -> None:
    aep.endings[P] = ["failed", "failed"]
    world = World(aep, BOTH)
    world.play()
    for state in ("failed", "success"):
        world.clear_failed()
        forget(world)
        world.play()
        assert world.state == state, world.log

    assert [len(aep.ours(pair)) for pair in (P, Q)] == [3, 1]


def test_a_repair_that_left_no_trace_is_neither_denied_nor_sent_again(aep: Aep) -> None:
    aep.endings[P] = ["failed"]
    world = World(aep, BOTH)
    world.play()
    world.clear_failed()
    world.play()
    forget(world, WATCH)
    world.assets.clear()

    for _ in range(2):
        world.clear(WATCH)
        world.play()
        assert (world.state, world.statuses()) == ("failed", {"a1": "unknown", "a2": "unknown"})

    assert len(aep.ours(P)) == 2


@pytest.mark.parametrize("jobs", [(4, 2), (2, 1), (1, 4)])
def test_a_plan_is_not_forgotten_by_a_clear_that_forgets(aep: Aep, jobs: tuple[int, int]) -> None:
    """Split anew, its pairs would stand in map indexes that have never run, and that know nothing of them."""
    info = {"f1": ["a1", "a2", "a3", "a4"]}
    aep.endings[Pair("f1", "a4")] = ["failed"]
    world = World(aep, info, max_audiences_per_job=jobs[0])
    world.play()
    world.arguments["max_audiences_per_job"] = jobs[1]
    world.dag = world._dag(info)

    world.clear()
    forget(world)
    world.play()

    assert world.state == "success", world.log
    assert [len(aep.ours(Pair("f1", name))) for name in info["f1"]] == [1, 1, 1, 2]


def test_a_run_that_has_planned_a_delivery_does_not_become_a_dry_run(aep: Aep) -> None:
    aep.endings[P] = ["failed"]
    world = World(aep, BOTH)
    world.play()
    world.arguments["dry_run"] = True
    world.dag = world._dag(BOTH)

    world.clear()
    world.play()

    assert (world.state, world.statuses()) == ("failed", {"a1": "failed", "a2": "success"})
    assert "dry_run was switched on since this run was planned" in world.log


@pytest.mark.parametrize("damage", [{}, "text", {"max_tries": None, "clears": 0}])
def test_a_damaged_record_of_tries_makes_no_retry_a_persons_clear(aep: Aep, damage: Any) -> None:
    aep.endings[P] = ["failed"]
    world = World(aep, BOTH)
    world.crashes[WATCH] = ["resume"]

    def happens() -> None:
        dict.__setitem__(world.instances[WATCH, -1].store, "attempt", damage)
        aep.advance(1000)

    world.before[f"{WATCH}:FlowRunTrigger"] = happens
    world.play()

    assert (world.state, len(aep.sent)) == ("failed", 1)
    assert "The record of this task's tries is damaged" in world.log


# ------------------------------------------------------------------ campaign days, once more


@pytest.mark.parametrize(
    "damage", ["text", {}, [], {"run_id": "first"}, {"run_id": "", "export_id": "", "sent": True}, 5]
)
@pytest.mark.parametrize("which", ["", "/sent"])
def test_a_damaged_claim_is_not_read_as_a_free_day(aep: Aep, damage: Any, which: str) -> None:
    first = campaign(aep, "first")
    first.play()
    ended(first)
    [store] = [store for name, store in first.assets.items() if "campaign_day" in name]
    for key in list(store):
        if key.endswith("/sent") == bool(which):
            store[key] = damage
        elif not which:
            del store[key]
    second = campaign(aep, "second", first)
    second.play()

    assert (second.state, len(aep.sent)) == ("failed", 1)
    assert "is damaged: it may hide a delivery" in second.log


def test_a_plan_that_stood_still_does_not_take_a_day_that_was_sent(aep: Aep) -> None:
    """The second run finds the day free and stands still; the first delivers; then the second writes its claim."""
    first, second = campaign(aep, "first"), campaign(aep, "second")
    second.assets, second.other_runs = first.assets, first.other_runs
    first.other_runs["second"] = "running"
    original = Claims.take

    def take(self: Claims, *arguments: Any) -> None:
        if self._ti.run_id == "second":
            first.play()
            ended(first)
        original(self, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Claims, "take", take)
        second.play()

    assert (first.state, second.state, len(aep.sent)) == ("success", "failed", 1)


@pytest.mark.parametrize("moment", range(1, 5))
def test_of_two_runs_that_begin_to_send_at_once_at_most_one_sends(aep: Aep, moment: int) -> None:
    """Both have found the day free. The other one begins between any two steps of the first one's last look."""
    first, second = campaign(aep, "first"), campaign(aep, "second")
    second.assets, second.other_runs = first.assets, first.other_runs
    first.other_runs.update(first="running", second="running")
    second.play(stop_at=ACTIVATE)
    [store] = [store for name, store in first.assets.items() if "campaign_day" in name]
    kept = dict(store)
    store.clear()
    first.play(stop_at=ACTIVATE)
    steps = 0
    original = Claims._read

    def read(self: Claims, key: str) -> Any:
        nonlocal steps
        found = original(self, key)
        if self._ti.run_id == "first" and self._ti.task_id == ACTIVATE:
            steps += 1
            if steps == moment:
                store.update(kept)
                second.play()
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Claims, "_read", read)
        first.play()
    if steps < moment:
        second.play()

    assert len(aep.sent) == 1
    assert sorted([first.state, second.state]) == ["failed", "success"]


def test_a_run_that_has_begun_to_send_is_not_skipped_when_its_campaign_ends(aep: Aep) -> None:
    aep.endings[P] = ["failed"]
    world = campaign(aep, "first")
    world.play()
    world.arguments["campaign_day"] = CampaignDay("Europe/Berlin", end="2026-03-09")
    world.dag = world._dag(world.info)

    world.clear()
    world.play()

    assert (world.state, len(aep.sent)) == ("success", 2)
