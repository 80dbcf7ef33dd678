"""A real browser on the real Airflow that all live tests share.

Ask for `page`, which is the admin's, or for `visit`, to look as somebody else or at another size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from lab import browser as chromium
from tests.support.pages import NOW, ORIGIN, FakeAirflow, Open
from tests.support.stage import Scene, Stage
from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow

Visit = Callable[..., Page]

expect.set_options(timeout=20_000)  # as patient as the pages of `lab.browser`


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.live")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run the browser for the tests of one module (a second); not longer, see `lab.browser.browser`."""
    program = chromium.find()
    if not program:
        (pytest.fail if chromium.is_required() else pytest.skip)(chromium.MISSING)
    with chromium.browser(program) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, airflow: LocalAirflow, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Return a function that opens a page: `visit(user="viewer", size=PHONE, dark=True)`; None is nobody.

    A page that a failed test had open is left behind as a picture, beside the tests' other files.
    """
    with ExitStack() as stack:

        def visit(user: str | None = "admin", *, url: str = airflow.url, **options: Any) -> Page:
            token = AirflowClient(url, user, airflow.passwords[user]).token() if user else None
            context = stack.enter_context(chromium.visitor(browser, url, token=token, **options))
            page = context.new_page()
            pages.append(page)
            return page

        pages: list[Page] = []
        yield visit
        if getattr(request.node, "failed", False):
            _keep(pages, request)


@pytest.fixture
def page(visit: Visit) -> Page:
    """Give a page of the admin's, on a desktop, in light colours."""
    return visit()


@pytest.fixture
def scene(stage: Stage, request: pytest.FixtureRequest) -> Scene:
    """Give a simulated AEP and a client, named like the test."""
    return stage.scene(re.sub(r"\W+", "-", request.node.name).strip("-"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note that a test failed, for the fixture that keeps its pages."""
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
    return report


def _keep(pages: list[Page], request: pytest.FixtureRequest) -> None:
    folder = Path(request.config.rootpath) / ".local" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", request.node.name)
    for number, page in enumerate(pages):
        path = folder / f"{name}-{number}.png"
        page.screenshot(path=path)
        print(f"picture of the page: {path}\nits address: {page.url}")  # noqa: T201 - pytest shows it with the failure


# -- our pages alone, on a fake Airflow: quick, and in states that a real one gets into seldom


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
