"""A bad network and a bad neighbour: waits survive trouble, and the token goes to AEP alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import dropwhile
from typing import Any

from tests.support.aep import ENDLESS
from tests.support.stage import Scene, together

INFO = {"mail": ["gold", "silver"]}
PAIRS = {("mail", "gold"): 1, ("mail", "silver"): 1}


@contextmanager
def stranger() -> Iterator[tuple[str, list[str]]]:
    """Run a web server that is not AEP: its address, and the requests it got."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(f"{self.path} {dict(self.headers)}")
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.2", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.2:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


def gap_after(requests: list[dict[str, Any]], status: int) -> float:
    """Return the seconds between the answer with this status and the next request of the same kind."""
    at = next(number for number, request in enumerate(requests) if request["status"] == status)
    gap: float = requests[at + 1]["at"] - requests[at]["at"]
    return gap


@together
def test_neither_a_status_url_nor_a_redirect_takes_the_token_away(scene: Scene) -> None:
    with stranger() as (url, seen):
        scene.aep.change_settings(status_url_base=url)
        scene.aep.add_outcomes({"seconds": 8, "times": None})
        scene.aep.add_faults(
            {"kind": "redirect", "location": f"{url}/elsewhere", "method": "GET", "path": "*/runs/?*", "times": 2},
            {"kind": "redirect", "location": f"{url}/elsewhere", "method": "GET", "path": "*/runs", "skip": 4},
        )

        run = scene.start(INFO)

        assert run.wait() == "success"
        assert all(fault["hits"] for fault in scene.aep.faults())
        assert seen == []
    assert scene.aep.delivered() == PAIRS


@together
def test_an_expired_token_is_renewed_once_while_a_task_waits(scene: Scene) -> None:
    scene.aep.add_outcomes({"seconds": ENDLESS, "times": None})
    run = scene.start(INFO)
    run.wait_task("wait_for_flow_runs", "deferred")
    # After the first look the flows' past is asked for, once: that must not be what meets the expired token.
    scene.until(lambda: len([poll for poll in _polls(scene) if poll["status"] == 200]) >= 3)
    minted = scene.aep.control("GET", "tokens")["minted"]

    before = len(_polls(scene))
    scene.aep.expire_tokens()

    def since_then() -> list[int]:
        """Return what the polls were answered; one may have been under way as the tokens expired."""
        return list(dropwhile(lambda status: status == 200, (poll["status"] for poll in _polls(scene)[before:])))

    scene.until(lambda: len(since_then()) >= 3)

    assert run.states()["wait_for_flow_runs"] == "deferred"
    assert since_then()[:3] == [401, 200, 200]
    assert scene.aep.control("GET", "tokens")["minted"] == minted + 1
    scene.aep.end_runs()
    assert run.wait() == "success"


@together
def test_aep_asking_to_wait_is_obeyed(scene: Scene) -> None:
    wait = {"kind": "status", "status": 429, "headers": {"Retry-After": "3"}, "method": "GET"}
    scene.aep.add_faults({**wait, "path": "*/flows/*"}, {**wait, "path": "*/runs/?*"})
    scene.aep.add_outcomes({"seconds": 2})

    run = scene.start({"mail": ["gold"]})

    assert run.wait() == "success"
    assert gap_after(scene.aep.requests(path="*/flows/mail"), 429) >= 3
    assert gap_after(scene.aep.requests(path="*/runs/?*"), 429) >= 3
    assert scene.aep.delivered() == {("mail", "gold"): 1}


@together
def test_errors_pages_and_half_answers_of_reads_are_survived(scene: Scene) -> None:
    scene.aep.add_outcomes({"seconds": 3, "times": None})
    for path in ("*/flows/*", "*/export/jobs", "*/runs*"):
        kinds = ({"kind": "html"}, {"kind": "truncate"}, {"kind": "status", "status": 503}, {"kind": "empty"})
        scene.aep.add_faults(*({**kind, "method": "GET", "path": path} for kind in kinds))
    scene.aep.add_faults(
        {"kind": "status", "status": 500, "method": "POST", "path": "/ims/*"},
        {"kind": "close_before", "method": "GET", "path": "*/runs*", "skip": 2, "times": 2},
    )

    run = scene.start(INFO)

    assert run.wait() == "success"
    assert all(fault["hits"] for fault in scene.aep.faults())
    assert scene.aep.delivered() == PAIRS
    # Airflow itself may start a task again that it treats as killed, on a busy machine; ours must not have failed.
    for name in (name for name, tries in run.tries().items() if tries > 1):
        task_id, _, index = name.rstrip("]").partition("[")
        assert "Task failed with exception" not in run.log(task_id, map_index=int(index or -1)), name


def _polls(scene: Scene) -> list[dict[str, Any]]:
    """Return the reads of the flow runs by their ids, as the triggerer makes them."""
    return [
        request
        for request in scene.aep.requests(path="*/runs", method="GET")
        if any(value.startswith("id==") for _, value in request["query"])
    ]
