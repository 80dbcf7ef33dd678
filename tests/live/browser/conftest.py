"""A real browser on the real Airflow that all live tests share.

Ask for `page`, which is the admin's, or for `visit`, to look as somebody else or at another size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from lab import browser as chromium
from tests.support.browser import keep
from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow

Visit = Callable[..., Page]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.browser")


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
            keep(pages, request)


@pytest.fixture
def page(visit: Visit) -> Page:
    """Give a page of the admin's, on a desktop, in light colours."""
    return visit()
