"""Compare what `aepp` reads from the simulated AEP with what the simulator holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools import bootstrap, side_venv
from tools.simulator_process import SimulatorProcess


class ContractError(Exception):
    """The foreign client sees something else than there is."""


def main() -> int:
    """Install the client if need be, let it look, and say whether it saw what there is."""
    try:
        python = side_venv.install("aepp") / "python"
        with SimulatorProcess(speed=600) as simulator:
            seen = look(python, simulator)
            faults = compare(seen, simulator)
    except (ContractError, bootstrap.BootstrapError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    for fault in faults:
        print(f"DIFFERENT: {fault}", file=sys.stderr)
    if not faults:
        numbers = f"{len(seen['sandboxes'])} sandboxes, {len(seen['export_jobs'])} export jobs"
        numbers += f", {len(seen['flows'])} destination flows and {len(seen['runs'])} runs"
        print(f"aepp {seen['version']} minted a token and read {numbers} from the simulated AEP.")
    return 1 if faults else 0


def look(python: Path, simulator: SimulatorProcess) -> dict[str, Any]:
    """Run the client and return what it saw."""
    client = Path(__file__).with_name("client.py")
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [str(python), str(client), simulator.base_url, json.dumps(simulator.connection())],
        env={**environment, "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ContractError(f"aepp does not understand the simulated AEP:\n{done.stderr}")
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def compare(seen: dict[str, Any], simulator: SimulatorProcess) -> list[str]:
    """Return what the client saw otherwise than the simulator holds it."""
    state = simulator.state()
    sandbox = simulator.connection()["extra"]["sandbox_name"]
    found = [flow for flow in state["flows"] if flow["sandbox"] == sandbox and flow["kind"] != "source"]
    flows = {flow["id"]: flow["name"] for flow in found}
    wanted: dict[str, tuple[object, object]] = {
        "sandboxes": (seen["sandboxes"], state["sandboxes"]),
        "destination flows": (seen["flows"], flows),
        "one flow": (seen["flow"] in flows, True),
        "export jobs": (len({job[0] for job in seen["export_jobs"]}) >= 14, True),
        "runs": (len(set(seen["runs"])), len(seen["runs"])),
        "number of runs": (len(seen["runs"]), state["runs"]["total"]),
        "one run": (seen["run"], seen["runs"][0]),
        "tokens": (state["tokens"] >= 1, True),
        "refused requests": ([item for item in simulator.requests() if item["status"] != 200], []),
    }
    return [f"{what}: {found!r}, not {right!r}" for what, (found, right) in wanted.items() if found != right]


if __name__ == "__main__":
    sys.exit(main())
