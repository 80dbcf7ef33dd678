"""What axe finds on our pages: nothing serious, in light and in dark colours."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from lab import browser as chromium
from tests.support.pages import (
    DAG,
    NOW,
    FakeAirflow,
    Open,
    at,
    audience,
    flow,
    open_deliver,
    open_list,
    open_tab,
    result,
)
from tests.support.parts import run_json

SERIOUS = ("serious", "critical")
FAILED = result("shop", "gold", "failed", None, error_code="A-1", error="Job aborted.")


def serious(page: Page) -> list[str]:
    """Return what axe calls serious or critical, with the elements that it is about."""
    found: Any = Axe().run(page).response
    faults = [fault for fault in found["violations"] if fault["impact"] in SERIOUS]
    return [f"{fault['id']}: {node['html'][:150]}" for fault in faults for node in fault["nodes"]]


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, visitor: Open, fake: FakeAirflow) -> Page:
    """Give a page, and fill the fake Airflow with what the pages show."""
    names = {"mail": "Mail", "shop": "Web shop", "gold": "Gold customers"}
    fake.add_dag("aep_campaign_weekly", "Weekly newsletter", timetable_summary="@daily", next_dagrun_run_after=at(90))
    fake.deliver("good", [result("mail", "gold")], start=-60, names=names)
    fake.deliver("bad", [result("mail", "gold"), FAILED], "failed", start=-30, names=names)
    fake.add_run("live", "running", start=-9, conf={"activation_info": {"mail": ["gold"]}})
    fake.set_task("live", "plan_jobs", "running")
    fake.tell(run_json("theirs", "mail", audiences=["gold"], created=NOW), minutes=-5)
    partly = audience("friday", "Friday", "has a schedule that ended on 2026-05-01")
    fake.add_catalogue([flow("mail", "Mail", [audience("gold"), partly]), flow("off", "Off", [], state="disabled")])
    return visitor(dark=request.param == "dark", size=chromium.DESKTOP)


@pytest.mark.parametrize("run_id", ["good", "bad", "live"])
def test_the_tab_of_a_run(page: Page, run_id: str) -> None:
    open_tab(page, run_id)
    expect(page.locator(".verdict-card")).to_be_visible()

    assert serious(page) == []


def test_the_list_of_deliveries(page: Page) -> None:
    open_list(page)
    page.clock.run_for(1000)
    expect(page.locator("table.runs tbody tr")).to_have_count(4)

    assert serious(page) == []


def test_the_page_that_delivers(page: Page, fake: FakeAirflow) -> None:
    fake.add_run("past", conf={"activation_info": {"mail": ["gold", "gone"]}})
    fake.warnings = ["flow 'Mail' (mail) does not say whether it is enabled"]

    def end(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        fake.set_task(run_id, "plan_jobs", "success")
        fake.runs[dag_id, run_id]["state"] = "success"

    fake.on_start = end
    open_deliver(page, f"?dag_id={DAG}&run_id=past")
    page.get_by_test_id("deliver-check").click()
    expect(page.get_by_role("region", name="Check")).to_contain_text("with 1 warning")
    page.get_by_text("More options").click()

    assert serious(page) == []
