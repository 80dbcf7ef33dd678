"""Our pages in a browser without an Airflow: their files, and what Airflow's REST API would answer.

The answers have the form of Airflow's own; `tests/live/browser` opens the pages in a real Airflow.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from playwright.sync_api import BrowserContext, Page, Route

from adobe_experience_platform.aep import FlowRun
from adobe_experience_platform.delivery import SETTINGS, RedRun, form_field, judge
from adobe_experience_platform.delivery.run_news import Sought, describe
from adobe_experience_platform.triggers.base import event
from adobe_experience_platform.web.app import HEADERS, STATIC, read_files

Open = Callable[..., Page]
"""Opens a page on the fake Airflow, see the fixture `visitor`."""
ORIGIN = "http://airflow.test"
PREFIX = "/adobe-experience-platform/"
NOW = dt.datetime(2026, 5, 20, 12, 0, tzinfo=dt.UTC)
DAG = "aep_adhoc_activation"
CATALOGUE_DAG = "aep_catalog"
TENANT_LINK = "https://experience.adobe.com/#/@acmecorp/sname:prod/platform/destination/browse/mail"
OPERATORS = {
    "plan_jobs": "PlanJobsOperator",
    "approve": "ApproveDeliveryOperator",
    "wait_for_segment_export": "SegmentExportSensor",
    "get_latest_export_job": "LatestSegmentExportOperator",
    "activate": "AdHocActivationOperator",
    "wait_for_flow_runs": "DeliveryOperator",
    "report": "DeliveryReportOperator",
}


PLAN_LOGGER = "airflow.task.operators.adobe_experience_platform.operators.plan.PlanJobsOperator"
PARAMS = {
    "activation_info": {"value": None, "description": None, "schema": {"type": "object", "title": "What to deliver"}},
    **{
        name: {
            "value": field["default"],
            "description": field.get("description"),
            "schema": {key: value for key, value in field.items() if key not in ("default", "description")},
        }
        for name, field in ((name, form_field(name)) for name in SETTINGS)
    },
}
"""The params of the on-demand DAG, as its details have them."""


def audience(ident: str, name: str = "", reason: str = "", schedule: str = "daily full export") -> dict[str, Any]:
    """Return an audience of a catalogue."""
    return {
        "audience_id": ident,
        "name": name or ident.title(),
        "schedule": schedule,
        "ready": not reason,
        "reason": reason and f"no, it {reason}",
    }


def flow(ident: str, name: str, audiences: Sequence[Any], state: str = "enabled") -> dict[str, Any]:
    """Return a destination of a catalogue."""
    last_run = "success 2026-05-20 06:10"
    return {"flow_id": ident, "name": name, "state": state, "last_run": last_run, "audiences": list(audiences)}


def at(minutes: float) -> str:
    """Return a time, so many minutes from NOW, as Airflow writes it."""
    return (NOW + dt.timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def result(
    flow: str, audience: str, status: str = "success", exported: int | None = 1000, **more: Any
) -> dict[str, Any]:
    """Return one entry of a report."""
    ended = status in ("success", "partial_success", "failed")
    return {
        "flow_id": flow,
        "audience_id": audience,
        "run_id": None if status == "not_sent" else f"run-{flow}-{audience}",
        "status": status,
        "records_exported": exported if ended or status == "in_progress" else None,
        "records_skipped": 0 if ended else None,
        "records_failed": 0 if ended else None,
        "started_at": at(-20) if status != "not_sent" else None,
        "completed_at": at(-14) if ended else None,
        "error_code": "",
        "error": "",
        "adopted": False,
        **({"figures": {"audiences": 1, "seconds": 360}} if ended else {}),
        **more,
    }


def report_of(results: Sequence[Any], red: RedRun | None = None) -> dict[str, Any]:
    """Return what ``report`` returns, of a run with these results."""
    statuses = [item["status"] for item in results]
    counts = {name: statuses.count(name) for name in ("in_progress", "success", "partial_success", "failed")}
    counts |= {name: statuses.count(name) for name in ("not_sent", "unknown")}
    records = sum(item["records_exported"] or 0 for item in results)
    summary = {"pairs": len(results), **counts, "adopted": 0, "records_exported": records, "records_failed": 0}
    return {"summary": summary, "results": list(results), "verdict": judge(results, red)}


def briefing_of(names: Mapping[str, str] | None) -> dict[str, Any]:
    """Return what `plan_jobs` pushes for all others."""
    return {"settings": {}, "names": dict(names or {}), "place": {"sandbox_name": "prod", "tenant": ""}}


class FakeAirflow:
    """What a browser finds at `ORIGIN`. Change `dags`, `runs`, `tasks`, `xcoms`, `logs` as a test needs.

    `refuse` maps patterns of "METHOD path" to statuses; `requests` has every one that was made. `started` has what was
    started: (DAG, run, conf); `on_start` is called for each. As many answers to that are lost as `lose` says.
    `forbidden` has the DAGs that the visitor may not trigger, `unlisted` the events (by number) that fail any page.
    """

    def __init__(self) -> None:
        self.dags: dict[str, dict[str, Any]] = {}
        self.runs: dict[tuple[str, str], dict[str, Any]] = {}
        self.tasks: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.xcoms: dict[tuple[str, str], dict[tuple[str, int, str], Any]] = {}
        self.logs: dict[tuple[str, str, str], str] = {}
        self.events: list[dict[str, Any]] = []
        self.watched = 0
        self.unlisted: set[int] = set()
        self.refuse: dict[str, int] = {}
        self.requests: list[str] = []
        self.started: list[tuple[str, str, dict[str, Any]]] = []
        self.on_start: Callable[[str, str, dict[str, Any]], None] = lambda dag_id, run_id, conf: None
        self.lose = 0
        self.warnings: list[str] = []
        self.outlook: Any = None
        self.forbidden: set[str] = set()
        self._files = read_files(STATIC)
        self._version = 0
        self._lock = threading.Lock()

    def attach(self, context: BrowserContext) -> None:
        """Answer all that a browser asks for: nothing leaves this process."""
        context.route("**/*", self._answer)

    # -- the world

    def add_dag(self, dag_id: str = DAG, name: str = "AEP: deliver audiences now", **more: Any) -> None:
        """Add a DAG."""
        self.dags[dag_id] = {
            "dag_id": dag_id,
            "dag_display_name": name,
            "is_paused": False,
            "is_stale": False,
            "has_import_errors": False,
            "timetable_summary": None,
            "timetable_description": "Never, external triggers only",
            "next_dagrun_run_after": None,
            "next_dagrun_logical_date": None,
            "tags": [{"name": "aep-activation", "dag_id": dag_id, "dag_display_name": name}],
            **more,
        }

    def add_run(
        self, run_id: str, state: str = "success", *, dag_id: str = DAG, start: float = -30, **more: Any
    ) -> None:
        """Add a run without tasks."""
        if dag_id not in self.dags:
            self.add_dag(dag_id)
        ended = state in ("success", "failed")
        self.runs[dag_id, run_id] = {
            "dag_run_id": run_id,
            "dag_id": dag_id,
            "dag_display_name": self.dags[dag_id]["dag_display_name"],
            "state": state,
            "run_type": "manual",
            "triggering_user_name": "maria",
            "conf": {},
            "note": None,
            "logical_date": None,
            "queued_at": at(start),
            "run_after": at(start),
            "start_date": at(start) if state != "queued" else None,
            "end_date": at(start + 20) if ended else None,
            "duration": 1200.0 if ended else None,
            **more,
        }
        self.tasks.setdefault((dag_id, run_id), [])
        self.xcoms.setdefault((dag_id, run_id), {})

    def set_task(
        self,
        run_id: str,
        task_id: str,
        state: str | None,
        *,
        dag_id: str = DAG,
        map_index: int = -1,
        start: float | None = -28,
        end: float | None = -26,
        xcoms: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Set a task instance's state, and what it has pushed."""
        tasks = self.tasks[dag_id, run_id]
        tasks[:] = [item for item in tasks if (item["task_id"], item["map_index"]) != (task_id, map_index)]
        tasks.append(
            {
                "task_id": task_id,
                "task_display_name": task_id,
                "map_index": map_index,
                "state": state,
                "try_number": 1,
                "max_tries": 3,
                "operator": OPERATORS.get(task_id.rpartition(".")[2], "EmptyOperator"),
                "operator_name": OPERATORS.get(task_id.rpartition(".")[2], "EmptyOperator"),
                "start_date": at(start) if state and start is not None else None,
                "end_date": at(end) if state in ("success", "failed", "skipped") and end is not None else None,
                **more,
            }
        )
        for key, value in (xcoms or {}).items():
            self._version += 1
            self.xcoms[dag_id, run_id][task_id, map_index, key] = (self._version, value)

    def deliver(
        self,
        run_id: str,
        results: Sequence[Any],
        state: str = "success",
        *,
        dag_id: str = DAG,
        names: Mapping[str, str] | None = None,
        job_size: int = 80,
        **more: Any,
    ) -> None:
        """Add a run that has ended with these results."""
        self.add_run(run_id, state, dag_id=dag_id, **more)
        jobs = [results[index : index + job_size] for index in range(0, len(results), job_size)]
        plan = [
            {"job": number, "of": len(jobs), "activation_info": _info(job), "aliases": {}}
            for number, job in enumerate(jobs, start=1)
        ]
        done: dict[str, Any] = {"dag_id": dag_id}
        planned = {"return_value": plan, "briefing": briefing_of(names)}
        self.set_task(run_id, "plan_jobs", "success", xcoms=planned, **done)
        self.set_task(run_id, "wait_for_segment_export", "success", **done)
        self.set_task(run_id, "get_latest_export_job", "success", xcoms={"return_value": "722"}, **done)
        for index, job in enumerate(jobs):
            orders = [[r["flow_id"], r["audience_id"], r["run_id"], False] for r in job if r["run_id"]]
            missing = [[r["flow_id"], r["audience_id"]] for r in job if not r["run_id"]]
            submission = {"v": 1, "job": index + 1, "orders": orders, "missing": missing, "missing_is": "not_sent"}
            submission["later"] = []
            xcoms = {"submission": submission, "destination_link": TENANT_LINK}
            self.set_task(run_id, "activate", "failed" if missing else "success", map_index=index, xcoms=xcoms, **done)
        progress = {"ended": len(results), "of": len(results), "results": list(results)}
        final = "success" if state == "success" else "failed"
        self.set_task(run_id, "wait_for_flow_runs", final, xcoms={"progress": progress}, start=-20, end=-13, **done)
        red = None if state == "success" else RedRun(failed_tasks=["wait_for_flow_runs"])
        report = {"return_value": report_of(results, red)}
        self.set_task(run_id, "report", final, xcoms=report, start=-13, end=-12, **done)

    def add_catalogue(self, flows: Sequence[Any], run_id: str = "list", *, start: float = -40, **more: Any) -> None:
        """Add a run of ``aep_catalog`` that has found these destinations."""
        if CATALOGUE_DAG not in self.dags:
            self.add_dag(CATALOGUE_DAG, "AEP: list destinations and audiences", tags=[])
        self.add_run(run_id, dag_id=CATALOGUE_DAG, start=start, **more)
        xcoms = {"return_value": {"flows": list(flows), "activation_info": {}}}
        self.set_task(run_id, "list_destinations", "success", dag_id=CATALOGUE_DAG, xcoms=xcoms)

    def tell(self, run: Mapping[str, Any], audience: str = "", *, minutes: float = -1.0, **more: Any) -> None:
        """Add an event of ``flow_run_asset``: this flow run of AEP has ended.

        :param audience: which the asset is about; "" for all of the flow.
        :param minutes: from NOW until Airflow was told.
        """
        sought = Sought(run["flowId"], (audience,) if audience else ())
        told = describe(FlowRun.from_json(run), sought)
        payload = {**event(**{"status": "done", **told}).payload, "possible_repeat": False}
        name = "/".join(["aep_default", "-", run["flowId"], *([audience] if audience else [])])
        self.watched += 1
        self.events.append(
            {
                "id": len(self.events) + 1,
                "asset_id": 7,
                "uri": f"aep://flow-runs/{quote(name)}",
                "name": f"aep_flow_run/{name}",
                "group": "adobe_experience_platform",
                "extra": {"from_trigger": True, "payload": payload},
                "source_dag_id": None,
                "source_task_id": None,
                "source_run_id": None,
                "source_map_index": -1,
                "created_dagruns": [],
                "timestamp": at(minutes),
                "partition_key": None,
                **more,
            }
        )

    # -- answers

    def _answer(self, route: Route) -> None:
        request = route.request
        url = urlsplit(request.url)
        path = url.path
        with self._lock:
            self.requests.append(f"{request.method} {path}")
        if f"{url.scheme}://{url.netloc}" != ORIGIN:
            route.abort()
            return
        asked = f"{request.method} {path}"
        status = next((status for pattern, status in self.refuse.items() if re.search(pattern, asked)), None)
        if status == 0:
            route.abort("connectionrefused")
        elif status:
            route.fulfill(status=status, json={"detail": f"refused with {status}"})
        elif path.startswith(f"{PREFIX}may-trigger/"):
            dag_id = unquote(path.rpartition("/")[2])
            route.fulfill(json={"dag_id": dag_id, "may_trigger": dag_id not in self.forbidden})
        elif request.method == "POST" and (match := re.fullmatch("/api/v2/dags/([^~/]+)/dagRuns", path)):
            self._start(route, match[1], json.loads(request.post_data or "{}"))
        elif path.startswith(PREFIX):
            content, media_type, _ = self._files[path.removeprefix(PREFIX)]
            route.fulfill(body=content, headers={**HEADERS, "Content-Type": media_type})
        elif path.startswith("/api/v2/"):
            query = {key: values[-1] for key, values in parse_qs(url.query).items()}
            body = json.loads(request.post_data or "null")
            answer = self._ask(path.removeprefix("/api/v2/"), query, body)
            if {item["id"] for item in (answer or {}).get("asset_events", ())} & self.unlisted:
                route.fulfill(status=500, json={"detail": "Internal Server Error"})
            elif answer is None:
                route.fulfill(status=404, json={"detail": "not found"})
            else:
                route.fulfill(json=answer)
        else:
            route.fulfill(body=f"<title>Airflow</title><p>{path}</p>", content_type="text/html")

    def _start(self, route: Route, dag_id: str, body: Mapping[str, Any]) -> None:
        run_id = body["dag_run_id"]
        with self._lock:
            is_new = (dag_id, run_id) not in self.runs
            lost, self.lose = self.lose > 0, max(0, self.lose - 1)
            if is_new:
                self.started.append((dag_id, run_id, body["conf"]))
                self.add_run(run_id, "queued", dag_id=dag_id, start=0, conf=body["conf"])
                self.on_start(dag_id, run_id, body["conf"])
        if lost:
            route.abort("connectionreset")
        elif is_new:
            route.fulfill(json=self.runs[dag_id, run_id])
        else:
            route.fulfill(status=409, json={"detail": {"reason": "Unique constraint violation"}})

    def _ask(self, path: str, query: Mapping[str, str], body: Any) -> Any:
        parts = [unquote(part) for part in path.split("/")]
        match parts:
            case ["assets"]:
                return {"assets": [], "total_entries": self.watched}
            case ["assets", "events"]:
                assert query["order_by"] == "-timestamp"
                since = dt.datetime.fromisoformat(query["timestamp_gte"])
                named = [told for told in self.events if query["name_pattern"] in told["name"]]
                found = [told for told in named if dt.datetime.fromisoformat(told["timestamp"]) >= since]
                return _page(sorted(found, key=lambda told: str(told["timestamp"]))[::-1], "asset_events", query)
            case ["dags"]:
                tagged = [dag for dag in self.dags.values() if query["tags"] in [tag["name"] for tag in dag["tags"]]]
                return _page(tagged, "dags", query)
            case ["dags", dag]:
                if body and dag in self.dags:
                    self.dags[dag].update(body)
                return self.dags.get(dag)
            case ["dags", dag, "details"]:
                return {**self.dags[dag], "params": PARAMS} if dag in self.dags else None
            case ["dags", "~", "dagRuns", "list"]:
                return self._runs(body)
            case ["dags", dag, "dagRuns"]:
                if dag not in self.dags:
                    return None
                states = [query["state"]] if "state" in query else None
                return self._runs(
                    {"dag_ids": [dag], "states": states, "page_limit": 100, "page_offset": int(query.get("offset", 0))}
                )
            case ["dags", dag, "tasks"]:
                return {"tasks": self._task_list(dag), "total_entries": 0}
            case ["dags", dag, "dagRuns", run]:
                return self.runs.get((dag, run))
            case ["dags", dag, "dagRuns", run, "taskInstances"]:
                tasks = [task for task in self.tasks.get((dag, run), []) if query.get("state") in (None, task["state"])]
                return _page(tasks, "task_instances", query)
            case ["dags", dag, "dagRuns", run, "taskInstances", "~", "xcomEntries"]:
                entries = [
                    {"task_id": task, "map_index": index, "key": key, "timestamp": f"{at(0)}-{version}"}
                    for (task, index, key), (version, _) in self.xcoms.get((dag, run), {}).items()
                ]
                return _page(entries, "xcom_entries", query)
            case ["dags", dag, "dagRuns", run, "taskInstances", task, "xcomEntries", key]:
                found = self.xcoms.get((dag, run), {}).get((task, int(query.get("map_index", -1)), key))
                return None if found is None else {"key": key, "value": found[1]}
            case ["dags", dag, "dagRuns", run, "taskInstances", task, "logs", _]:
                text = self.logs.get((dag, run, task))
                record = {"event": "Task failed", "error_detail": [{"exc_type": "AepError", "exc_value": text}]}
                warned = [{"event": line, "level": "warning", "logger": PLAN_LOGGER} for line in self.warnings]
                return {"content": [{"event": "::group::"}, *warned, *([record] if text else [])]}
        return None

    def _task_list(self, dag_id: str) -> list[dict[str, Any]]:
        found = {}
        for (dag, _), tasks in self.tasks.items():
            if dag == dag_id:
                found.update({task["task_id"]: task for task in tasks})
        return [{"task_id": name, "operator_name": task["operator_name"]} for name, task in found.items()]

    def _runs(self, body: Mapping[str, Any]) -> dict[str, Any]:
        def fits(run: Mapping[str, Any]) -> bool:
            after = body.get("run_after_gte")
            before = body.get("run_after_lte")
            moment = dt.datetime.fromisoformat(run["run_after"])
            return (
                run["dag_id"] in body["dag_ids"]
                and (not body.get("states") or run["state"] in body["states"])
                and (not after or moment >= dt.datetime.fromisoformat(after))
                and (not before or moment <= dt.datetime.fromisoformat(before))
            )

        found = sorted(filter(fits, self.runs.values()), key=lambda run: str(run["run_after"]), reverse=True)
        offset = body.get("page_offset", 0)
        return {"dag_runs": found[offset : offset + min(body["page_limit"], 100)], "total_entries": len(found)}


def _info(results: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    info: dict[str, list[str]] = {}
    for item in results:
        info.setdefault(item["flow_id"], []).append(item["audience_id"])
    return info


def _page(items: Sequence[Any], key: str, query: Mapping[str, str]) -> dict[str, Any]:
    offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", 50)), 100)
    return {key: list(items[offset : offset + limit]), "total_entries": len(items)}


def open_tab(page: Page, run_id: str, dag_id: str = DAG) -> None:
    """Open the Activation tab of a run, on its own."""
    page.goto(f"{ORIGIN}{PREFIX}activation?dag_id={dag_id}&run_id={run_id}")


def open_deliver(page: Page, query: str = "") -> None:
    """Open the page that starts a delivery, on its own."""
    page.goto(f"{ORIGIN}{PREFIX}deliver{query}")


def open_list(page: Page, query: str = "") -> None:
    """Open the page with all activations, on its own."""
    page.goto(f"{ORIGIN}{PREFIX}activations{query}")
