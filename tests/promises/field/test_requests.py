"""Few questions: what a delivery asks AEP, phase by phase, counted at a socket. docs/scaling.md shows the table.

Each phase is a process of its own, without a token; the table counts all else. The looks of a wait are those of its own
rhythm, in a time that costs nothing.
"""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adobe_experience_platform.aep import auth
from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.operators.latest_export import LatestSegmentExportOperator
from adobe_experience_platform.operators.plan import PlanJobsOperator
from adobe_experience_platform.sensors.segment_export import SegmentExportSensor
from adobe_experience_platform.triggers import polling
from adobe_experience_platform.triggers.flow_run import FlowRunTrigger
from adobe_experience_platform.triggers.polling import Subscription, Window
from tests.support.aep import TOKEN, LocalAep

PAGE = Path(__file__).parents[3] / "docs" / "scaling.md"
BEFORE = {(1, 1): 53, (80, 4): 64, (400, 20): 256}
"""What all of it was when it was first measured: one question for each flow, and without figures in the plan."""
SIZES = [(1, 1), (80, 4), (400, 20), (400, 100)]
TWO_MINUTES = 120.0
HEAD = (
    "| audiences | destinations | jobs | plan | wait for the export | newest export | activate | watch "
    "| together | for the first time | when first measured |"
)


def asked(aep: LocalAep, work: Any) -> tuple[Any, int]:
    """Carry out a phase in a process of its own; return its result and how often it asked, but for tokens."""
    auth.forget_all()
    before = len(aep.requests())
    result = work()
    new = aep.requests()[before:]
    assert sum(item["path"] == TOKEN for item in new) == 1
    return result, len(new) - 1


def looks(monkeypatch: pytest.MonkeyPatch, windows: list[tuple[float, float]]) -> int:
    """Return how often a run of two minutes is looked at, the most of some moments to begin."""
    most = 0
    for phase in range(16):
        began = 1000.0 + phase
        now = [began]
        monkeypatch.setattr(polling, "time", SimpleNamespace(monotonic=lambda now=now: now[0]))
        member = Subscription(set(), 30, dt.datetime(2100, 1, 1, tzinfo=dt.UTC), joined=began)
        member.expected = [Window(began + opens, began + closes) for opens, closes in windows]
        member.is_all_expected = bool(windows)
        now[0], count = began + FlowRunTrigger.FIRST_LOOK * polling.SHORTEST_PAUSE, 1
        while now[0] < began + TWO_MINUTES:
            now[0], count = member.next_due(began), count + 1
        most = max(most, count)
    return most


def row(aep: LocalAep, context: Any, pairs: int, flows: int, *, has_past: bool) -> list[int]:
    """Deliver so many audiences to so many destinations; return jobs, the requests of each phase, and runs.

    :param has_past: whether each destination was delivered to on the days before.
    """
    ids = [f"audience-{number:03}" for number in range(pairs)]
    info = {f"flow-{number:03}": ids[number::flows] for number in range(flows)}
    seed = {
        "settings": {"daily_export": False, "max_pairs": 80},
        "audiences": [{"id": ident, "name": ident.title(), "size": 1} for ident in ids],
        "flows": [{"id": flow_id, "name": flow_id.title(), "audiences": own} for flow_id, own in info.items()],
        "runs": [
            {"flow_id": flow_id, "audience_ids": own, "age": age}
            for age in ("1d", "2d")
            for flow_id, own in info.items()
        ],
        "export_jobs": [{"age": "3h", "duration": "30m"}],
    }
    aep.reset(seed if has_past else {**seed, "runs": []})
    plan = PlanJobsOperator(task_id="task", activation_info=info, check_conf=False)
    jobs, planned = asked(aep, lambda: plan.execute(context))
    briefing = context.ti.xcom_pull("task", "briefing")
    wait = SegmentExportSensor(task_id="task", activation_info=jobs, briefing=briefing)
    _, waited = asked(aep, lambda: wait.execute(context))
    latest = LatestSegmentExportOperator(task_id="task", briefing=briefing)
    _, newest = asked(aep, lambda: latest.execute(context))
    activated, orders = 0, []
    for number, job in enumerate(jobs):
        context.ti.map_index = number
        context["task_state_store"].clear()
        task = AdHocActivationOperator(task_id="task", job=job, briefing=briefing)
        found, more = asked(aep, lambda task=task: task.execute(context))
        orders, activated = orders + found, activated + more
    context.ti.map_index = -1
    context["task_state_store"].clear()
    return [len(jobs), planned, waited, newest, activated, len({order["run_id"] for order in orders})]


def test_what_a_delivery_asks_is_what_the_documents_say(
    aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_before = looks(monkeypatch, [(0.95 * TWO_MINUTES, 1.05 * TWO_MINUTES)])
    first_time = looks(monkeypatch, [])
    lines = [HEAD, "|" + " --- |" * HEAD.count(" |")]
    for size in SIZES:
        *phases, runs = row(aep, context, *size, has_past=True)
        each = math.ceil(runs / polling.PAGE_SIZE)
        watched = as_before * each + 1  # and one look at what these flows' runs took before
        together = sum(phases[1:]) + watched
        anew = sum(row(aep, context, *size, has_past=False)[1:-1]) + first_time * each + 1
        cells = [*size, *phases, watched, together, anew, BEFORE.get(size, "")]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    table = "\n".join(lines)
    assert table in PAGE.read_text(), f"docs/scaling.md should say:\n\n{table}\n"
