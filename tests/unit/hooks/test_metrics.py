"""Metrics at a real StatsD socket; a missing or broken client breaks nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from airflow.sdk._shared.observability.metrics import stats as stats_module
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import statsd_logger

from adobe_experience_platform.hooks import metrics

Read = Callable[[int], list[str]]


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    """Point Airflow's metrics at a socket of this test, and return a function that reads so many of them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(listening.getsockname()[1]))
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
        monkeypatch.setattr(stats_module, "_backend", None)
        monkeypatch.setattr(stats_module, "_factory", statsd_logger.get_statsd_logger)
        yield lambda number: [listening.recv(4096).decode() for _ in range(number)]


def test_a_delivery_is_counted_once_though_it_is_reported_twice(statsd: Read) -> None:
    good = {"status": "success", "records_exported": 0, "completed_at": "2026-11-23T08:10:00+00:00"}
    tags = {"dag_id": "mine", "sandbox": ""}
    first = metrics.totals([good], {"success": 1, "failed": 1, "records_exported": 7}, failed=True)
    second = metrics.totals([good, good], {"success": 2, "failed": 0, "records_exported": 9}, failed=False)

    metrics.count_delivery(first, {}, tags)
    sent = statsd(5)
    metrics.count_delivery(second, first, tags)
    sent += ["--", *statsd(4)]
    metrics.count_delivery(second, second, tags)
    metrics.since_export([good], "2026-11-23T08:00:00+00:00", tags)

    assert sent == [
        "airflow.aep.pairs.delivered,dag_id=mine:1|c",
        "airflow.aep.pairs.failed,dag_id=mine:1|c",
        "airflow.aep.pairs.empty,dag_id=mine:1|c",
        "airflow.aep.records.exported,dag_id=mine:7|c",
        "airflow.aep.deliveries.failed,dag_id=mine:1|c",
        "--",
        "airflow.aep.pairs.delivered,dag_id=mine:1|c",
        "airflow.aep.pairs.empty,dag_id=mine:1|c",
        "airflow.aep.records.exported,dag_id=mine:2|c",
        "airflow.aep.deliveries.succeeded,dag_id=mine:1|c",
    ]
    assert statsd(1) == ["airflow.aep.delivery.since_export,dag_id=mine:600000.000000|ms"]


def test_a_broken_client_is_told_once_and_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(metrics, "_warned", False)
    monkeypatch.setattr(stats, "incr", broken)
    monkeypatch.setattr(stats, "timing", broken)

    metrics.count(metrics.POLLS, {})
    metrics.since_export([{"status": "success", "completed_at": "2026-03-10T09:00:01"}], "2026-03-10T09:00:00", {})

    assert [record.getMessage() for record in caplog.records if record.name == metrics.__name__] == [
        "Sending metrics failed; the delivery is not affected: OSError: no route"
    ]
