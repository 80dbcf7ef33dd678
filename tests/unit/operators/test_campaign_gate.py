"""Campaign days in the tasks: what a run that an export starts does, what it claims, and what the claim outlives."""

from __future__ import annotations

import datetime as dt
import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowRuntimeError,
    DownstreamTasksSkipped,
    ErrorType,
    TaskDeferred,
)
from airflow.sdk.execution_time.comms import ErrorResponse

from adobe_experience_platform.aep import transport
from adobe_experience_platform.delivery.campaign_day import CampaignDay
from adobe_experience_platform.errors import AepCampaignDayError, AepDeadlineError, AepInputError, AepTransientError
from adobe_experience_platform.operators import campaign_gate
from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.operators.plan import PlanJobsOperator
from tests.support.aep import LocalAep
from tests.support.dagtest import captured
from tests.support.tasks import Context, Store, TaskInstance

DAY = dt.date(2026, 3, 10)
RULES = CampaignDay("Europe/Berlin")
REST = ["activate", "report"]


class AssetStores(dict[str, "AssetStore"]):
    """``context["asset_state_store"]``."""

    def __getitem__(self, asset: Any) -> AssetStore:
        return self.setdefault(asset.name, AssetStore())


class AssetStore(dict[str, Any]):
    """The state store of one asset: it keeps JSON, and outlives runs."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


class RunTi(TaskInstance):
    """A task instance of a DAG whose other runs have states."""

    def __init__(self, campaign: Campaign, run_id: str, task_id: str) -> None:
        super().__init__()
        self.run_id, self.task_id, self._campaign = run_id, task_id, campaign

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        assert dag_id == self.dag_id
        if run_id not in self._campaign.states:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 404}))
        return self._campaign.states[run_id]


class Campaign:
    """A DAG with day rules: its runs, its clock, and what its planning task decides."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stores = AssetStores()
        self.states: dict[str, str] = {}
        self.skipped: list[Any] = []
        self.now = at("2026-03-10T05:00")
        monkeypatch.setattr(campaign_gate, "now", lambda: self.now)

    def run(self, run_id: str, *events: Any, kind: str = "asset_triggered") -> Context:
        """Return the context of a new run's planning task."""
        self.states[run_id] = "running"
        run = SimpleNamespace(conf={}, run_type=kind, run_after=self.now, clear_number=0)
        return Context(
            ti=RunTi(self, run_id, "task"),
            task_state_store=Store(),
            dag_run=run,
            asset_state_store=self.stores,
            triggering_asset_events={"asset": list(events)},
        )

    def plan(self, context: Context, rules: CampaignDay = RULES, **arguments: Any) -> list[Any] | None:
        """Plan; return the jobs, or None for a run that delivers nothing."""
        arguments = {"activation_info": {"mail": ["gold", "silver"]}, "check_conf": False, **arguments}
        task = PlanJobsOperator(task_id="task", campaign_day=rules, skip_on_dry_run=REST, **arguments)
        try:
            return task.execute(context)
        except DownstreamTasksSkipped as skipped:
            self.skipped = sorted(skipped.tasks)
            return None

    def send(self, context: Context) -> Any:
        """Play the submitting task of a run that was planned."""
        told = context.ti.xcom_pull("task", "campaign_day")
        ti = RunTi(self, context.ti.run_id, "activate")
        mine = Context({**context, "ti": ti, "task_state_store": Store()})
        task = AdHocActivationOperator(
            task_id="activate", activation_info={"mail": ["gold"]}, campaign_day=told, poll_interval=1
        )
        return task.execute(mine)

    def days(self) -> dict[str, Any]:
        [store] = [kept for name, kept in self.stores.items() if name.startswith("aep_campaign_day/")]
        days = [key for key in store if re.fullmatch(r"task/\d{4}-\d\d-\d\d", key)]
        return {key.removeprefix("task/"): store.get(f"{key}/sent", store[key]) for key in days}


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def exported(export_id: str, ended: str = "2026-03-10T04:30") -> Any:
    """Return an asset event of the watcher, as Airflow hands it to a run."""
    payload = {"v": 1, "status": "done", "message": "", "export_id": export_id, "ended_at": at(ended).isoformat()}
    return SimpleNamespace(extra={"from_trigger": True, "payload": payload}, timestamp=at("2026-03-10T23:00"))


