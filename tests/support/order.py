"""Which tests run when and in which process: a pytest plugin for every run, made of nothing but pytest."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent.parent
REPOSITORY = TESTS.parent
LIVE = TESTS / "live"
HOSTILE = TESTS / "promises" / "hostile"
TOGETHER = {
    "one Airflow": (LIVE,),
    "one cluster": (TESTS / "lab" / "distributed" / "test_worker_kill.py",),
    # Also the execution API of `dag.test`, which takes each process five seconds of the CPU.
    "one database": (TESTS / "airflow", HOSTILE / "test_dag_params.py", HOSTILE / "test_secrets.py"),
    "one installation": (TESTS / "packaging",),
}
"""What tests share, dearest first: of several processes, one has all that share it, and begins with it."""
KILLING = (LIVE / "test_kills.py",)
"""Takes parts of Airflow down that other live tests need, as `tests.support.stage.Outage` does."""
LOOK_BACK = (LIVE / "test_overdue.py", LIVE / "test_secrets.py")
"""Look at what was left behind, or what has happened meanwhile."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if _on_the_airflow(item.path):
            item.add_marker(pytest.mark.live)
    # Of several processes one has all live tests, which take longest; alone, they come last.
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (_share(item.path)[0], _place(item)))
    else:
        items.sort(key=lambda item: (_is_live(item), _place(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give what tests share to one process each, and all others file by file to whichever is free."""
    from xdist.scheduler import LoadFileScheduling

    class SharesTogether(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return _share(REPOSITORY / file)[1] or file

    return SharesTogether(config, log)


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


def acts_of(item: pytest.Item) -> Callable[..., Any] | None:
    """Return what a test plays through an outage (`tests.support.stage`)."""
    return getattr(getattr(item, "function", None), "acts", None)


@functools.cache
def _share(path: Path) -> tuple[int, str]:
    """Return the place in `TOGETHER` of what a file's tests share, and its name; those that share nothing come last."""
    for place, (name, paths) in enumerate(TOGETHER.items()):
        if any(path.is_relative_to(one) for one in paths):
            return place, name
    return len(TOGETHER), ""


@functools.cache
def _on_the_airflow(path: Path) -> bool:
    return path.is_relative_to(LIVE)


def _is_live(item: pytest.Item) -> bool:
    return item.get_closest_marker("live") is not None


def _place(item: pytest.Item) -> int:
    """Put first what needs all parts of Airflow and has a process to itself, while the scenarios play beside it."""
    if item.path in LOOK_BACK:
        return 3
    if scenario_of(item):
        return 1
    return 2 if acts_of(item) or item.path in KILLING else 0
