"""A notice arrives at a real SMTP server; a dead one beside it stops neither the delivery nor the notice."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

from tests.support.live import mails_about
from tests.support.mailbox import text_of
from tests.support.stage import Run, Scene, together

DAG = "aep_told"
LATE = "aep_told_late"


def events_of(run: Run) -> list[dict[str, Any]]:
    """Return the asset events that a run has emitted of its deliveries."""
    told = run.client.get("/api/v2/assets/events", source_dag_id=run.dag_id, source_run_id=run.run_id)
    return [event for event in told["asset_events"] if event["source_task_id"] == "report"]


@together
def test_a_failure_and_its_repair_are_told_once_each(scene: Scene) -> None:
    scene.aep.add_outcomes({"audience_id": "silver", "status": "failed", "code": "C-1", "message": "Disk is full."})
    run = scene.start({"shop": ["gold", "silver"]}, dag_id=DAG)
    assert run.wait() == "failed"
    [mail] = scene.until(lambda: mails_about(run))
    assert mail["Subject"] == "FAILED: aep_told: 1 of 2 deliveries did not succeed"
    assert "Silver customers → Shop: failed, [C-1] Disk is full." in text_of(mail)
    assert "smtp_dead" not in text_of(mail)
    scene.until(lambda: "NoticeMail failed; the delivery is not affected" in run.log("report"))
    assert events_of(run) == [], "half a delivery is none"

    run.clear_failed()

    assert run.wait() == "success"
    [_, repaired] = scene.until(lambda: len(mails_about(run)) > 1 and mails_about(run))
    assert str(repaired["Subject"]).startswith("Delivered: aep_told: 2 deliveries")
    assert scene.aep.delivered() == {("shop", "gold"): 1, ("shop", "silver"): 2}
    [event] = events_of(run)
    assert event["uri"] == f"aep://deliveries/{DAG}"
    assert (event["extra"]["dag_id"], event["extra"]["dag_run_id"]) == (DAG, run.run_id)
    [flow] = event["extra"]["flows"]
    told = {key: flow[key] for key in ("flow_id", "audiences", "runs", "records_exported")}
    records = run.report()["summary"]["records_exported"]
    assert told == {"flow_id": "shop", "audiences": 2, "runs": 2, "records_exported": records}


@together
def test_a_plan_that_fails_is_told_with_its_reason(scene: Scene) -> None:
    run = scene.start({"off": ["gold"]}, dag_id=DAG)

    assert run.wait() == "failed"
    [mail] = scene.until(lambda: mails_about(run))
    assert mail["Subject"] == "FAILED: aep_told: nothing was sent"
    assert "is disabled" in text_of(mail)


@together
def test_a_missed_deadline_and_a_run_that_airflow_ends_are_told(scene: Scene) -> None:
    """By processes in which no task runs: the triggerer and the DAG processor."""
    scene.aep.add_outcomes({"seconds": 3600, "times": None})

    run = scene.start({"shop": ["gold"]}, dag_id=LATE)

    assert run.wait() == "failed"
    found: list[EmailMessage] = scene.until(lambda: len(mails_about(run)) == 2 and mails_about(run))
    mails = {str(mail["Subject"]): text_of(mail) for mail in found}
    late = mails.pop("LATE: aep_told_late: not delivered within 2 seconds")
    assert "The run goes on and tells when it has ended." in late
    assert f"/dags/{LATE}/runs/{run.run_id}" in late
    [(subject, ended)] = mails.items()
    assert subject.startswith("FAILED: aep_told_late: ")
    assert "Airflow ended the run: timed_out" in ended
    assert {mail["X-Recipients"] for mail in found} == {"team@example.com"}
