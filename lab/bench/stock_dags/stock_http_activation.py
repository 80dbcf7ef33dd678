"""The same delivery from Airflow's own HTTP provider, as a careful user would write it.

A token by HttpOperator, the segment export by HttpSensor, one POST per 80 audiences by HttpOperator, one mapped
HttpSensor per statusURL; sensors in reschedule mode, so that no worker slot is held between two looks. What may be
repeated is retried, the POST is not. It checks neither the input nor the snapshot, and a lost answer is lost.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import requests
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

POKE_SECONDS = 30
"""The project's ``poll_interval`` and the script's sleep are the same in the benchmark."""
PAIRS_PER_JOB = 80
RUNS = "/data/foundation/flowservice/runs/"
BEARER = {"Authorization": "Bearer {{ ti.xcom_pull(task_ids='get_token') }}"}
RESCHEDULED: dict[str, Any] = {
    "http_conn_id": "stock_aep",
    "headers": BEARER,
    "mode": "reschedule",
    "poke_interval": POKE_SECONDS,
    "timeout": 4 * 3600,
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "extra_options": {"timeout": 30},
}


def token_of(response: requests.Response) -> str:
    """Take the token out of the answer of IMS."""
    token: str = response.json()["access_token"]
    return token


def no_export_runs(response: requests.Response) -> bool:
    """Tell whether no export of profiles is in progress."""
    return not any(
        job["status"] in ("NEW", "PROCESSING") and job["schema"]["name"] == "_xdm.context.profile"
        for job in response.json()["records"]
    )


def run_paths_of(response: requests.Response) -> list[str]:
    """Return the paths of the runs that the activation has started."""
    return [RUNS + order["statusURL"].rsplit("/", 1)[-1] for order in response.json()["order"]]


def run_ended(response: requests.Response) -> bool:
    """Tell whether a flow run has ended; one that failed fails the task."""
    run = response.json()["items"][0]
    summary = (run.get("metrics") or {}).get("statusSummary") or {}
    status = summary.get("status", "inProgress")
    if status in ("failed", "partialSuccess"):
        raise AirflowFailException(f"flow run {run['id']} ended as {status}")
    return bool(status == "success")


@task
def split_jobs() -> list[str]:
    """Split the delivery into bodies of at most 80 pairs."""
    info: dict[str, list[str]] = get_current_context()["params"]["activation_info"]
    pairs = [(flow, audience) for flow, audiences in info.items() for audience in audiences]
    bodies = []
    for start in range(0, len(pairs), PAIRS_PER_JOB):
        job: dict[str, list[str]] = {}
        for flow, audience in pairs[start : start + PAIRS_PER_JOB]:
            job.setdefault(flow, []).append(audience)
        bodies.append(json.dumps({"activationInfo": job}))
    return bodies


@task
def all_runs(paths: Any) -> list[str]:
    """Join the runs of all jobs."""
    return [path for job in paths for path in job]


@task
def report(paths: Any) -> int:
    """Say how many runs delivered: a run that did not has failed its sensor."""
    return len(paths)


with DAG(
    "stock_http_activation",
    schedule=None,
    catchup=False,
    max_active_tasks=64,
    tags=["benchmark"],
    default_args={"owner": "benchmark", "retries": 3, "retry_delay": timedelta(seconds=10)},
    params={"activation_info": Param(type="object")},
):
    bodies = split_jobs()
    get_token = HttpOperator(
        task_id="get_token",
        http_conn_id="stock_ims",
        endpoint="/ims/token/v3",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        data={
            "grant_type": "client_credentials",
            "client_id": "{{ conn.stock_ims.login }}",
            "client_secret": "{{ conn.stock_ims.password }}",
            "scope": "{{ conn.stock_ims.extra_dejson.scope }}",
        },
        response_filter=token_of,
        extra_options={"timeout": 30},
    )
    wait_for_export = HttpSensor(
        task_id="wait_for_export",
        endpoint="/data/core/ups/export/jobs",
        request_params={"limit": "100"},
        response_check=no_export_runs,
        **RESCHEDULED,
    )
    activate = HttpOperator.partial(
        task_id="activate",
        http_conn_id="stock_aep",
        endpoint="/data/core/activation/disflowprovider/adhocrun",
        headers={
            **BEARER,
            "Content-Type": "application/json",
            "Accept": "application/vnd.adobe.adhoc.activation+json; version=2",
        },
        response_filter=run_paths_of,
        retries=0,  # AEP has no idempotency key
        extra_options={"timeout": 60},
    ).expand(data=bodies)
    paths = all_runs(activate.output)
    watch = HttpSensor.partial(task_id="wait_for_run", response_check=run_ended, **RESCHEDULED).expand(endpoint=paths)
    get_token >> wait_for_export >> activate
    watch >> report(paths)
