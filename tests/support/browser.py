"""A real browser, as a pytest plugin: for our pages on a fake Airflow, and for those of a real one.

A page that a failed test had open is left behind as a picture, beside the tests' other files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lab import browser as chromium

expect.set_options(timeout=60_000)  # as patient as the pages of `lab.browser`


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run the browser for the tests of one module (a second); not longer, see `lab.browser.browser`."""
    program = chromium.find()
    if not program:
        (pytest.fail if chromium.is_required() else pytest.skip)(chromium.MISSING)
    with chromium.browser(program) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note that a test failed, for the fixture that keeps its pages."""
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
    return report


def keep(pages: list[Page], request: pytest.FixtureRequest) -> None:
    """Leave pictures of pages behind."""
    folder = Path(request.config.rootpath) / ".local" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", request.node.name)
    for number, page in enumerate(pages):
        path = folder / f"{name}-{number}.png"
        page.screenshot(path=path)
        print(f"picture of the page: {path}\nits address: {page.url}")  # noqa: T201 - pytest shows it with the failure
