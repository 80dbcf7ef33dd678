"""The plan's memory, the report's words, the catalog's rows, and what Airflow is told about this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DownstreamTasksSkipped

from adobe_experience_platform.delivery import SETTINGS
from adobe_experience_platform.delivery.results import Result
from adobe_experience_platform.errors import AepConnectionConfigError, AepInputError
from adobe_experience_platform.operators.catalog import CatalogOperator
from adobe_experience_platform.operators.plan import PlanJobsOperator
from adobe_experience_platform.operators.report import DeliveryReportOperator, row_of, table
from adobe_experience_platform.provider_info import get_provider_info
from tests.support.aep import CROWD, SEED, LocalAep
from tests.support.dagtest import captured

# ---------------------------------------------------------------------------------------------- plan


def plan(**arguments: Any) -> PlanJobsOperator:
    arguments = {"activation_info": {"mail": ["gold", "silver"]}, "check_conf": False, **arguments}
    settings = {name: arguments.pop(name) for name in SETTINGS if name in arguments}
    return PlanJobsOperator(task_id="task", settings=settings, **arguments)


def test_jobs_hold_at_most_as_many_pairs_as_told(aep: LocalAep, context: Any) -> None:
    info = {"north": CROWD[:60], "south": CROWD[40:]}

    jobs = plan(activation_info=info, max_audiences_per_job=30).execute(context)

    sizes = [sum(map(len, job["activation_info"].values())) for job in jobs]
    assert (max(sizes), sum(sizes)) == (30, 120)
    audiences = [set().union(*job["activation_info"].values()) for job in jobs]
    assert sum(map(len, audiences)) == 100, "all pairs of an audience are in one job"
    assert [(job["job"], job["of"]) for job in jobs] == [(number + 1, len(jobs)) for number in range(len(jobs))]


def test_a_second_try_keeps_the_split(aep: LocalAep, context: Any) -> None:
    """Otherwise the mapped tasks would find records of other jobs than their own."""
    first = plan(max_audiences_per_job=1).execute(context)

    assert plan(max_audiences_per_job=80).execute(context.cleared()) == first
    assert len(first) == 2


def test_names_and_other_ids_travel_along(aep: LocalAep, context: Any) -> None:
    [job] = plan(activation_info={"mail": ["partner"]}).execute(context)

    assert job["aliases"] == {"partner": "partner-77"}
    assert context.ti.xcom_pull("task", "names") == {"mail": "Mail", "partner": "Partners"}


def test_a_dry_run_keeps_nothing_and_skips_the_rest(aep: LocalAep, context: Any) -> None:
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        plan(dry_run=True, skip_on_dry_run=["b", "a"]).execute(context)
    assert list(skipped.value.tasks) == ["a", "b"]
    assert context["task_state_store"] == {}
    assert context.ti.xcom_pull("task") == []


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"api_version": "v3"}, "api_version is 'v3': choose v2 or v1"),
        ({"on_conflict": None}, "on_conflict is None: choose wait or adopt or fail"),
        ({"on_partial_success": "ok"}, "on_partial_success is 'ok': choose fail or accept"),
        ({"max_audiences_per_job": 81}, "max_audiences_per_job is 81: enter a number from 1 to 80"),
        ({"max_audiences_per_job": 1.5}, "max_audiences_per_job is 1.5: enter a whole number"),
        ({"max_audiences_per_job": True}, "max_audiences_per_job is True"),
        ({"poll_interval": "soon"}, "poll_interval is 'soon': enter a number from 1 to 3600"),
        ({"dry_run": "maybe"}, "dry_run is 'maybe': choose true or false"),
        ({"dry_run": 1}, "dry_run is 1: choose true or false"),
        ({"sandbox_name": 5}, "sandbox_name 5 is not text"),
        ({"sandbox_name": "two words"}, "sandbox_name 'two words' is not a valid AEP id"),
        ({"aep_conn_id": ""}, "aep_conn_id is empty"),
        ({"activation_info": None}, "activation_info is missing"),
        ({"activation_info": "text"}, "activation_info is text"),
        ({"activation_info": []}, "activation_info is a list"),
        ({"activation_info": {"mail": "gold"}}, "flow mail: give its audiences as a list"),
        ({"activation_info": {"mail": ["partner-77"]}}, "is the external id of the imported audience 'Partners'"),
        ({"activation_info": {"north": ["x" * 300]}}, "is not a valid AEP id"),
    ],
)
def test_each_fault_says_what_to_do(aep: LocalAep, context: Any, arguments: Any, fault: str) -> None:
    with pytest.raises(AepInputError) as refused:
        plan(**arguments).execute(context)
    assert fault in str(refused.value)


def test_conf_keys_that_nobody_reads_are_refused(aep: LocalAep, context: Any) -> None:
    with DAG("mine", schedule=None, params={"dry_run": False}):
        task = plan(check_conf=True)
    context["dag_run"].conf = {"dry_run": False, "dryrun": True, "openlineage": {}, "x\n": 1}

    with pytest.raises(AepInputError, match="2 faults") as refused:
        task.execute(context)
    assert "conf key 'dryrun' is unknown: correct or remove it (this DAG's params: dry_run)" in str(refused.value)


def test_a_connection_of_another_type_gets_no_secret(
    aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = aep.connection()
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({**connection, "conn_type": "http"}))

    with pytest.raises(AepConnectionConfigError, match="has type 'http'"):
        plan(aep_conn_id="other").execute(context)
    assert aep.requests() == []


# -------------------------------------------------------------------------------------------- report


def result(**changes: Any) -> Result:
    values = {
        "flow_id": "mail",
        "audience_id": "gold",
        "run_id": "run-1",
        "status": "success",
        "records_exported": 12345,
        "records_skipped": 0,
        "records_failed": 0,
        "started_at": "2026-03-10T12:00:00+00:00",
        "completed_at": "2026-03-10T13:01:02+00:00",
        "error_code": "",
        "error": "",
        "adopted": False,
    }
    return Result(**{**values, **changes})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({}, ("Mail", "gold", "success", "12,345", "0", "1:01:02", "run-1", "")),
        (
            {"status": "failed", "error_code": "X-1", "error": "Full.", "records_exported": None},
            ("Mail", "gold", "failed", "-", "0", "1:01:02", "run-1", "[X-1] Full."),
        ),
        (
            {"status": "partial_success", "adopted": True, "completed_at": "2026-03-10T12:01:02+00:00"},
            ("Mail", "gold", "partial success (adopted)", "12,345", "0", "1:02", "run-1", ""),
        ),
        (
            {"run_id": None, "status": "not_sent", "started_at": None, "error": "refused", "records_failed": None},
            ("Mail", "gold", "not sent", "12,345", "-", "-", "-", "refused"),
        ),
        (
            {"completed_at": "2026-03-10T11:00:00+00:00"},
            ("Mail", "gold", "success", "12,345", "0", "0:00", "run-1", ""),
        ),
    ],
)
def test_a_row_of_the_report(changes: Any, row: tuple[str, ...]) -> None:
    assert row_of(result(**changes), {"mail": "Mail"}) == row


def test_a_table_shows_what_it_is_given_and_interprets_nothing() -> None:
    lines = table(("Name", "Records"), [("[bold]Müller[/bold] 🎉", "1"), ("x" * 150, "23,456")], right=("Records",))

    assert lines[0].split() == ["Name", "Records"]
    assert "[bold]Müller[/bold] 🎉" in lines[2]
    assert lines[3].startswith("x" * 150), "nothing is cut or wrapped"
    assert lines[3].endswith("23,456")
    assert "\x1b" not in "".join(lines)


REPORT = DeliveryReportOperator(
    task_id="report",
    plan_task_id="plan",
    submit_task_id="activate",
    watch_task_id="watch",
    task_ids=["plan", "activate", "watch"],
)
JOBS = [{"job": 1, "of": 1, "activation_info": {"mail": ["gold", "silver", "bronze"]}}]


def reported(context: Any) -> dict[str, Any]:
    found: dict[str, Any] = context.ti.xcom_pull(context.ti.task_id)
    return found


def test_the_report_of_a_good_delivery(context: Any) -> None:
    context.ti.xcoms["plan", "return_value"] = [{"job": 1, "of": 1, "activation_info": {"mail": ["gold"]}}]
    context.ti.xcoms["watch", "progress"] = {"results": [result()]}

    REPORT.execute(context)

    assert reported(context)["results"] == [result()]
    assert reported(context)["summary"]["success"] == 1
    assert reported(context)["verdict"] == {
        "state": "delivered",
        "label": "Delivered",
        "headline": "1 delivery to 1 destination, 12,345 records",
        "advice": [],
        "failed_tasks": [],
    }


@pytest.mark.parametrize("state", ["failed", "upstream_failed"])
def test_the_report_is_pushed_before_it_turns_red(context: Any, state: str) -> None:
    context.ti.xcoms["plan", "return_value"] = JOBS
    context.ti.xcoms["activate", "submission"] = [
        {"orders": [["mail", "silver", "run-2", False]], "missing": [["mail", "bronze"]], "missing_is": "unknown"}
    ]
    context.ti.xcoms["watch", "progress"] = {"results": [result()]}
    context.ti.states = {"plan": "success", "activate_0": "failed", "watch": state}

    with pytest.raises(AirflowFailException, match="activate_0"):
        REPORT.execute(context)

    statuses = {item["audience_id"]: item["status"] for item in reported(context)["results"]}
    assert statuses == {"gold": "success", "silver": "unknown", "bronze": "unknown"}


def test_the_report_without_any_result_names_every_planned_pair(context: Any) -> None:
    context.ti.xcoms["plan", "return_value"] = JOBS
    context.ti.states = {"plan": "success", "activate": "upstream_failed"}

    with pytest.raises(AirflowFailException):
        REPORT.execute(context)
    assert {item["status"] for item in reported(context)["results"]} == {"not_sent"}
    assert reported(context)["summary"]["pairs"] == 3


def test_the_report_of_a_failed_plan_says_that_nothing_was_sent(context: Any) -> None:
    context.ti.states = {"plan": "failed", "activate": "upstream_failed"}

    with pytest.raises(
        AirflowFailException, match=r"^FAILED: nothing was sent\. Failed tasks, the first one first: plan;"
    ):
        REPORT.execute(context)
    assert reported(context)["verdict"]["state"] == "plan_failed"


def test_a_plan_that_fails_after_a_clear_does_not_hide_what_was_sent(context: Any) -> None:
    context.ti.xcoms["activate", "submission"] = [{"orders": [["mail", "gold", "run-1", False]], "missing": []}]
    context.ti.states = {"plan": "failed", "activate": "upstream_failed"}

    with pytest.raises(AirflowFailException) as failure:
        REPORT.execute(context)
    assert "nothing was sent" not in str(failure.value)
    assert reported(context)["results"][0]["run_id"] == "run-1"


def test_the_report_of_a_refused_delivery_says_who_said_no(context: Any) -> None:
    report = DeliveryReportOperator(
        task_id="report",
        plan_task_id="plan",
        submit_task_id="activate",
        watch_task_id="watch",
        approve_task_id="approve",
        task_ids=["plan", "approve", "activate", "watch"],
    )
    context.ti.xcoms["plan", "return_value"] = JOBS
    context.ti.xcoms["approve", "approval"] = {"approved": False, "why": "anna has rejected this delivery"}
    context.ti.states = {"plan": "success", "approve": "failed", "activate": "upstream_failed"}

    with pytest.raises(AirflowFailException, match="NOT APPROVED: nothing was sent: anna has rejected this delivery"):
        report.execute(context)


def test_the_report_of_a_campaign_day_that_is_over_says_so(context: Any) -> None:
    context.ti.xcoms["plan", "campaign_day"] = {"overdue": True}
    context.ti.states = {"plan": "failed"}

    with pytest.raises(AirflowFailException, match="LATE: no delivery has begun in time"):
        REPORT.execute(context)


def test_a_delivery_that_was_skipped_has_no_report(context: Any) -> None:
    context.ti.states = dict.fromkeys(("plan", "activate", "watch"), "skipped")

    with pytest.raises(AirflowSkipException):
        REPORT.execute(context)


def test_an_empty_delivery_is_shouted(context: Any) -> None:
    context.ti.xcoms["watch", "progress"] = {"results": [result(records_exported=0)]}

    with captured() as lines:
        REPORT.execute(context)
    assert any(line.startswith("EMPTY DELIVERY: gold → mail delivered 0 records") for line in lines)


# ------------------------------------------------------------------------------------------- catalog


def test_the_catalog_judges_like_the_plan(aep: LocalAep, context: Any) -> None:
    catalog = CatalogOperator(task_id="task").execute(context)

    assert aep.posts() == []
    for flow_id, audiences in catalog["activation_info"].items():
        assert plan(activation_info={flow_id: audiences}).execute(context)
        context["task_state_store"].clear()
    flows = {flow["flow_id"]: flow for flow in catalog["flows"]}
    for flow in flows.values():
        for audience in flow["audiences"]:
            if not audience["ready"]:
                with pytest.raises(AepInputError):
                    plan(activation_info={flow["flow_id"]: [audience["audience_id"]]}).execute(context)
    assert not flows["off"]["audiences"][0]["ready"]


def test_the_catalogs_json_can_be_pasted(aep: LocalAep, context: Any) -> None:
    with captured() as lines:
        catalog = CatalogOperator(task_id="task").execute(context)

    [text] = [line for line in lines if line.startswith("To paste into activation_info")]
    assert json.loads(text.partition("\n")[2]) == catalog["activation_info"]


def test_an_empty_sandbox_has_an_empty_catalog(aep: LocalAep, context: Any) -> None:
    aep.reset({**SEED, "flows": []})

    assert CatalogOperator(task_id="task").execute(context) == {"flows": [], "activation_info": {}}


# ------------------------------------------------------------------------------ what Airflow is told


def test_the_provider_says_what_airflow_understands() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())

    jsonschema.validate(get_provider_info(), schema)


def test_the_forms_fields_are_what_the_form_understands() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider.yaml.schema.json").read_text())
    kind = schema["properties"]["connection-types"]["items"]["properties"]
    [connection] = get_provider_info()["connection-types"]

    jsonschema.validate(
        connection["conn-fields"], {**kind["conn-fields"], "definitions": schema.get("definitions", {})}
    )
    jsonschema.validate(connection["ui-field-behaviour"], kind["ui-field-behaviour"])
    for name, field in connection["conn-fields"].items():
        assert field["label"], name
        assert field["description"], name
        jsonschema.Draft202012Validator.check_schema(field["schema"])


def test_what_the_provider_names_exists() -> None:
    from airflow.sdk._shared.module_loading import import_string

    info = get_provider_info()
    hook = import_string(info["connection-types"][0]["hook-class-name"])
    assert (hook.conn_type, hook.hook_name) == ("adobe_experience_platform", "Adobe Experience Platform")
    assert hook.default_conn_name == "aep_default"
    for link in info["extra-links"]:
        assert import_string(link)().name


def test_airflow_registers_the_connection_type_from_the_installed_package() -> None:
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    registered = ProvidersManagerTaskRuntime().hooks["adobe_experience_platform"]
    assert registered is not None
    assert registered.connection_id_attribute_name == "aep_conn_id"
    assert registered.connection_testable
