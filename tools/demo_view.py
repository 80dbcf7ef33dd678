"""How the demo looks on a terminal, and in a log where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

# Results and audiences are dictionaries as the DAGs' XComs hold them.
Result = Mapping[str, Any]

_COLOURS = {
    "success": "green",
    "partial_success": "yellow",
    "failed": "red",
    "upstream_failed": "red",
    "unknown": "red",
    "not_sent": "red",
    "running": "cyan",
    "in_progress": "cyan",
    "deferred": "magenta",
    "up_for_retry": "yellow",
}
# What Airflow's word means to somebody who does not know Airflow.
_WORDS = {"deferred": "waiting", "up_for_retry": "will be tried again", "in_progress": "delivering"}


def terminal() -> Console:
    """Return the console; where no terminal says how wide it is, tables may be wide."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


def catalog_table(catalog: Mapping[str, Any], shown: int = 6) -> Table:
    """Show what can be delivered where; of long lists the first few."""
    table = Table(title="What the catalog DAG found in AEP", title_justify="left")
    for heading in ("Destination flow", "State", "Audiences"):
        table.add_column(heading)
    for flow in catalog["flows"]:
        names = [audience["name"] for audience in flow["audiences"]]
        more = f", and {len(names) - shown} more" if len(names) > shown else ""
        table.add_row(Text(flow["name"]), _word(flow["state"]), Text(", ".join(names[:shown]) + more))
    return table


def results_table(results: Iterable[Result], names: Mapping[str, str], title: str) -> Table:
    """Show one row for each pair of flow and audience."""
    table = Table(title=title, title_justify="left")
    for heading in ("Destination flow", "Audience", "Status"):
        table.add_column(heading)
    table.add_column("Exported", justify="right")
    table.add_column("Failed", justify="right")
    table.add_column("Took", justify="right")
    for result in results:
        table.add_row(
            Text(names.get(result["flow_id"], result["flow_id"])),
            Text(names.get(result["audience_id"], result["audience_id"])),
            _word(result["status"]),
            _number(result.get("records_exported")),
            _number(result.get("records_failed")),
            _duration(result.get("started_at"), result.get("completed_at")),
        )
    return table


def tasks_table(states: Mapping[str, str | None]) -> Table:
    """Show one row for each task."""
    table = Table(title="Tasks of the run", title_justify="left")
    table.add_column("Task")
    table.add_column("State")
    for task, state in states.items():
        table.add_row(task, _word(state or "to do"))
    return table


class ProgressView:
    """Shows a run while it goes on: as live tables on a terminal, else as a line for each change.

    :param console: where to
    :param names: {id: name} of flows and audiences
    """

    def __init__(self, console: Console, names: Mapping[str, str]) -> None:
        self._console = console
        self._names = names
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._said: dict[str, str] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def update(self, states: Mapping[str, str | None], results: Sequence[Result]) -> None:
        """Show the tasks' states and the pairs' results as they are now."""
        if self._live:
            tables = [tasks_table(states)]
            if results:
                tables.append(results_table(results, self._names, "Deliveries"))
            self._live.update(Group(*tables))
            return
        for task, state in states.items():
            self._say(task, state)
        for result in results:
            flow, audience = (self._names.get(result[key], result[key]) for key in ("flow_id", "audience_id"))
            self._say(f"{audience} to {flow}", result["status"])

    def _say(self, subject: str, state: str | None) -> None:
        if state and self._said.get(subject) != state:
            self._said[subject] = state
            self._console.print(f"  {subject}: {_WORDS.get(state, state)}", markup=False, highlight=False)


def _word(state: Any) -> Text:
    text = str(state)
    return Text(_WORDS.get(text, text.replace("_", " ")), style=_COLOURS.get(text, ""))


def _number(value: Any) -> str:
    return "" if value is None else f"{value:,}"


def _duration(start: str | None, end: str | None) -> str:
    if not start or not end:
        return ""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    return f"{seconds:.0f} s"
