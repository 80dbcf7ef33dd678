"""What all benchmarks play on: a simulated AEP with as many flows and audiences as are needed, an Airflow."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from tools.airflow_settings import REPOSITORY
from tools.simulator_process import SimulatorProcess

HERE = Path(__file__).parent
MEASURED = REPOSITORY / "benchmarks"
"""Where the figures and plots are kept."""
SIDES = ("project", "bare", "stock", "script")
"""In the order in which a table shows them."""
AUDIENCES_PER_FLOW = 20
POLL_SECONDS = 30
"""``poll_interval`` (its default), ``poke_interval`` and the script's sleep."""
RUN_SECONDS = 300.0
SPEED = 2.5
"""A flow run takes 120 s instead of 300, give or take `RUN_VARIATION`."""
RUN_VARIATION = 0.1
WATCH_PLAN = "AEP_BENCH_WATCH"
"""Environment variable: a JSON file {DAG id: {"poll_interval", "orders": [order, …]}}."""
FLOW_SERVICE = "/data/foundation/flowservice"
EXPORT_JOBS, SEGMENT_JOBS = "/data/core/ups/export/jobs", "/data/core/ups/segment/jobs"
ADHOC_RUN = "/data/core/activation/disflowprovider/adhocrun"
TOKEN = "/ims/token/v3"  # noqa: S105 - a path


def ident(text: str) -> str:
    """Return an id that looks like one of AEP's, always the same for the same text."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def seed_of(pairs: int, *, per_flow: int = AUDIENCES_PER_FLOW, **settings: Any) -> dict[str, Any]:
    """Return a seed with at least `pairs` mapped audiences, and one finished export; each flow has delivered before."""
    audiences = [{"id": ident(f"audience {n}"), "name": f"Audience {n}", "size": 1000 + n} for n in range(pairs)]
    flows = [
        {
            "id": ident(f"flow {number}"),
            "name": f"Flow {number}",
            "audiences": [item["id"] for item in audiences[start : start + per_flow]],
        }
        for number, start in enumerate(range(0, pairs, per_flow))
    ]
    tuned = {"run_seconds": RUN_SECONDS, "run_variation": RUN_VARIATION, "max_pairs": 80, **settings}
    usual = {"status": "success", "age": "1d", "seconds": tuned["run_seconds"] / SPEED}
    return {
        "audiences": audiences,
        "flows": flows,
        "runs": [{"flow_id": flow["id"], **usual} for flow in flows],
        "export_jobs": [{"age": "3h", "duration": "30m"}],
        "settings": tuned,
    }


def info_of(seed: Mapping[str, Any], pairs: int) -> dict[str, list[str]]:
    """Return an ``activation_info`` of the seed's first pairs."""
    info: dict[str, list[str]] = {}
    for flow in seed["flows"]:
        for audience in flow["audiences"]:
            if pairs > 0:
                info.setdefault(flow["id"], []).append(audience)
            pairs -= 1
    return info


def kind_of(request: Mapping[str, Any]) -> str:
    """Name a request by what it asks for."""
    path = str(request["path"])
    if path == TOKEN:
        return "POST token"
    if path == ADHOC_RUN:
        return "POST adhocrun"
    for jobs in (EXPORT_JOBS, SEGMENT_JOBS):
        if path.startswith(jobs):
            return f"GET {jobs.removeprefix('/data/core/ups/')}"
    name = path.removeprefix(FLOW_SERVICE).strip("/")
    return f"GET {name.split('/')[0]}" + ("/{id}" if "/" in name else "")


def requests_by_kind(requests_seen: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count requests by kind, the commonest first."""
    return dict(Counter(map(kind_of, requests_seen)).most_common())


class Reader:
    """Reads from the simulated AEP as an account of its own session; ask it only when all is counted."""

    def __init__(self, aep: SimulatorProcess) -> None:
        account = aep.connection()
        self._base = aep.base_url
        self._session = requests.Session()
        self._session.trust_env = False
        form = {
            "grant_type": "client_credentials",
            "client_id": account["login"],
            "client_secret": account["password"],
            "scope": account["extra"]["scopes"],
        }
        answer = self._session.post(self._base + TOKEN, data=form, timeout=30)
        answer.raise_for_status()
        self._session.headers.update(
            {
                "Authorization": f"Bearer {answer.json()['access_token']}",
                "x-api-key": account["login"],
                "x-gw-ims-org-id": account["extra"]["org_id"],
                "x-sandbox-name": account["extra"]["sandbox_name"],
            }
        )

    def runs(self, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return runs by id."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(run_ids), 100):
            query = {"property": "id==" + ",".join(run_ids[start : start + 100]), "limit": "100"}
            answer = self._session.get(f"{self._base}{FLOW_SERVICE}/runs", params=query, timeout=60)
            answer.raise_for_status()
            found += answer.json()["items"]
        return found


def stock_connections(account: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the connections of the HTTP provider to the account of an AEP connection: extra becomes headers."""
    extra = account["extra"]
    headers = {"x-api-key": account["login"], "x-gw-ims-org-id": extra["org_id"], "x-sandbox-name": "prod"}
    return {
        "stock_aep": {"conn_type": "http", "host": account["host"], "extra": headers},
        "stock_ims": {
            "conn_type": "http",
            "host": extra["ims_url"],
            "login": account["login"],
            "password": account["password"],
            "extra": {"scope": extra["scopes"]},
        },
    }
