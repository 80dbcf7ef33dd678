"""Run `schemathesis` with Adobe's OpenAPI files against the simulated AEP.

It makes requests that fit the files, and others that do not, and judges each answer: no failure of the simulator
itself, the media type and the schema that Adobe documents, no refusal of what is allowed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests
import yaml

from tools import bootstrap, side_venv
from tools.simulator_process import SimulatorProcess

OPENAPI = bootstrap.ROOT / "tests" / "promises" / "contract" / "openapi"
FILES = {
    "ad-hoc-activation": "/data/core/activation/disflowprovider",
    "flow-service-runs": "/data/foundation/flowservice",
    "segmentation-export-jobs": "/data/core/ups",
}
"""Adobe's file → where the service is."""
NOT_SIMULATED = "^/segment/jobs/"
CHECKS = ("not_a_server_error", "content_type_conformance", "response_schema_conformance")
"""Left out: statuses, as Adobe's files document neither the 404 nor the 400 that its pages describe, and AEP's gateway
answers a missing ``Authorization`` with 403."""
WRONG_TYPES = {
    ("ScheduleSpecDTO", "interval"): "a text in the schema, which was written for sources; a number in dataset flows",
    ("TransformationSpecDTO", "mappingVersion"): "a text in the schema, a number in Adobe's tutorials",
}
"""Where Adobe's pages contradict the files: no type is asked for."""


def main() -> int:
    """Install the tool if need be, and let it judge one file after the other."""
    parser = argparse.ArgumentParser(prog="make contract-schemathesis", description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="requests of each kind for each call (default 50)")
    parser.add_argument("--seed", type=int, default=7, help="what chance starts with (default 7)")
    options = parser.parse_args()
    try:
        tool = side_venv.install("schemathesis") / "schemathesis"
    except bootstrap.BootstrapError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    with SimulatorProcess(speed=600) as simulator:
        failed = [name for name in FILES if not judge(tool, simulator, name, options)]
    print(f"Adobe's files judge {len(FILES) - len(failed)} of {len(FILES)} services to be as documented.")
    return 1 if failed else 0


def corrected(name: str) -> dict[str, Any]:
    """Return one of Adobe's files, without what its pages contradict."""
    document: dict[str, Any] = yaml.safe_load((OPENAPI / f"{name}.yaml").read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for schema, field in WRONG_TYPES:
        if schema in schemas:
            del schemas[schema]["properties"][field]["type"]
    return document


def judge(tool: Path, simulator: SimulatorProcess, name: str, options: argparse.Namespace) -> bool:
    """Let the tool ask one service; return whether it found nothing."""
    connection = simulator.connection()
    extra = connection["extra"]
    form = {"grant_type": "client_credentials", "client_id": connection["login"], "scope": extra["scopes"]}
    form["client_secret"] = connection["password"]
    minted = requests.post(f"{simulator.base_url}/ims/token/v3", data=form, timeout=60).json()
    headers = {
        "Authorization": "Bearer ${AEP_TOKEN}",  # in the environment: other users of the machine see command lines
        "x-api-key": connection["login"],
        "x-gw-ims-org-id": extra["org_id"],
        "x-sandbox-name": extra["sandbox_name"],
    }
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "schemathesis.toml"
        lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in headers.items()]
        config.write_text("\n".join(["[headers]", *lines, ""]), encoding="utf-8")
        specification = Path(folder) / f"{name}.json"
        specification.write_text(json.dumps(corrected(name), default=str), encoding="utf-8")
        command = [str(tool), "--config-file", str(config), "run", str(specification)]
        command += ["--url", simulator.base_url + FILES[name], "--checks", ",".join(CHECKS)]
        command += ["--exclude-path-regex", NOT_SIMULATED] if name == "segmentation-export-jobs" else []
        command += ["--max-examples", str(options.examples), "--warnings", "off"]
        command += ["--seed", str(options.seed), "--phases", "examples,coverage,fuzzing", "--no-color"]
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        environment |= {"AEP_TOKEN": minted["access_token"], "NO_PROXY": "*"}
        return subprocess.run(command, env=environment, cwd=folder, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
