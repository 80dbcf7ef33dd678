"""Notices of deliveries that run to their end in this process, to a real SMTP server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from adobe_experience_platform import activation_pipeline
from adobe_experience_platform.notifications.notices import Notices
from tests.airflow.dags import notices_probe
from tests.support.aep import LocalAep
from tests.support.dagtest import Played, empty_bundle, play, store
from tests.support.mailbox import Mailbox, smtp_connection, text_of
from tests.support.sockets import closed_port

PROBE = "tests.airflow.dags.notices_probe"
Deliver = Callable[..., Played]


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with Mailbox() as mailbox:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(mailbox.connection()))
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
        yield mailbox


@pytest.fixture(autouse=True)
def told() -> list[tuple[str, str]]:
    notices_probe.TOLD.clear()
    return notices_probe.TOLD


@pytest.fixture
def deliver(airflow_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deliver:
    """Return a function that delivers by a DAG of one's own."""
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([empty_bundle(tmp_path)]))

    def run(info: dict[str, list[str]], notices: Any, **arguments: Any) -> Played:
        with DAG("my_campaign", schedule=None, dag_display_name="Daily newsletter") as dag:
            activation_pipeline(activation_info=info, poll_interval=1, notices=notices, **arguments)
        for task in dag.tasks:
            task.retries = 0
        store(dag)
        return play(dag)

    return run


def test_a_mail_tells_of_a_delivery(aep: LocalAep, deliver: Deliver, mailbox: Mailbox) -> None:
    run = deliver({"mail": ["gold", "silver"]}, {"email": ["a@example.com", "b@example.com"]})

    assert run.state == "success"
    [mail] = mailbox.messages
    records = run.xcom("report")["summary"]["records_exported"]
    assert mail["Subject"] == f"Delivered: Daily newsletter: 2 deliveries to 1 destination, {records:,} records"
    assert mail["X-Recipients"] == "a@example.com, b@example.com"
    assert mail.get_content_type() == "multipart/alternative"
    for text in (text_of(mail), text_of(mail, "html")):
        assert "Gold customers → Mail" in text
        assert "AEP sandbox prod" in text
        assert "/dags/my_campaign/runs/" in text
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_mail_tells_of_a_failure_once(aep: LocalAep, deliver: Deliver, mailbox: Mailbox) -> None:
    aep.add_outcomes({"audience_id": "gold", "status": "failed", "code": "CONNECTOR-1", "message": "Disk is full."})

    run = deliver({"mail": ["gold", "silver"]}, Notices(email="a@example.com", on=["failure"]))

    assert run.state == "failed"
    [mail] = mailbox.messages
    assert mail["Subject"] == "FAILED: Daily newsletter: 1 of 2 deliveries did not succeed"
    assert "Gold customers → Mail: failed, [CONNECTOR-1] Disk is full." in text_of(mail)
    assert "Clear the failed tasks" in text_of(mail)


def test_a_plan_that_fails_is_told(aep: LocalAep, deliver: Deliver, mailbox: Mailbox) -> None:
    run = deliver({"off": ["gold"]}, {"email": "a@example.com"})

    assert run.state == "failed"
    assert [mail["Subject"] for mail in mailbox.messages] == ["FAILED: Daily newsletter: nothing was sent"]


def test_who_asked_for_nothing_of_it_hears_nothing(aep: LocalAep, deliver: Deliver, mailbox: Mailbox) -> None:
    assert deliver({"mail": ["gold"]}, {"email": "a@example.com", "on": ["failure", "empty"]}).state == "success"
    assert mailbox.messages == []
    assert deliver({"mail": ["nobody"]}, {"email": "a@example.com", "on": ["failure", "empty"]}).state == "success"
    assert [mail["Subject"] for mail in mailbox.messages] == [
        "EMPTY delivery: Daily newsletter: 1 of 1 delivery with 0 records"
    ]


def test_a_dry_run_is_not_told(aep: LocalAep, deliver: Deliver, mailbox: Mailbox) -> None:
    assert deliver({"mail": ["gold"]}, {"email": "a@example.com"}, dry_run=True).state == "success"
    assert mailbox.messages == []


def test_notices_that_fail_or_hang_stop_neither_the_delivery_nor_each_other(
    aep: LocalAep, deliver: Deliver, monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str]]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(smtp_connection(closed_port())))
    monkeypatch.setattr("adobe_experience_platform.notifications.notices.LONGEST", 1.0)
    others = [
        {"class": f"{PROBE}.Broken", "channel": "x"},
        {"class": f"{PROBE}.Hanging", "channel": "x"},
        {"class": f"{PROBE}.Missing", "channel": "x"},
        {"class": f"{PROBE}.Chat", "wrong": "argument"},
        {"class": f"{PROBE}.Chat", "channel": "#crm"},
        {"class": f"{PROBE}.Chat", "channel": "short", "text": "{{ notice.subject }}, and more"},
    ]

    run = deliver({"mail": ["gold"]}, {"email": "a@example.com", "notifiers": others})

    assert run.state == "success"
    assert aep.delivered() == {("mail", "gold"): 1}
    texts = dict(told)
    assert set(texts) == {"#crm", "short"}
    assert "Gold customers → Mail" in texts["#crm"]
    assert texts["short"].endswith(", and more")
    assert "NoticeMail failed; the delivery is not affected: ConnectionRefusedError" in run.log
    assert "Hanging was given up after 1 s" in run.log
    assert "s3cr3t" not in run.log


def test_callbacks_of_the_dags_author_stay(aep: LocalAep, deliver: Deliver, mailbox: Mailbox) -> None:
    seen: list[str] = []
    mine = {"on_success_callback": lambda context: seen.append(context["ti"].task_id)}

    run = deliver({"mail": ["gold"]}, {"email": "a@example.com"}, default_args=mine)

    assert run.state == "success"
    assert "report" in seen
    assert len(mailbox.messages) == 1
