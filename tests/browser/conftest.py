"""A real browser on our pages alone, with a fake Airflow: quick, and in states that a real one gets into seldom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from lab import browser as chromium
from tests.support.pages import NOW, ORIGIN, FakeAirflow, Open


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.browser")


@pytest.fixture
def fake() -> FakeAirflow:
    """Give an empty fake Airflow."""
    return FakeAirflow()


@pytest.fixture
def visitor(browser: Browser, fake: FakeAirflow) -> Iterator[Open]:
    """Return a function that gives a page on the fake Airflow; it fails the test if a script of the page fails."""
    faults: list[str] = []
    with ExitStack() as stack:

        def visitor(**options: Any) -> Page:
            context = stack.enter_context(chromium.visitor(browser, ORIGIN, **options))
            fake.attach(context)
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
            page.clock.install(time=NOW)
            return page

        yield visitor
    assert faults == []


@pytest.fixture
def tab(visitor: Open) -> Page:
    """Give a page on the fake Airflow, on a desktop, in light colours."""
    return visitor()
