"""The tables that are made of what was measured."""

from __future__ import annotations

from lab.bench.delivery import Row, median_of
from lab.bench.outputs import components_table, delivery_table, largest_table


def row(side: str, cpu_s: float, tasks: float) -> Row:
    return Row(
        case="delivery",
        n=80,
        side=side,
        wall_beyond_aep_s=3.0,
        cpu_s=cpu_s,
        task_processes=6,
        slot_s_waiting=0,
        requests={},
        tokens=0,
        peak_mb=100,
        failures=0,
        cpu_by_component={"scheduler": cpu_s - tasks, "tasks": tasks},
    )


REPEATS = [row("project", 5.0, 3.0), row("project", 13.0, 4.0), row("project", 6.0, 3.5)]
OTHERS = [row(side, 4.0, 3.0).to_json() for side in ("bare", "stock", "script")]


def test_a_median_keeps_the_components_and_says_how_far_repeats_lie_apart() -> None:
    middle = median_of(REPEATS)

    assert middle.cpu_s == 6.0
    assert middle.cpu_by_component == {"scheduler": 2.5, "tasks": 3.5}
    assert middle.spread["cpu_s"] == [5.0, 13.0]
    assert middle.spread["cpu_s tasks"] == [3.0, 4.0]
    assert middle.repeats == 3


def test_the_component_that_makes_an_outlier_is_seen() -> None:
    table = components_table([median_of(REPEATS).to_json()], 80)

    assert "| scheduler | 2.5 (2.0 to 9.0) |" in table
    assert "| tasks | 3.5 (3.0 to 4.0) |" in table
    assert "| all | 6.0 (5.0 to 13.0) |" in table


def test_bare_airflow_stands_beside_this_project() -> None:
    table = delivery_table([median_of(REPEATS).to_json(), *OTHERS], 80)

    assert "| CPU seconds of Airflow | 6 | 4 | 4 |" in table
    assert table.splitlines()[0].startswith("| 80 audiences | this project | bare Airflow | stock HTTP provider |")


def test_what_was_measured_before_there_was_a_bare_side_is_not_shown() -> None:
    assert "make bench" in delivery_table([median_of(REPEATS).to_json()], 80)


def test_the_largest_run_is_shown_by_job_and_by_what_it_leaves() -> None:
    run = {
        "pairs": 5000,
        "jobs": 63,
        "last_post_s": 126.0,
        "wall_beyond_aep_s": 130.0,
        "cpu_s": 63.0,
        "peak_mb": 1500.0,
        "tokens": 66.0,
        "requests": {"POST adhocrun": 63.0},
        "airflow_calls": 7000.0,
        "rows": {"xcom": 260},
        "kilobytes": {"xcom": 5200},
        "xcoms": {"report.return_value": 1500},
        "failures": 0,
    }

    lines = largest_table([run]).splitlines()

    assert lines[0] == "|  | 5,000 pairs |"
    assert "| the same, for each job | 2.0 |" in lines
    assert "| `POST adhocrun` | 63 |" in lines
    assert "| rows in `xcom` | 260 |" in lines
    assert "| KB in `xcom` | 5,200 |" in lines
    assert "| KB of the largest XCom `report.return_value` | 1,500 |" in lines
