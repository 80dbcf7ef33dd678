from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tools.demo import DemoError, choose, names_in, shortcomings
from tools.demo_view import ProgressView, catalog_table, results_table

CATALOG = {
    "flows": [
        {
            "flow_id": "f1",
            "name": "Newsletter S3",
            "state": "enabled",
            "audiences": [
                {"audience_id": "a1", "name": "Newsletter subscribers"},
                {"audience_id": "a2", "name": "Birthday this month"},
            ],
        },
        {
            "flow_id": "f2",
            "name": "Elsewhere",
            "state": "disabled",
            "audiences": [{"audience_id": "a3", "name": "Gold [members]"}],
        },
    ]
}
ORDERED = {"f1": ["a1"]}


def delivery(count: int, audience_id: str = "a1") -> dict[str, Any]:
    return {"flow_id": "f1", "audience_id": audience_id, "count": count}


def result(status: str, audience_id: str = "a1") -> dict[str, Any]:
    return {
        "flow_id": "f1",
        "audience_id": audience_id,
        "status": status,
        "records_exported": 12345,
        "started_at": "2026-01-01T10:00:00+00:00",
        "completed_at": "2026-01-01T10:01:30+00:00",
    }


def text_of(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_chooses_the_wanted_audiences_by_name() -> None:
    assert choose(CATALOG) == {"f1": ["a1"]}


def test_chooses_what_can_be_delivered_in_another_aep() -> None:
    renamed = {"flows": [{**flow, "name": f"Our {flow['name']}"} for flow in CATALOG["flows"]]}

    assert choose(renamed) == {"f1": ["a1"]}


def test_refuses_an_aep_without_audiences() -> None:
    with pytest.raises(DemoError):
        choose({"flows": []})


def test_is_content_when_each_pair_arrived_once() -> None:
    assert shortcomings("success", ORDERED, [result("success")], [delivery(1)], {}) == []


@pytest.mark.parametrize(
    ("state", "results", "deliveries", "problem"),
    [
        ("failed", [result("success")], [delivery(1)], "ended as failed"),
        ("success", [result("success")], [delivery(2)], "sent 2 times instead of 1"),
        ("success", [result("success")], [], "sent 0 times instead of 1"),
        ("success", [result("success")], [delivery(1), delivery(1, "a2")], "sent 1 times instead of 0"),
        ("success", [result("partial_success")], [delivery(1)], "reported as partial_success"),
        ("success", [], [delivery(1)], "reported as nothing"),
    ],
)
def test_names_what_went_wrong(
    state: str, results: list[dict[str, Any]], deliveries: list[dict[str, Any]], problem: str
) -> None:
    found = shortcomings(state, ORDERED, results, deliveries, names_in(CATALOG))

    assert len(found) == 1
    assert problem in found[0]


def test_shows_names_as_they_are() -> None:
    assert "Gold [members]" in text_of(catalog_table(CATALOG))


def test_shows_counts_and_durations_for_people() -> None:
    shown = text_of(results_table([result("success")], names_in(CATALOG), "Report"))

    for cell in ("Newsletter subscribers", "Newsletter S3", "12,345", "90 s"):
        assert cell in shown


def test_says_each_change_once_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), width=200)
    with ProgressView(console, names_in(CATALOG)) as view:
        view.update({"plan_jobs": "running", "report": None}, [])
        view.update({"plan_jobs": "running", "report": None}, [])
        view.update({"plan_jobs": "success", "wait": "deferred"}, [result("in_progress")])

    lines = [line.strip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines == [
        "plan_jobs: running",
        "plan_jobs: success",
        "wait: waiting",
        "Newsletter subscribers to Newsletter S3: delivering",
    ]
