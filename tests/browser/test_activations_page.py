"""The page with all deliveries in a browser: list, filters, charts, and how it asks Airflow."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from adobe_experience_platform.triggers import flow_run_asset
from lab import browser as chromium
from tests.support.pages import DAG, NOW, FakeAirflow, Open, at, audience, briefing_of, open_list, result
from tests.support.pages import flow as destination
from tests.support.parts import millis, run_json

NAMES = {"mail": "Mail", "shop": "Web shop", "gold": "Gold customers", "silver": "Silver customers"}
WEEKLY = "aep_campaign_weekly"


def fill(fake: FakeAirflow, number: int) -> None:
    """Add runs of two DAGs over the last weeks, each tenth failed."""
    draw = random.Random(7)
    fake.add_dag()
    fake.add_dag(WEEKLY, "Weekly newsletter", timetable_summary="0 6 * * 1", next_dagrun_run_after=at(1200))
    for index in range(number):
        results = [result(flow, "gold", exported=draw.randint(1, 99)) for flow in ("mail", "shop")]
        failed = index % 10 == 9
        if failed:
            results[1] = result("shop", "gold", "failed", None, error_code="A-1", error="Job aborted.")
        dag_id = (DAG, WEEKLY)[index % 2]
        state = "failed" if failed else "success"
        fake.deliver(f"run-{index:03}", results, state, dag_id=dag_id, names=NAMES, start=-30 - 60 * index)


def settle(fake: FakeAirflow, page: Page) -> None:
    """Let the page's timers run until it asks nothing more."""
    expect(page.locator("table.runs")).to_be_visible()
    before = -1
    while before != len(fake.requests):
        before = len(fake.requests)
        page.clock.run_for(300)
        page.wait_for_timeout(250)
    page.clock.run_for(300)
    expect(page.locator("canvas").first).to_have_css("display", "block")  # Chart.js has taken it over


def report_requests(fake: FakeAirflow) -> list[str]:
    return [path for path in fake.requests if path.endswith("/report/xcomEntries/return_value")]


def test_the_list_says_what_was_delivered(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 20)
    run = {"figures": {"audiences": 2, "files": 3, "bytes": 9574996}, "run_id": "shared"}
    two = [result("mail", name, exported=number, **run) for name, number in (("gold", 7), ("silver", None))]
    fake.deliver("known", two, dag_id=WEEKLY, names=NAMES, start=-20)
    unknown = [result("mail", "gold", exported=None, loss="1 file failed in its run"), result("mail", "silver")]
    unknown[1] |= {"records_exported": None, "records_failed": 3}
    fake.deliver("unknown", unknown, dag_id=WEEKLY, names=NAMES, start=-25)
    open_list(tab)
    settle(fake, tab)

    expect(tab.locator("table.runs tbody tr")).to_have_count(22)
    failed = tab.locator("table.runs tbody tr", has_text="Job aborted.").first
    assert failed.locator("td").first.inner_text() == "Failed"
    expect(failed).to_contain_text("1 of 2")
    expect(failed).to_contain_text("[A-1] Job aborted.")
    expect(failed).to_contain_text("Mail, Web shop")
    link = failed.get_by_role("link")
    assert link.get_attribute("href") == f"/dags/{WEEKLY}/runs/run-009/plugin/aep-activation"
    figures = tab.locator(".figure").all_inner_texts()
    assert figures[0].startswith("Runs\n\n22") or "22" in figures[0]
    assert "90 %" in figures[1]
    assert "42" in figures[2]
    records = tab.locator("table.runs tbody tr").locator("td[data-label=Records]").all_inner_texts()[:2]
    assert [text.split("\n") for text in records] == [
        ["\N{GREATER-THAN OR EQUAL TO} 7", "", "3 files, 9.6 MB"],
        ["\N{EN DASH}"],
    ]
    notes = tab.locator("table.runs tbody tr").nth(1).locator(".note").all_inner_texts()
    assert notes == ["lost records in 1", "records may be missing in 1"]


