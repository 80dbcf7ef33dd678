"""A notice arrives at a real SMTP server; a dead one beside it stops neither the delivery nor the notice."""

from __future__ import annotations

from email.message import EmailMessage

from tests.support.live import MAILBOX
from tests.support.mailbox import text_of
from tests.support.stage import Run, Scene, together

DAG = "aep_told"


def mails_about(run: Run) -> list[EmailMessage]:
    return [mail for mail in MAILBOX.messages if f"run {run.run_id}\n" in text_of(mail).replace("\r\n", "\n")]


@together
def test_a_failure_and_its_repair_are_told_once_each(scene: Scene) -> None:
    scene.aep.add_outcomes({"audience_id": "silver", "status": "failed", "code": "C-1", "message": "Disk is full."})
    run = scene.start({"mail": ["gold", "silver"]}, dag_id=DAG)
    assert run.wait() == "failed"
    [mail] = scene.until(lambda: mails_about(run))
    assert mail["Subject"] == "FAILED: aep_told: 1 of 2 deliveries did not succeed"
    assert "Silver customers → Mail: failed, C-1 Disk is full." in text_of(mail)
    assert "smtp_dead" not in text_of(mail)
    scene.until(lambda: "NoticeMail could not be sent, the delivery is not affected" in run.log("report"))

    run.clear_failed()

    assert run.wait() == "success"
    [_, repaired] = scene.until(lambda: len(mails_about(run)) > 1 and mails_about(run))
    assert str(repaired["Subject"]).startswith("Delivered: aep_told: 2 deliveries")
    assert scene.aep.delivered() == {("mail", "gold"): 1, ("mail", "silver"): 2}


@together
def test_a_plan_that_fails_is_told_with_its_reason(scene: Scene) -> None:
    run = scene.start({"off": ["gold"]}, dag_id=DAG)

    assert run.wait() == "failed"
    [mail] = scene.until(lambda: mails_about(run))
    assert mail["Subject"] == "FAILED: aep_told: nothing was sent"
    assert "is disabled" in text_of(mail)
