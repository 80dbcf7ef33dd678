"""Files and tables made of what was measured; a table stands between two comments and is replaced whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.scene import HERE
from tools.airflow_settings import REPOSITORY

RESULTS = HERE / "results.json"
SCALE = HERE / "scale.json"
PAGES = (REPOSITORY / "README.md", REPOSITORY / "docs" / "scaling.md")
README_SIZE = 80
SIDES = ("project", "stock", "script")

Rows = Sequence[Mapping[str, Any]]


def merge(path: Path, new: Iterable[Mapping[str, Any]], key: Sequence[str]) -> list[dict[str, Any]]:
    """Put rows into a file; those of the same key are replaced, the others stay."""
    rows = {tuple(row[name] for name in key): row for row in read(path, [])}
    rows |= {tuple(row[name] for name in key): dict(row) for row in new}
    ordered = [rows[name] for name in sorted(rows, key=lambda name: [(isinstance(part, str), part) for part in name])]
    write(path, ordered)
    return ordered


def read(path: Path, default: Any) -> Any:
    """Read a JSON file, if there is one."""
    return json.loads(path.read_text()) if path.exists() else default


def write(path: Path, data: Any) -> None:
    """Write a JSON file: one row a line, so that a change of one is a change of one line."""
    if isinstance(data, list):
        path.write_text("[\n" + ",\n".join(json.dumps(row) for row in data) + "\n]\n")
        return
    parts = []
    for name, value in data.items():
        text = json.dumps(value)
        if isinstance(value, list) and value:
            text = "[\n    " + ",\n    ".join(json.dumps(row) for row in value) + "\n  ]"
        parts.append(f"  {json.dumps(name)}: {text}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.1f}"


_COSTS: tuple[tuple[str, Callable[[Mapping[str, Any]], float]], ...] = (
    ("seconds beyond AEP's own time", lambda row: row["wall_beyond_aep_s"]),
    ("CPU seconds of Airflow", lambda row: row["cpu_s"]),
    ("task processes started", lambda row: row["task_processes"]),
    ("slot seconds while waiting", lambda row: row["slot_s_waiting"]),
    ("requests to AEP", lambda row: sum(row["requests"].values()) - row["requests"].get("POST token", 0)),
    ("tokens minted", lambda row: row["tokens"]),
    ("peak memory, MB", lambda row: row["peak_mb"]),
    ("failures", lambda row: row["failures"]),
)


def delivery_table(rows: Rows, n: int) -> str:
    """Compare the sides for one number of audiences."""
    sides = {row["side"]: row for row in rows if row["case"] == "delivery" and row["n"] == n}
    if set(sides) != set(SIDES):
        return "Not measured yet: `make bench`."
    body = []
    for name, cost in _COSTS:
        own, stock = cost(sides["project"]), cost(sides["stock"])
        ratio = f"{stock / own:.1f} times" if own and stock > own else ""
        body.append([name, _number(own), _number(stock), ratio, _number(cost(sides["script"]))])
    return markdown([f"{n} audiences", "this project", "stock HTTP provider", "stock costs", "plain script"], body)


def growth_table(rows: Rows) -> str:
    """Show what grows with the number of audiences, side by side."""
    sizes = sorted({row["n"] for row in rows if row["case"] == "delivery"})
    body = []
    for name, cost in _COSTS:
        for side in SIDES[:2]:
            found = {row["n"]: cost(row) for row in rows if row["case"] == "delivery" and row["side"] == side}
            if len(found) < 2:
                continue
            cells = [_number(found[size]) if size in found else "" for size in sizes]
            body.append([name, side, *cells, exponent_text(list(found), list(found.values()))])
    return markdown(["cost", "side", *(f"{size} audiences" for size in sizes), "exponent"], body)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float | None:
    """Return b of cost = a · size^b, fitted to the logarithms; None if something costs nothing."""
    points = [(math.log(size), math.log(cost)) for size, cost in zip(sizes, costs, strict=True) if cost > 0]
    if len(points) < 2 or len(points) < len(sizes):
        return None
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else None


def exponent_text(sizes: Sequence[float], costs: Sequence[float]) -> str:
    """Return the exponent for a table."""
    found = exponent(sizes, costs)
    return "" if found is None else f"{found:.2f}"


def watching_table(rows: Rows) -> str:
    """Show what one triggerer pays for watching."""
    head = [
        "flow runs",
        "tasks",
        "CPU of one core",
        "MB above idle",
        "requests a round",
        "requests a minute",
        "end noticed after, p50",
        "p99",
        "task ended after, p99",
        "event loop blocked",
    ]
    body = [
        [
            f"{row['runs']:,}",
            str(row["tasks"]),
            f"{row['cpu_share']:.1%}",
            _number(row["memory_above_idle_mb"]),
            _number(row["requests_per_round"]),
            _number(row["requests_per_minute"]),
            f"{row['lag_p50_s']:.1f} s",
            f"{row['lag_p99_s']:.1f} s",
            f"{row['ended_p99_s']:.1f} s",
            f"{row['blocks']} times",
        ]
        for row in rows
    ]
    return markdown(head, body) if body else "Not measured yet: `make bench CASES=watching`."


def latency_table(rows: Rows) -> str:
    """Compare rhythms of polling."""
    head = ["a run lasts about", "polls", "how often asked", "end noticed after, mean", "p99"]
    body = [
        [
            f"{row['seconds']:,.0f} s",
            row["rhythm"],
            _number(row["polls"]),
            f"{row['lag_mean_s']:.1f} s",
            f"{row['lag_p99_s']:.1f} s",
        ]
        for row in rows
    ]
    return markdown(head, body) if body else "Not measured yet: `make bench CASES=latency`."


def parsing_table(rows: Rows) -> str:
    """Show what campaign files cost."""
    body = [[str(row["campaigns"]), f"{row['all_s']:.2f} s", f"{row['one_s']:.2f} s"] for row in rows]
    head = ["campaign files", "DAG processor, all of them", "a task process, its own"]
    return markdown(head, body) if body else "Not measured yet: `make bench CASES=parsing`."


def publish() -> list[Path]:
    """Write plots and tables of all that has been measured so far; return the files that changed."""
    rows, scale = read(RESULTS, []), read(SCALE, {})
    blocks = {
        "delivery": delivery_table(rows, README_SIZE),
        "growth": growth_table(rows),
        "watching": watching_table(scale.get("watching", [])),
        "latency": latency_table(scale.get("latency", [])),
        "parsing": parsing_table(scale.get("parsing", [])),
        "machine": scale.get("machine", "Not measured yet."),
    }
    changed = []
    for page in PAGES:
        if not page.exists():
            continue
        text = fresh = page.read_text()
        for name, block in blocks.items():
            fresh = _replaced(fresh, name, block)
        if fresh != text:
            page.write_text(fresh)
            changed.append(page)
    return changed + _plots(rows, scale)


def _replaced(text: str, name: str, block: str) -> str:
    begin, end = f"<!-- bench: {name} -->\n", "<!-- /bench -->"
    head, found, rest = text.partition(begin)
    return f"{head}{begin}{block}\n{end}{rest.partition(end)[2]}" if found else text


def _plots(rows: Rows, scale: Mapping[str, Any]) -> list[Path]:
    written = []
    for key, title in (
        ("wall_beyond_aep_s", "Seconds beyond AEP's own time"),
        ("cpu_s", "CPU seconds of Airflow"),
        ("task_processes", "Task processes started"),
        ("requests", "Requests to AEP"),
    ):
        lines = {}
        for side in SIDES:
            of_side = sorted(
                (row for row in rows if row["case"] == "delivery" and row["side"] == side), key=lambda row: row["n"]
            )
            values = [sum(row[key].values()) if key == "requests" else row[key] for row in of_side]
            lines[side] = [(row["n"], value) for row, value in zip(of_side, values, strict=True)]
        written.append(_plot(f"delivery-{key}", title, "audiences", lines))
    watched = {}
    for row in scale.get("watching", []):
        watched[row["runs"], row["runs"] // row["tasks"] == 20] = row
    growing = sorted((row for (_, usual), row in watched.items() if usual), key=lambda row: row["runs"])
    costs = {
        "CPU, % of a core": [(row["runs"], 100 * row["cpu_share"]) for row in growing],
        "MB above idle": [(row["runs"], row["memory_above_idle_mb"]) for row in growing],
        "requests a round": [(row["runs"], row["requests_per_round"]) for row in growing],
    }
    written.append(_plot("watching", "One triggerer that watches flow runs", "flow runs", costs))
    parsed = {
        "all files": [(row["campaigns"], row["all_s"]) for row in scale.get("parsing", [])],
        "one of them": [(row["campaigns"], row["one_s"]) for row in scale.get("parsing", [])],
    }
    written.append(_plot("parsing", "CPU seconds to read campaign files", "campaign files", parsed))
    return [path for path in written if path is not None]


def _plot(name: str, title: str, unit: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> Path | None:
    drawn = {label: [point for point in points if point[1] > 0] for label, points in lines.items()}
    drawn = {label: points for label, points in drawn.items() if len(points) > 1}
    if not drawn:
        return None
    labelled = {}
    for label, points in drawn.items():
        found = exponent([x for x, _ in points], [y for _, y in points])
        labelled[f"{label} (exponent {found:.2f})"] = points
    path = HERE / "plots" / f"{name}.svg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(plots.log_log(title, unit, labelled))
    return path
