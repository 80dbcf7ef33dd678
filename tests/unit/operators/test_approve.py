"""`approve`: what a person is shown, and what each answer, or none, does."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException

from adobe_experience_platform.aep import for_markdown
from adobe_experience_platform.delivery import xcom
from adobe_experience_platform.operators.approve import Approval, ApproveDeliveryOperator
from tests.support.dagtest import captured
from tests.support.tasks import Context

JOBS = [{"job": 1, "of": 1, "activation_info": {"mail": ["gold", "partner"]}, "aliases": {"partner": "partner-77"}}]
NAMES = {"mail": "Mail | [x](javascript:y)", "gold": "Gold customers"}
AT = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


LAST, SIZE, FILE = "980 records, 2026-03-09 12:00 UTC", "1,000 (2026-03-10 10:00 UTC)", "gold_%DATETIME(YYYYMMdd)%"


def approve(**arguments: Any) -> ApproveDeliveryOperator:
    terms = Approval(by=("anna",), within=dt.timedelta(minutes=90))
    briefing = {"names": arguments.pop("names", NAMES), "settings": {}, "place": {"sandbox_name": "prod", "tenant": ""}}
    given = {"jobs": JOBS, "briefing": briefing, "plan_task_id": "plan", "approval": terms, **arguments}
    return ApproveDeliveryOperator(task_id="task", **given)


def question(context: Any, monkeypatch: pytest.MonkeyPatch, *asks: str, **arguments: Any) -> str:
    """Return what a person is asked, after a plan that knows something of one of two pairs."""
    note = {"pairs": [["mail", "gold", LAST, SIZE, FILE]], "asks": list(asks)}
    context.ti.xcoms = {("plan", "outlook"): note}
    monkeypatch.setattr(HITLOperator, "execute", lambda task, _: task.body)
    body: str = approve(**arguments).execute(context)
    return body


def answer(option: str, user: Any = None) -> dict[str, Any]:
    return {"chosen_options": [option], "params_input": {}, "responded_at": AT, "responded_by_user": user}


def row(cells: Any) -> str:
    return f"| {' | '.join(map(for_markdown, cells))} |"


def test_a_person_sees_names_and_what_is_known_before(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    body = question(context, monkeypatch)
    assert body.startswith("Will deliver 2 audiences to 1 destination, from sandbox prod.\n\n| Destination |")
    assert row([NAMES["mail"], "Gold customers", LAST, SIZE, FILE]) in body
    assert row([NAMES["mail"], "partner", "not known", "-", "-"]) in body
    assert "within 1 hour 30 minutes" in body
    assert "size guard" not in body


def test_a_person_is_told_first_what_the_size_guard_has_found(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with captured() as lines:
        body = question(context, monkeypatch, "audience 'A*' (a) has 10 profiles", "another")
    _, why, table = body.split("\n\n")[:3]
    assert "lets a person decide" in why
    assert table.startswith("* audience 'A\\*' \\(a\\) has 10 profiles\n* another")
    assert lines.index("audience 'A*' (a) has 10 profiles") < next(i for i, line in enumerate(lines) if LAST in line)


def test_a_person_sees_the_warnings_of_the_plan(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that will be overwritten, a size that was not checked: who says yes has to know."""
    asks = ["audience 'A' has 9 profiles"]
    warnings = ["the file *x* is overwritten", f"{asks[0]}: a person is asked", *map(str, range(30))]
    note = xcom.outlook_note({}, asks, [*warnings, "the file *x* is overwritten"])
    context.ti.xcoms = {("plan", "outlook"): note}
    monkeypatch.setattr(HITLOperator, "execute", lambda task, _: task.body)
    with captured() as lines:
        body = approve().execute(context)
    listed = body.partition("**Warnings:**\n\n")[2].partition("\n\n")[0].splitlines()
    assert listed[0] == "* the file \\*x\\* is overwritten"
    assert (len(listed), listed[-1]) == (21, "* and 11 more: see the log")
    assert "the file *x* is overwritten" in lines


def asked(context: Context, monkeypatch: pytest.MonkeyPatch, note: Any) -> bool:
    context.ti.xcoms = {("plan", "outlook"): note}
    monkeypatch.setattr(HITLOperator, "execute", lambda *_: "asked")
    return approve(approval=Approval(only_on_breach=True)).execute(context) == "asked"


@pytest.mark.parametrize("note", [None, {}, {"pairs": [], "asks": None}, {"pairs": [], "asks": ["too large"]}])
def test_who_is_asked_on_a_breach_only_is_asked_where_no_guard_has_looked(
    context: Context, monkeypatch: pytest.MonkeyPatch, note: Any
) -> None:
    assert asked(context, monkeypatch, note)


def test_nobody_is_asked_where_the_guard_has_found_nothing(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not asked(context, monkeypatch, {"pairs": [], "asks": []})
    decision = context.ti.xcom_pull("task", "approval")
    assert (decision["approved"], decision["by"]) == (True, "the size guard")


def test_a_person_is_asked_although_the_plan_left_no_figures(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert question(context, monkeypatch, plan_task_id="older").count("not known") == 2


def test_a_long_plan_is_cut(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [{"job": 1, "of": 1, "activation_info": {"mail": [f"a{number}" for number in range(201)]}, "aliases": {}}]
    body = question(context, monkeypatch, jobs=many)
    assert "a199" in body
    assert "a200" not in body
    assert "and 1 more: see the log of plan" in body.replace("\\", "")


def test_an_id_stands_where_a_name_alone_could_be_two(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"mail": "Mail", "gold": "Customers", "partner": "Customers"}

    with captured() as lines:
        body = question(context, monkeypatch, names=names)

    assert [line.split(" | ")[:2] for line in body.splitlines() if "Customers" in line] == [
        ["| Mail", r"Customers \(gold\)"],
        ["| Mail", r"Customers \(partner\)"],
    ]
    assert any("Customers (gold)" in line for line in lines), "the log shows text, not Markdown"


def test_names_are_shown_as_they_are(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert r"Mail \| \[x\]\(javascript:y\)" in question(context, monkeypatch)


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
    assert approve(approval=None).assigned_users is None
