"""*Trigger*: what a marketer fills in is what AEP receives, and what cannot be right is refused."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.live.browser.conftest import Visit
from tests.support.forms import TriggerForm, as_json
from tests.support.stage import DAG, Run, Scene
from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow

INFO = {"mail": ["gold", "silver"], "shop": ["bronze"]}


def started(client: AirflowClient) -> set[str]:
    """Return the runs that were started from the form, or by the page *Deliver*: other tests name theirs."""
    return {run["dag_run_id"] for run in client.runs(DAG) if run["dag_run_id"].startswith(("manual__", "deliver__"))}


def test_what_was_pasted_is_delivered(page: Page, scene: Scene, airflow: LocalAirflow) -> None:
    form = TriggerForm(page, DAG)
    expect(form.dialog).to_contain_text("select all (Ctrl+A), paste")
    form.paste(as_json(INFO))
    form.section("Connection")
    form.text("Airflow connection", scene.conn_id)
    form.section("Limits and waiting")
    form.field("Longest pause between two polls (seconds)").fill("2")

    _, run_id = form.submit()

    page.goto("about:blank")  # Airflow's page would ask it all the time how the run is
    run = Run(airflow, scene.client, run_id)
    assert run.wait() == "success"
    assert [post["json"] for post in scene.aep.posts()] == [{"activationInfo": INFO}]
    page.goto(f"/dags/{DAG}/runs/{run_id}")
    expect(page.get_by_text("Success").first).to_be_visible()


def test_what_cannot_be_right_is_refused_in_the_form(page: Page, client: AirflowClient) -> None:
    before = started(client)
    form = TriggerForm(page, DAG)
    form.paste(as_json(INFO))
    expect(form.start).to_be_enabled()

    for pasted, said in ((" ", "SyntaxError: Unexpected end of JSON input"), ('{"mail": ["gold"', "SyntaxError")):
        form.paste(pasted)
        expect(form.dialog.get_by_text(said)).to_be_visible()
        expect(form.start).to_be_disabled()
        form.paste(as_json(INFO))
        expect(form.start).to_be_enabled()

    form.paste('["mail", "gold"]')
    form.start.click()
    expect(page.get_by_text("activation_info").last).to_be_visible()
    assert started(client) == before

    form.section("Limits and waiting")
    field = form.field("Audiences per job")
    field.fill("81")
    field.blur()
    expect(field).to_have_value("80")
    field.fill("5")
    field.blur()
    expect(field).to_have_value("5")


def test_what_the_form_cannot_know_is_refused_by_the_plan_all_at_once(
    page: Page, scene: Scene, airflow: LocalAirflow
) -> None:
    form = TriggerForm(page, DAG)
    form.paste(as_json({"mail": ["gold", "loose", "expired"], "no-such-flow": ["gold"], "off": ["gold"]}))
    form.section("Connection")
    form.text("Airflow connection", scene.conn_id)

    _, run_id = form.submit()

    page.goto("about:blank")
    run = Run(airflow, scene.client, run_id)
    assert run.wait() == "failed"
    assert scene.aep.posts() == []
    page.goto(f"/dags/{DAG}/runs/{run_id}/tasks/plan_jobs")
    for part in ("loose", "expired", "no-such-flow", "off"):
        expect(page.get_by_test_id("virtualized-list").get_by_text(part).first).to_be_visible()


def test_a_viewer_cannot_trigger(visit: Visit, client: AirflowClient) -> None:
    before = started(client)
    form = TriggerForm(visit("viewer"), DAG)
    form.paste(as_json(INFO))
    expect(form.start).to_be_enabled()  # Airflow offers the form to everybody, and refuses what it sends

    with form.page.expect_response(lambda answer: answer.request.method == "POST" and "/dagRuns" in answer.url) as sent:
        form.start.click()

    assert sent.value.status == 403
    assert started(client) == before