def told(context: Context) -> dict[str, Any]:
    found: dict[str, Any] = context.ti.xcom_pull("task", "campaign_day")
    return found


@pytest.fixture
def campaign(aep: LocalAep, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    return Campaign(monkeypatch)


def test_the_newest_of_all_events_counts_whatever_their_order(campaign: Campaign) -> None:
    """After a paused week the next run gets every event at once."""
    events = [
        exported("720", "2026-03-08T04:30"),
        exported("722"),
        exported("721", "2026-03-09T04:30"),
        exported("722"),
    ]
    run = campaign.run("a", *events)

    with captured() as lines:
        assert campaign.plan(run)

    assert (told(run)["export_id"], told(run)["day"]) == ("722", "2026-03-10")
    assert "4 event(s) of 3 segment export(s); the newest is 722" in "\n".join(lines)
    assert campaign.days()["2026-03-10"]["run_id"] == "a"


def test_exports_of_two_merge_policies_and_one_by_api_deliver_once(campaign: Campaign) -> None:
    first = campaign.run("a", exported("722", "2026-03-10T04:30"))
    assert campaign.plan(first)
    campaign.send(first)
    campaign.states["a"] = "success"

    for run_id, export_id, ended in (("b", "723", "2026-03-10T05:30"), ("c", "724", "2026-03-10T14:00")):
        campaign.now = at(ended) + dt.timedelta(minutes=1)
        later = campaign.run(run_id, exported(export_id, ended))
        with captured() as lines:
            assert campaign.plan(later) is None
        assert "This run delivers nothing" in "\n".join(lines)
        assert told(later)["deliver"] is False
        assert "'a', which has delivered" in told(later)["reason"]

    campaign.now = at("2026-03-11T05:00")
    assert campaign.plan(campaign.run("d", exported("725", "2026-03-11T04:30")))


def test_what_the_size_guard_refuses_takes_no_day(campaign: Campaign, aep: LocalAep) -> None:
    guard = {"size_guard": {"max_records": 1}}
    refused = campaign.run("a", exported("722"))
    with pytest.raises(AepInputError, match="Nothing was sent"):
        campaign.plan(refused, settings=guard)
    campaign.states["a"] = "failed"

    assert campaign.plan(campaign.run("b", exported("723", "2026-03-10T04:45")))
    assert campaign.days()["2026-03-10"]["run_id"] == "b"


def test_no_figures_are_asked_for_before_a_wait(campaign: Campaign, aep: LocalAep) -> None:
    """They would be old when the delivery begins."""
    with pytest.raises(TaskDeferred):
        campaign.plan(campaign.run("a", exported("722")), CampaignDay("UTC", not_before=dt.time(9)))
    assert aep.requests(path="*/segment/jobs") == []


def test_an_event_that_is_told_twice_starts_one_delivery(campaign: Campaign) -> None:
    first = campaign.run("a", exported("722"))
    campaign.plan(first)
    campaign.send(first)
    campaign.states["a"] = "success"

    again = campaign.run("b", exported("722"))

    assert campaign.plan(again, CampaignDay("Asia/Kolkata", not_before="00:10")) is None
    assert "722" in told(again)["reason"]


def test_a_cleared_run_keeps_its_day_and_its_jobs(campaign: Campaign) -> None:
    rules = CampaignDay("Europe/Berlin", not_after="12:00")
    run = campaign.run("a", exported("722"))
    jobs = campaign.plan(run, rules)
    campaign.send(run)

    campaign.now = at("2026-03-10T20:00")
    run["dag_run"].clear_number = 1

    assert campaign.plan(run.cleared(), rules) == jobs
    assert campaign.days()["2026-03-10"]["sent"] is True


def test_the_day_of_a_run_that_failed_before_it_sent_is_taken_over(campaign: Campaign) -> None:
    lost = campaign.run("a", exported("722"))
    campaign.plan(lost)
    campaign.states["a"] = "failed"
    campaign.now = at("2026-03-10T14:01")
    next_run = campaign.run("b", exported("723", "2026-03-10T14:00"))

    with captured() as lines:
        assert campaign.plan(next_run)
    campaign.send(next_run)

    assert "Run 'a' (failed) sent nothing for 2026-03-10: this run takes over" in "\n".join(lines)
    with pytest.raises(AepCampaignDayError, match="now belongs to run 'b'"):
        campaign.send(lost)


def test_the_day_of_a_run_that_was_deleted_before_it_sent_is_free(campaign: Campaign) -> None:
    campaign.plan(campaign.run("a", exported("722")))
    del campaign.states["a"]

    assert campaign.plan(campaign.run("b", exported("723")))


def test_a_run_that_begun_to_send_keeps_its_day_though_it_failed(campaign: Campaign) -> None:
    run = campaign.run("a", exported("722"))
    campaign.plan(run)
    campaign.send(run)
    campaign.states["a"] = "failed"

    later = campaign.run("b", exported("723"))

    assert campaign.plan(later) is None
    assert "clear its failed tasks to complete it" in told(later)["reason"]


def test_a_run_that_is_early_waits_deferred_and_then_delivers(campaign: Campaign) -> None:
    rules = CampaignDay("Europe/Berlin", not_before="07:00")
    run = campaign.run("a", exported("722"))

    with pytest.raises(TaskDeferred) as deferred:
        campaign.plan(run, rules)
    moment = deferred.value.trigger.serialize()[1]["moment"]
    assert moment >= at("2026-03-10T06:00")
    assert not any(campaign.stores.values()), "nothing is claimed before the wait is over"

    campaign.now = at("2026-03-10T06:00")
    task = PlanJobsOperator(task_id="task", campaign_day=rules, activation_info={"mail": ["gold"]}, check_conf=False)
    assert task.execute_complete(run, None)
    assert campaign.days()["2026-03-10"]["run_id"] == "a"


def test_a_fault_is_told_before_the_wait(campaign: Campaign) -> None:
    """At half past five, and not when the delivery should be made."""
    run = campaign.run("a", exported("722"))

    with pytest.raises(Exception, match="nowhere"):
        campaign.plan(run, CampaignDay("Europe/Berlin", not_before="07:00"), activation_info={"nowhere": ["gold"]})


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (CampaignDay("Europe/Berlin", not_after="05:45"), "later than 05:45"),
        (CampaignDay("Europe/Berlin", start="2026-03-11"), "begins on 2026-03-11"),
        (CampaignDay("Europe/Berlin", end="2026-03-09"), "ended on 2026-03-09"),
    ],
)
def test_outside_of_its_bounds_a_run_delivers_nothing_and_says_why(
    campaign: Campaign, rules: CampaignDay, words: str
) -> None:
    run = campaign.run("a", exported("722"))

    assert campaign.plan(run, rules) is None
    assert words in told(run)["reason"]
    assert run.ti.xcom_pull("task") == []
    assert campaign.skipped == REST


