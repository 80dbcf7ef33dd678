"""Campaign files as DAGs: what Airflow gets of each, which files a task's process reads, what a bad one does."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable
from airflow.sdk.definitions.timetables.simple import NullTimetable

from adobe_experience_platform.campaigns.dags import build, campaign_dags, log_late, raise_faults
from adobe_experience_platform.campaigns.reading import read_campaign
from adobe_experience_platform.errors import AepInputError

REPOSITORY = Path(__file__).resolve().parents[3]
SOUND = "when: manual\ndeliver: {mail: [gold]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    campaigns = tmp_path / "include" / "campaigns"
    campaigns.mkdir(parents=True)
    return campaigns


def dag_of(text: str) -> DAG:
    campaign, faults = read_campaign(text.encode(), "mine", "mine.yaml")
    assert campaign is not None, faults
    return build(campaign)


def lines(when: str, *more: str) -> str:
    return "\n".join([f"when: {when}", "deliver: {mail: [gold]}", *more])


def test_a_campaign_is_one_delivery_at_a_time_and_makes_up_for_nothing() -> None:
    dag = dag_of(SOUND)
    assert (dag.dag_id, dag.max_active_runs, dag.catchup) == ("aep_campaign_mine", 1, False)
    assert "aep-activation" in dag.tags


def test_no_asset_is_named_by_a_name() -> None:
    """The flows that a file gives by their names stand in the extra of the event of the campaign's own asset."""
    dag = dag_of("when: manual\ndeliver: {Newsletter S3: [Gold], Mail: [Gold], mail: [Gold, a b]}\n")
    outlets = [asset.uri for asset in dag.task_dict["report"].outlets]
    assert outlets == ["aep://deliveries/aep_campaign_mine", "aep://flows/mail"]
    assert "Newsletter S3" in str(dag.doc_md)


def test_a_schedule_has_its_time_zone() -> None:
    dag = dag_of(lines("0 7 * * 1", "timezone: Europe/Berlin", "end: 2026-12-24"))
    assert isinstance(dag.timetable, CronTriggerTimetable)
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("0 7 * * 1", "Europe/Berlin")
    assert dag.end_date == dt.datetime(2026, 12, 24, 22, 59, 59, tzinfo=dt.UTC)


@pytest.mark.parametrize("cron", ["0 7 * * 1", "@daily", "*/5 * * * *"])
def test_a_campaign_that_is_added_after_its_time_waits_for_the_next(cron: str) -> None:
    """Airflow's own default would deliver at once when the time has passed by less than a tenth of the interval."""
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.timetables.base import TimeRestriction

    dag = dag_of(lines(f'"{cron}"'))
    timetable = LazyDeserializedDAG.from_dag(dag)._real_dag.timetable
    now = dt.datetime.now(tz=dt.UTC)
    info = timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(earliest=None, latest=None, catchup=False)
    )
    assert info is not None
    assert info.run_after >= now


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_of_the_times_missed_in_a_downtime_the_newest_is_made_up_for(zone: str) -> None:
    """docs/campaign-on-a-schedule.md; what the run then does is a matter of the campaign's day."""
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.timetables.base import DataInterval, TimeRestriction

    missed = (dt.datetime.now(tz=ZoneInfo(zone)) - dt.timedelta(hours=2)).replace(second=0, microsecond=0)
    dag = dag_of(lines(f'"{missed.minute} {missed.hour} * * *"', f"timezone: {zone}"))
    timetable = LazyDeserializedDAG.from_dag(dag)._real_dag.timetable

    info = timetable.next_dagrun_info(
        last_automated_data_interval=DataInterval.exact(pendulum.instance(missed - dt.timedelta(days=4))),
        restriction=TimeRestriction(earliest=None, latest=None, catchup=False),
    )

    assert info is not None
    assert info.run_after == missed, "not the three before"
    after = timetable.next_dagrun_info(
        last_automated_data_interval=info.data_interval,
        restriction=TimeRestriction(earliest=None, latest=None, catchup=False),
    )
    assert after is not None
    assert after.run_after == missed + dt.timedelta(days=1)


def test_the_export_starts_a_campaign_and_the_deadline_looks_whether_it_did() -> None:
    dag = dag_of(
        lines("after_export", "sandbox: dev", "connection: aep_us", "deadline: {by: 9:00}", "timezone: Asia/Tokyo")
    )
    assert isinstance(dag.timetable, AssetOrTimeSchedule)
    assert dag.timetable.asset_condition.name == "aep_segment_export/aep_us/dev"  # type: ignore[attr-defined]
    assert dag.task_dict["plan_jobs"].campaign_day.due == dt.time(9)
    assert dag.deadline


@pytest.mark.parametrize("when", ["after_export", '"@daily"', "manual"])
def test_nothing_starts_a_campaign_whose_file_says_paused(when: str) -> None:
    dag = dag_of(lines(when, "paused: true"))
    assert isinstance(dag.timetable, NullTimetable)
    assert dag.is_paused_upon_creation is True
    assert dag_of(lines(when, "paused: false")).is_paused_upon_creation is False
    assert dag_of(lines(when)).is_paused_upon_creation is None


