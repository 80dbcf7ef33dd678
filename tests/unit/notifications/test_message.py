"""What a notice says, and about which events."""

from __future__ import annotations

import datetime as dt
from html.parser import HTMLParser
from typing import Any

import pytest

from adobe_experience_platform.aep import Pair, without_secrets
from adobe_experience_platform.delivery.results import Result, without_run
from adobe_experience_platform.delivery.verdict import RedRun, judge
from adobe_experience_platform.notifications.message import (
    Delivered,
    On,
    of_delivery,
    of_missed_deadline,
)

NAMES = {"flow": "Mail house", "gold": "Gold customers", "silver": "Silver customers", "bronze": "Bronze customers"}


def result(audience: str, status: str = "success", exported: int | None = 1200, **changes: Any) -> Result:
    found = without_run(Pair("flow", audience), status, "")
    found["records_exported"] = exported
    found.update(changes)  # type: ignore[typeddict-item]
    return found


def run(*results: Result, **changes: Any) -> Delivered:
    known: dict[str, Any] = {
        "title": "Daily newsletter",
        "dag_id": "aep_campaign_daily",
        "run_id": "scheduled__2026-11-23T08:00:00+00:00",
        "airflow_url": "https://airflow.example.com/base/",
        "sandbox_name": "prod",
        "tenant": "acme",
        "names": NAMES,
        "results": results,
        "started_at": dt.datetime(2026, 11, 23, 8, 5, tzinfo=dt.UTC),
    }
    red = RedRun(**changes.pop("red", {})) if changes.get("failed") else None
    return Delivered(**{**known, "verdict": judge(results, red), **changes})


def test_a_success_names_what_was_delivered_and_where_to_look() -> None:
    notice = of_delivery(run(result("gold"), result("silver", exported=1)))

    assert notice.about == {On.SUCCESS}
    assert notice.subject == "Delivered: Daily newsletter: 2 deliveries to 1 destination, 1,201 records"
    assert notice.text == (
        "Delivered: Daily newsletter: 2 deliveries to 1 destination, 1,201 records\n"
        "\n"
        "DAG aep_campaign_daily, run scheduled__2026-11-23T08:00:00+00:00\n"
        "AEP sandbox prod\n"
        "Started 2026-11-23 08:05 UTC\n"
        "\n"
        "Delivered:\n"
        "- Gold customers → Mail house: 1,200 records\n"
        "- Silver customers → Mail house: 1 record\n"
        "\n"
        "The run in Airflow: https://airflow.example.com/base/dags/aep_campaign_daily/runs/"
        "scheduled__2026-11-23T08%3A00%3A00%2B00%3A00\n"
        "Mail house in AEP: https://experience.adobe.com/#/@acme/sname:prod/platform/destination/browse/flow\n"
    )


def test_a_failure_says_what_failed_why_and_what_to_do() -> None:
    failed = result("silver", "failed", None, error_code="CONNECTOR-1", error="Disk is full.")
    notice = of_delivery(run(result("gold"), failed, failed=True))

    assert notice.about == {On.FAILURE, On.PARTIAL}
    assert notice.subject == "FAILED: Daily newsletter: 1 of 2 deliveries did not succeed"
    assert "Not delivered:\n- Silver customers → Mail house: failed, [CONNECTOR-1] Disk is full.\n" in notice.text
    assert "Delivered:\n- Gold customers → Mail house: 1,200 records\n" in notice.text
    assert "What to do:\n- Clear the failed tasks of this run to send again exactly what failed" in notice.text


