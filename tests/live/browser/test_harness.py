"""The harness itself: who is who in the browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.live.browser.conftest import Visit
from tools.local_airflow import LocalAirflow


def test_a_person_logs_in_and_finds_the_dags(visit: Visit, airflow: LocalAirflow) -> None:
    page = visit(None)
    page.goto("/dags")

    page.get_by_label("Username").fill("viewer")
    page.get_by_label("Password").fill(airflow.passwords["viewer"])
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("link", name="AEP: deliver audiences now")).to_be_visible()
    expect(page.get_by_role("link", name="AEP: list destinations and audiences")).to_be_visible()
