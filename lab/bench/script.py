"""The same delivery as a plain script with requests and sleep: the least that works, without Airflow.

``python lab/bench/script.py '{"base_url": …, "ims_url": …, "client_id": …, "client_secret": …, "scope": …,
"org_id": …, "activation_info": {…}, "sleep": 15}'``; prints the seconds that it waited for AEP.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import requests

ACCEPT = "application/vnd.adobe.adhoc.activation+json; version=2"


def logged_in(given: dict[str, Any]) -> requests.Session:
    """Return a session with a token."""
    session = requests.Session()
    session.trust_env = False
    form = {
        "grant_type": "client_credentials",
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
        "scope": given["scope"],
    }
    answer = session.post(f"{given['ims_url']}/ims/token/v3", data=form, timeout=30)
    answer.raise_for_status()
    session.headers.update(
        {
            "Authorization": f"Bearer {answer.json()['access_token']}",
            "x-api-key": given["client_id"],
            "x-gw-ims-org-id": given["org_id"],
            "x-sandbox-name": "prod",
        }
    )
    return session


def main(given: dict[str, Any]) -> float:
    """Deliver; return how long it slept and polled."""
    session = logged_in(given)

    def get(path: str, **params: str) -> Any:
        answer = session.get(given["base_url"] + path, params=params, timeout=30)
        answer.raise_for_status()
        return answer.json()

    began = time.monotonic()
    while any(
        job["status"] in ("NEW", "PROCESSING") for job in get("/data/core/ups/export/jobs", limit="100")["records"]
    ):
        time.sleep(given["sleep"])
    waited = time.monotonic() - began
    pairs = [(flow, audience) for flow, audiences in given["activation_info"].items() for audience in audiences]
    runs = []
    for start in range(0, len(pairs), 80):
        job: dict[str, list[str]] = {}
        for flow, audience in pairs[start : start + 80]:
            job.setdefault(flow, []).append(audience)
        answer = session.post(
            given["base_url"] + "/data/core/activation/disflowprovider/adhocrun",
            json={"activationInfo": job},
            headers={"Accept": ACCEPT},
            timeout=60,
        )
        answer.raise_for_status()
        runs += [order["statusURL"].rsplit("/", 1)[-1] for order in answer.json()["order"]]
    began = time.monotonic()
    failed = []
    while True:
        going_on = []
        for run_id in runs:
            run = get(f"/data/foundation/flowservice/runs/{run_id}")["items"][0]
            summary = (run.get("metrics") or {}).get("statusSummary") or {}
            status = summary.get("status", "inProgress")
            if status == "inProgress":
                going_on.append(run_id)
            elif status != "success":
                failed.append(run_id)
        runs = going_on
        if not runs:
            break
        time.sleep(given["sleep"])
    if failed:
        sys.exit(f"{len(failed)} runs did not succeed: {failed[:10]}")
    return waited + time.monotonic() - began


if __name__ == "__main__":
    print(f"{main(json.loads(sys.argv[1])):.3f}")
