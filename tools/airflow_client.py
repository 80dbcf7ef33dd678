"""The part of Airflow's REST API that the demo and the tests drive a run with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests

TERMINAL_STATES = frozenset({"success", "failed"})
_POLL_SECONDS = 0.3
_REQUEST_SECONDS = 120.0


class AirflowClientError(Exception):
    """What the client could not do."""


class AirflowUnreachableError(AirflowClientError):
    """The API server does not answer (yet)."""


class AirflowApiError(AirflowClientError):
    """The API server refused a request.

    :param status: HTTP status
    :param detail: what it said
    """

    def __init__(self, request: str, status: int, detail: str) -> None:
        super().__init__(f"{request} answered {status}: {detail}")
        self.status = status
        self.detail = detail


class MissingDagError(AirflowClientError):
    """A DAG did not appear; the message has the import errors."""


class RunTimeoutError(AirflowClientError):
    """A run or a task did not get to the awaited state in time; the message says where it is."""


class AirflowClient:
    """Drives an Airflow through its public REST API, as one user.

    A mapped task's instances are addressed by `map_index`; -1 is a task that is not mapped. A run is
    addressed by its DAG's id and its own.

    :param url: of the API server
    :param user: of the simple auth manager
    :param password: the user's
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._credentials = {"username": user, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc on the way to this machine

    def token(self) -> str:
        """Return a new access token of the user; a browser sends it as the cookie ``_token``."""
        answer = self._send("POST", "/auth/token", json=self._credentials)
        if not answer.ok:
            raise AirflowApiError("POST /auth/token", answer.status_code, answer.text)
        return str(answer.json()["access_token"])

    def health(self) -> dict[str, Any]:
        """Return {component: {"status": …, "latest_…_heartbeat": …}}."""
        health: dict[str, Any] = self._call("GET", "/api/v2/monitor/health", login=False)
        return health

    # -- connections

    def connection(self, conn_id: str) -> dict[str, Any] | None:
        """Return a connection of Airflow's database without its secrets, None when there is none."""
        try:
            connection: dict[str, Any] = self._call("GET", f"/api/v2/connections/{conn_id}")
        except AirflowApiError as error:
            if error.status == 404:
                return None
            raise
        return connection

    def create_connection(self, conn_id: str, connection: Mapping[str, Any]) -> None:
        """Put a connection, in Airflow's JSON form, into the database."""
        body = {**connection, "connection_id": conn_id, "extra": json.dumps(connection.get("extra", {}))}
        self._call("POST", "/api/v2/connections", json=body)

    # -- DAGs

    def dags(self) -> dict[str, dict[str, Any]]:
        """Return {DAG id: DAG}."""
        return {dag["dag_id"]: dag for dag in self._list("/api/v2/dags", "dags")}

    def wait_dags(self, *dag_ids: str, timeout: float = 60.0) -> None:
        """Wait until DAGs are there; an import error ends it at once."""
        deadline = time.monotonic() + timeout
        while missing := set(dag_ids) - self.dags().keys():
            errors = self.import_errors()
            if errors or time.monotonic() > deadline:
                raise MissingDagError(f"no DAG {sorted(missing)}; import errors: {json.dumps(errors, indent=1)}")
            time.sleep(_POLL_SECONDS)

    def import_errors(self) -> dict[str, str]:
        """Return {file: stack trace} of the DAG files that cannot be imported."""
        errors = self._list("/api/v2/importErrors", "import_errors")
        return {error["filename"]: error["stack_trace"] for error in errors}

    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": paused})

    # -- runs

    def trigger_dag(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """Unpause a DAG, start a run of it now, and return the run's id."""
        self.set_paused(dag_id, False)
        body = {"conf": dict(conf or {}), "dag_run_id": run_id, "logical_date": None}
        run: dict[str, Any] = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        return str(run["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return all runs of a DAG."""
        return self._list(f"/api/v2/dags/{dag_id}/dagRuns", "dag_runs")

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return one run."""
        run: dict[str, Any] = self._call("GET", _run_path(dag_id, run_id))
        return run

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return a run's state."""
        return str(self.run(dag_id, run_id)["state"])

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a run as success, failed or queued."""
        self._call("PATCH", _run_path(dag_id, run_id), json={"state": state})

    def wait_run(
        self,
        dag_id: str,
        run_id: str,
        timeout: float = 120.0,
        on_poll: Callable[[], None] | None = None,
        interval: float = _POLL_SECONDS,
    ) -> str:
        """Wait for the end of a run and return its state.

        :param on_poll: called at every look, to show progress
        :param interval: seconds between two looks
        :raises RunTimeoutError: when it still runs after `timeout` seconds
        """
        deadline = time.monotonic() + timeout
        while (state := self.run_state(dag_id, run_id)) not in TERMINAL_STATES:
            if on_poll:
                on_poll()
            if time.monotonic() > deadline:
                raise RunTimeoutError(
                    f"{dag_id} {run_id} is {state} after {timeout:.0f} s: {self.task_states(dag_id, run_id)}"
                )
            time.sleep(interval)
        return state

    # -- task instances

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all task instances of a run."""
        return self._list(f"{_run_path(dag_id, run_id)}/taskInstances", "task_instances")

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Return {task id, or task id[map index]: state}."""
        return {_name(instance): instance["state"] for instance in self.task_instances(dag_id, run_id)}

    def wait_task(self, dag_id: str, run_id: str, task: str, *states: str, timeout: float = 60.0) -> str | None:
        """Wait until a task (`id` or `id[map index]`) is in one of the states, and return which."""
        deadline = time.monotonic() + timeout
        while (state := self.task_states(dag_id, run_id).get(task)) not in states:
            if time.monotonic() > deadline:
                raise RunTimeoutError(f"{task} is {state} after {timeout:.0f} s, not {' or '.join(states)}")
            time.sleep(_POLL_SECONDS)
        return state

    def task_log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1) -> str:
        """Return a try's log as text, that of its trigger included."""
        path = f"{_task_path(dag_id, run_id, task_id)}/logs/{try_number}"
        answer = self._call("GET", path, params={"map_index": map_index, "full_content": True})
        lines = []
        for record in answer["content"]:
            if isinstance(record, str):
                lines.append(record)
                continue
            head = " ".join(str(record[key]) for key in ("timestamp", "level") if key in record)
            lines.append(f"{head} {record.get('event', '')}".strip())
            if record.get("error_detail"):
                lines.extend(_traceback(record["error_detail"]))
        return "\n".join(lines)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1) -> Any:
        """Return an XCom's value, None when there is none."""
        path = f"{_task_path(dag_id, run_id, task_id)}/xcomEntries/{key}"
        try:
            answer = self._call("GET", path, params={"map_index": map_index, "deserialize": True})
        except AirflowApiError as error:
            if error.status == 404:
                return None
            raise
        return answer["value"]

    def state_store(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> dict[str, Any]:
        """Return {key: value} of what a task has put into its state store."""
        path = f"{_task_path(dag_id, run_id, task_id)}/state-store"
        entries = self._list(path, "task_state_store", map_index=map_index)
        return {entry["key"]: entry["value"] for entry in entries}

    def clear(
        self,
        dag_id: str,
        run_id: str,
        task_ids: Sequence[str | tuple[str, int]] | None = None,
        *,
        only_failed: bool = False,
        downstream: bool = False,
    ) -> list[str]:
        """Clear task instances (default: all of the run) so that they run again; return their names."""
        body: dict[str, Any] = {
            "dag_run_id": run_id,
            "dry_run": False,
            "only_failed": only_failed,
            "include_downstream": downstream,
            "reset_dag_runs": True,
        }
        if task_ids is not None:
            body["task_ids"] = list(task_ids)
        answer = self._call("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body)
        return [_name(instance) for instance in answer["task_instances"]]

    def set_task_state(
        self, dag_id: str, run_id: str, task_id: str, state: str, *, map_index: int | None = None
    ) -> None:
        """Mark a task instance as success, failed or skipped."""
        path = _task_path(dag_id, run_id, task_id) + ("" if map_index is None else f"/{map_index}")
        self._call("PATCH", path, json={"new_state": state})

    # -- people's answers

    def question(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return what a task asks a person: subject, body, options, who may answer."""
        asked: dict[str, Any] = self._call("GET", f"{_task_path(dag_id, run_id, task_id)}/-1/hitlDetails")
        return asked

    def answer(self, dag_id: str, run_id: str, task_id: str, *options: str) -> None:
        """Answer a task that asks a person."""
        path = f"{_task_path(dag_id, run_id, task_id)}/-1/hitlDetails"
        self._call("PATCH", path, json={"chosen_options": list(options), "params_input": {}})

    # -- connections

    def asset_events(self, name_pattern: str) -> list[dict[str, Any]]:
        """Return the events of all assets whose name has this in it."""
        return self._list("/api/v2/assets/events", "asset_events", name_pattern=name_pattern, order_by="timestamp")

    def delete_connection(self, conn_id: str) -> None:
        """Remove a connection from the metadata database."""
        self._call("DELETE", f"/api/v2/connections/{conn_id}")

    # -- transport

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON answer of any other GET, for instance of a plugin's page."""
        return self._call("GET", path, params=params)

    def _list(self, path: str, key: str, **params: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        while True:
            page = self._call("GET", path, params={"limit": 100, "offset": len(items), **params})
            items += page[key]
            if not page[key] or len(items) >= page["total_entries"]:
                return items

    def _call(self, method: str, path: str, *, login: bool = True, **kwargs: Any) -> Any:
        if login and "Authorization" not in self._session.headers:
            self._login()
        answer = self._send(method, path, **kwargs)
        if answer.status_code == 401 and login:  # the token's day is over
            self._login()
            answer = self._send(method, path, **kwargs)
        if not answer.ok:
            raise AirflowApiError(f"{method} {path}", answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def _login(self) -> None:
        self._session.headers["Authorization"] = f"Bearer {self.token()}"

    def _send(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        try:
            return self._session.request(method, self.url + path, timeout=_REQUEST_SECONDS, **kwargs)
        except requests.ConnectionError as error:
            raise AirflowUnreachableError(f"no answer from {self.url}: {error}") from error


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run_path(dag_id, run_id)}/taskInstances/{task_id}"


def _name(instance: Mapping[str, Any]) -> str:
    index = instance.get("map_index", -1)
    return str(instance["task_id"]) + (f"[{index}]" if index >= 0 else "")


def _traceback(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for error in errors:
        frames = error.get("frames") or []
        lines += [f"  {frame['filename']}:{frame['lineno']} in {frame['name']}" for frame in frames]
        lines.append(f"{error.get('exc_type')}: {error.get('exc_value')}")
    return lines