def test_a_notice_has_the_figures_and_reasons_that_aep_gives() -> None:
    skip = {"code": "S-1", "text": "No e-mail address.", "records": 2}
    figures = {"audiences": 1, "seconds": 400, "files": 1, "bytes": 130800, "file_names": ["gold.csv"]}
    fail = {"code": "C-1", "text": "Too long.", "records": 7}
    lossy = {"records_skipped": 2, "records_failed": 7, "error_code": "C-1", "error": "Too long."}
    notice = of_delivery(run(result("gold", **lossy, figures={**figures, "skipped": [skip], "failed": [fail]})))

    assert (
        "RECORDS LOST, although AEP calls it a success:\n- Gold customers → Mail house: 1,200 records, "
        "7 records failed, [C-1] Too long. (7 records), 2 skipped: [S-1] No e-mail address. (2 records), "
        "1 file, 130.8 kB, took 6:40, gold.csv\n"
    ) in notice.text


def test_a_notice_tells_lost_records_before_such_as_may_be_missing() -> None:
    doubtful, lost = result("gold", loss="1 file failed in its run"), result("silver", records_failed=7)
    text = of_delivery(run(doubtful, lost)).text

    heads = [line for line in text.splitlines() if line.endswith("although AEP calls it a success:")]
    assert [head.partition(",")[0] for head in heads] == ["RECORDS LOST", "RECORDS MAY BE MISSING"]


def test_a_notice_gives_no_audience_the_figures_of_a_run_of_several() -> None:
    skip, fail = ({"code": "", "text": text, "records": 7} for text in ("No address.", "Too long."))
    figures = {"audiences": 2, "files": 3, "bytes": 999, "skipped": [skip], "failed": [fail]}
    own = result("gold", records_skipped=0, records_failed=0, figures=figures)
    whole = {"records_exported": None, "records_exported_in_run": 9000}
    notice = of_delivery(run(own, result("silver", records_failed=7, figures=figures, **whole)))

    assert "- Gold customers → Mail house: 1,200 records, 3 files in its run, 999 B in its run\n" in notice.text
    assert (
        "- Silver customers → Mail house: 9,000 records in its run, 7 records failed, Too long. (7 records), "
        "skipped: No address. (7 records), 3 files in its run, 999 B in its run\n"
    ) in notice.text


def test_a_plan_that_failed_tells_why_nothing_was_sent() -> None:
    why = "Nothing was sent. flow mail is disabled, not enabled"
    notice = of_delivery(run(failed=True, red={"plan_failed": True}, reasons=[("plan_jobs", why)]))

    assert notice.about == {On.FAILURE}
    assert notice.subject == "FAILED: Daily newsletter: nothing was sent"
    assert f"Why:\n- plan_jobs: {why}\n" in notice.text
    assert "start a new run" in notice.text


@pytest.mark.parametrize(
    ("results", "failed", "about", "begin"),
    [
        (
            [result("gold", "partial_success", records_failed=7)],
            False,
            {On.SUCCESS, On.PARTIAL},
            "Delivered partly: Daily newsletter: 1 of 1 delivery only partly",
        ),
        (
            [result("gold", "partial_success", records_failed=7)],
            True,
            {On.FAILURE, On.PARTIAL},
            "FAILED: Daily newsletter: 1 of 1 delivery reached the destination only partly",
        ),
        (
            [result("gold", exported=0), result("silver")],
            False,
            {On.SUCCESS, On.EMPTY},
            "EMPTY delivery: Daily newsletter: 1 of 2 deliveries with 0 records",
        ),
        ([result("gold", exported=None)], False, {On.SUCCESS}, "Delivered: "),
        ([result("gold", "not_sent", None)], True, {On.FAILURE}, "FAILED: "),
        ([result("gold")], True, {On.FAILURE}, "FAILED: Daily newsletter: 1 delivery succeeded, but a task of the run"),
    ],
)
def test_the_events_a_notice_is_about(results: list[Result], failed: bool, about: set[On], begin: str) -> None:
    notice = of_delivery(run(*results, failed=failed))

    assert notice.about == about
    assert notice.subject.startswith(begin)


def test_a_run_without_a_report_is_told_without_a_verdict() -> None:
    why = [("Airflow", "the run was ended by Airflow: timed_out")]
    notice = of_delivery(run(result("gold", "in_progress", None), failed=True, verdict=None, reasons=why))

    assert notice.about == {On.FAILURE}
    assert notice.subject == "FAILED: Daily newsletter: the run ended without a report"
    assert "- Airflow: the run was ended by Airflow: timed_out\n" in notice.text
    assert "- Gold customers → Mail house: in progress\n" in notice.text
    assert "What to do" not in notice.text


