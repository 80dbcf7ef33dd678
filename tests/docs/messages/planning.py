"""Messages of ``plan_jobs``: the input, the flows, the audiences."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from adobe_experience_platform import segment_export_asset
from adobe_experience_platform.delivery import SETTINGS
from adobe_experience_platform.operators.plan import PlanJobsOperator
from tests.support.aep import FLOWS, RUNS, SEED
from tests.support.parts import flow_json, selector
from tests.support.sockets import closed_port

from .stage import Stage, produces


def plan(stage: Stage, info: Any = None, **arguments: Any) -> Any:
    arguments = {"activation_info": info or {"mail": ["gold"]}, "check_conf": False, **arguments}
    settings = {name: arguments.pop(name) for name in SETTINGS if name in arguments}
    return PlanJobsOperator(task_id="task", settings=settings, **arguments).execute(stage.context)


@produces(": enter a JSON object such as")
def input_that_is_no_object(stage: Stage) -> None:
    for info in (None, "mail", ["gold"]):
        stage.fails(lambda info=info: plan(stage, activation_info=info))  # type: ignore[misc]


@produces("activation_info is empty: enter at least one flow with one audience")
def empty_input(stage: Stage) -> None:
    stage.fails(lambda: plan(stage, activation_info={}))


@produces(
    "is not text: put it in quotes",
    "is empty",
    "is neither an id nor a name: copy it again, as one line",
    "is not a valid AEP id: copy it again, without spaces or punctuation",
    ": give its audiences as a list",
    ": its list of audiences is empty",
    "is listed twice; list it once",
)
def faulty_lists(stage: Stage) -> None:
    info = {"mail": [7, "", "go\nld", "gold", "gold"], "shop": "gold", "north": []}
    stage.fails(lambda: plan(stage, info, sandbox_name="two words"))


@produces(
    "did you mean",
    "it is an audience of flow",
    "is the name of 2 flows: write the id of the one that you mean",
    "is the name of 2 audiences of this flow: write the id of the one that you mean",
    "is listed twice, also as",
    ": the id counts",
)
def names_that_find_nothing_or_too_much(stage: Stage) -> None:
    named = [("mail", "Mail"), ("shop", "Shop"), ("off", "Shop"), ("north", "mail")]
    flows = [{"id": ident, "name": name, "audiences": ["gold", "silver", "bronze"]} for ident, name in named]
    audiences = [{"id": "gold", "name": "Gold"}, {"id": "silver", "name": "Twin"}, {"id": "bronze", "name": "Twin"}]
    stage.aep.reset({**SEED, "flows": flows, "audiences": audiences})
    stage.fails(lambda: plan(stage, {"Mial": ["gold"], "Gold": ["gold"], "Shop": ["gold"]}))
    stage.fails(lambda: plan(stage, {"Mail": ["Gold", "gold", "Twin"]}))
    stage.runs(lambda: plan(stage, {"mail": ["gold"], "Mail": ["bronze"]}))


@produces("whether one of the ids is also the name of a flow is not known")
def a_list_that_cannot_be_filtered(stage: Stage) -> None:
    stage.answers(FLOWS, 400, body={"errorMessage": "1449-400"})
    stage.runs(lambda: plan(stage))


@produces("cannot be looked up, as this flow does not list its audiences")
def a_name_in_a_flow_that_lists_nothing(stage: Stage) -> None:
    stage.answers(f"{FLOWS}/mail", body={"items": [{"id": "mail", "name": "Mail"}]})
    stage.fails(lambda: plan(stage, {"mail": ["Gold customers"]}))


@produces("audiences are more than one run takes")
def too_much_for_one_run(stage: Stage) -> None:
    stage.fails(lambda: plan(stage, {"mail": [f"a{number}" for number in range(5001)]}))


@produces("flows, but one job takes")
def an_audience_that_no_job_can_hold(stage: Stage) -> None:
    stage.fails(lambda: plan(stage, {"mail": ["gold"], "shop": ["gold"]}, max_audiences_per_job=1))


@produces("is unknown: correct or remove it (this DAG's params:")
def misspelt_conf_key(stage: Stage) -> None:
    stage.context["dag_run"].conf = {"dryrun": True}
    with DAG("mine", schedule=None, params={"dry_run": False}):
        task = PlanJobsOperator(task_id="task", activation_info={"mail": ["gold"]})
    stage.fails(lambda: task.execute(stage.context))


@produces(": choose ", ": enter a number from", ": enter a whole number")
def settings_that_cannot_be(stage: Stage) -> None:
    stage.fails(lambda: plan(stage, api_version="v3", poll_interval=0, max_audiences_per_job=1.5))


@produces(
    "is empty: enter the id of an Airflow connection to AEP",
    "is not a valid connection id: enter the id of a connection of type",
)
def connection_ids_that_cannot_be(stage: Stage) -> None:
    stage.fails(lambda: segment_export_asset(""))
    stage.fails(lambda: plan(stage, aep_conn_id="../variables"))


@produces(
    "since this run was planned, and a run is one delivery: start a new run with only what is not delivered yet",
    "The plan that this run has kept is damaged",
)
def a_plan_that_no_longer_fits(stage: Stage) -> None:
    plan(stage)
    stage.fails(lambda: plan(stage, {"mail": ["silver"]}))
    del stage.context["task_state_store"]["job_1"]
    stage.fails(lambda: plan(stage))


@produces("in addition, looking up the flows failed")
def faults_while_aep_is_away(stage: Stage) -> None:
    stage.connect(host=f"http://127.0.0.1:{closed_port()}")
    stage.fails(lambda: plan(stage, poll_interval=0))


@produces(
    "does not exist in this sandbox",
    ", not enabled",
    "is not mapped to this flow",
    "is the external id of the imported audience",
    "has a schedule that ended on",
)
def flows_and_audiences_that_cannot_be_delivered(stage: Stage) -> None:
    info = {"nowhere": ["gold"], "off": ["gold"], "mail": ["loose", "partner-77", "expired"]}
    stage.fails(lambda: plan(stage, info))


@produces(
    "was mapped less than an hour ago",
    "is scheduled from",
    "is not a destination flow",
    "exports datasets, not audiences",
    "brings data in from a source",
)
def flows_and_audiences_that_are_too_young_or_of_another_kind(stage: Stage) -> None:
    audiences = [{"id": "gold", "mapped_ago": 60}, {"id": "silver", "start": 5}]
    flows = [
        {"id": "mail", "name": "Mail", "audiences": audiences},
        {"id": "crm", "name": "CRM", "kind": "source"},
        {"id": "till", "name": "Till", "kind": "source", "raw": {"inheritedAttributes": None}},
        {"id": "tables", "name": "Tables", "kind": "dataset"},
    ]
    stage.aep.reset({**SEED, "flows": flows})
    stage.fails(
        lambda: plan(stage, {"mail": ["gold", "silver"], **{key: ["gold"] for key in ("crm", "till", "tables")}})
    )


@produces(
    ": there is no limit: set at least one of",
    "is above max_records",
    "is not what belongs here: write",
    "and this delivery has no approval step: choose refuse, or add approval",
)
def size_guards_that_cannot_be(stage: Stage) -> None:
    stage.fails(lambda: plan(stage, size_guard={"on_breach": "ask"}))
    stage.fails(lambda: plan(stage, size_guard={"min_records": 2, "max_records": 1}))
    stage.fails(lambda: plan(stage, size_guard={"max_records": "1"}))
    stage.fails(lambda: plan(stage, size_guard={"max_records": 1, "on_breach": "ask"}))


@produces(
    ": see in AEP why, and change size_guard if this is right",
    ", and size_guard refuses what is not known",
    ": it is sent unchecked, as size_guard's on_unknown is send",
    ": a person is asked",
    "this run goes on, because its plan was let through before",
)
def what_a_size_guard_finds(stage: Stage) -> None:
    stage.fails(lambda: plan(stage, size_guard={"max_records": 1}))
    stage.fails(lambda: plan(stage, size_guard={"max_change_percent": 1, "on_unknown": "refuse"}))
    guard = {"max_records": 1, "max_change_percent": 1, "on_breach": "ask"}
    stage.runs(lambda: plan(stage, size_guard=guard, has_approval=True))
    stage.runs(lambda: plan(stage, size_guard={"max_records": 1}))


@produces("what was delivered last is not known", "audience sizes are not known")
def figures_that_aep_does_not_give(stage: Stage) -> None:
    for path in (RUNS, "/data/core/ups/segment/jobs"):
        stage.answers(path, 403)
    stage.runs(lambda: plan(stage))


@produces("the name of a file has no date or time, so that each delivery overwrites the last file")
def a_file_that_overwrites_the_last_one(stage: Stage) -> None:
    flow = {"id": "mail", "name": "Mail", "audiences": [{"id": "gold", "filename_template": "gold"}]}
    stage.aep.reset({**SEED, "flows": [flow]})
    stage.runs(lambda: plan(stage))


@produces("several of these audiences have one file name, so that one file may overwrite the other")
def files_of_one_name(stage: Stage) -> None:
    audiences = [{"id": name, "filename_template": "%TIMESTAMP%"} for name in ("gold", "silver")]
    stage.aep.reset({**SEED, "flows": [{"id": "mail", "name": "Mail", "audiences": audiences}]})
    stage.runs(lambda: plan(stage, {"mail": ["gold", "silver"]}))


@produces("has a schedule that ends today")
def an_audience_on_the_last_day_of_its_schedule(stage: Stage) -> None:
    flow = {"id": "mail", "name": "Mail", "audiences": [{"id": "gold", "end": 0}, "silver"]}
    stage.aep.reset({**SEED, "flows": [flow]})
    stage.runs(lambda: plan(stage))


@produces(
    "does not say whether it is enabled",
    "does not say whether it goes to a destination",
    "does not list the audiences mapped to it",
)
def a_flow_that_tells_nothing(stage: Stage) -> None:
    stage.answers(f"{FLOWS}/mail", body={"items": [{"id": "mail", "name": "Mail"}]})
    stage.runs(lambda: plan(stage))


@produces(
    "does not look like a file export; on-demand delivery needs one",
    "does not say when it was mapped; AEP needs an hour after mapping",
    "has no schedule",
)
def an_audience_that_tells_nothing(stage: Stage) -> None:
    silent = selector("gold", createTime=None, schedule=None, filenameTemplate=None, exportMode=None)
    stage.answers(f"{FLOWS}/mail", body={"items": [flow_json("mail", silent)]})
    stage.runs(lambda: plan(stage))
