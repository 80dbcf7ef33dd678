"""The Activation tab in a browser: what a person sees of a run, in every state that a run can be in."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from adobe_experience_platform.delivery import RedRun
from lab import browser as chromium
from tests.support.pages import DAG, TENANT_LINK, FakeAirflow, Open, briefing_of, open_tab, report_of, result

EVIL = '<script>window.hit=1</script><img src=x onerror="window.hit=1">'
NAMES = {"mail": "Mail", "shop": "Web shop", "gold": "Gold customers", "silver": "Silver customers", "evil": EVIL}
DELIVERED = [
    result("mail", "gold", exported=48211),
    result("mail", "silver", exported=1202334, records_skipped=31),
    result("shop", "gold", exported=48211),
]
DASH = "\N{EN DASH}"
DELIVERED_TITLE = "Delivered: 3 deliveries to 2 destinations, 1,298,756 records"
MIXED = [
    *DELIVERED,
    result("shop", "silver", "failed", None, error_code="ACTIVATION_BATCH-0000-FAILED", error="Job aborted."),
    result("shop", "evil", "not_sent", error="no activation was sent or accepted for it"),
    result("mail", "evil", "partial_success", 12, records_failed=7),
]


def cells(page: Page, audience: str) -> list[str]:
    row = page.locator("tr", has_text=audience).first
    expect(row).to_be_visible()
    return row.locator("td").all_inner_texts()


def test_a_delivery_is_understood_at_once(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", DELIVERED, names=NAMES, conf={"on_conflict": "adopt"})
    open_tab(tab, "run")

    expect(tab.get_by_role("heading", level=1)).to_have_text(DELIVERED_TITLE)
    expect(tab.locator(".figure").first).to_contain_text("3 of 3")
    expect(tab.locator(".verdict-card")).to_have_class("card verdict-card tone-good")
    mail = tab.get_by_role("region", name="Mail")
    expect(mail).to_contain_text("2 of 2 delivered · 1,250,545 records")
    row = mail.locator("tr", has_text="Silver customers")
    assert row.locator("td").all_inner_texts() == ["Delivered", "1,202,334", "31", "0", DASH, DASH, "6 min"]
    expect(row).to_contain_text("run-mail-silver")
    expect(tab.locator(".facts")).to_contain_text("by hand, maria")
    expect(tab.locator(".facts")).to_contain_text("segment export job 722")
    expect(tab.locator(".facts")).to_contain_text("on_conflict")


RUN = {"audiences": 1, "seconds": 400, "files": 2, "bytes": 855202780, "file_names": ["out/gold.csv"]}
SKIP = {"code": "S-1", "text": "No address.", "records": 31}
LOSS = {"code": "C-1", "text": EVIL, "records": 400}


def test_files_bytes_and_reasons_stand_beside_each_delivery(fake: FakeAirflow, tab: Page) -> None:
    told = {"records_skipped": 31, "records_failed": 400, "error_code": "C-1", "error": EVIL}
    gold = result("mail", "gold", exported=600, **told, figures={**RUN, "skipped": [SKIP], "failed": [LOSS]})
    fake.deliver("run", [gold], names=NAMES)
    open_tab(tab, "run")

    expect(tab.locator(".destination-head")).to_contain_text("1 of 1 delivered · 600 records, 2 files, 855.2 MB")
    expect(tab.locator(".figures-grid")).to_contain_text("2 files, 855.2 MB")
    assert cells(tab, "Gold customers") == [
        "Delivered400 records lost", "600", "31", "400", "2", "855.2 MB", "6 min 40 s"
    ]  # fmt: skip
    row = tab.locator("tr", has_text="Gold customers")
    expect(row.locator("td", has_text="MB")).to_have_attribute("title", "855,202,780 bytes")
    expect(row.locator(".error")).to_have_text(
        [f"Failed: [C-1] {EVIL} (400 records)", "Skipped: [S-1] No address. (31 records)"]
    )
    expect(row).to_contain_text("File out/gold.csv")
    assert tab.evaluate("window.hit") is None


def test_figures_of_a_run_of_several_audiences_are_nobodys_alone_and_odd_ones_a_dash(
    fake: FakeAirflow, tab: Page
) -> None:
    run = {"run_id": "shared", "figures": {**RUN, "audiences": 2, "skipped": [SKIP], "failed": [LOSS]}}
    unknown = {"records_failed": None, "records_failed_in_run": 400, "records_skipped": 31}
    unknown["records_exported_in_run"] = 1_500
    shared = [result("mail", "gold", **run), result("mail", "silver", exported=None, **run, **unknown)]
    forms = [None, 5, {"files": "2", "bytes": -1, "seconds": None, "failed": "x", "skipped": [3], "audiences": []}]
    odd = [result("shop", f"odd-{at}", exported=-1, figures=figures) for at, figures in enumerate(forms)]
    odd[0]["loss"] = "1 file failed in its run"
    fake.deliver("run", [*shared, *odd], names=NAMES)
    open_tab(tab, "run")

    mail, shop = (tab.get_by_role("region", name=name) for name in ("Mail", "Web shop"))
    expect(tab.locator(".figure", has_text="Records exported")).to_contain_text("1,500")
    expect(tab.locator(".figure", has_text="Records failed")).to_contain_text("400")
    expect(mail).to_contain_text("2 of 2 delivered · 1,500 records, 2 files, 855.2 MB")
    expect(mail).to_contain_text("* of the whole flow run: AEP does not say how much")
    assert cells(tab, "Gold customers")[1:] == ["1,000", "0", "0", "2*", "855.2 MB*", "6 min 40 s"]
    assert cells(tab, "Silver customers")[1:] == ["1,500*", "31", "400*", "2*", "855.2 MB*", "6 min 40 s"]
    expect(mail.locator("tr", has_text="Gold customers").locator(".error")).to_have_count(0)
    expect(mail.locator("tr", has_text="Silver customers").locator(".error")).to_have_count(2)
    expect(shop).to_contain_text("3 of 3 delivered · an unknown number of records")
    expect(tab.locator(".figure").first).to_contain_text("1 of them lost records, 1 of them may lack records")
    assert cells(tab, "odd-0")[0].split("\n")[-1].endswith("1 file failed in its run")
    for at in range(len(forms)):
        assert cells(tab, f"odd-{at}")[1:] == [DASH, "0", "0", DASH, DASH, DASH]


def test_a_run_that_has_ended_is_not_judged_before_its_result_is_read(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", DELIVERED, names=NAMES, conf={"activation_info": {"mail": ["gold"]}})
    tab.route("**/xcomEntries?**", lambda _: None)  # no answer yet
    open_tab(tab, "run")

    expect(tab.get_by_role("heading", level=1)).to_have_text("Reading the result…")


def test_a_failure_says_what_failed_and_why(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", MIXED, "failed", names=NAMES)
    fake.logs[DAG, "run", "activate"] = "AEP refused the activation (HTTP 400)"
    open_tab(tab, "run")

    expect(tab.get_by_role("heading", level=1)).to_have_text("FAILED: 2 of 6 deliveries did not succeed, 1 only partly")
    why = tab.locator(".why")
    expect(why).to_contain_text("Job 1: AEP refused the activation (HTTP 400)")
    expect(why).to_contain_text("Silver customers → Web shop: Failed: [ACTIVATION_BATCH-0000-FAILED] Job aborted.")
    assert tab.locator(".advice").all_inner_texts() == report_of(MIXED, RedRun())["verdict"]["advice"]
    legend = tab.locator(".legend").first
    for text in ("Delivered 3", "Partly delivered 1", "Not sent 1", "Failed 1"):
        expect(legend).to_contain_text(text)
    # What failed comes first in its destination.
    first = tab.get_by_role("region", name="Web shop").locator("tbody tr").first
    expect(first).to_contain_text("Failed")


def test_names_from_aep_are_text_and_nothing_else(fake: FakeAirflow, tab: Page) -> None:
    fake.add_dag(name=EVIL)
    fake.deliver(EVIL, MIXED, "failed", names={**NAMES, "shop": EVIL}, note=EVIL, conf={EVIL: EVIL})
    fake.logs[DAG, EVIL, "activate"] = EVIL
    tab.goto("/adobe-experience-platform/activation")
    tab.evaluate("([dag, run]) => { location.search = new URLSearchParams({dag_id: dag, run_id: run}) }", [DAG, EVIL])

    expect(tab.locator("tr", has_text=EVIL).first).to_be_visible()
    expect(tab.get_by_role("heading", name=EVIL)).to_be_visible()
    assert tab.evaluate("window.hit") is None
    assert tab.locator("main script, main img").count() == 0


def test_a_refused_plan_lists_its_faults(fake: FakeAirflow, tab: Page) -> None:
    fake.add_run("run", "failed", conf={"activation_info": {"mail": ["gold", "oops"]}})
    fake.set_task("run", "plan_jobs", "failed")
    fake.set_task("run", "wait_for_segment_export", "upstream_failed", start=None)
    fake.set_task("run", "activate", "upstream_failed", start=None)
    fake.set_task("run", "wait_for_flow_runs", "upstream_failed", start=None)
    refused = report_of([], RedRun(failed_tasks=["plan_jobs"], plan_failed=True))
    fake.set_task("run", "report", "failed", xcoms={"return_value": refused})
    fake.logs[DAG, "run", "plan_jobs"] = "2 faults:\n  - audience oops is not mapped\n  - dry_run: choose true or false"
    open_tab(tab, "run")

    expect(tab.get_by_role("heading", level=1)).to_have_text("FAILED: nothing was sent")
    assert tab.locator(".why li").all_inner_texts() == ["audience oops is not mapped", "dry_run: choose true or false"]
    assert cells(tab, "oops")[0] == "Not sent"


def test_a_dry_run_says_that_nothing_was_sent(fake: FakeAirflow, tab: Page) -> None:
    fake.add_run("run", "success", conf={"activation_info": {"mail": ["gold"]}, "dry_run": True})
    fake.set_task("run", "plan_jobs", "success", xcoms={"return_value": [], "briefing": briefing_of(NAMES)})
    for task in ("wait_for_segment_export", "get_latest_export_job", "activate", "wait_for_flow_runs", "report"):
        fake.set_task("run", task, "skipped", start=None)
    open_tab(tab, "run")

    expect(tab.get_by_role("heading", level=1)).to_have_text("Dry run: everything is fine, nothing was sent")
    assert cells(tab, "Gold customers")[0] == "Checked, not sent"
    expect(tab.locator(".jobs-list")).to_have_count(0)


def test_a_run_that_was_asked_for_by_names_shows_its_ids_as_soon_as_they_are_known(
    fake: FakeAirflow, tab: Page
) -> None:
    conf = {"activation_info": {"Mail": ["Gold customers", "silver", "Nobody knows"]}, "dry_run": True}
    fake.add_run("run", "success", conf=conf)
    fake.set_task("run", "plan_jobs", "success", xcoms={"return_value": [], "briefing": briefing_of(NAMES)})
    for task in ("wait_for_segment_export", "get_latest_export_job", "activate", "wait_for_flow_runs", "report"):
        fake.set_task("run", task, "skipped", start=None)
    open_tab(tab, "run")

    for name, ident in (("Gold customers", "gold"), ("Silver customers", "silver")):
        expect(tab.locator("tr", has_text=name).locator("code.id")).to_have_text(ident)
    unknown = tab.locator("tr", has_text="Nobody knows")
    expect(unknown).to_be_visible()
    expect(unknown.locator("code.id")).to_have_count(0)
    expect(tab.locator(".figure").first).to_contain_text("1 destination")


def test_a_campaign_day_that_is_not_this_runs_is_not_called_a_dry_run(fake: FakeAirflow, tab: Page) -> None:
    day = {"deliver": False, "reason": "another run has delivered 2026-05-20"}
    fake.add_run("run", "success")
    fake.set_task("run", "plan_jobs", "success", xcoms={"return_value": [], "campaign_day": day})
    for task in ("activate", "wait_for_flow_runs", "report"):
        fake.set_task("run", task, "skipped", start=None)
    open_tab(tab, "run")

    expect(tab.get_by_role("heading", level=1)).to_have_text("Skipped: this run delivers nothing")
    expect(tab.locator(".lead")).to_have_text(day["reason"])


def test_a_refused_delivery_says_who_refused_it(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", [result("mail", "gold", "not_sent", error="")], "failed", names=NAMES)
    for task in ("wait_for_segment_export", "get_latest_export_job", "wait_for_flow_runs"):
        fake.set_task("run", task, "upstream_failed", start=None)
    fake.set_task("run", "activate", "upstream_failed", map_index=0, start=None)
    fake.set_task("run", "approve", "failed")
    red = RedRun(failed_tasks=["approve"], refused=True, why="anna has rejected this delivery")
    report = report_of([result("mail", "gold", "not_sent")], red)
    fake.set_task("run", "report", "failed", xcoms={"return_value": report})
    open_tab(tab, "run")

    title = tab.get_by_role("heading", level=1)
    expect(title).to_have_text("NOT APPROVED: nothing was sent: anna has rejected this delivery")
    expect(tab.locator(".advice")).to_contain_text("to be asked again")
    expect(tab.locator(".why")).to_have_count(0)


def test_a_run_without_a_report_says_only_where_it_ended(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", [result("mail", "gold")], "failed", names=NAMES)
    fake.xcoms[DAG, "run"].pop(("report", -1, "return_value"))
    fake.xcoms[DAG, "run"].pop(("wait_for_flow_runs", -1, "progress"))
    fake.set_task("run", "wait_for_flow_runs", "failed")
    fake.set_task("run", "report", None)
    open_tab(tab, "run")

    expect(tab.get_by_role("heading", level=1)).to_have_text("This run ended without a report")
    expect(tab.locator(".advice")).to_have_count(0)
    assert cells(tab, "Gold customers")[0] == "Unknown"


@pytest.mark.parametrize("verdict", [None, "text", [], {"headline": 7}, {"headline": "x", "advice": [None, {}]}])
def test_a_verdict_of_another_form_stops_no_page(fake: FakeAirflow, tab: Page, verdict: Any) -> None:
    fake.deliver("run", DELIVERED, names=NAMES)
    broken = {**report_of(DELIVERED), "verdict": verdict}
    fake.set_task("run", "report", "success", xcoms={"return_value": broken})
    open_tab(tab, "run")

    expect(tab.get_by_role("region", name="Mail")).to_contain_text("2 of 2 delivered")


def test_ids_that_are_names_of_javascript_are_ids(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", [result("constructor", "__proto__"), result("__proto__", "toString", "valueOf", None)])
    open_tab(tab, "run")

    expect(tab.get_by_role("region", name="constructor")).to_contain_text("__proto__")
    expect(tab.get_by_role("region", name="__proto__")).to_contain_text("Unknown")


def test_an_empty_delivery_warns(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", [result("mail", "gold", exported=0)], names=NAMES)
    open_tab(tab, "run")

    expect(tab.locator(".verdict-card")).to_have_class("card verdict-card tone-warn")
    expect(tab.locator(".verdict-card")).to_contain_text("EMPTY delivery: 1 of 1 delivery with 0 records")


def test_a_run_is_followed_while_it_goes_on(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", DELIVERED, names=NAMES)
    final = dict(fake.runs[DAG, "run"])
    report = fake.xcoms[DAG, "run"].pop(("report", -1, "return_value"))
    progress = fake.xcoms[DAG, "run"].pop(("wait_for_flow_runs", -1, "progress"))
    fake.runs[DAG, "run"].update(state="running", end_date=None)
    fake.set_task("run", "report", None)
    fake.set_task("run", "wait_for_flow_runs", None)
    fake.set_task("run", "activate", "deferred", map_index=0)
    fake.set_task("run", "wait_for_segment_export", "deferred", end=None)
    submission = fake.xcoms[DAG, "run"].pop(("activate", 0, "submission"))
    title = tab.get_by_role("heading", level=1)
    current = tab.locator("[aria-current=step] .stage-name")

    open_tab(tab, "run")
    expect(title).to_have_text("Waiting until AEP has finished its export")
    expect(current.first).to_have_text("Export is free")
    assert cells(tab, "Gold customers")[0] == "Not sent yet"

    fake.set_task("run", "wait_for_segment_export", "success")
    fake.set_task("run", "activate", "success", map_index=0, xcoms={"submission": submission[1]})
    fake.set_task("run", "wait_for_flow_runs", "deferred", end=None)
    tab.clock.run_for(4000)
    expect(title).to_have_text("AEP is delivering: 0 of 3 deliveries done")
    assert cells(tab, "Gold customers")[0] == "Submitted"

    half = {"results": [DELIVERED[0], *(result(r["flow_id"], r["audience_id"], "in_progress") for r in DELIVERED[1:])]}
    fake.set_task("run", "wait_for_flow_runs", "deferred", end=None, xcoms={"progress": half})
    tab.clock.run_for(4000)
    expect(title).to_have_text("AEP is delivering: 1 of 3 deliveries done")
    expect(tab.locator(".legend").first).to_contain_text("Running in AEP 2")

    fake.set_task("run", "wait_for_flow_runs", "success", xcoms={"progress": progress[1]})
    fake.set_task("run", "report", "success", xcoms={"return_value": report[1]})
    fake.runs[DAG, "run"].update(final)
    tab.clock.run_for(4000)
    expect(title).to_have_text(DELIVERED_TITLE)

    # It is over: nobody asks any more.
    asked = len(fake.requests)
    tab.clock.run_for(60000)
    assert len(fake.requests) == asked


def test_following_a_run_reads_only_what_changed(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", DELIVERED, names=NAMES)
    fake.runs[DAG, "run"].update(state="running", end_date=None)
    open_tab(tab, "run")
    expect(tab.get_by_role("region", name="Mail")).to_be_visible()
    expect(tab.locator(".facts")).to_contain_text("722")

    fake.requests.clear()
    with tab.expect_response("**/xcomEntries?*"):
        tab.clock.run_for(3500)
    assert len(fake.requests) == 3  # the run, its tasks, the list of its XComs


def test_the_focus_and_the_filter_survive_a_refresh(fake: FakeAirflow, tab: Page) -> None:
    many = [result("mail", f"audience-{number:02}") for number in range(30)]
    fake.deliver("run", many, names=NAMES)
    fake.runs[DAG, "run"].update(state="running", end_date=None)
    open_tab(tab, "run")
    tab.get_by_role("searchbox").fill("audience-07")
    tab.clock.run_for(300)
    expect(tab.locator("tbody tr")).to_have_count(1)

    changed = [*many[:7], result("mail", "audience-07", "failed", None, error="Broken."), *many[8:]]
    fake.set_task("run", "wait_for_flow_runs", "deferred", xcoms={"progress": {"results": changed}})
    fake.set_task("run", "report", None)
    tab.clock.run_for(4000)
    expect(tab.locator("tbody tr")).to_contain_text("Broken.")
    expect(tab.locator("tbody tr")).to_have_count(1)
    expect(tab.get_by_role("searchbox")).to_be_focused()


def test_a_large_delivery_is_shown_in_parts(fake: FakeAirflow, tab: Page) -> None:
    many = [result("mail", f"audience-{number:04}") for number in range(1200)]
    many[900] = result("mail", "audience-0900", "failed", None, error="Broken.")
    fake.deliver("run", many, "failed", names=NAMES)
    open_tab(tab, "run")

    expect(tab.locator(".job")).to_have_count(15)
    expect(tab.locator("tbody tr")).to_have_count(100)
    expect(tab.locator("tbody tr").first).to_contain_text("Broken.")
    tab.get_by_role("button", name="Show more (1,100 left)").click()
    expect(tab.locator("tbody tr")).to_have_count(600)
    tab.get_by_role("button", name="Problems 1").click()
    expect(tab.locator("tbody tr")).to_have_count(1)


def test_several_deliveries_in_one_run_are_told_apart(fake: FakeAirflow, tab: Page) -> None:
    fake.add_run("run", "success")
    for group, audience in (("east", "gold"), ("west", "silver")):
        plan = [{"job": 1, "of": 1, "activation_info": {"mail": [audience]}}]
        fake.set_task(
            "run", f"{group}.plan_jobs", "success", xcoms={"return_value": plan, "briefing": briefing_of(NAMES)}
        )
        report = {"results": [result("mail", audience)]}
        fake.set_task("run", f"{group}.report", "success", xcoms={"return_value": report})
    open_tab(tab, "run")

    expect(tab.locator(".eyebrow")).to_have_text(["east", "west"])
    expect(tab.locator("article").nth(1)).to_contain_text("Silver customers")
    expect(tab.locator("article").nth(1)).not_to_contain_text("Gold customers")


def test_links_lead_into_aep_for_each_destination(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", DELIVERED, names=NAMES)
    open_tab(tab, "run")

    links = tab.get_by_role("link", name="Open in AEP")
    expect(links).to_have_count(2)
    assert links.nth(0).get_attribute("href") == TENANT_LINK
    assert links.nth(1).get_attribute("href") == TENANT_LINK.replace("browse/mail", "browse/shop")


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)//platform/destination/browse/", "https://evil.test/#/@a/platform/destination/browse/x", 7],
)
def test_no_other_link_is_taken_from_an_xcom(fake: FakeAirflow, tab: Page, link: Any) -> None:
    fake.deliver("run", DELIVERED, names=NAMES)
    fake.set_task("run", "activate", "success", map_index=0, xcoms={"destination_link": link})
    open_tab(tab, "run")

    expect(tab.get_by_role("region", name="Mail")).to_be_visible()
    expect(tab.get_by_role("link", name="Open in AEP")).to_have_count(0)
    assert all(
        href.startswith("/") for href in tab.locator("main a").evaluate_all("a => a.map(x => x.getAttribute('href'))")
    )


def test_a_run_of_another_dag_is_not_ours(fake: FakeAirflow, tab: Page) -> None:
    fake.add_run("run")
    fake.set_task("run", "load", "success")
    open_tab(tab, "run")

    expect(tab.get_by_role("heading", level=1)).to_have_text("This run delivers no audiences")
    assert not any("xcomEntries" in path for path in fake.requests)


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (401, "Your session has ended"),
        (403, "You may not see this"),
        (404, "This run does not exist"),
        (500, "This could not be loaded"),
        (0, "This could not be loaded"),
    ],
)
def test_a_refusal_is_explained(fake: FakeAirflow, tab: Page, status: int, title: str) -> None:
    fake.deliver("run", DELIVERED)
    fake.refuse = {"dagRuns/run$": status}
    open_tab(tab, "run")

    expect(tab.get_by_role("heading", level=1)).to_have_text(title)
    expect(tab.locator("body")).not_to_contain_text("gold")


def test_it_recovers_by_itself(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", DELIVERED, names=NAMES)
    fake.refuse = {"dagRuns/run$": 503}
    open_tab(tab, "run")
    expect(tab.get_by_role("alert")).to_be_visible()

    fake.refuse = {}
    tab.clock.run_for(7000)
    expect(tab.get_by_role("heading", level=1)).to_have_text(DELIVERED_TITLE)


def test_without_the_right_to_xcoms_the_state_is_still_shown(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", DELIVERED, names=NAMES)
    fake.refuse = {"xcomEntries": 403}
    open_tab(tab, "run")

    expect(tab.locator(".banner")).to_contain_text("Ask for the right to read them")
    expect(tab.locator(".stage-done")).to_have_count(5)


def test_it_saves_a_table_for_spreadsheets(fake: FakeAirflow, tab: Page, tmp_path: Path) -> None:
    first = {**MIXED[0], "figures": {**RUN, "skipped": [SKIP]}}
    fake.deliver(
        "run", [first, *MIXED[1:]], "failed", names={**NAMES, "gold": '=HYPERLINK("x")', "silver": 'Silver, "best"'}
    )
    open_tab(tab, "run")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="CSV").click()
    path = tmp_path / "table.csv"
    download.value.save_as(path)

    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert download.value.suggested_filename == "activation-run.csv"
    assert len(rows) == len(MIXED)
    assert rows[0]["audience"] == '\'=HYPERLINK("x")'
    assert rows[1]["audience"] == 'Silver, "best"'
    assert (rows[1]["records_exported"], rows[1]["status"]) == ("1202334", "success")
    run = ("duration_seconds", "run_audiences", "run_files", "run_bytes", "file_names", "skipped_reasons")
    assert [rows[0][name] for name in run] == [
        "400",
        "1",
        "2",
        "855202780",
        "out/gold.csv",
        "[S-1] No address. (31 records)",
    ]
    assert [rows[1][name] for name in run] == ["360", "1", "", "", "", ""]
    assert [row["error"] for row in rows if row["status"] == "failed"] == ["Job aborted."]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [chromium.DESKTOP, chromium.PHONE])
def test_it_fits_every_screen(fake: FakeAirflow, visitor: Open, size: tuple[int, int], dark: bool) -> None:
    long = {"gold": "Gold" + "en" * 60, "mail": "M" * 90, **{key: NAMES[key] for key in ("shop", "silver")}}
    fake.deliver("run", MIXED, "failed", names=long, conf={"note": "x" * 300})
    tab = visitor(size=size, dark=dark)
    open_tab(tab, "run")
    expect(tab.locator(".facts")).to_be_visible()

    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
    light = tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert light is not dark


def test_it_is_usable_by_keyboard(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("run", DELIVERED, names=NAMES)
    open_tab(tab, "run")
    expect(tab.get_by_role("region", name="Mail")).to_be_visible()
    reached = []
    for _ in range(8):
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.textContent.trim()"))

    assert reached[:2] == ["CSV", "All activations"]
    assert any(text.startswith("Open in AEP") for text in reached)
    assert "Task log" in reached
