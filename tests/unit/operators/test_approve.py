"""`approve`: what a person is shown, and what each answer, or none, does."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from adobe_experience_platform.operators.approve import Approval, ApproveDeliveryOperator
from adobe_experience_platform.operators.plan import labelled
from tests.support.aep import SEED, LocalAep
from tests.support.dagtest import captured

JOBS = [{"job": 1, "of": 1, "activation_info": {"mail": ["gold", "partner"]}, "aliases": {"partner": "partner-77"}}]
NAMES = {"mail": "Mail | [x](javascript:y)", "gold": "Gold customers"}
AT = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


def approve(**arguments: Any) -> ApproveDeliveryOperator:
    terms = Approval(by=("anna",), within=dt.timedelta(minutes=90))
    return ApproveDeliveryOperator(task_id="task", jobs=JOBS, names=NAMES, approval=terms, **arguments)


def question() -> str:
    from adobe_experience_platform.delivery.jobs import Job

    return approve()._question([Job.from_json(item) for item in JOBS])


def answer(option: str, user: Any = None) -> dict[str, Any]:
    return {"chosen_options": [option], "params_input": {}, "responded_at": AT, "responded_by_user": user}


def test_a_person_sees_names_and_what_was_delivered_last(aep: LocalAep) -> None:
    before = {"flow_id": "mail", "audience_ids": ["gold"], "age": "2h", "seconds": 400}
    aep.reset({**SEED, "runs": [before]})
    body = question()
    assert "Will deliver 2 audiences to 1 destination, from sandbox prod." in body
    assert "| Gold customers |" in body
    assert "| partner |" in body
    assert "within 1 hour 30 minutes" in body
    [gold] = [line for line in body.splitlines() if "Gold" in line]
    assert " records, " in gold
    assert aep.posts() == []


def test_an_id_stands_where_a_name_alone_could_be_two(aep: LocalAep) -> None:
    task = approve()
    task.names = {"mail": "Mail", "gold": "Customers", "partner": "Customers"}
    from adobe_experience_platform.delivery.jobs import Job

    with captured() as lines:
        body = task._question([Job.from_json(item) for item in JOBS])

    assert [line.split(" | ")[:2] for line in body.splitlines() if "Customers" in line] == [
        ["| Mail", r"Customers \(gold\)"],
        ["| Mail", r"Customers \(partner\)"],
    ]
    assert any("Customers (gold)" in line for line in lines), "the log shows text, not Markdown"


def test_names_are_shown_as_they_are(aep: LocalAep) -> None:
    assert r"Mail \| \[x\]\(javascript:y\)" in question()


def test_a_person_is_asked_although_aep_does_not_tell_the_last_delivery(aep: LocalAep) -> None:
    aep.add_faults({"kind": "status", "status": 403, "path": "*/runs", "times": None})
    assert question().count("not known") == 2


def test_an_approval_names_who_gave_it(context: Any) -> None:
    decision = approve().execute_complete(context, answer("Approve", {"id": "1", "name": "anna"}))
    assert (decision["approved"], decision["by"]) == (True, "anna")
    assert context.ti.xcom_pull("task", "approval") == decision


def test_a_no_fails_the_task_for_good_and_is_kept(context: Any) -> None:
    with pytest.raises(AirflowFailException, match="Nothing was sent: anna has rejected this delivery"):
        approve().execute_complete(context, answer("Reject", {"id": "1", "name": "anna"}))
    kept = context.ti.xcom_pull("task", "approval")
    assert (kept["approved"], kept["why"]) == (False, "anna has rejected this delivery")


def test_silence_is_a_no(context: Any) -> None:
    event = {"error": "The timeout has passed.", "error_type": "timeout"}
    with pytest.raises(AirflowFailException, match="nobody approved this delivery within 1 hour 30 minutes"):
        approve().execute_complete(context, event)
    assert context.ti.xcom_pull("task", "approval")["approved"] is False


def test_only_those_who_are_named_may_answer() -> None:
    assert approve().assigned_users == [{"id": "anna", "name": "anna"}]
    assert ApproveDeliveryOperator(task_id="task", jobs=JOBS).assigned_users is None


def test_a_label_does_not_hide_what_aep_calls_it() -> None:
    names = labelled({"a": "Silver", "b": "Gold"}, {"a": "Gold", "b": "Gold", "c": "New"})
    assert names == {"a": "Gold (AEP: Silver)", "b": "Gold", "c": "New"}
