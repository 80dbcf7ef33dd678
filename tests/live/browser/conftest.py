"""A real browser on the real Airflow that all live tests share.

Ask for `page`, which is the admin's, or for `visit`, to look as somebody else or at another size.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from lab import browser as chromium
from tests.support.browser import keep
from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow

Visit = Callable[..., Page]
Visitor = Callable[..., BrowserContext]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.browser")


@pytest.fixture(scope="module")
def visitor(browser: Browser, live_airflow: LocalAirflow) -> Iterator[Visitor]:
    """Return a function that gives the same visitor to all tests of a module, who loads Airflow's web app once."""
    with ExitStack() as stack:

        @functools.cache
        def visitor(user: str | None, url: str, **options: Any) -> BrowserContext:
            token = AirflowClient(url, user, live_airflow.passwords[user]).token() if user else None
            return stack.enter_context(chromium.visitor(browser, url, token=token, **options))

        yield visitor


@pytest.fixture
def visit(visitor: Visitor, airflow: LocalAirflow, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Return a function that opens a page: `visit(user="viewer", size=PHONE, dark=True)`; None is nobody.

    A page that a failed test had open is left behind as a picture, beside the tests' other files.
    """

    def visit(user: str | None = "admin", *, url: str = airflow.url, **options: Any) -> Page:
        pages.append(visitor(user, url, **options).new_page())
        return pages[-1]

    pages: list[Page] = []
    yield visit
    if getattr(request.node, "failed", False):
        keep(pages, request)
    for opened in [opened for page in pages for opened in page.context.pages]:
        opened.close()


@pytest.fixture
def page(visit: Visit) -> Page:
    """Give a page of the admin's, on a desktop, in light colours."""
    return visit()
