"""What the foreign client sees of an AEP, as JSON. Runs in the environment of `aepp`, not in this project's.

python client.py BASE_URL CONNECTION_AS_JSON
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def look(base_url: str, connection: dict[str, Any]) -> dict[str, Any]:
    """Mint a token, then list sandboxes, export jobs, destination flows and runs."""
    aepp = importlib.import_module("aepp")
    config = importlib.import_module("aepp.config")
    extra = connection["extra"]
    aepp.configure(
        org_id=extra["org_id"],
        client_id=connection["login"],
        secret=connection["password"],
        scopes=extra["scopes"],
        sandbox=extra["sandbox_name"],
    )
    # `configure` knows Adobe's own hosts only.
    config.endpoints["global"] = base_url
    config.config_object["imsEndpoint"] = base_url
    config.config_object["oauthTokenEndpointV2"] = f"{base_url}/ims/token/v3"

    sandboxes = importlib.import_module("aepp.sandboxes").Sandboxes()
    segmentation = importlib.import_module("aepp.segmentation").Segmentation()
    flow_service = importlib.import_module("aepp.flowservice").FlowService()
    flows = flow_service.getFlows(n_results="inf", onlyDestinations=True)
    runs = flow_service.getRuns(limit=10, n_results="inf")
    return {
        "version": aepp.__version__,
        "sandboxes": [sandbox["name"] for sandbox in sandboxes.getSandboxes()],
        "export_jobs": [
            [job["id"], job["status"], job["schema"]["name"]] for job in segmentation.getExportJobs(limit=5)
        ],
        "flows": {flow["id"]: flow["name"] for flow in flows},
        "flow": flow_service.getFlow(flows[0]["id"])["id"],
        "runs": [run["id"] for run in runs],
        "run": flow_service.getRun(runs[0]["id"])[0]["id"],
    }


if __name__ == "__main__":
    print(json.dumps(look(sys.argv[1], json.loads(sys.argv[2]))))
