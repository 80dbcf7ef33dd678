"""Deadlines: when they are, that Airflow stores and reads them, and the clock that checks on a day."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.serialization.decoders import decode_deadline_alert
from airflow.serialization.encoders import encode_deadline_alert
from airflow.serialization.serialized_objects import DagSerialization

from adobe_experience_platform.errors import AepInputError
from adobe_experience_platform.notifications.deadlines import (
    CampaignStart,
    DeliveredBy,
    delivered_by,
    delivered_within,
    export_or_due,
)
from adobe_experience_platform.plugin import AepPlugin
from adobe_experience_platform.triggers.assets import segment_export_asset


async def callback(**_: Any) -> None:
    """Do nothing; it is only named."""


CALL = AsyncCallback("tests.unit.test_deadlines.callback")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("now", "deadline"),
    [
        ("2026-03-10T04:31", "2026-03-10T08:00"),
        ("2026-07-10T04:31", "2026-07-10T07:00"),  # summer time
        ("2026-03-10T23:30", "2026-03-11T08:00"),  # half past midnight in Berlin
        ("2026-03-10T08:00", None),  # begins too late to miss anything anew
        ("2026-03-10T14:00", None),
    ],
)
def test_a_time_of_the_day_on_which_a_run_begins(now: str, deadline: str | None) -> None:
    assert DeliveredBy("09:00", "Europe/Berlin").of(at(now)) == (at(deadline) if deadline else None)


@pytest.mark.parametrize(
    ("not_before", "now", "start"),
    [
        ("", "2026-03-10T04:31", "2026-03-10T04:31"),
        ("07:00", "2026-03-10T04:31", "2026-03-10T06:00"),  # it waits for seven o'clock
        ("07:00", "2026-03-10T10:00", "2026-03-10T10:00"),
    ],
)
def test_the_start_of_a_run_that_waits_is_when_it_may_begin(not_before: str, now: str, start: str) -> None:
    assert CampaignStart(not_before, "Europe/Berlin").of(at(now)) == at(start)


@pytest.mark.parametrize(
    "alert",
    [
        delivered_by("09:00", "Europe/Berlin", CALL),
        delivered_within(dt.timedelta(hours=2), CALL, not_before="07:00", timezone="Europe/Berlin"),
    ],
)
def test_airflow_stores_reads_and_asks_them_through_the_plugin(alert: Any) -> None:
    assert {DeliveredBy, CampaignStart} == set(AepPlugin.deadline_references)

    stored = json.loads(json.dumps(encode_deadline_alert(alert)))
    read = decode_deadline_alert(stored)

    assert read.reference.inner_ref == alert.reference
    soonest = dt.datetime.now(tz=dt.UTC) + read.interval
    found = read.reference.evaluate_with(session=None, interval=read.interval, dag_id="dag", run_id="run")
    assert found is None or found >= soonest - dt.timedelta(seconds=1)
    assert encode_deadline_alert(alert) == encode_deadline_alert(alert)


def test_a_dag_with_all_of_it_is_stored_the_same_at_every_parse() -> None:
    def build() -> dict[str, Any]:
        with DAG(
            "campaign",
            schedule=export_or_due(segment_export_asset("aep_default", "prod"), "09:00", "Europe/Berlin"),
            deadline=[delivered_by("09:00", "Europe/Berlin", CALL), delivered_within(dt.timedelta(hours=2), CALL)],
            catchup=False,
        ) as dag:
            pass
        stored: dict[str, Any] = json.loads(json.dumps(DagSerialization.to_dict(dag)))
        return stored

    assert build() == build()
    read = DagSerialization.from_dict(build())
    assert read.timetable.summary == "Asset or 0 9 * * *"
    assert [asset.uri for _, asset in read.timetable.asset_condition.iter_assets()] == [
        "aep://segment-exports/aep_default/prod"
    ]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: delivered_by("9", "Europe/Berlin", CALL), "due"),
        (lambda: delivered_by("09:00", "Berlin", CALL), "timezone"),
        (lambda: delivered_within(dt.timedelta(0), CALL), "deadline"),
        (lambda: delivered_within(dt.timedelta(1), CALL, not_before="noon"), "not_before"),
        (lambda: export_or_due(segment_export_asset(), "25:00", "UTC"), "due"),
    ],
)
def test_what_cannot_be_is_refused_when_the_dag_is_parsed(build: Any, words: str) -> None:
    with pytest.raises(AepInputError, match=words):
        build()
