"""Metrics of deliveries that run to their end in this process, at a real StatsD socket: each name, each value."""

from __future__ import annotations

import datetime as dt
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from airflow.sdk._shared.observability.metrics import stats as stats_module
from airflow.sdk.observability.metrics import statsd_logger

from adobe_experience_platform.aep import auth
from tests.airflow.dags.conftest import Deliver
from tests.support.aep import FLOWS, TOKEN, LocalAep

LINE = re.compile(r"airflow\.(?P<name>aep\.[a-z_.]+)(?P<tags>[^:]*):(?P<value>[0-9.]+)\|(?P<kind>c|ms)")


class Statsd:
    """Adds up what arrives at a UDP socket, by name and tags."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def total(self, name: str, **tags: str) -> float:
        """Return the sum of what has come for a name with these tags."""
        return self.totals(**tags)[name]

    def totals(self, **tags: str) -> Counter[str]:
        """Return {name: sum} of what has come with these tags; ends the listening."""
        if self._thread.is_alive():
            # UDP on one machine keeps the order: what was sent before this has come.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", self._socket.getsockname())
            self._thread.join(30)
        found: Counter[str] = Counter()
        for line in self._lines:
            entry = LINE.fullmatch(line)
            if entry and all(f",{key}={value}" in entry["tags"] for key, value in tags.items()):
                found[entry["name"]] += float(entry["value"])
        return found

    def _listen(self) -> None:
        while (data := self._socket.recv(65_535)) != b"end":
            self._lines += data.decode().splitlines()


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Statsd]:
    """Send Airflow's metrics to a socket of this test."""
    auth.forget_all()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(listening.getsockname()[1]))
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
        monkeypatch.setattr(stats_module, "_backend", None)
        monkeypatch.setattr(stats_module, "_factory", statsd_logger.get_statsd_logger)
        found = Statsd(listening)
        yield found
        found.totals()
    auth.forget_all()


def test_a_delivery_is_counted(deliver: Deliver, aep: LocalAep, statsd: Statsd) -> None:
    aep.add_faults({"kind": "status", "status": 503, "path": FLOWS, "times": 2})

    run = deliver({"mail": ["gold", "nobody"], "shop": ["bronze"]})

    assert run.state == "success", run.log
    report = run.xcom("report")
    told = dict(statsd.totals(dag_id="aep_adhoc_activation", sandbox="prod"))
    since_export = told.pop("aep.delivery.since_export")
    assert {name: number for name, number in told.items() if not name.startswith("aep.polls")} == {
        "aep.deliveries.succeeded": 1,
        "aep.pairs.delivered": 3,
        "aep.pairs.empty": 1,
        "aep.records.exported": report["summary"]["records_exported"],
    }
    last = max(dt.datetime.fromisoformat(item["completed_at"]) for item in report["results"])
    ended = dt.datetime.fromisoformat(run.xcom("get_latest_export_job", "export")["ended_at"])
    assert since_export == pytest.approx((last - ended).total_seconds() * 1000, abs=1)
    assert statsd.total("aep.requests.retried", conn_id="aep_default", sandbox="prod") == 2
    assert statsd.total("aep.tokens.minted", conn_id="aep_default") == len(aep.requests(path=TOKEN, method="POST")) > 0
    for poll in ("export", "runs"):
        assert statsd.total("aep.polls", poll=poll, conn_id="aep_default", sandbox="prod") >= 1
    assert statsd.total("aep.polls.failed") == 0


def test_what_did_not_go_well_is_counted(deliver: Deliver, aep: LocalAep, statsd: Statsd) -> None:
    aep.change_settings(young_seconds=0)
    other = aep.start_run("shop", audience_ids=["silver"], status="inProgress")["id"]
    aep.add_outcomes(
        {"audience_id": "gold", "status": "failed"},
        {"audience_id": "bronze", "status": "partialSuccess", "records_failed": 3},
    )

    def end_the_other() -> None:
        """Let somebody else's run end when ours have begun."""
        while len(aep.posts()) < 2 and not ended.wait(0.1):
            pass
        aep.change_run(other, status="success", records=77)

    ended = threading.Event()
    watching = threading.Thread(target=end_the_other)
    watching.start()
    try:
        run = deliver(
            {"mail": ["gold", "bronze"], "shop": ["silver"]}, on_conflict="adopt", on_partial_success="accept"
        )
    finally:
        ended.set()
        watching.join()

    assert run.state == "failed", run.log
    summary = run.xcom("report")["summary"]
    assert (summary["failed"], summary["partial_success"], summary["adopted"]) == (1, 1, 1), run.log
    told = statsd.totals(dag_id="aep_adhoc_activation", sandbox="prod")
    expected = {
        "aep.deliveries.failed": 1,
        "aep.pairs.failed": 1,
        "aep.pairs.partly_delivered": 1,
        "aep.pairs.adopted": 1,
        "aep.pairs.conflicted": 1,
        "aep.pairs.delivered": 1,
        "aep.records.exported": summary["records_exported"],
        "aep.records.failed": summary["records_failed"],
    }
    assert {name: told[name] for name in expected} == expected
    assert "aep.deliveries.succeeded" not in told
