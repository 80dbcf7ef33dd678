"""The clock checks a campaign whose export does not come. Nothing has to be begun here: it is red when it is asked."""

from __future__ import annotations

from tests.live.test_campaigns import runs
from tests.support.live import mails_about
from tests.support.mailbox import text_of
from tests.support.stage import RUN_SECONDS, Scene
from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow


def test_a_day_without_an_export_turns_red_at_the_due_time(airflow: LocalAirflow, client: AirflowClient) -> None:
    [run] = Scene.until(lambda: runs(airflow, client, "live_overdue"), 2 * RUN_SECONDS)

    assert run.wait() == "failed"
    assert "OVERDUE: no run has begun to deliver" in run.log("plan_jobs")
    assert run.states()["report"] == "failed"
    [mail] = Scene.until(lambda: mails_about(run))
    assert mail["Subject"] == "LATE: live_overdue: no delivery has begun in time"
    assert "OVERDUE: no run has begun to deliver" in text_of(mail)
