"""The simulator on a thread, a clock that tests can move, and a client that speaks to it over a socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from include.aep_simulator.server import running
from include.aep_simulator.simulator import Simulator

V2 = "application/vnd.adobe.adhoc.activation+json; version=2"
FLOWS = "/data/foundation/flowservice/flows"
RUNS = "/data/foundation/flowservice/runs"
JOBS = "/data/core/ups/export/jobs"
ADHOC = "/data/core/activation/disflowprovider/adhocrun"
TOKEN = "/ims/token/v3"


class MovableTime:
    """The wall clock, moved ahead at will."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Aep:
    """A client of the simulator: AEP's calls as the demo account, and the control calls."""

    flows, runs, jobs, adhoc_path, token_path = FLOWS, RUNS, JOBS, ADHOC, TOKEN

    def __init__(self, url: str, clock: MovableTime) -> None:
        self.url = url
        self.clock = clock
        self.session = requests.Session()
        self.reset()

    # -- control

    def control(self, method: str, path: str, body: Any = None, *, ok: bool = True) -> Any:
        answer = self.session.request(method, f"{self.url}/_simulator/{path}", json=body, timeout=60)
        assert not ok or answer.status_code == 200, answer.text
        return answer.json()

    def reset(self, seed: Any = None) -> None:
        self.clock.ahead = 0.0
        self.control("POST", "reset", seed)
        self.connection = self.control("GET", "connection")
        self.token = self.mint().json()["access_token"]

    def settings(self, **changes: Any) -> None:
        self.control("POST", "settings", changes)

    def fault(self, **fault: Any) -> Any:
        return self.control("POST", "faults", fault)

    def requests(self, path: str) -> list[Any]:
        return self.control("GET", f"requests?path={path}")["requests"]

    def deliveries(self) -> dict[tuple[str, str], Any]:
        found = self.control("GET", "deliveries")["deliveries"]
        return {(d["flow_id"], d["audience_id"]): d for d in found}

    def advance(self, seconds: float) -> None:
        self.clock.ahead += seconds

    # -- AEP

    def mint(self, **fields: str) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.connection["login"],
            "client_secret": self.connection["password"],
            "scope": self.connection["extra"]["scopes"],
        }
        return self.session.post(self.url + TOKEN, data={**form, **fields}, timeout=60)

    def headers(self, **changes: str | None) -> dict[str, str]:
        headers: dict[str, str | None] = {
            "Authorization": f"Bearer {self.token}",
            "x-api-key": self.connection["login"],
            "x-gw-ims-org-id": self.connection["extra"]["org_id"],
            "x-sandbox-name": "prod",
        }
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        return {name: value for name, value in headers.items() if value is not None}

    def get(self, path: str, params: Any = None, **headers: str | None) -> requests.Response:
        return self.session.get(self.url + path, params=params, headers=self.headers(**headers), timeout=60)

    def adhoc(self, info: Any, accept: str | None = V2, **more: Any) -> requests.Response:
        body = {"activationInfo": info, **more}
        return self.session.post(self.url + ADHOC, json=body, headers=self.headers(Accept=accept), timeout=60)

    def run_of(self, info: Any) -> str:
        """Activate one pair and return the id of its run."""
        answer = self.adhoc(info)
        assert answer.status_code == 200, answer.text
        return answer.json()["order"][0]["statusURL"].rpartition("/")[2]

    def run(self, run_id: str) -> Any:
        return self.get(f"{RUNS}/{run_id}").json()["items"][0]


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, MovableTime]]:
    clock = MovableTime()
    with running(Simulator(time_source=clock)) as url:
        yield url, clock


@pytest.fixture
def aep(server: tuple[str, MovableTime]) -> Aep:
    """AEP as the default seed has it."""
    return Aep(*server)


@pytest.fixture
def small(server: tuple[str, MovableTime]) -> Aep:
    """AEP with two flows, three audiences and no history."""
    aep = Aep(*server)
    aep.reset(
        {
            "settings": {"run_variation": 0, "daily_export": False},
            "audiences": [
                {"id": "gold", "name": "Gold customers", "size": 1000},
                {"id": "silver", "name": "Silver customers", "size": 2000},
                {"id": "partner", "name": "Partners", "external_id": "partner-77", "size": 10},
                {"id": "loose", "name": "Not mapped"},
                {"id": "elsewhere", "name": "Test", "sandbox": "dev"},
            ],
            "flows": [
                {"id": "mail", "name": "Mail", "audiences": ["gold", "silver", "partner"]},
                {"id": "shop", "name": "Shop", "audiences": ["gold"]},
                {"id": "dev-flow", "name": "Dev", "sandbox": "dev", "audiences": ["elsewhere"]},
            ],
            "export_jobs": [{"id": 722, "age": "3h"}],
        }
    )
    return aep


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Return a function that waits until another returns something true."""

    def wait(check: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 5
        while not (result := check()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.01)
        return result

    return wait
