"""The control calls of a simulated AEP that runs somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

_REQUEST_SECONDS = 10.0


class SimulatorError(Exception):
    """The simulator did not start, or refused a control call."""


class SimulatorClient:
    """Controls a simulator.

    :param base_url: where it listens
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy on the way to this machine

    def connection(self) -> dict[str, Any]:
        """Return the Airflow connection of its demo account, in Airflow's JSON form."""
        connection: dict[str, Any] = self.control("GET", "connection")
        return connection

    def reset(self, seed: Mapping[str, Any] | None = None) -> None:
        """Forget all that happened and start again, with the first seed or another one laid over it."""
        self.control("POST", "reset", seed)

    def requests(self, **filters: str) -> list[dict[str, Any]]:
        """Return the requests it got, oldest first; filter by `path` and `method`."""
        return self._items("requests", **filters)

    def deliveries(self) -> list[dict[str, Any]]:
        """Return per activated pair {"flow_id", "audience_id", "count", "run_ids", "successful"}."""
        return self._items("deliveries")

    def state(self) -> dict[str, Any]:
        """Return an overview of what it holds."""
        state: dict[str, Any] = self.control("GET", "state")
        return state

    def add_faults(self, *faults: Mapping[str, Any]) -> list[int]:
        """Let coming requests fail; return the faults' ids."""
        return [int(fault["id"]) for fault in self.control("POST", "faults", faults)["faults"]]

    def faults(self) -> list[dict[str, Any]]:
        """Return the armed faults, with their hits."""
        return self._items("faults")

    def release(self, fault_id: int | None = None, then: str = "continue") -> int:
        """Let held requests go on, or `drop` them; return how many."""
        released: int = self.control("POST", "release", {"fault_id": fault_id, "then": then})["released"]
        return released

    def add_outcomes(self, *outcomes: Mapping[str, Any]) -> None:
        """Decide how coming runs end."""
        self.control("POST", "outcomes", outcomes)

    def change_settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings, and return all of them."""
        settings: dict[str, Any] = self.control("POST", "settings", changes)
        return settings

    def start_export_job(self, **job: Any) -> dict[str, Any]:
        """Start a segment export job, and return it as AEP shows it."""
        started: dict[str, Any] = self.control("POST", "export-jobs", job)
        return started

    def end_export_job(self, job_id: str | int, status: str = "SUCCEEDED") -> None:
        """Put a segment export job into a status."""
        self.control("PATCH", f"export-jobs/{job_id}", {"status": status})

    def start_run(self, flow_id: str, **run: Any) -> dict[str, Any]:
        """Start a flow run that somebody else asked for, and return it as AEP shows it."""
        started: dict[str, Any] = self.control("POST", "runs", {"flow_id": flow_id, **run})
        return started

    def change_run(self, run_id: str, **change: Any) -> Any:
        """Put a flow run into a status; return it as AEP shows it, also where nothing is changed."""
        return self.control("PATCH", f"runs/{run_id}", change)

    def expire_tokens(self) -> None:
        """Let every access token be refused from now on."""
        self.control("POST", "expire-tokens")

    def control(self, method: str, path: str, body: object = None, /, **params: str) -> Any:
        """Make any control call and return its JSON answer."""
        answer = self._http.request(
            method, f"{self.base_url}/_simulator/{path}", json=body, params=params, timeout=_REQUEST_SECONDS
        )
        if not answer.ok:
            raise SimulatorError(f"{method} /_simulator/{path} answered {answer.status_code}: {answer.text}")
        return answer.json() if answer.content else None

    def _items(self, name: str, **params: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.control("GET", name, **params)[name]
        return items