def test_charts_show_days_destinations_and_rates(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 60)
    open_list(tab)
    settle(fake, tab)

    charts = tab.evaluate(
        "[...document.querySelectorAll('canvas')].map(c => Chart.getChart(c).data).map(d => "
        "({days: d.labels, sets: d.datasets.map(s => [s.label, s.data.reduce((a, b) => a + b, 0)])}))"
    )
    records, length, outcome = charts
    exported = sum(
        item["records_exported"] or 0
        for xcoms in fake.xcoms.values()
        for item in xcoms["report", -1, "return_value"][1]["results"]
    )
    assert {label for label, _ in records["sets"]} == {"Mail", "Web shop"}
    assert sum(total for _, total in records["sets"]) == exported
    assert outcome["sets"] == [["Succeeded", 54], ["Failed", 6]]
    assert len(records["days"]) == len(length["days"]) == 3
    # The same for those who do not see charts.
    tab.locator("summary").nth(2).click()
    table = tab.locator('[data-table="success"]')
    assert sum(int(text) for text in table.locator("td:nth-child(2)").all_inner_texts()) == 54


def test_the_charts_of_one_run_have_no_lines_between_0_and_1(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("one", [result("mail", "gold", exported=1)], start=-60)
    open_list(tab)
    settle(fake, tab)

    ticks = "[...document.querySelectorAll('canvas')].map(c => Chart.getChart(c).scales.y.ticks.map(t => t.value))"
    records, _, outcome = tab.evaluate(ticks)
    assert (records, outcome) == ([0, 1], [0, 1])


def test_the_list_is_painted_before_any_result_is_read(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 200)
    fake.refuse = {"xcomEntries": 503}
    open_list(tab)

    expect(tab.locator("table.runs tbody tr")).to_have_count(50)
    expect(tab.get_by_role("button", name="Show more (150 left)")).to_be_visible()
    lists = [path for path in fake.requests if "/api/v2/" in path and "xcomEntries" not in path]
    assert lists[:3] == ["GET /api/v2/dags", "POST /api/v2/dags/~/dagRuns/list", "POST /api/v2/dags/~/dagRuns/list"]


def test_no_request_storm(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 200)
    open_list(tab)
    settle(fake, tab)
    expect(tab.locator(".figure").nth(2)).to_contain_text("380")

    assert len(report_requests(fake)) == len(set(report_requests(fake))) == 200  # each result once
    assert tab.evaluate("import('/adobe-experience-platform/js/api.js').then(m => m.statistics.atOnce)") <= 4
    others = [path for path in fake.requests if "/api/v2/" in path and path not in report_requests(fake)]
    assert len(others) <= 12

    # Looking again reads no finished run again; nor does a new visit in this tab.
    fake.requests.clear()
    tab.clock.run_for(10500)
    tab.wait_for_timeout(200)
    tab.reload()
    settle(fake, tab)
    expect(tab.locator(".figure").nth(2)).to_contain_text("380")
    assert report_requests(fake) == []
    expect(tab.locator("table.runs")).to_contain_text("Web shop")


def test_a_cleared_run_is_read_again(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 10)
    open_list(tab)
    settle(fake, tab)
    fake.requests.clear()
    repaired = [result("mail", "gold"), result("shop", "gold", exported=77)]
    fake.deliver("run-009", repaired, dag_id=WEEKLY, names=NAMES, start=-570, end_date=at(-1))
    tab.clock.run_for(10500)
    settle(fake, tab)

    expect(tab.locator("table.runs")).not_to_contain_text("Job aborted.")
    assert len(report_requests(fake)) == 1


def test_500_runs_come_in_parts(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 500)
    open_list(tab)
    expect(tab.locator(".older")).to_contain_text("These are the newest 200 of 500 runs in this period")
    tab.get_by_role("button", name="Load older ones").click()
    expect(tab.locator(".older")).to_contain_text("newest 400 of 500")
    tab.get_by_role("button", name="Load older ones").click()
    expect(tab.locator(".older")).to_have_count(0)
    expect(tab.locator("table.runs tbody tr")).to_have_count(50)


def test_filters_narrow_the_list_and_stay_in_the_address(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 40)
    fake.deliver("big", [result("sftp", "gold", exported=5)], dag_id=DAG, names={"sftp": "Partner SFTP"}, start=-10)
    open_list(tab)
    settle(fake, tab)
    rows = tab.locator("table.runs tbody tr")

    tab.get_by_label("Campaign").select_option("Weekly newsletter")
    expect(rows).to_have_count(20)
    tab.get_by_label("State").select_option("Failed")
    expect(rows).to_have_count(4)
    assert f"dag={WEEKLY}&state=failed" in tab.url
    tab.reload()
    expect(rows).to_have_count(4)
    tab.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(41)
    settle(fake, tab)
    tab.get_by_role("combobox", name="Destination").select_option("Partner SFTP")
    expect(rows).to_have_count(1)
    tab.get_by_role("button", name="Clear").click()
    tab.get_by_role("searchbox").fill("aborted")
    tab.clock.run_for(500)
    expect(rows).to_have_count(4)


def test_a_destination_finds_the_runs_that_were_asked_for_by_its_name(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("over", [result("sftp", "gold", exported=5)], names={"sftp": "Partner SFTP"}, start=-10)
    for run_id, flow in (("by-name", "Partner SFTP"), ("by-id", "sftp"), ("other", "Web shop")):
        fake.add_run(run_id, "running", conf={"activation_info": {flow: ["gold"]}})
    open_list(tab)
    settle(fake, tab)

    tab.get_by_role("combobox", name="Destination").select_option("Partner SFTP")

    expect(tab.locator("table.runs tbody tr")).to_have_count(3)


def test_the_period_is_asked_for(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("new", [result("mail", "gold")], start=-60)
    fake.deliver("old", [result("mail", "gold")], start=-60 * 24 * 60)
    open_list(tab)
    expect(tab.locator("table.runs tbody tr")).to_have_count(1)

    tab.get_by_label("From", exact=True).fill("2026-03-01")
    expect(tab.locator("table.runs tbody tr")).to_have_count(2)
    tab.get_by_label("To", exact=True).fill("2026-04-01")
    expect(tab.locator("table.runs tbody tr")).to_have_count(1)


def test_what_runs_and_what_comes_next(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 3)
    fake.add_dag("aep_campaign_paused", "Paused one", timetable_summary="@daily", is_paused=True)
    asked = {"activation_info": {"mail": ["gold", "silver"]}}
    fake.add_run("live", "running", start=-9, conf=asked)
    progress = {"results": [result("mail", "gold"), result("mail", "silver", "in_progress")]}
    fake.set_task("live", "wait_for_flow_runs", "deferred", xcoms={"progress": progress})
    open_list(tab)
    settle(fake, tab)

    now = tab.get_by_role("region", name="Running now")
    expect(now).to_contain_text("1 of 2 deliveries done")
    coming = tab.get_by_role("region", name="Coming next").locator("li")
    expect(coming).to_have_count(2)
    expect(coming.nth(0)).to_contain_text("Weekly newsletter")
    expect(coming.nth(1)).to_contain_text("Paused")

    fake.deliver("live", [result("mail", "gold"), result("mail", "silver")], start=-9, names=NAMES, conf=asked)
    tab.clock.run_for(11000)
    expect(now).to_contain_text("Nothing is under way")
    expect(tab.locator("table.runs tbody tr").first).to_contain_text("2 of 2")


def test_a_run_that_waits_for_a_person_says_so(fake: FakeAirflow, tab: Page) -> None:
    fake.add_run("live", "running", start=-9)
    fake.set_task("live", "approve", "awaiting_input")
    open_list(tab)
    expect(tab.locator("table.runs")).to_be_visible()
    tab.clock.run_for(1000)

    asked = tab.get_by_role("region", name="Running now").get_by_role("link", name="waiting for approval")
    expect(asked).to_have_attribute("href", f"/dags/{DAG}/runs/live/required_actions")

    fake.set_task("live", "approve", "success")
    tab.clock.run_for(11000)
    expect(asked).to_have_count(0)


def test_a_dry_run_counts_as_no_delivery(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("real", [result("mail", "gold")], start=-60)
    fake.add_run("dry", "success", conf={"dry_run": True, "activation_info": {"mail": ["gold"]}})
    open_list(tab)
    settle(fake, tab)

    expect(tab.locator("table.runs tbody tr").first).to_contain_text("Dry run")
    expect(tab.locator("table.runs tbody tr").first).not_to_contain_text("Succeeded")
    assert not any("/dry/" in path and "xcom" in path for path in fake.requests)


def test_prefixed_tasks_are_found_by_their_operators(fake: FakeAirflow, tab: Page) -> None:
    fake.add_run("run")
    fake.set_task("run", "east.report", "success", xcoms={"return_value": {"results": [result("mail", "gold")]}})
    fake.set_task("run", "west.report", "success", xcoms={"return_value": {"results": [result("mail", "silver")]}})
    open_list(tab)
    settle(fake, tab)

    expect(tab.locator("table.runs tbody tr")).to_contain_text("2 of 2")


def test_with_rights_on_single_dags_only_each_is_asked(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 4)
    fake.refuse = {"dags/~/": 403}
    open_list(tab)

    expect(tab.locator("table.runs tbody tr")).to_have_count(4)


def test_without_the_right_to_xcoms_states_are_still_shown(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 4)
    fake.refuse = {"xcomEntries": 403}
    open_list(tab)
    settle(fake, tab)

    expect(tab.locator(".banner")).to_contain_text("You may not read the results (XComs)")
    expect(tab.locator("table.runs tbody tr")).to_have_count(4)


@pytest.mark.parametrize(
    ("status", "title"),
    [(401, "Your session has ended"), (403, "You may not see this"), (500, "This could not be loaded")],
)
def test_a_refusal_is_explained(fake: FakeAirflow, tab: Page, status: int, title: str) -> None:
    fill(fake, 2)
    fake.refuse = {"/dags$": status}
    open_list(tab)

    expect(tab.get_by_role("heading", name=title)).to_be_visible()


def test_trouble_later_keeps_what_is_shown(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 3)
    open_list(tab)
    settle(fake, tab)
    fake.refuse = {"/api/v2/": 0}
    tab.clock.run_for(10500)
    expect(tab.locator(".banner")).to_contain_text("Airflow does not answer at the moment")
    expect(tab.locator("table.runs tbody tr")).to_have_count(3)

    fake.refuse = {}
    tab.clock.run_for(10500)
    expect(tab.locator(".banner")).to_have_count(0)


def test_nothing_there_says_what_to_do(fake: FakeAirflow, tab: Page) -> None:
    open_list(tab)
    expect(tab.get_by_role("heading", name="No campaigns yet")).to_be_visible()
    fake.add_dag()
    tab.reload()
    expect(tab.get_by_role("heading", name="No deliveries in the last 30 days")).to_be_visible()


def test_names_are_text_and_nothing_else(fake: FakeAirflow, tab: Page) -> None:
    evil = "<img src=x onerror=window.hit=1>"
    fake.add_dag("evil", evil, timetable_summary="@daily", timetable_description=evil, next_dagrun_run_after=at(9))
    bad = result(evil, evil, "failed", None, error=evil)
    fake.deliver(evil, [bad], "failed", dag_id="evil", names={evil: evil}, triggering_user_name=evil)
    fake.add_run(f"{evil}2", "running", dag_id="evil")
    open_list(tab)
    settle(fake, tab)

    expect(tab.locator("table.runs tbody tr").first).to_contain_text(evil)
    assert tab.evaluate("window.hit") is None
    assert tab.locator("main img").count() == 0


def test_the_audience_of_an_asset_with_options_is_its_audience(fake: FakeAirflow, tab: Page) -> None:
    uri = flow_run_asset("partner", "gold", statuses=["failed"], poll_interval=120).uri
    fake.add_catalogue([destination("partner", "Partner", [audience("gold", "Gold customers")])])
    fake.tell(aep_run("theirs", "partner", "failed", "gold", end=-60), "gold", minutes=-59, uri=uri)
    open_list(tab)

    expect(tab.locator("table.runs tr.others")).to_contain_text("Gold customers")


def aep_run(ident: str, flow: str, status: str, *audiences: str, end: float, exported: int | None = None) -> Any:
    """Return a flow run of AEP that took five minutes, until so many minutes from NOW."""
    start, end_of_run = (NOW + dt.timedelta(minutes=minutes) for minutes in (end - 5, end))
    run: Any = run_json(ident, flow, status, audiences, start)
    run["metrics"]["durationSummary"] = {"startedAtUTC": millis(start), "completedAtUTC": millis(end_of_run)}
    run["metrics"].setdefault("recordSummary", {})["outputRecordCount"] = exported
    return run


def test_deliveries_of_others_are_told_apart(fake: FakeAirflow, tab: Page, tmp_path: Path) -> None:
    fake.deliver("ours", [result("mail", "gold", exported=5)], names=NAMES, start=-300)
    fake.tell(aep_run("run-mail-gold", "mail", "success", "gold", end=-290, exported=5), minutes=-290)
    partner = [audience("gold", "Gold customers"), audience("silver", "Silver customers")]
    fake.add_catalogue([destination("partner", "Partner <b>SFTP</b>", partner)])
    run = aep_run("theirs", "partner", "success", "gold", "silver", end=-60, exported=1200)
    files = {"outputFileCount": 2, "failedFileCount": 1}
    run["metrics"] |= {"fileSummary": files, "sizeSummary": {"outputBytes": 9574996}}
    fake.tell(run, minutes=-59)
    fake.tell(run, "gold", minutes=-59)  # the same run, by the asset of one of its audiences
    fake.tell(run, minutes=-58)  # told twice
    fake.tell(aep_run("partly", "mail", "partialSuccess", end=-120), minutes=-119)
    fake.tell(aep_run("forged", "mail", "success", end=-30), extra={"from_rest_api": True})
    # A run that has sent something, and has not told what.
    fake.add_run("live", "running", start=-20, conf={"activation_info": {"mail": ["gold"]}})
    fake.set_task("live", "activate", "success", map_index=0)
    fake.tell(aep_run("its-own", "mail", "success", "gold", end=-2))
    open_list(tab)
    settle(fake, tab)

    rows = tab.locator("table.runs tbody tr")
    others = tab.locator("table.runs tr.others")
    expect(rows).to_have_count(4)
    expect(others.first).to_contain_text("Gold customers, Silver customers")
    shared, partly = (" ".join(text.split()) for text in others.all_inner_texts())
    assert shared.startswith("Partner <b>SFTP</b> Not started here Gold customers, Silver customers Succeeded")
    expect(others.first.locator(".note")).to_have_text("records may be missing")
    expect(others.first.locator(".note")).to_have_attribute("title", "1 file failed in its run")
    assert shared.endswith(" 2 1,200 2 files, 9.6 MB 5 min")
    assert partly.startswith("Mail Not started here AEP does not name the audiences Partly delivered")
    assert partly.endswith(" \N{EN DASH} \N{EN DASH} 5 min")
    expect(tab.locator(".older")).to_contain_text("1 more delivery has ended in AEP")
    figures = tab.locator(".figure").all_inner_texts()
    assert "and 2 deliveries of others" in figures[0]
    assert "100 %" in figures[1], "how many of others failed is not known"
    assert "1,205" in figures[3]

    tab.get_by_label("Started by").select_option("Others")
    expect(rows).to_have_count(2)
    assert "by=others" in tab.url
    tab.get_by_label("State").select_option("Succeeded")
    expect(rows).to_have_count(1)
    settle(fake, tab)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "others.csv")
    [line] = csv.DictReader(io.StringIO((tmp_path / "others.csv").read_text(encoding="utf-8-sig")))
    assert (line["run_id"], line["started_in"], line["flow_id"]) == ("theirs", "others", "partner")
    tab.get_by_label("Started by").select_option("This Airflow")
    expect(rows).to_have_count(1)

    # What it sent is known when it says so.
    progress = {"results": [result("mail", "gold", "success", run_id="its-own")]}
    fake.set_task("live", "wait_for_flow_runs", "deferred", xcoms={"progress": progress})
    tab.get_by_role("button", name="Clear").click()
    settle(fake, tab)
    expect(rows).to_have_count(4)
    expect(tab.locator(".older")).to_have_count(0)


def test_an_event_that_airflow_cannot_list_hides_no_other(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("ours", [result("mail", "gold")], start=-600)
    for number in range(12):
        fake.tell(aep_run(f"theirs-{number}", "mail", "success", "gold", end=-20 - number), minutes=-20 - number)
    fake.unlisted = {2}
    open_list(tab)
    settle(fake, tab)

    expect(tab.locator("table.runs tr.others")).to_have_count(11)
    expect(tab.locator(".banner")).to_contain_text("Airflow cannot list 1 delivery at the moment")
    fake.unlisted.clear()
    tab.clock.run_for(10500)
    expect(tab.locator("table.runs tr.others")).to_have_count(12)
    expect(tab.locator(".banner")).to_have_count(0)


def test_without_deliveries_of_others_it_says_how_to_hear_of_them(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("ours", [result("mail", "gold")], start=-60)
    open_list(tab, "?by=others")
    expect(tab.get_by_role("heading", name="Nothing watches for deliveries of others")).to_be_visible()
    expect(tab.locator("pre")).to_contain_text("schedule=flow_run_asset(")

    fake.watched = 1
    tab.reload()
    expect(tab.get_by_role("heading", name="No deliveries of others in this period")).to_be_visible()

    fake.refuse = {"/assets": 403}
    tab.reload()
    expect(tab.get_by_role("heading", name="You may not see these")).to_be_visible()
    tab.get_by_role("button", name="Clear").click()
    expect(tab.locator("table.runs tbody tr")).to_have_count(1)


HOSTILE_CONFS: list[Any] = [
    {"activation_info": {"constructor": ["a"]}, "dry_run": True},
    {"activation_info": {"__proto__": ["a"], "toString": ["b"], "hasOwnProperty": ["c"]}},
    {"activation_info": {f"flow{number}": ["a"] for number in range(20_000)}},
    {"activation_info": {"x" * 500_000: ["a"], "flow": ["y" * 500_000]}},
    {"activation_info": [["a"]], "dry_run": {"toString": 1}},
    {"activation_info": "text", "__proto__": {"polluted": True}},
    {"activation_info": {"flow": [{"toString": None}, None, 7, ["a"]]}},
    {"constructor": {"prototype": {"polluted": True}}},
]
ODD_RESULTS: list[Any] = [
    {"flow_id": "__proto__", "audience_id": "constructor", "status": "constructor", "error": {"toString": 1}},
    {"flow_id": {"toString": 1}, "audience_id": ["a"], "status": "__proto__", "records_exported": "7"},
    {"flow_id": "constructor", "status": "success", "records_exported": 5, "error_code": ["x"]},
]


ODD_EVENTS: list[Any] = [
    {"run_id": "x" * 500_000, "flow_id": "__proto__", "status": "success", "audience_ids": {"toString": 1}},
    {"run_id": "odd", "flow_id": "constructor", "status": "failed", "audience_count": -1, "error": {"toString": 1}},
    {"run_id": "late", "flow_id": "mail", "status": "success", "completed_at": "9999-01-01T00:00:00+00:00"},
    {"run_id": "nan", "flow_id": "mail", "status": "success", "started_at": "yesterday", "records_exported": "7"},
    {"run_id": {"a": 1}, "flow_id": "mail", "status": "success"},
    {"run_id": "a", "flow_id": "mail", "status": "__proto__"},
    "text",
    None,
]


def test_a_hostile_run_costs_one_row(fake: FakeAirflow, tab: Page) -> None:
    fill(fake, 20)
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    for number, conf in enumerate(HOSTILE_CONFS):
        fake.add_run(f"bad-{number}", "success" if number % 2 else "failed", conf=conf, start=-5)
        fake.add_run(f"live-{number}", "running", conf=conf, start=-4)
    names = {"__proto__": "Proto", "constructor": "\u202egnp.exe", "toString": "T"}
    fake.add_run("odd", "success", start=-3)
    report = {"results": ODD_RESULTS, "verdict": {"headline": "constructor", "state": "__proto__", "advice": {}}}
    fake.set_task("odd", "report", "success", xcoms={"return_value": report})
    fake.set_task("odd", "plan_jobs", "success", xcoms={"briefing": briefing_of(names)})

    for payload in ODD_EVENTS:
        fake.tell(run_json("theirs", "mail"), extra={"from_trigger": True, "payload": payload})
    fake.tell(run_json("theirs", "mail"), uri="aep://flow-runs/a/b/mail/%zz", timestamp=at(-9))

    open_list(tab)
    settle(fake, tab)

    rows = tab.locator("table.runs tbody tr")
    expect(tab.locator("table.runs tr.others")).to_have_count(5)
    expect(rows).to_have_count(20 + 2 * len(HOSTILE_CONFS) + 1 + 5)
    expect(rows.filter(has_text="Mail, Web shop")).to_have_count(20)
    expect(rows.filter(has_text="cannot be shown")).to_have_count(0)
    expect(tab.locator("table.runs")).to_contain_text("Proto, \ufffdgnp.exe")
    assert tab.evaluate("[({}).polluted, ({}).flow, Object.keys(Object.prototype).length]") == [None, None, 0]
    offered = tab.get_by_role("combobox", name="Destination").locator("option").all_inner_texts()
    assert {"Mail", "Web shop"} < set(offered)
    assert len(offered) < 10, "what somebody asked for fills everybody's filter"
    assert errors == []


def test_cells_of_the_table_are_no_formulas(tab: Page, fake: FakeAirflow) -> None:
    open_list(tab)
    cells = [
        "=1+1",
        "\n=1+1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff20x",
        ";=1",
        "a;=1",
        "\t=1",
        " =1",
        "\u200b=1",
        "'=1",
        "+1",
        "@x",
        "-1",
    ]
    cells += ["plain", 'with "quotes", and a comma', "a=b", "x\ny"]
    text = tab.evaluate("c => import('/adobe-experience-platform/js/csv.js').then(m => m.csv([c]))", cells)

    [row] = csv.reader(io.StringIO(text, newline=""))
    for before, after in zip(cells, row, strict=True):
        for part in re.split(r"[;\t\r\n]", after):
            assert not re.match(r"[\s\u200b\"]*[=+\-@\uff1d\uff0b\uff0d\uff20]", part), (before, after)
    assert row[-4:] == cells[-4:]


def test_it_saves_a_table_of_what_is_shown(fake: FakeAirflow, tab: Page, tmp_path: Path) -> None:
    fill(fake, 12)
    open_list(tab, "?state=failed")
    expect(tab.locator("table.runs tbody tr")).to_have_count(1)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "table.csv")

    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run_id"], row["destination"], row["delivered"]) for row in rows] == [
        ("run-009", "Mail", "1"),
        ("run-009", "Web shop", "0"),
    ]
    assert (rows[0]["files"], rows[0]["bytes"], rows[1]["records_exported"]) == ("", "", ""), "AEP does not say"
    assert rows[1]["problem"] == "[A-1] Job aborted."


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [chromium.DESKTOP, chromium.PHONE])
def test_it_fits_every_screen(fake: FakeAirflow, visitor: Open, size: tuple[int, int], dark: bool) -> None:
    fill(fake, 5)
    fake.dags[DAG]["dag_display_name"] = "W" * 120
    fake.add_run("live", "running", conf={"activation_info": {"m" * 90: ["gold"]}})
    tab = visitor(size=size, dark=dark)
    open_list(tab)
    settle(fake, tab)

    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")


def test_a_past_run_is_delivered_again_from_the_page_that_delivers(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("past", [result("mail", "gold")], start=-60, conf={"activation_info": {"mail": ["gold"]}})
    fake.add_run("live", "running", start=-5)
    open_list(tab)
    expect(tab.locator("table.runs tbody tr")).to_have_count(2)
    expect(tab.get_by_test_id("deliver-again")).to_have_count(1)
    tab.get_by_test_id("deliver-again").click()

    tab.wait_for_url(re.compile(rf"/plugin/aep-deliver/adobe-experience-platform/deliver\?dag_id={DAG}&run_id=past$"))


def test_the_main_button_leads_to_the_page_that_delivers(fake: FakeAirflow, tab: Page) -> None:
    fake.add_dag()
    open_list(tab)
    expect(tab.get_by_role("link", name="Deliver", exact=True)).to_have_attribute("href", "/plugin/aep-deliver")
    tab.get_by_role("heading", name="No deliveries in the last 30 days").wait_for()
    expect(tab.get_by_text("Start one with Deliver")).to_be_visible()
