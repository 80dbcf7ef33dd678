"""Files and tables made of what was measured; a table stands between two comments and is replaced whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from lab.bench import plots
from lab.bench.scene import MEASURED, SIDES
from tools.airflow_settings import REPOSITORY

RESULTS = MEASURED / "results.json"
SCALE = MEASURED / "scale.json"
PAGES = (REPOSITORY / "README.md", REPOSITORY / "docs" / "scaling.md")
README_SIZE = 80
RUNS_PER_TASK = 20
"""Of the cases of watching that show growth: the number of tasks grows with that of the runs."""

Rows = Sequence[Mapping[str, Any]]
Cost = Callable[[Mapping[str, Any]], float]


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
    return f"{value:,.0f}" if abs(value) >= 20 or value == int(value) else f"{value:.1f}"


CALLS, CALLS_KEY = "calls to Airflow's API server", "airflow_calls"
_COSTS: tuple[tuple[str, Cost], ...] = (
    ("seconds beyond AEP's own time", lambda row: row["wall_beyond_aep_s"]),
    ("CPU seconds of Airflow", lambda row: row["cpu_s"]),
    ("task processes started", lambda row: row["task_processes"]),
    ("slot seconds while waiting", lambda row: row["slot_s_waiting"]),
    ("requests to AEP", lambda row: sum(row["requests"].values()) - row["requests"].get("POST token", 0)),
    (CALLS, lambda row: row.get("airflow_calls", 0)),
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
        own, bare, stock = cost(sides["project"]), cost(sides["bare"]), cost(sides["stock"])
        ratio = f"{stock / own:.1f} times" if own and stock > own else ""
        body.append([name, _number(own), _number(bare), _number(stock), ratio, _number(cost(sides["script"]))])
    head = [f"{n} audiences", "this project", "bare Airflow", "stock HTTP provider", "stock costs", "plain script"]
    return markdown(head, body)


def components_table(rows: Rows, n: int) -> str:
    """Show which part of Airflow uses the CPU, and how far repeats lie apart."""
    sides = {row["side"]: row for row in rows if row["case"] == "delivery" and row["n"] == n}
    shown = [side for side in ("project", "bare", "stock") if sides.get(side, {}).get("cpu_by_component")]
    if not shown:
        return "Not measured yet: `make bench`."
    names = [*sides[shown[0]]["cpu_by_component"], "all"]
    body = []
    for name in names:
        key = "cpu_s" if name == "all" else f"cpu_s {name}"
        cells = []
        for side in shown:
            row = sides[side]
            middle = row["cpu_s"] if name == "all" else row["cpu_by_component"][name]
            least, most = row["spread"][key]
            cells.append(f"{middle:.1f} ({least:.1f} to {most:.1f})" if row["repeats"] > 1 else f"{middle:.1f}")
        body.append([name, *cells])
    return markdown(["CPU seconds of", *(f"{side} (repeats: {sides[side]['repeats']})" for side in shown)], body)


def growth_table(rows: Rows) -> str:
    """Show what grows with the number of audiences, side by side."""
    sizes = sorted({row["n"] for row in rows if row["case"] == "delivery"})
    body = []
    for name, cost in _COSTS:
        for side in ("project", "bare", "stock"):
            own = [row for row in rows if row["case"] == "delivery" and row["side"] == side]
            found = {row["n"]: cost(row) for row in own if name != CALLS or CALLS_KEY in row}  # older rows lack it
            if len(found) < 2:
                continue
            cells = [_number(found[size]) if size in found else "" for size in sizes]
            slope = plots.exponent(list(found.items()))
            body.append([name, side, *cells, "" if slope is None else f"{slope:.2f}"])
    heads = [f"{size} {'audience' if size == 1 else 'audiences'}" for size in sizes]
    return markdown(["cost", "side", *heads, "exponent"], body)


def watching_table(rows: Rows) -> str:
    """Show what triggerers pay for watching."""
    head = [
        "flow runs",
        "tasks",
        "triggerers",
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
            str(row.get("triggerers", 1)),
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


def largest_table(rows: Rows) -> str:
    """Show what the largest run takes and leaves."""
    if not rows:
        return "Not measured yet: `make bench CASES=largest`."
    body = [
        ["jobs", *(f"{row['jobs']:,}" for row in rows)],
        ["seconds from the start to the last activation", *(_number(row["last_post_s"]) for row in rows)],
        ["the same, for each job", *(f"{row['last_post_s'] / row['jobs']:.1f}" for row in rows)],
        ["seconds beyond AEP's own time", *(_number(row["wall_beyond_aep_s"]) for row in rows)],
        ["CPU seconds of Airflow", *(_number(row["cpu_s"]) for row in rows)],
        ["the same, for each job", *(f"{row['cpu_s'] / row['jobs']:.1f}" for row in rows)],
        ["peak memory, MB", *(_number(row["peak_mb"]) for row in rows)],
        ["tokens minted", *(_number(row["tokens"]) for row in rows)],
        ["calls to Airflow's API server", *(_number(row["airflow_calls"]) for row in rows)],
    ]
    for title, key in (
        ("`{}`", "requests"),
        ("rows in `{}`", "rows"),
        ("KB in `{}`", "kilobytes"),
        ("KB of the largest XCom `{}`", "xcoms"),
    ):
        names = dict.fromkeys(name for row in rows for name in row[key])
        body += [[title.format(name), *(_number(row[key].get(name, 0)) for row in rows)] for name in names]
    return markdown(["", *(f"{row['pairs']:,} pairs" for row in rows)], body)


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
    """Write plots and tables of all that has been measured so far; return the files written."""
    rows, scale = read(RESULTS, []), read(SCALE, {})
    blocks = {
        "delivery": delivery_table(rows, README_SIZE),
        "components": components_table(rows, README_SIZE),
        "growth": growth_table(rows),
        "watching": watching_table(scale.get("watching", [])),
        "latency": latency_table(scale.get("latency", [])),
        "largest": largest_table(scale.get("largest", [])),
        "parsing": parsing_table(scale.get("parsing", [])),
        "machine": scale.get("machine", "Not measured yet."),
    }
    changed = []
    for page in PAGES:
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
    delivered = [row for row in rows if row["case"] == "delivery"]
    deliveries = [
        plots.Panel(
            name,
            "audiences",
            {side: _points([row for row in delivered if row["side"] == side], "n", cost) for side in SIDES},
        )
        for name, cost in _COSTS
        if name != "failures"
    ]
    growing = [row for row in scale.get("watching", []) if row["runs"] == row["tasks"] * RUNS_PER_TASK]
    watched = [
        plots.Panel(title, "flow runs", {"triggerer": _points(growing, "runs", itemgetter(key))})
        for title, key in (
            ("CPU, share of a core", "cpu_share"),
            ("MB above idle", "memory_above_idle_mb"),
            ("requests a round", "requests_per_round"),
            ("p99 of seconds until an end is noticed", "lag_p99_s"),
        )
    ]
    read_files = {
        label: _points(scale.get("parsing", []), "campaigns", itemgetter(key))
        for label, key in (("all files", "all_s"), ("one of them", "one_s"))
    }
    parsed = [plots.Panel("CPU seconds", "campaign files", read_files)]
    return [
        _plot("delivery", "What a delivery costs", deliveries),
        _plot("watching", "One triggerer that watches flow runs", watched),
        _plot("parsing", "Reading campaign files", parsed),
    ]


def _points(rows: Rows, size: str, cost: Cost) -> list[tuple[float, float]]:
    return sorted((row[size], cost(row)) for row in rows)


def _plot(name: str, title: str, panels: Sequence[plots.Panel]) -> Path:
    path = MEASURED / "plots" / f"{name}.svg"
    plots.draw(path, title, panels)
    return path
