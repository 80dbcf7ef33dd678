"""Flows and audiences by name: ids are what is sent and kept, whatever has which name later."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped, TaskDeferred

from adobe_experience_platform.delivery import SETTINGS
from adobe_experience_platform.errors import AepError, AepInputError, AepSubmissionError
from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.operators.plan import PlanJobsOperator
from adobe_experience_platform.sensors.segment_export import SegmentExportSensor
from tests.support.aep import FLOWS, SEED, LocalAep
from tests.support.dagtest import captured
from tests.support.tasks import Context

BY_NAME = {"Mail": ["Gold customers", "silver"]}
BY_ID = {"mail": ["gold", "silver"]}
PAIRS = {("mail", "gold"): 1, ("mail", "silver"): 1}


def plan(info: Any = None, labels: Any = None, **settings: Any) -> PlanJobsOperator:
    assert settings.keys() <= set(SETTINGS)
    return PlanJobsOperator(
        task_id="task", activation_info=info or BY_NAME, labels=labels, check_conf=False, settings=settings
    )


def activation(**arguments: Any) -> AdHocActivationOperator:
    return AdHocActivationOperator(task_id="task", **{"activation_info": BY_NAME, "poll_interval": 1, **arguments})


def rename(aep: LocalAep, **names: str) -> None:
    """Give flows and audiences other names, in an AEP that has forgotten all runs."""
    seed = copy.deepcopy(SEED)
    for item in [*seed["flows"], *seed["audiences"]]:
        item["name"] = names.get(item["id"], item["name"])
    aep.reset(seed)


class AssetStores(dict[str, Any]):
    """``context["asset_state_store"]``; it outlives task state."""

    class Store(dict[str, Any]):
        def set(self, key: str, value: Any) -> None:
            self[key] = copy.deepcopy(value)

        def delete(self, key: str) -> None:
            self.pop(key, None)

    def __getitem__(self, asset: Any) -> Any:
        return self.setdefault(asset.name, self.Store())


# -------------------------------------------------------------------------------------- the plan


def test_a_plan_by_names_is_that_of_the_ids(aep: LocalAep, context: Context) -> None:
    [job] = plan().execute(context)

    assert job["activation_info"] == BY_ID
    assert context.ti.xcom_pull("task", "briefing")["names"] == {
        "mail": "Mail",
        "gold": "Gold customers",
        "silver": "Silver customers",
    }
    assert len(aep.requests(path=f"{FLOWS}*")) == 1, "the list answers everything"


def test_names_and_ids_may_be_mixed_over_flows(aep: LocalAep, context: Context) -> None:
    jobs = plan({"Mail": ["gold"], "mail": ["Silver customers"], "shop": ["Bronze customers"]}).execute(context)

    assert [job["activation_info"] for job in jobs] == [{"mail": ["gold", "silver"], "shop": ["bronze"]}]


def test_a_dry_run_shows_names_and_ids(aep: LocalAep, context: Context) -> None:
    with captured() as lines, pytest.raises(DownstreamTasksSkipped):
        plan(dry_run=True).execute(context)

    [row] = [line.split() for line in lines if "Gold customers" in line]
    assert (row[:4], row[-3:-1]) == (["1", "Mail", "Gold", "customers"], ["mail", "gold"])
    assert context["task_state_store"] == {}


def test_a_label_for_a_name_shows_beside_the_id(aep: LocalAep, context: Context) -> None:
    plan(labels={"Mail": "Newsletter S3", "silver": "Silver"}).execute(context)

    names = context.ti.xcom_pull("task", "briefing")["names"]
    assert (names["mail"], names["silver"]) == ("Newsletter S3 (AEP: Mail)", "Silver (AEP: Silver customers)")
    assert set(names) == {"mail", "gold", "silver"}


@pytest.mark.parametrize("names", [{"mail": "Post", "shop": "Mail"}, {"gold": "Silver", "bronze": "Gold customers"}])
def test_a_planned_run_keeps_its_ids_whatever_is_renamed(aep: LocalAep, context: Context, names: Any) -> None:
    first = plan().execute(context)
    rename(aep, **names)

    assert plan().execute(context.retried()) == first
    assert plan().execute(context.cleared()) == first
    assert plan(BY_ID).execute(context) == first, "the ids are the same delivery"


def test_a_name_that_comes_later_is_another_delivery(aep: LocalAep, context: Context) -> None:
    plan().execute(context)
    rename(aep, mail="Post", shop="Mail")

    with pytest.raises(AepInputError, match="audience bronze of flow shop was added since this run was planned"):
        plan({"Mail": [*BY_NAME["Mail"], "Bronze customers"]}).execute(context)


WRONG: list[tuple[Any, str]] = [
    ({"Mial": ["gold"]}, "did you mean 'Mail' (mail)?"),
    ({"MAIL": ["gold"]}, "did you mean 'Mail' (mail)? (names count to the letter"),
    ({"Mail ": ["gold"]}, "did you mean 'Mail' (mail)? (names count to the letter"),
    ({"Gold customers": ["gold"]}, "it is an audience of flow 'Shop' (shop): list it under that flow"),
    ({"CRM": ["gold"]}, "flow 'CRM' (crm) is not a destination flow: choose one from the aep_catalog DAG"),
    ({"Profiles": ["gold"]}, "flow 'Profiles' (profiles) exports datasets, not audiences"),
    ({"": ["gold"]}, "flow is empty"),
    ({" ": ["gold"]}, "is neither an id nor a name"),
    ({"Mail\n": ["gold"]}, "is neither an id nor a name"),
    ({"Ma\u200bil": ["gold"]}, "is neither an id nor a name"),
    ({"M" * 256: ["gold"]}, "is neither an id nor a name"),
    ({5: ["gold"]}, "flow 5 is not text"),
    ({"Mail": ["Gold customer"]}, "did you mean 'Gold customers' (gold)?"),
    ({"Mail": ["Shop"]}, "audience Shop is not mapped to this flow"),
    ({"Mail": ["Not mapped"]}, "audience 'Not mapped' is not mapped to this flow"),
    ({"Mail": [""]}, "flow Mail: audience is empty"),
    ({"Mail": ["Gold\x00"]}, "is neither an id nor a name"),
    ({"Mail": ["Gold customers", "gold"]}, "audience gold is listed twice, also as 'Gold customers'"),
    ({"Mail": ["gold"], "mail": ["gold"]}, "audience gold is listed twice"),
    ({"../runs": ["gold"]}, "flow '../runs' does not exist in this sandbox"),
    ({"https://evil.example/x?token=1": ["gold"]}, "does not exist in this sandbox"),
]


@pytest.mark.parametrize(("info", "said"), WRONG, ids=[ascii(info)[:60] for info, _ in WRONG])
@pytest.mark.parametrize("kind", ["plan", "activation"])
def test_a_wrong_name_is_a_fault_before_anything_is_sent(
    aep: LocalAep, context: Context, kind: str, info: Any, said: str
) -> None:
    others = [
        {"id": "crm", "name": "CRM", "kind": "source", "audiences": []},
        {"id": "profiles", "name": "Profiles", "kind": "dataset", "audiences": []},
    ]
    aep.reset({**SEED, "flows": [*SEED["flows"], *others]})

    with pytest.raises(AepInputError) as refused:
        (plan(info) if kind == "plan" else activation(activation_info=info)).execute(context)

    assert said in str(refused.value)
    assert aep.posts() == []
    assert {item["path"] for item in aep.requests(path="/data/*")} <= {FLOWS, f"{FLOWS}/mail"}


def test_what_is_named_is_judged_as_what_has_an_id(aep: LocalAep, context: Context) -> None:
    with pytest.raises(AepInputError, match="2 faults") as refused:
        plan({"Switched off": ["gold"], "Mail": ["Black Friday shoppers"]}).execute(context)

    assert "flow 'Switched off' (off) is disabled" in str(refused.value)
    assert "audience 'Black Friday shoppers' (expired) has a schedule that ended on" in str(refused.value)


def test_a_name_of_two_flows_lists_them(aep: LocalAep, context: Context) -> None:
    rename(aep, off="Mail")

    with pytest.raises(AepInputError, match=r"flow Mail is the name of 2 flows: .* off \(disabled\), mail \(enabled\)"):
        plan().execute(context)


def test_an_id_that_is_also_a_name_counts_as_the_id_with_a_warning(aep: LocalAep, context: Context) -> None:
    rename(aep, shop="mail", bronze="gold")

    with captured() as lines:
        [job] = plan({"mail": ["gold"]}).execute(context)

    assert job["activation_info"] == {"mail": ["gold"]}
    assert "flow mail is an id here; 'mail' is also the name of shop: the id counts" in lines
    assert "flow 'Mail' (mail): audience gold is an id here; 'gold' is also the name of bronze: the id counts" in lines


# --------------------------------------------------------------------------- the operator alone


def test_the_operator_alone_delivers_by_names_and_keeps_ids(aep: LocalAep, context: Context) -> None:
    orders = activation().execute(context)

    assert aep.delivered() == PAIRS
    assert {(item["flow_id"], item["audience_id"]) for item in orders} == set(PAIRS)
    assert activation().execute(context.retried()) == orders
    assert activation().execute(context.cleared()) == orders
    assert len(aep.posts()) == 1
    assert len(aep.requests(path=FLOWS)) == 1, "names are looked up once"


def test_a_name_that_has_moved_on_changes_nothing_for_a_task_that_waits(aep: LocalAep, context: Context) -> None:
    aep.start_export_job()
    with pytest.raises(TaskDeferred):
        activation().execute(context)
    rename(aep, mail="Post", shop="Mail")

    activation().execute(context.cleared())

    assert aep.delivered() == PAIRS


def test_a_clear_that_forgets_the_task_does_not_forget_what_a_name_was(aep: LocalAep, context: Context) -> None:
    context["asset_state_store"] = AssetStores()
    first = activation().execute(context)
    context["task_state_store"].clear()
    context["dag_run"] = SimpleNamespace(conf={}, clear_number=1)
    rename(aep, mail="Post", shop="Mail")

    assert activation().execute(context.cleared()) == first
    assert aep.posts() == [], "the AEP that forgot its runs got nothing new"


def test_when_all_is_forgotten_the_name_is_not_sent_to_something_else(aep: LocalAep, context: Context) -> None:
    context["asset_state_store"] = AssetStores()
    activation().execute(context)
    context["task_state_store"].clear()
    context["asset_state_store"].clear()
    context["dag_run"] = SimpleNamespace(conf={}, clear_number=1)
    rename(aep, mail="Post", shop="Mail")

    with pytest.raises(AepSubmissionError, match="has no record of what it sent"):
        activation().execute(context.cleared())
    assert aep.posts() == []


def test_a_new_run_of_the_same_id_looks_its_names_up_anew(aep: LocalAep, context: Context) -> None:
    context["asset_state_store"] = AssetStores()
    activation().execute(context)
    context["task_state_store"].clear()
    rename(aep, mail="Post", shop="Mail")

    activation().execute(context)

    assert set(aep.delivered()) == {("shop", "gold"), ("shop", "silver")}


def test_what_was_sent_by_ids_is_finished_although_aep_no_longer_has_it(aep: LocalAep, context: Context) -> None:
    first = activation(activation_info=BY_ID).execute(context)
    aep.reset({**SEED, "flows": [flow for flow in SEED["flows"] if flow["id"] != "mail"]})

    assert activation(activation_info=BY_ID).execute(context.retried()) == first


def test_two_tasks_of_a_run_look_up_their_own_names(aep: LocalAep, context: Context) -> None:
    """They may deliver from two sandboxes."""
    context["asset_state_store"] = AssetStores()
    activation().execute(context)
    rename(aep, mail="Post", shop="Mail")
    context["task_state_store"].clear()
    context.ti.task_id = "other"

    AdHocActivationOperator(task_id="other", activation_info=BY_NAME, poll_interval=1).execute(context)

    assert set(aep.delivered()) == {("shop", "gold"), ("shop", "silver")}


def test_a_mapped_job_may_hold_names(aep: LocalAep, context: Context) -> None:
    task = activation(activation_info=None, job={"activation_info": BY_NAME})

    assert task.job_title == "job 1 of 1 (2 audiences)"
    task.execute(context)
    assert aep.delivered() == PAIRS


def test_a_planned_job_holds_ids_only(aep: LocalAep, context: Context) -> None:
    with pytest.raises(AepError, match="'Gold customers' is not a valid AEP id"):
        activation(job={"activation_info": BY_NAME, "aliases": {}}).execute(context)
    assert aep.requests() == []


# ------------------------------------------------------------------------------ the sensor alone


def test_the_sensor_waits_for_the_runs_of_what_is_named(aep: LocalAep, context: Context) -> None:
    aep.change_settings(young_seconds=0)
    aep.start_run("mail", audience_ids=["gold"], seconds=36_000)
    task = SegmentExportSensor(task_id="task", activation_info=BY_NAME, poll_interval=1)

    with pytest.raises(TaskDeferred) as wait:
        task.execute(context)

    assert wait.value.trigger.serialize()[1]["activation_info"] == BY_ID
    rename(aep, mail="Post", shop="Mail")
    SegmentExportSensor(task_id="task", activation_info=BY_NAME).execute(context.retried())
    assert len(aep.requests(path=f"{FLOWS}*")) == 0, "they were looked up by the first try"


def test_the_sensor_refuses_a_wrong_name(aep: LocalAep, context: Context) -> None:
    with pytest.raises(AepInputError, match=r"did you mean 'Mail' \(mail\)"):
        SegmentExportSensor(task_id="task", activation_info={"Mial": ["gold"]}).execute(context)


def test_a_sensor_with_ids_of_aep_looks_nothing_up(aep: LocalAep, context: Context) -> None:
    flow, audience = "69245ed8-a016-5548-8762-dca344a9e201", "439a96de-1866-5d4d-873b-c43eec1b5478"
    SegmentExportSensor(task_id="task", activation_info={flow: [audience]}).execute(context)

    assert aep.requests(path=f"{FLOWS}*") == []
