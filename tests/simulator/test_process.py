"""The simulator as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "include" / "aep_simulator" / "seed.example.yaml"


@pytest.fixture
def start():
    """Return a function that starts the simulator and returns the process and its first line."""
    processes = []

    def begin(*options):
        command = [sys.executable, "-m", "include.aep_simulator", "--port", "0", *options]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_listens_on_loopback_and_ends_cleanly(start, number):
    process, line = start()
    url = line.removeprefix("AEP simulator listening on ")
    assert url.startswith("http://127.0.0.1:")
    assert requests.get(f"{url}/_simulator/health", timeout=60).json() == {"status": "ok"}
    process.send_signal(number)
    assert process.wait(5) == 0
    assert process.stderr.read() == ""


def test_the_example_seed_is_served(start):
    process, line = start("--seed", str(EXAMPLE), "--speed", "5")
    url = line.rpartition(" ")[2]
    state = requests.get(f"{url}/_simulator/state", timeout=60).json()
    assert [flow["id"] for flow in state["flows"]] == ["f-mail", "f-off", "f-stream", "f-source"]
    assert state["settings"]["speed"] == 5
    assert state["runs"] == {"total": 4, "in_progress": 2}
    connection = requests.get(f"{url}/_simulator/connection", timeout=60).json()
    assert (connection["login"], connection["extra"]["tenant"]) == ("corner-shop-client", "corner-shop")
    headers = {
        "Authorization": "Bearer a-token-that-needs-no-minting",
        "x-api-key": "corner-shop-client",
        "x-gw-ims-org-id": "1234567890ABCDEF12345678@AdobeOrg",
        "x-sandbox-name": "prod",
    }
    jobs = f"{url}/data/core/ups/export/jobs"
    assert requests.get(jobs, headers=headers, timeout=60).status_code == 503
    records = requests.get(jobs, headers=headers, timeout=60).json()["records"]
    assert [job["status"] for job in records] == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert process.poll() is None


def test_a_json_seed_is_served(start, tmp_path):
    path = tmp_path / "seed.json"
    path.write_text(json.dumps({"tenant": "json-shop"}))
    _, line = start("--seed", str(path))
    connection = requests.get(f"{line.rpartition(' ')[2]}/_simulator/connection", timeout=60).json()
    assert connection["extra"]["tenant"] == "json-shop"


def test_a_bad_seed_or_port_ends_it_with_a_message(start, tmp_path):
    path = tmp_path / "seed.json"
    path.write_text('{"flow": []}')
    process, line = start("--seed", str(path))
    assert (line, process.wait(5)) == ("", 2)
    assert "flow" in process.stderr.read()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process, line = start("--port", str(taken.getsockname()[1]))
        assert (line, process.wait(5)) == ("", 1)
        assert "Can not listen" in process.stderr.read()
