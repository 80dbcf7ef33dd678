"""Which tests run when and in which process: a pytest plugin for every run, made of nothing but pytest."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent.parent
REPOSITORY = TESTS.parent
LIVE = TESTS / "live"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if _on_the_airflow(item.path):
            item.add_marker(pytest.mark.live)
    # One of several processes has all live tests, which take longest; alone, they come last.
    live_first = hasattr(config, "workerinput")
    items.sort(key=lambda item: (_is_live(item) != live_first, *_place(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all live tests to one process, as they share one Airflow, and the others to the rest, file by file."""
    from xdist.scheduler import LoadFileScheduling

    class LiveTogether(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "live" if _on_the_airflow(REPOSITORY / file) else file

    return LiveTogether(config, log)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Balance())


class Balance:
    """Says how long each of several processes had work, so that one sees which of them the others wait for."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if hasattr(report, "node"):
            self._last[report.node.gateway.id] = time.monotonic()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for name, moment in sorted(self._last.items()):
            terminalreporter.write_line(f"{name} was done after {moment - self._began:.0f} s")


def scenario_of(item: pytest.Item) -> Callable[..., Any] | None:
    """Return what a test plays together with others (`tests.support.stage`): its own function, or a table's row."""
    row = item.callspec.params.get("row") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    scenario = getattr(getattr(item, "function", None), "scenario", row)
    return scenario if callable(scenario) else None


def _on_the_airflow(path: Path) -> bool:
    return path.is_relative_to(LIVE)


def _is_live(item: pytest.Item) -> bool:
    return item.get_closest_marker("live") is not None


def _place(item: pytest.Item) -> tuple[bool, bool, bool]:
    """Put first what runs together, and last what looks at all that was left."""
    alone = _is_live(item) and scenario_of(item) is None
    last = item.path in (LIVE / "test_overdue.py", LIVE / "test_secrets.py")
    return alone, last or item.path.is_relative_to(LIVE / "browser"), last