def test_a_report_that_fails_after_its_verdict_is_not_told_as_a_success() -> None:
    good = run(result("gold"))
    notice = of_delivery(run(result("gold"), failed=True, verdict=good.verdict))

    assert notice.subject == "FAILED: Daily newsletter: 1 delivery succeeded, but a task of the run failed"
    assert notice.about == {On.FAILURE}


def test_an_overdue_check_that_fails_is_a_missed_deadline_too() -> None:
    notice = of_delivery(run(failed=True, red={"overdue": True}, reasons=[("plan_jobs", "No export has ended today.")]))

    assert notice.about == {On.FAILURE, On.DEADLINE}
    assert notice.subject == "LATE: Daily newsletter: no delivery has begun in time"


def test_a_missed_deadline_says_what_was_promised_and_how_far_it_is() -> None:
    late = run(result("gold"), result("silver", "in_progress", None))
    notice = of_missed_deadline(late, "delivered by 09:00 (Europe/Berlin)")

    assert notice.about == {On.DEADLINE}
    assert notice.subject == "LATE: Daily newsletter: not delivered by 09:00 (Europe/Berlin)"
    assert "- 1 of 2 deliveries delivered\n" in notice.text
    assert "- Silver customers → Mail house: in progress\n" in notice.text
    assert "do not start a second run" in notice.text


def test_a_day_without_a_run_has_a_link_to_the_dag() -> None:
    notice = of_missed_deadline(run(run_id=""), "delivered by 09:00")

    assert "The DAG in Airflow: https://airflow.example.com/base/dags/aep_campaign_daily\n" in notice.text


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def test_names_and_texts_of_aep_are_text_in_both_forms() -> None:
    nasty = {**NAMES, "gold": "<script>alert(1)</script>\r\nBcc: all@example.com {{ ti }}"}
    failed = result("gold", "failed", None, error="<img src=x>\nsee https://u:pw@files.example.com/a?token=t0p")
    notice = of_delivery(run(failed, names=nasty, failed=True, title="A\r\nBcc: x"))

    tags = Tags()
    tags.feed(notice.html)
    assert set(tags.found) <= {"p", "strong", "br", "ul", "li", "a"}
    assert "&lt;script&gt;" in notice.html
    assert "\n" not in notice.subject
    assert "\r" not in notice.text
    assert "t0p" not in notice.text + notice.html
    assert "u:pw" not in notice.text + notice.html


def test_mail_addresses_in_what_aep_says_are_left_out() -> None:
    failed = result("gold", "failed", None, error="row 7: jane.doe@example.com is no customer")

    notice = of_delivery(run(failed, failed=True))

    assert "jane" not in notice.text + notice.html
    assert "row 7: [address] is no customer" in notice.text


def test_a_large_delivery_has_a_short_notice() -> None:
    notice = of_delivery(run(*[result(f"a{number}") for number in range(5000)]))

    assert len(notice.text.splitlines()) < 70
    assert "… and 4,950 more, see the log of report" in notice.text


def test_without_tenant_or_airflow_url_there_is_no_link() -> None:
    notice = of_delivery(run(result("gold"), tenant="", airflow_url=""))

    assert "http" not in notice.text
    assert "<a " not in notice.html


def test_errors_lose_addresses_with_secrets() -> None:
    text = "HTTPSConnectionPool(host='hooks.slack.com'): Max retries exceeded with url: /services/T0/B0/s3cr3t (x)"

    assert "s3cr3t" not in without_secrets(text)
    assert "s3cr3t" not in without_secrets("404 for https://hooks.slack.com/services/T0/B0/s3cr3t")
    assert "[Errno 111] Connection refused" in without_secrets("[Errno 111] Connection refused")
