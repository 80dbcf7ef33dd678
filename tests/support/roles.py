"""SECURITY.md's table of roles, and the requests to Airflow that show whether a cell is true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

DAG = "dags/aep_adhoc_activation"
RUN = f"{DAG}/dagRuns/manual__1"
TASK = f"{RUN}/taskInstances/activate"
TASKS = {"dry_run": True, "dag_run_id": "manual__1"}

# Row of the table → requests that make it true.
REQUESTS: dict[str, list[tuple[str, str, object]]] = {
    "open the Activation pages": [("GET", "/adobe-experience-platform/activations", None)],
    "see runs, their parameters and results (XComs)": [
        ("GET", f"/api/v2/{RUN}", None),
        ("GET", f"/api/v2/{TASK}/xcomEntries/return_value", None),
        ("GET", f"/api/v2/{RUN}/taskInstances/~/xcomEntries", None),
    ],
    "see task logs": [("GET", f"/api/v2/{TASK}/logs/1", None)],
    "see the record of what was sent (task state)": [("GET", f"/api/v2/{TASK}/state-store", None)],
    "start a delivery": [("POST", f"/api/v2/{DAG}/dagRuns", {"logical_date": None})],
    "clear tasks, mark them, delete runs": [
        ("POST", f"/api/v2/{DAG}/clearTaskInstances", TASKS),
        ("PATCH", f"/api/v2/{TASK}", {"new_state": "success"}),
        ("PATCH", f"/api/v2/{RUN}", {"state": "failed"}),
        ("DELETE", f"/api/v2/{RUN}", None),
    ],
    "pause a DAG": [("PATCH", f"/api/v2/{DAG}", {"is_paused": True})],
    "approve a delivery, if it names no approvers": [
        ("PATCH", f"/api/v2/{RUN}/taskInstances/approve/-1/hitlDetails", {"chosen_options": ["Approve"]}),
    ],
    "change or delete the record of what was sent": [
        ("PUT", f"/api/v2/{TASK}/state-store/record", {"value": {}}),
        ("DELETE", f"/api/v2/{TASK}/state-store/record", None),
    ],
    "change XComs": [("PATCH", f"/api/v2/{TASK}/xcomEntries/return_value", {"value": 1, "map_index": -1})],
    "report an export, which starts campaigns that wait for it": [
        ("POST", "/api/v2/assets/events", {"asset_id": 1}),
    ],
    "see connections, without their secrets": [("GET", "/api/v2/connections", None)],
    "change or test connections, so that a secret goes elsewhere": [
        ("POST", "/api/v2/connections", {}),
        ("PATCH", "/api/v2/connections/aep_default", {}),
        ("POST", "/api/v2/connections/test", {}),
    ],
    "see variables": [("GET", "/api/v2/variables", None)],
}  # fmt: skip
COLUMNS = ("not logged in", "no role", "Viewer", "User", "Op", "Admin")
# Where Airflow's simple auth manager (`make up`) differs from FAB (docker-compose.yaml), whose rights the table shows.
SIMPLE = {
    "open the Activation pages": {"Viewer": True, "User": True},
    "change XComs": {"User": True},
    "report an export, which starts campaigns that wait for it": {"User": False},
}


def table() -> dict[str, dict[str, bool]]:
    """Return {row: {column: yes}} of SECURITY.md."""
    text = (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")
    section = text.partition("## Who may do what\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    assert head[0] == "who may"
    assert {cell for row in rows for cell in row[1:]} == {"yes", "no"}
    return {row[0]: {column: cell == "yes" for column, cell in zip(head[1:], row[1:], strict=True)} for row in rows}


def wrong_cells(column: str, wanted: dict[str, dict[str, bool]], ask: Callable[[str, str, object], int]) -> list[str]:
    """Make the requests as the user of a column; return those that are allowed or refused against the table.

    :param ask: makes a request (method, path, JSON) and returns the status. One that is not refused (401, 403) is
        allowed, whatever else it lacks.
    """
    wrong = []
    for row, requests in REQUESTS.items():
        for method, path, body in requests:
            status = ask(method, path, body)
            assert status < 500, (method, path, status)
            if (status not in (401, 403)) is not wanted[row][column]:
                wrong.append(f"{row}: {method} {path} answered {status}")
    return wrong
