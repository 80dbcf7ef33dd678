"""The page *Deliver* in Airflow itself: a marketer delivers three audiences, by mouse alone and by keyboard alone."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.live.browser.conftest import Visit
from tests.support.stage import DAG, RUN_SECONDS, Run, Scene
from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow

CATALOGUE_DAG = "aep_catalog"
INFO = {"mail": ["gold", "silver"], "shop": ["gold"]}
PATIENCE = 240_000
MOST_TABS = 60
FOCUSED = """() => {
  let element = document.activeElement;
  while (element?.tagName === "IFRAME") element = element.contentDocument.activeElement;
  const { testid, flowId, audienceId } = element?.dataset ?? {};
  const text = element?.getAttribute("aria-label") ?? element?.innerText;
  return { testid, flow: flowId, audience: audienceId, text };
}"""


@pytest.fixture
def catalogue(scene: Scene, client: AirflowClient) -> None:
    """Let the newest list of destinations be of the scene's AEP; *Refresh* makes another one of it."""
    client.wait_dags(CATALOGUE_DAG, DAG)
    client.set_paused(DAG, False)
    run_id = client.trigger_dag(CATALOGUE_DAG, {"aep_conn_id": scene.conn_id})
    assert client.wait_run(CATALOGUE_DAG, run_id, timeout=RUN_SECONDS) == "success"


def by_mouse(page: Page, frame: FrameLocator) -> None:
    page.get_by_role("link", name="Deliver", exact=True).click()
    frame.get_by_test_id("deliver-refresh").click()
    expect(frame.get_by_test_id("deliver-refresh")).to_have_text("Refresh", timeout=PATIENCE)
    for flow, audiences in INFO.items():
        for audience in audiences:
            frame.locator(f'[data-flow-id="{flow}"][data-audience-id="{audience}"]').click()
    expect(frame.get_by_test_id("deliver-summary")).to_have_text("3 audiences to 2 destinations, 1 job")
    frame.get_by_test_id("deliver-check").click()
    check = frame.get_by_role("region", name="Check")
    expect(check).to_contain_text("Everything is fine", timeout=PATIENCE)
    expect(check).to_contain_text("3 audiences to 2 destinations, 1 job, from sandbox prod. Nothing was sent.")
    frame.get_by_test_id("deliver-submit").dblclick()


def by_keyboard(page: Page, frame: FrameLocator) -> None:
    tab_to(page, text="Deliver")
    page.keyboard.press("Enter")
    expect(frame.get_by_test_id("deliver-audience").first).to_be_visible()
    tab_to(page, testid="deliver-search")
    page.keyboard.type("mail")
    for audience in INFO["mail"]:
        tab_to(page, flow="mail", audience=audience)
        page.keyboard.press("Space")
    tab_to(page, "Shift+Tab", testid="deliver-search")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("shop gold")
    tab_to(page, flow="shop", audience="gold")
    page.keyboard.press("Space")
    tab_to(page, testid="deliver-submit")
    expect(frame.get_by_test_id("deliver-summary")).to_have_text("3 audiences to 2 destinations, 1 job")
    page.keyboard.press("Enter")


def tab_to(page: Page, key: str = "Tab", **wanted: str) -> None:
    """Press Tab until the focus is on what is wanted."""
    for _ in range(MOST_TABS):
        page.keyboard.press(key)
        found: dict[str, Any] = page.evaluate(FOCUSED)
        if found.items() >= wanted.items():
            return
    raise AssertionError(f"no {wanted} within {MOST_TABS} presses of {key}; the focus is on {found}")


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize("way", [by_mouse, by_keyboard])
def test_a_marketer_delivers_three_audiences(
    way: Any, scene: Scene, client: AirflowClient, airflow: LocalAirflow, visit: Visit
) -> None:
    page = visit("marketer")
    page.goto("/")
    expect(page.get_by_role("link", name="Deliver", exact=True)).to_be_visible()

    way(page, page.frame_locator('iframe[title="Deliver"]'))

    page.wait_for_url(re.compile("/runs/deliver__.*/plugin/aep-activation$"))
    run_id = unquote(page.url.partition("/runs/")[2].partition("/")[0])
    run = Run(airflow, client, run_id)
    assert run.wait() == "success"
    assert [post["json"] for post in scene.aep.posts()] == [{"activationInfo": INFO}]
    title = page.frame_locator('iframe[title="Activation"]').get_by_role("heading", level=1)
    expect(title).to_have_text(re.compile("^Delivered: 3 deliveries to 2 destinations, "))


def test_who_may_only_look_sees_what_there_is_and_why_the_buttons_are_off(
    catalogue: None, visit: Visit, client: AirflowClient
) -> None:
    page = visit("viewer")
    page.goto("/plugin/aep-deliver")
    frame = page.frame_locator('iframe[title="Deliver"]')
    frame.locator('[data-flow-id="mail"][data-audience-id="gold"]').click()

    expect(frame.get_by_test_id("deliver-summary")).to_have_text("1 audience to 1 destination, 1 job")
    expect(frame.get_by_test_id("deliver-submit")).to_be_disabled()
    expect(frame.get_by_text("your role has no right to trigger this DAG")).to_be_visible()
