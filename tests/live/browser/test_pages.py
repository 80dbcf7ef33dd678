"""Our pages in Airflow itself, on deliveries that it carries out."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from lab import browser as chromium
from tests.live.browser.conftest import Visit
from tests.support.stage import Run, Scene
from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow

FLASH_SALE = "aep_campaign_flash_sale"


def test_airflow_shows_the_tab_and_it_follows_a_run(scene: Scene, visit: Visit) -> None:
    run = scene.start({"mail": ["gold", "silver"], "shop": ["gold"]})
    page = visit("viewer")
    page.goto(f"/dags/{run.dag_id}/runs/{run.run_id}")
    page.get_by_role("link", name="Activation", exact=True).click()
    frame = page.frame_locator('iframe[title="Activation"]')
    title = frame.get_by_role("heading", level=1)

    expect(title).not_to_be_empty()
    assert run.wait() == "success"
    expect(title).to_have_text(re.compile("^Delivered: 3 deliveries to 2 destinations, [0-9,]+ records$"))
    mail = frame.get_by_role("region", name="Mail")
    expect(mail).to_contain_text("2 of 2 delivered · 2,994 records")
    expect(mail.locator("tr", has_text="Silver customers")).to_contain_text("1,996")
    expect(frame.locator(".stage-done")).to_have_count(5)

    # Links leave the iframe although it is sandboxed.
    with page.context.expect_page() as opened:
        mail.get_by_role("link", name="Open in AEP").click()
    assert opened.value.url.startswith("https://experience.adobe.com/") or opened.value.url.startswith("chrome-error")
    frame.get_by_role("link", name="All activations").click()
    expect(page).to_have_url(re.compile("/plugin/aep-activations"))

    # The tasks have a button that leads to the same place.
    for task in ("activate/mapped/0", "wait_for_flow_runs"):
        page.goto(f"/dags/{run.dag_id}/runs/{run.run_id}/tasks/{task}/details")
        button = page.get_by_role("link", name="AEP destination")
        expect(button).to_have_attribute(
            "href", re.compile("^https://experience.adobe.com/#/@.+/destination/browse/mail$")
        )


def test_airflow_shows_that_a_person_has_to_agree(client: AirflowClient, airflow: LocalAirflow, visit: Visit) -> None:
    run = Run(airflow, client, client.trigger_dag(FLASH_SALE, {}), FLASH_SALE)
    run.wait_task("approve", "awaiting_input")
    page = visit("viewer")
    page.goto(f"/dags/{FLASH_SALE}/runs/{run.run_id}/plugin/aep-activation")
    frame = page.frame_locator('iframe[title="Activation"]')

    expect(frame.get_by_role("heading", level=1)).to_have_text("Waiting for approval")
    expect(frame.locator("tr", has_text="Bargain hunters")).to_contain_text("Not sent yet")
    frame.get_by_role("link", name="Look at the plan and answer").click()
    expect(page).to_have_url(re.compile("/required_actions$"))
    expect(page.get_by_text("Deliver Flash sale now?").first).to_be_visible()

    run.mark_failed("approve")
    assert run.wait() == "failed"
    page.goto(f"/dags/{FLASH_SALE}/runs/{run.run_id}/plugin/aep-activation")
    expect(frame.get_by_role("heading", level=1)).to_contain_text("NOT APPROVED: nothing was sent")


def test_airflow_shows_why_a_plan_was_refused(scene: Scene, visit: Visit) -> None:
    run = scene.start({"mail": ["gold", "loose"]})
    assert run.wait() == "failed"
    page = visit("viewer", size=chromium.PHONE, dark=True)
    page.goto(f"/dags/{run.dag_id}/runs/{run.run_id}/plugin/aep-activation")
    frame = page.frame_locator('iframe[title="Activation"]')

    expect(frame.get_by_role("heading", level=1)).to_have_text("FAILED: nothing was sent")
    expect(frame.locator(".why")).to_contain_text("loose")
    assert frame.locator("html").get_attribute("data-theme") == "dark"


def test_airflow_shows_the_page_and_keeps_its_filter_in_the_address(scene: Scene, visit: Visit) -> None:
    run = scene.start({"mail": ["gold"]})
    assert run.wait() == "success"
    page = visit("viewer")
    page.goto("/")
    page.get_by_role("link", name="Activations", exact=True).click()
    frame = page.frame_locator('iframe[title="Activations"]')
    rows = frame.locator("table.runs tbody tr")
    own = rows.filter(has=frame.locator(f'a[href*="{run.run_id}"]'))

    expect(own).to_contain_text("1 of 1")
    expect(own).to_contain_text("998")
    frame.get_by_label("State").select_option("Succeeded")
    expect(page).to_have_url(re.compile("state=success"))
    page.reload()
    expect(frame.get_by_label("State")).to_have_value("success")
    own.get_by_role("link").click()
    expect(page).to_have_url(re.compile(f"/runs/{run.run_id}/plugin/aep-activation"))
    title = page.frame_locator('iframe[title="Activation"]').get_by_role("heading", level=1)
    expect(title).to_have_text(re.compile("^Delivered: 1 delivery to 1 destination, "))