def test_a_run_that_was_to_deliver_and_is_late_by_trouble_fails_instead_of_being_skipped(
    campaign: Campaign, aep: LocalAep, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = CampaignDay("Europe/Berlin", not_after="07:00")
    run = campaign.run("a", exported("722"))
    aep.add_faults({"kind": "status", "status": 503, "times": None, "path": "/data/foundation/flowservice/flows/*"})
    monkeypatch.setattr(transport, "BACKOFF_LAST", 0.01)
    with pytest.raises(AepTransientError):
        campaign.plan(run, rules)

    campaign.now = at("2026-03-10T06:30")
    with pytest.raises(AepDeadlineError, match="To deliver anyway, clear this run"):
        campaign.plan(run.retried(), rules)

    aep.control("DELETE", "faults")
    run["dag_run"].clear_number = 1
    assert campaign.plan(run.cleared(), rules)


def test_not_after_holds_for_a_run_that_waited_for_an_export(campaign: Campaign) -> None:
    rules = CampaignDay("Europe/Berlin", not_after="07:00")
    run = campaign.run("a", exported("722"))
    campaign.plan(run, rules)

    campaign.now = at("2026-03-10T06:30")
    with pytest.raises(AepDeadlineError, match="not_after"):
        campaign.send(run)

    run["dag_run"].clear_number = 1
    assert campaign.send(run), "a person has cleared it, and knows"


def test_a_run_by_hand_delivers_at_any_time_and_makes_the_day_its_own(campaign: Campaign, aep: LocalAep) -> None:
    rules = CampaignDay("Europe/Berlin", not_before="07:00", end="2026-03-09")
    by_hand = campaign.run("m", kind="manual")
    assert campaign.plan(by_hand, rules)
    campaign.send(by_hand)
    campaign.states["m"] = "success"

    assert campaign.plan(campaign.run("a", exported("722")), RULES) is None

    with captured() as lines:
        again = campaign.run("n", kind="manual")
        assert campaign.plan(again, rules)
    assert "it delivers although run 'm' has already delivered 2026-03-10" in "\n".join(lines)
    assert campaign.days()["2026-03-10"]["run_id"] == "m"


def test_a_dry_run_claims_nothing(campaign: Campaign) -> None:
    assert campaign.plan(campaign.run("m", kind="manual"), settings={"dry_run": True}) is None

    assert not any(campaign.stores.values())
    assert campaign.plan(campaign.run("a", exported("722")))


def test_an_event_that_a_person_made_tells_when_but_not_which_export(campaign: Campaign) -> None:
    event = SimpleNamespace(extra={"from_rest_api": True}, timestamp=at("2026-03-10T04:59"))
    run = campaign.run("a", event)

    assert campaign.plan(run)
    assert (told(run)["export_id"], told(run)["day"]) == ("", "2026-03-10")


@pytest.mark.parametrize("extra", [None, {}, {"payload": 5}, {"payload": {"export_id": 7, "ended_at": "soon"}}])
def test_events_of_unknown_shape_count_by_their_time(campaign: Campaign, extra: Any) -> None:
    run = campaign.run("a", SimpleNamespace(extra=extra, timestamp=at("2026-03-10T04:59")))

    assert campaign.plan(run)
    assert told(run)["export_id"] == ""


# --------------------------------------------------------------------------------------------- overdue

DUE = CampaignDay("Europe/Berlin", due="09:00")


def check(campaign: Campaign) -> Context:
    campaign.now = at("2026-03-10T08:00")
    return campaign.run("check", kind="scheduled")


def test_a_day_on_which_no_export_came_turns_red_at_the_due_time(campaign: Campaign, aep: LocalAep) -> None:
    run = check(campaign)

    with pytest.raises(AepCampaignDayError, match="OVERDUE: no run has begun to deliver for 2026-03-10"):
        campaign.plan(run, DUE)

    assert told(run)["overdue"] is True
    assert not AepCampaignDayError.retriable
    assert not aep.deliveries()


def test_a_day_that_was_delivered_is_not_overdue(campaign: Campaign) -> None:
    run = campaign.run("a", exported("722"))
    campaign.plan(run, DUE)
    campaign.send(run)
    campaign.states["a"] = "success"

    checked = check(campaign)
    assert campaign.plan(checked, DUE) is None
    assert "nothing is overdue" in told(checked)["reason"]


def test_a_day_whose_run_failed_is_overdue(campaign: Campaign) -> None:
    campaign.plan(campaign.run("a", exported("722")), DUE)
    campaign.states["a"] = "failed"

    with pytest.raises(AepCampaignDayError, match="'a', which failed before it sent anything"):
        campaign.plan(check(campaign), DUE)


def test_an_export_that_comes_after_the_check_is_delivered_all_the_same(campaign: Campaign) -> None:
    with pytest.raises(AepCampaignDayError):
        campaign.plan(check(campaign), DUE)

    campaign.now = at("2026-03-10T10:00")
    assert campaign.plan(campaign.run("a", exported("722", "2026-03-10T09:59")), DUE)


def test_a_scheduled_run_of_today_is_made_up_for(campaign: Campaign) -> None:
    """Airflow was down at the scheduled time, and comes back on the same day."""
    run = campaign.run("scheduled", kind="scheduled")
    campaign.now = at("2026-03-10T20:00")

    assert campaign.plan(run)


@pytest.mark.parametrize(
    ("rules", "back"),
    [(RULES, "2026-03-11T12:00"), (CampaignDay("Europe/Berlin", not_after="09:00"), "2026-03-10T09:00")],
)
def test_a_scheduled_run_that_comes_too_late_is_red_until_a_person_clears_it(
    campaign: Campaign, rules: CampaignDay, back: str
) -> None:
    run = campaign.run("scheduled", kind="scheduled")
    campaign.now = at(back)

    with pytest.raises(AepDeadlineError, match="To deliver anyway, clear this run"):
        campaign.plan(run, rules)

    run["dag_run"].clear_number = 1
    assert campaign.plan(run, rules)
