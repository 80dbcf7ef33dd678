"""A simulated AEP on a thread of the tests, and the small world that most tests play in."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from include.aep_simulator.documents import flow_body
from include.aep_simulator.server import running
from include.aep_simulator.simulator import Simulator
from tools.simulator_client import SimulatorClient
from tools.startable import Startable

ADHOC = "/data/core/activation/disflowprovider/adhocrun"
FLOWS = "/data/foundation/flowservice/flows"
JOBS = "/data/core/ups/export/jobs"
RUNS = "/data/foundation/flowservice/runs"
TOKEN = "/ims/token/v3"
ACCEPT_V2 = "application/vnd.adobe.adhoc.activation+json; version=2"

ENDLESS = 36_000
"""Seconds of a run that goes on until a test ends it."""
CROWD = [f"town-{number:02}" for number in range(100)]

SEED: dict[str, Any] = {
    "settings": {"run_variation": 0, "daily_export": False},
    "audiences": [
        {"id": "gold", "name": "Gold customers", "size": 1000},
        {"id": "silver", "name": "Silver customers", "size": 2000},
        {"id": "bronze", "name": "Bronze customers", "size": 3000},
        {"id": "nobody", "name": "Nobody yet", "size": 0},
        {"id": "partner", "name": "Partners", "external_id": "partner-77", "size": 10},
        {"id": "expired", "name": "Black Friday shoppers", "size": 5},
        {"id": "loose", "name": "Not mapped"},
        *({"id": name, "name": name.title(), "size": 1} for name in CROWD),
    ],
    "flows": [
        {
            "id": "mail",
            "name": "Mail",
            "audiences": ["gold", "silver", "bronze", "nobody", "partner", {"id": "expired", "start": -40, "end": -2}],
        },
        {"id": "shop", "name": "Shop", "audiences": ["gold", "silver", "bronze"]},
        {"id": "north", "name": "North", "audiences": CROWD[:60]},
        {"id": "south", "name": "South", "audiences": CROWD[40:]},
        {"id": "off", "name": "Switched off", "state": "disabled", "audiences": ["gold"]},
    ],
    "export_jobs": [{"id": 722, "age": "3h"}],
}
"""Flows with audiences; the newest profile export is 722. 100 audiences go to north and south, 20 to both."""


class LocalAep(SimulatorClient, Startable):
    """The simulated AEP on a thread: quick to start, and the tokens it minted can be looked at.

    :param speed: how many times faster than the real AEP it works
    """

    def __init__(self, *, speed: float = 600) -> None:
        super().__init__("")
        self._simulator = Simulator(settings={"speed": speed})
        self._stack = ExitStack()
        self._tokens: set[str] = set()

    def start(self) -> None:
        self.base_url = self._stack.enter_context(running(self._simulator))

    def stop(self) -> None:
        self._stack.close()

    def reset(self, seed: Any = None) -> None:
        self._tokens |= self.tokens()
        super().reset(seed)

    def tokens(self) -> set[str]:
        """Return every access token that was ever minted."""
        return self._tokens | set(self._simulator.world.tokens._tokens)

    def requests(self, *, path: str = "*", method: str | None = None) -> list[dict[str, Any]]:
        """Return the requests it got, oldest first, of a path (glob) and a method."""
        found = self._simulator.journal.all(path=path, method=method)
        return [exchange.report() for exchange in found]

    def posts(self) -> list[dict[str, Any]]:
        """Return the activations it received."""
        return self.requests(method="POST", path=ADHOC)

    def map_audience(self, flow_id: str, audience_id: str, *, is_mapped: bool = True) -> None:
        """Have somebody map an audience to a flow now, or take it from the flow."""
        world = self._simulator.world
        flow = world.flows[flow_id]
        mapping = flow.mappings.pop(audience_id, next(iter(flow.mappings.values())))
        if is_mapped:
            audience = world.audiences[flow.sandbox, audience_id]
            flow.mappings[audience_id] = replace(mapping, audience=audience, mapped_ms=world.clock.ms())
        flow.body = flow_body(flow, world.sandboxes[flow.sandbox], world.org_id)

    def end_runs(self) -> None:
        """Let all runs of our deliveries end well."""
        for item in self.deliveries():
            for run_id in item["run_ids"]:
                self.change_run(run_id, status="success")

    def delivered(self) -> dict[tuple[str, str], int]:
        """Return how often each pair was activated."""
        return {(item["flow_id"], item["audience_id"]): item["count"] for item in self.deliveries()}