@pytest.mark.parametrize(("when", "has_rules"), [("0 7 * * *", True), ("'@weekly'", True), ("0 7,19 * * *", False)])
def test_only_a_schedule_of_once_a_day_has_the_rules_of_a_campaign_day(when: str, has_rules: bool) -> None:
    dag = dag_of(lines(when, "start: 2026-12-01"))
    assert (dag.task_dict["plan_jobs"].campaign_day is not None) is has_rules
    assert (dag.start_date is None) is has_rules


def test_the_tasks_get_what_the_file_says() -> None:
    dag = dag_of(
        lines(
            "manual",
            "api_version: v1",
            "sandbox: dev",
            "policies: {on_conflict: adopt, on_partial_success: accept, max_export_age_hours: null, poll_interval: 5,"
            "  size_guard: {max_change_percent: 50}}",
        )
    )
    plan = dag.task_dict["plan_jobs"]
    assert plan.activation_info == {"mail": ["gold"]}
    said = {"api_version": "v1", "sandbox_name": "dev", "on_conflict": "adopt", "on_partial_success": "accept"}
    assert {**plan.settings, **said, "max_export_age_hours": None, "poll_interval": 5} == plan.settings
    assert plan.settings["size_guard"]["max_change_percent"] == 50
    assert plan.has_approval is False


def test_approval_comes_between_the_plan_and_the_wait() -> None:
    dag = dag_of(SOUND + "approval: {by: [anna], within: 90m}\n")
    order = [task.task_id for task in dag.topological_sort()]
    assert order[:3] == ["plan_jobs", "approve", "wait_for_segment_export"]
    assert dag.task_dict["plan_jobs"].has_approval is True
    approve: Any = dag.task_dict["approve"]
    assert approve.assigned_users == [{"id": "anna", "name": "anna"}]
    assert approve.response_timeout == dt.timedelta(minutes=90)
    assert approve.defaults is None
    assert "approve" not in dag_of(SOUND).task_dict


def test_notices_hang_on_the_report() -> None:
    dag = dag_of(SOUND + "notices: {email: team@example.com}\n")
    assert dag.task_dict["report"].on_failure_callback
    assert dag.task_dict["report"].on_success_callback


def test_labels_cannot_break_out_of_the_documentation() -> None:
    dag = dag_of(
        "when: manual\ndeliver:\n- flow: mail\n  label: 'a | b <img src=x> [x](javascript:y)'\n  audiences: [gold]\n"
    )
    assert dag.doc_md is not None
    assert r"a \| b \<img src\=x\> \[x\]\(javascript:y\)" in dag.doc_md


def test_good_campaigns_stay_beside_bad_ones_which_one_error_names(folder: Path) -> None:
    (folder / "good.yaml").write_text(SOUND)
    (folder / "bad.yaml").write_text(SOUND + "unknown: 1\n")
    (folder / "worse.yaml").write_bytes(b"[" * 60_000)

    assert [dag.dag_id for dag in campaign_dags(folder)] == ["aep_campaign_good"]
    with pytest.raises(AepInputError) as told:
        raise_faults(folder)
    assert "Some campaigns are left out. 2 faults found" in str(told.value)
    assert "include/campaigns/bad.yaml, line 3, unknown: the key 'unknown' is unknown" in str(told.value)
    (folder / "bad.yaml").unlink()
    (folder / "worse.yaml").unlink()
    raise_faults(folder)


def test_the_banner_shows_the_faults_and_the_dag_files_keep_the_rest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "good.yaml").write_text(SOUND)
    (folder / "bad.yaml").write_text("when: manual\n")
    monkeypatch.setenv("AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__CAMPAIGNS_FOLDER", str(folder))

    bag = DagBag(REPOSITORY / "dags")

    assert "aep_campaign_good" in bag.dags
    [(file, error)] = bag.import_errors.items()
    assert file.endswith("campaign_faults.py")
    assert "include/campaigns/bad.yaml, line 1, deliver: this key is missing: add it" in error


def test_a_tasks_process_builds_its_own_dag_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "three"):
        (folder / f"{name}.yaml").write_text(SOUND)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "aep_campaign_two")
    assert [dag.dag_id for dag in campaign_dags(folder)] == ["aep_campaign_two"]
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "aep_adhoc_activation")
    assert list(campaign_dags(folder)) == []


def test_lint_fails_on_a_bad_file(folder: Path) -> None:
    (folder / "bad.yaml").write_text("when: manual\n")
    done = subprocess.run(
        [sys.executable, "-m", "tools.campaigns", "check", str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")])},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "bad.yaml, line 1, deliver: this key is missing" in done.stdout


def test_a_late_run_without_notices_is_at_least_logged(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    asyncio.run(log_late("delivered by 09:00 (UTC)", {"dag_run": {"dag_id": "mine", "run_id": "r1"}}))
    assert "LATE: run r1 of mine is not delivered by 09:00 (UTC)" in caplog.text
