"""The page that starts a delivery, in a browser: choosing, checking, starting once, and what may stand in the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from adobe_experience_platform.aep import DestinationFlow
from adobe_experience_platform.aep.calls import Response
from adobe_experience_platform.campaigns.file import Campaign
from adobe_experience_platform.campaigns.reading import read_campaign
from adobe_experience_platform.delivery import jobs, read_activation_info, resolve, unambiguous
from lab import browser as chromium
from tests.support.pages import (
    CATALOGUE_DAG,
    DAG,
    PARAMS,
    FakeAirflow,
    Open,
    at,
    audience,
    briefing_of,
    flow,
    open_deliver,
    result,
)
from tests.support.parts import flow_json, selector
from tools import campaigns

ENDED = "has a schedule that ended on 2026-05-01"
FLOWS = [
    flow("mail", "Newsletter S3", [audience("gold"), audience("silver"), audience("friday", "Friday", ENDED)]),
    flow("shop", "Flash sale SFTP", [audience("gold"), audience("cart", "Abandoned cart")]),
    flow("off", "Old partner", [audience("gold", reason="is disabled, not enabled")], state="disabled"),
    flow("bare", "Nothing mapped", []),
]
NAMES = {"mail": "Newsletter S3", "shop": "Flash sale SFTP", "gold": "Gold", "cart": "Abandoned cart"}


@pytest.fixture
def fake() -> FakeAirflow:
    """Give a fake Airflow with both DAGs, and a list of destinations 12 minutes old."""
    fake = FakeAirflow()
    fake.add_dag()
    fake.add_catalogue(FLOWS, end_date=at(-12))
    return fake


def opened(page: Page, query: str = "") -> Page:
    """Open the page, and wait for the list."""
    open_deliver(page, query)
    expect(page.get_by_test_id("deliver-audience").first).to_be_visible()
    return page


def box(page: Page, flow_id: str, audience_id: str) -> Locator:
    return page.locator(f'[data-testid="deliver-audience"][data-flow-id="{flow_id}"][data-audience-id="{audience_id}"]')


def all_of(page: Page, flow_id: str) -> Locator:
    return page.locator(f'[data-testid="deliver-flow"][data-flow-id="{flow_id}"] .all input')


def until(page: Page, check: Callable[[], object]) -> None:
    """Let the page's own clock go on until something is true."""
    for _ in range(400):
        if check():
            return
        page.clock.run_for(500)
        page.wait_for_timeout(20)
    raise AssertionError("it did not happen")


def succeed(fake: FakeAirflow) -> None:
    """Let every run that is started succeed at once, and a check find its plan."""

    def end(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        fake.runs[dag_id, run_id]["state"] = "success"
        if dag_id == DAG:
            xcoms = {"return_value": [], "briefing": briefing_of(NAMES)}
            xcoms |= {"outlook": fake.outlook} if fake.outlook else {}
            fake.set_task(run_id, "plan_jobs", "success", xcoms=xcoms)

    fake.on_start = end


# -- what there is


def test_destinations_and_audiences_are_shown_with_what_is_known_of_them(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("yesterday", [result("mail", "gold", exported=87_844)], start=-24 * 60, names=NAMES)
    fake.deliver("older", [result("mail", "gold", exported=5, completed_at=at(-3000))], start=-3000)
    opened(tab)
    mail = tab.get_by_test_id("deliver-flow").first

    expect(tab.get_by_test_id("deliver-flow")).to_have_count(4)
    expect(mail.locator("li").first).to_contain_text("Gold")
    expect(mail.locator("li").first).to_contain_text("daily full export")
    expect(mail.locator("li").first).to_contain_text("Ready")
    until(tab, lambda: "87,844 records" in mail.locator("li").first.inner_text())
    expect(mail.locator("li").nth(2)).to_contain_text(ENDED)
    expect(box(tab, "mail", "friday")).to_be_disabled()
    expect(tab.get_by_test_id("deliver-flow").nth(2)).to_contain_text("disabled")
    expect(tab.get_by_test_id("deliver-flow").nth(3)).to_contain_text("No audience is mapped")
    expect(tab.locator(".age")).to_have_text("this list is 12 min old")
    expect(tab.get_by_test_id("deliver-summary")).to_have_text("Nothing chosen yet")
    expect(tab.get_by_test_id("deliver-submit")).to_be_disabled()


def test_the_search_looks_at_destinations_and_audiences(fake: FakeAirflow, tab: Page) -> None:
    opened(tab)
    search = tab.get_by_test_id("deliver-search")
    boxes = tab.get_by_test_id("deliver-audience")

    search.fill("gold")
    expect(boxes).to_have_count(3)
    search.fill("flash GOLD")
    expect(boxes).to_have_count(1)
    expect(tab.get_by_test_id("deliver-flow").filter(visible=True)).to_have_count(1)
    search.fill("newsletter")
    expect(boxes).to_have_count(3)
    search.fill("nowhere")
    expect(tab.get_by_text("Nothing has all these words")).to_be_visible()
    search.fill("")
    expect(boxes).to_have_count(6)


def test_choosing_is_summed_up_and_survives_a_search(fake: FakeAirflow, tab: Page) -> None:
    opened(tab)
    summary = tab.get_by_test_id("deliver-summary")

    all_of(tab, "mail").check()
    expect(box(tab, "mail", "silver")).to_be_checked()
    expect(box(tab, "mail", "friday")).not_to_be_checked()
    tab.get_by_test_id("deliver-search").fill("cart")
    all_of(tab, "shop").check()
    expect(summary).to_have_text("3 audiences to 2 destinations, 1 job")
    tab.get_by_test_id("deliver-search").fill("")
    expect(box(tab, "mail", "gold")).to_be_checked()
    box(tab, "mail", "gold").uncheck()
    assert all_of(tab, "mail").evaluate("box => box.indeterminate")
    expect(summary).to_have_text("2 audiences to 2 destinations, 1 job")
    tab.get_by_role("button", name="Clear").click()
    expect(summary).to_have_text("Nothing chosen yet")
    expect(box(tab, "shop", "cart")).not_to_be_checked()


@pytest.mark.parametrize("limit", [2, 3, 80])
def test_the_number_of_jobs_is_the_plans(limit: int, tab: Page, fake: FakeAirflow) -> None:
    info = {"f1": ["a", "b", "c", "d"], "f2": ["a", "b", "e"], "f3": ["f", "e"]}
    pairs, faults = read_activation_info(info)
    open_deliver(tab)
    script = """([info, limit]) => import('/adobe-experience-platform/js/order.js').then(({Order}) => {
      const order = new Order();
      for (const [flow, ids] of Object.entries(info)) for (const id of ids) order.set(flow, id, true);
      return order.jobs(limit);
    })"""

    assert not faults
    split = [[list(pair) for pair in job] for job in jobs.split(pairs, limit)]
    assert tab.evaluate(script, [info, limit]) == split


def test_more_than_a_run_takes_is_said(fake: FakeAirflow, tab: Page) -> None:
    open_deliver(tab)
    script = """number => import('/adobe-experience-platform/js/order.js').then(({Order, faultOf}) => {
      const order = new Order();
      for (let at = 0; at < number; at += 1) order.set("mail", `a${at}`, true);
      return faultOf(order, 80);
    })"""

    assert tab.evaluate(script, 5000) == ""
    assert tab.evaluate(script, 5001) == "One run takes 5,000 audiences: choose fewer."


# -- starting


def test_one_press_is_one_run_and_leads_to_it(fake: FakeAirflow, tab: Page) -> None:
    opened(tab)
    box(tab, "mail", "gold").check()
    box(tab, "shop", "gold").check()
    tab.get_by_test_id("deliver-submit").dblclick()
    tab.wait_for_url(re.compile("/plugin/aep-activation$"))

    [(dag_id, run_id, conf)] = fake.started
    assert (dag_id, conf) == (DAG, {"activation_info": {"mail": ["gold"], "shop": ["gold"]}})
    assert re.fullmatch(r"[A-Za-z0-9_.~:+-]+", run_id)
    assert tab.url.partition("/runs/")[2] == f"{run_id.replace('+', '%2B').replace(':', '%3A')}/plugin/aep-activation"


def test_a_lost_answer_starts_nothing_twice(fake: FakeAirflow, tab: Page) -> None:
    fake.lose = 1
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_test_id("deliver-submit").click()
    until(tab, lambda: tab.url.endswith("/aep-activation"))

    assert len(fake.started) == 1


def test_while_it_is_not_known_whether_it_started_the_same_run_is_tried_again(fake: FakeAirflow, tab: Page) -> None:
    opened(tab)
    box(tab, "mail", "gold").check()
    fake.lose = 99
    fake.refuse = {"GET .*/dagRuns/deliver__": 503}
    submit = tab.get_by_test_id("deliver-submit")
    submit.click()
    until(tab, lambda: "Try again" in submit.inner_text())

    expect(tab.locator(".banner")).to_contain_text("it is not known whether the delivery was started")
    assert tab.locator("#list").evaluate("list => list.inert"), "what is tried again is what was pressed"
    fake.lose, fake.refuse = 0, {}
    submit.click()
    until(tab, lambda: tab.url.endswith("/aep-activation"))
    assert len(fake.started) == 1


def test_a_page_that_is_reloaded_while_it_starts_says_what_became_of_it(fake: FakeAirflow, tab: Page) -> None:
    fake.lose = 99
    fake.refuse = {"GET .*/dagRuns/deliver__": 503}
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_test_id("deliver-submit").click()
    until(tab, lambda: fake.started)
    tab.goto("about:blank")
    fake.lose, fake.refuse = 0, {}
    opened(tab)

    expect(tab.locator(".banner")).to_contain_text("What you were starting when this page was left has been started")
    [(_, run_id, _)] = fake.started
    assert len(fake.started) == 1
    assert run_id.split("__")[2] in str(tab.get_by_role("link", name="Open it").get_attribute("href"))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Airflow refused: refused with 400. Nothing was started."),
        (401, "Your session has ended"),
        (403, "Airflow does not let you do this. Nothing was started."),
        (404, "Airflow no longer has this. Nothing was started."),
    ],
)
def test_a_refusal_is_explained_and_keeps_the_choice(fake: FakeAirflow, tab: Page, status: int, said: str) -> None:
    opened(tab)
    box(tab, "mail", "gold").check()
    fake.refuse = {"POST .*/dagRuns$": status}
    tab.get_by_test_id("deliver-submit").click()

    expect(tab.locator(".banner")).to_contain_text(said)
    expect(tab.get_by_test_id("deliver-submit")).to_be_enabled()
    expect(box(tab, "mail", "gold")).to_be_checked()
    fake.refuse = {}
    tab.get_by_test_id("deliver-submit").click()
    tab.wait_for_url(re.compile("/plugin/aep-activation$"))
    assert len(fake.started) == 1


def test_a_paused_dag_would_wait_for_ever_so_it_is_resumed_first(fake: FakeAirflow, tab: Page) -> None:
    fake.dags[DAG]["is_paused"] = True
    opened(tab)
    expect(tab.locator(".banner")).to_contain_text(f"The DAG {DAG} is paused")
    box(tab, "mail", "gold").check()
    tab.get_by_test_id("deliver-submit").click()
    expect(tab.locator(".banner")).to_contain_text(f"The DAG {DAG} is paused")
    assert fake.started == []
    tab.get_by_role("button", name="Resume it").click()
    expect(tab.locator(".banner")).to_have_count(0)
    assert fake.dags[DAG]["is_paused"] is False


def test_a_broken_dag_is_told(fake: FakeAirflow, tab: Page) -> None:
    fake.dags[DAG]["has_import_errors"] = True
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_test_id("deliver-submit").click()

    expect(tab.locator(".banner")).to_contain_text("has an import error, so nothing is started.")
    assert fake.started == []


# -- options


def test_options_that_differ_from_their_defaults_are_delivered_with(fake: FakeAirflow, tab: Page) -> None:
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_label("If the audience is already being delivered").select_option("fail")
    tab.get_by_label("Oldest snapshot (hours)").fill("")
    expect(tab.get_by_label("Longest pause between two polls (seconds)")).not_to_be_visible()
    tab.get_by_text("More options").click()
    tab.get_by_label("Longest pause between two polls (seconds)").fill("5")
    tab.get_by_test_id("deliver-submit").click()
    tab.wait_for_url(re.compile("/plugin/aep-activation$"))

    [(_, _, conf)] = fake.started
    assert conf == {
        "activation_info": {"mail": ["gold"]},
        "on_conflict": "fail",
        "max_export_age_hours": None,
        "poll_interval": 5,
    }


def test_a_size_guard_is_a_block_of_what_was_entered(fake: FakeAirflow, tab: Page) -> None:
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_text("More options").click()
    guard = tab.get_by_role("group", name="Size guard")
    guard.get_by_label("Largest size").fill("-5")
    expect(tab.locator("#why-deliver")).to_contain_text("Largest size: ")
    guard.get_by_label("Largest size").fill("5000")
    guard.get_by_label("Smallest size").fill("7")
    guard.get_by_label("Smallest size").fill("")
    guard.get_by_label("If AEP does not say").select_option("refuse")
    tab.get_by_test_id("deliver-submit").click()
    tab.wait_for_url(re.compile("/plugin/aep-activation$"))

    [(_, _, conf)] = fake.started
    assert conf == {"activation_info": {"mail": ["gold"]}, "size_guard": {"max_records": 5000, "on_unknown": "refuse"}}


def test_an_earlier_runs_size_guard_is_taken_over_if_it_is_one(fake: FakeAirflow, tab: Page) -> None:
    open_deliver(tab)
    script = """([params, guards]) => import('/adobe-experience-platform/js/options_view.js').then((view) =>
      guards.map((guard) => view.accepted(view.settingsOf({params}), {size_guard: guard}).refused.length === 0))"""
    sound = [None, {}, {"max_records": 5, "min_records": None, "on_breach": "ask"}, {"max_change_percent": 0.5}]
    odd = ["strict", [1], {"max_record": 5}, {"max_records": 0.5}, {"on_breach": "stop"}, {"max_records": {"x": 1}}]

    assert tab.evaluate(script, [PARAMS, sound]) == [True] * len(sound)
    assert tab.evaluate(script, [PARAMS, odd]) == [False] * len(odd)


def test_a_number_out_of_its_limits_is_not_sent(fake: FakeAirflow, tab: Page) -> None:
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_label("Oldest snapshot (hours)").fill("-1")

    expect(tab.get_by_test_id("deliver-submit")).to_be_disabled()
    expect(tab.locator("#why-deliver")).to_contain_text("Oldest snapshot (hours): ")


# -- the check


def test_the_check_shows_what_aep_tells_before_a_delivery(fake: FakeAirflow, tab: Page) -> None:
    succeed(fake)
    rows = [["mail", "gold", "980 records, 2026-05-19 06:10 UTC", "1,000 (2026-05-20 01:00 UTC)", "-"]]
    fake.outlook = {"pairs": [*rows, ["mail"], 7], "asks": []}
    opened(tab)
    all_of(tab, "mail").check()
    tab.get_by_test_id("deliver-check").click()
    check = tab.get_by_role("region", name="Check")

    cells = check.get_by_role("table", name="Newsletter S3").locator("tbody tr > *")
    expect(cells).to_have_text(["Gold", *rows[0][2:4], "\N{EN DASH}"])
    expect(check.locator(".plan")).to_contain_text("silver")


def test_the_check_shows_the_plan_and_its_warnings(fake: FakeAirflow, tab: Page) -> None:
    succeed(fake)
    fake.warnings = ["flow 'Newsletter S3' (mail) does not say whether it is enabled"]
    opened(tab)
    box(tab, "mail", "gold").check()
    box(tab, "shop", "cart").check()
    tab.get_by_test_id("deliver-check").click()
    check = tab.get_by_role("region", name="Check")

    expect(check).to_contain_text("Can be delivered, with 1 warning")
    expect(check).to_contain_text("does not say whether it is enabled")
    expect(check).to_contain_text("2 audiences to 2 destinations, 1 job, from sandbox prod. Nothing was sent.")
    expect(check).to_contain_text("Flash sale SFTP Abandoned cart")
    [(_, _, conf)] = fake.started
    assert conf == {"activation_info": {"mail": ["gold"], "shop": ["cart"]}, "dry_run": True}
    box(tab, "shop", "gold").check()
    expect(check).to_contain_text("Your choice has changed since")


def test_the_check_shows_every_fault(fake: FakeAirflow, tab: Page) -> None:
    def refuse(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        fake.set_task(run_id, "plan_jobs", "failed")
        faults = "Nothing was sent. 2 faults:\n - flow mail is disabled: enable it\n - audience gold: map it"
        fake.logs[dag_id, run_id, "plan_jobs"] = faults
        fake.runs[dag_id, run_id]["state"] = "failed"

    fake.on_start = refuse
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_test_id("deliver-check").click()
    check = tab.get_by_role("region", name="Check")

    expect(check).to_contain_text("This cannot be delivered as it is")
    assert check.locator(".why li").all_inner_texts() == ["flow mail is disabled: enable it", "audience gold: map it"]


def test_a_check_that_waits_says_so(fake: FakeAirflow, tab: Page) -> None:
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_test_id("deliver-check").click()
    expect(tab.get_by_role("region", name="Check")).to_contain_text("Waiting for Airflow to start it")
    expect(tab).to_have_title("● Deliver")
    [(_, run_id, _)] = fake.started
    fake.set_task(run_id, "plan_jobs", "success")
    fake.runs[DAG, run_id]["state"] = "success"
    until(tab, lambda: "Everything is fine" in tab.get_by_role("region", name="Check").inner_text())
    expect(tab).to_have_title("Deliver")


# -- the list of destinations


def test_refresh_makes_a_new_list(fake: FakeAirflow, tab: Page) -> None:
    def find(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        news = [flow("mail", "Newsletter S3", [audience("gold"), audience("new", "Brand new")])]
        fake.add_catalogue(news, run_id, start=-1, end_date=at(0))

    fake.on_start = find
    opened(tab)
    box(tab, "mail", "gold").check()
    box(tab, "shop", "cart").check()
    tab.get_by_test_id("deliver-refresh").dblclick()
    until(tab, lambda: box(tab, "mail", "new").count())

    assert [dag_id for dag_id, _, _ in fake.started] == [CATALOGUE_DAG]
    expect(box(tab, "mail", "gold")).to_be_checked()
    expect(tab.get_by_test_id("deliver-summary")).to_have_text("1 audience to 1 destination, 1 job")
    expect(tab.locator(".banner")).to_contain_text("1 audience that you had chosen cannot be delivered now")


def test_a_refresh_that_fails_says_why_and_keeps_the_list(fake: FakeAirflow, tab: Page) -> None:
    def fail(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        fake.set_task(run_id, "list_destinations", "failed", dag_id=dag_id, xcoms={"reason": "AEP refused the secret"})
        fake.runs[dag_id, run_id]["state"] = "failed"

    fake.on_start = fail
    opened(tab)
    tab.get_by_test_id("deliver-refresh").click()
    until(tab, lambda: tab.locator(".banner").count())

    expect(tab.locator(".banner")).to_contain_text("AEP refused the secret")
    expect(tab.get_by_test_id("deliver-audience")).to_have_count(6)


def test_without_a_list_refresh_is_the_way(visitor: Open) -> None:
    fake = FakeAirflow()
    fake.add_dag()
    fake.add_dag(CATALOGUE_DAG, tags=[])
    tab = visitor()
    fake.attach(tab.context)
    open_deliver(tab)

    expect(tab.get_by_role("heading", name="No list of destinations yet")).to_be_visible()
    expect(tab.get_by_test_id("deliver-refresh")).to_be_enabled()
    expect(tab.get_by_test_id("deliver-submit")).to_be_disabled()


def test_a_large_list_is_in_several_xcoms(fake: FakeAirflow, tab: Page) -> None:
    fake.add_catalogue([], "large", start=-5)
    halves = [flow("mail", "Mail", [audience("a")]), flow("mail", "Mail", [audience("b")])]
    xcoms = {f"flows_{number}": json.dumps([half]) for number, half in enumerate(halves, start=1)}
    returned = {"flows": [], "activation_info": {}, "parts": 2}
    fake.set_task(
        "large", "list_destinations", "success", dag_id=CATALOGUE_DAG, xcoms={"return_value": returned, **xcoms}
    )
    opened(tab)

    expect(tab.get_by_test_id("deliver-flow")).to_have_count(1)
    expect(box(tab, "mail", "b")).to_be_visible()


def test_another_sandbox_has_another_list_which_is_delivered_from(fake: FakeAirflow, tab: Page) -> None:
    fake.add_catalogue([flow("dev", "Dev flow", [audience("gold")])], "dev", start=-90, conf={"sandbox_name": "dev"})
    opened(tab)
    tab.get_by_text("More options").click()
    tab.get_by_label("Sandbox").fill("dev")
    until(tab, lambda: box(tab, "dev", "gold").count())
    expect(tab.locator(".age")).to_contain_text("sandbox dev")
    box(tab, "dev", "gold").check()
    tab.get_by_test_id("deliver-submit").click()
    tab.wait_for_url(re.compile("/plugin/aep-activation$"))

    assert fake.started[0][2] == {"activation_info": {"dev": ["gold"]}, "sandbox_name": "dev"}


GUARDRAILS = [
    flow(
        f"f{number}",
        f"Destination {number}",
        [audience(f"a{number}-{one}", f"People of town {one}") for one in range(250)],
    )
    for number in range(100)
]


def test_adobes_guardrails_are_usable(fake: FakeAirflow, tab: Page) -> None:
    """Of 100 destinations with 250 audiences each, only what is near what is in sight is in the page."""
    fake.add_catalogue(GUARDRAILS, "large", start=-5)
    opened(tab)

    expect(tab.get_by_test_id("deliver-flow")).to_have_count(100)
    assert tab.get_by_test_id("deliver-audience").count() < 2000
    tab.get_by_test_id("deliver-search").fill("destination 77 town 249")
    expect(box(tab, "f77", "a77-249")).to_be_visible()
    expect(tab.get_by_test_id("deliver-audience")).to_have_count(1)
    box(tab, "f77", "a77-249").check()
    tab.get_by_test_id("deliver-search").fill("")
    expect(tab.get_by_test_id("deliver-summary")).to_have_text("1 audience to 1 destination, 1 job")
    last = tab.get_by_test_id("deliver-flow").last
    last.scroll_into_view_if_needed()
    expect(last.get_by_test_id("deliver-audience").last).to_be_attached()
    assert tab.get_by_test_id("deliver-audience").count() < 2000


# -- an earlier run


def test_deliver_again_fills_the_page_from_a_runs_conf(fake: FakeAirflow, tab: Page) -> None:
    info = {"mail": ["Gold", "friday", "gone"], "Flash sale SFTP": ["cart"], "no-such": ["gold"]}
    fake.add_run("past run", conf={"activation_info": info, "on_conflict": "adopt"})
    opened(tab, f"?dag_id={DAG}&run_id=past%20run")

    expect(box(tab, "mail", "gold")).to_be_checked()
    expect(box(tab, "shop", "cart")).to_be_checked()
    expect(tab.get_by_test_id("deliver-summary")).to_have_text("2 audiences to 2 destinations, 1 job")
    missing = tab.locator(".list-banner li")
    expect(missing).to_have_count(3)
    expect(missing.nth(0)).to_contain_text(f"Friday → Newsletter S3 {ENDED}")
    expect(missing.nth(1)).to_contain_text("gone → Newsletter S3 no longer exists")
    expect(missing.nth(2)).to_contain_text("no-such no longer exists")
    expect(tab.get_by_label("If the audience is already being delivered")).to_have_value("adopt")
    assert fake.started == []


def test_a_name_that_two_have_is_not_guessed(fake: FakeAirflow, tab: Page) -> None:
    twins = [flow("one", "Twin", [audience("gold")]), flow("two", "Twin", [audience("gold")])]
    fake.add_catalogue(twins, "twins", start=-5)
    fake.add_run("past", conf={"activation_info": {"Twin": ["gold"]}})
    opened(tab, f"?dag_id={DAG}&run_id=past")

    expect(tab.locator(".list-banner")).to_contain_text("2 have this name: choose one below")
    expect(tab.get_by_test_id("deliver-summary")).to_have_text("Nothing chosen yet")
    expect(tab.get_by_test_id("deliver-flow").first.locator("code")).to_have_text("one")


def test_deliver_again_of_a_campaign_takes_what_its_plan_has(fake: FakeAirflow, tab: Page) -> None:
    fake.deliver("monday", [result("mail", "gold"), result("shop", "cart")], dag_id="aep_campaign_weekly")
    opened(tab, "?dag_id=aep_campaign_weekly&run_id=monday")

    expect(tab.get_by_test_id("deliver-summary")).to_have_text("2 audiences to 2 destinations, 1 job")


@pytest.mark.parametrize("conf", [{"activation_info": "x"}, {"activation_info": {"__proto__": ["a"], "mail": 5}}, {}])
def test_an_odd_conf_fills_in_nothing(fake: FakeAirflow, tab: Page, conf: dict[str, Any]) -> None:
    fake.add_run("odd", conf=conf)
    opened(tab, f"?dag_id={DAG}&run_id=odd")

    expect(tab.get_by_test_id("deliver-summary")).to_have_text("Nothing chosen yet")


def test_deliver_again_takes_the_place_of_that_run_and_not_of_the_newest_list(fake: FakeAirflow, tab: Page) -> None:
    for number in range(11):  # more than any one look once reached
        fake.add_catalogue(
            [flow("dev", "Dev", [audience("x")])], f"dev{number}", conf={"sandbox_name": "dev"}, start=-9
        )
    fake.add_run("past", conf={"activation_info": {"mail": ["gold"]}})
    opened(tab, f"?dag_id={DAG}&run_id=past")
    expect(box(tab, "mail", "gold")).to_be_checked()
    tab.get_by_test_id("deliver-submit").click()
    tab.wait_for_url(re.compile("/plugin/aep-activation$"))

    assert fake.started[0][2] == {"activation_info": {"mail": ["gold"]}}


def test_values_that_no_setting_takes_are_marked_and_not_delivered_with(fake: FakeAirflow, tab: Page) -> None:
    odd = {"on_conflict": "panic", "poll_interval": "soon", "max_audiences_per_job": 0, "sandbox_name": 5}
    fake.add_run("past", conf={"activation_info": {"mail": ["gold", 7], "shop": "cart"}, **odd})
    opened(tab, f"?dag_id={DAG}&run_id=past")

    expect(tab.locator(".list-banner li")).to_have_count(6)
    tab.get_by_test_id("deliver-submit").click()
    tab.wait_for_url(re.compile("/plugin/aep-activation$"))
    assert fake.started[0][2] == {"activation_info": {"mail": ["gold"]}}


def test_a_list_that_is_not_all_there_is_not_shown_as_if_it_were(fake: FakeAirflow, tab: Page) -> None:
    fake.add_catalogue([], "torn", start=-5)
    xcoms = {"return_value": {"flows": [], "parts": 2}, "flows_1": json.dumps([flow("torn", "Torn", [audience("a")])])}
    fake.set_task("torn", "list_destinations", "success", dag_id=CATALOGUE_DAG, xcoms=xcoms)
    opened(tab)

    expect(tab.get_by_test_id("deliver-flow")).to_have_count(4)


def test_without_the_log_a_check_does_not_say_that_all_is_fine(fake: FakeAirflow, tab: Page) -> None:
    succeed(fake)
    fake.refuse = {"/logs/": 403}
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_test_id("deliver-check").press("Enter")
    check = tab.get_by_role("region", name="Check")

    expect(check).to_contain_text("cannot be read")
    expect(check).not_to_contain_text("Everything is fine")
    expect(tab.get_by_test_id("deliver-check")).to_be_focused()


def test_audiences_of_one_name_are_told_apart_by_their_ids(fake: FakeAirflow, tab: Page) -> None:
    fake.add_catalogue([flow("mail", "Mail", [audience("one", "Twin"), audience("two", "Twin")])], "twins", start=-5)
    opened(tab)

    assert tab.locator(".choice code").all_inner_texts() == ["one", "two"]


# -- what is taken away


def test_it_is_copied_as_json(fake: FakeAirflow, tab: Page) -> None:
    tab.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (text) => { window.copied = text; }}})"
    )
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_test_id("deliver-json").click()

    expect(tab.get_by_test_id("deliver-json")).to_have_text("Copied")
    assert json.loads(tab.evaluate("window.copied")) == {"activation_info": {"mail": ["gold"]}}


def test_without_a_clipboard_the_json_is_shown(fake: FakeAirflow, tab: Page) -> None:
    tab.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    opened(tab)
    box(tab, "mail", "gold").check()
    tab.get_by_test_id("deliver-json").click()

    shown = tab.get_by_role("dialog").get_by_role("textbox").input_value()
    assert json.loads(shown) == {"activation_info": {"mail": ["gold"]}}


def saved(tab: Page, folder: Path) -> Campaign:
    """Press *Save as campaign*, and read the file as a campaign."""
    with tab.expect_download() as download:
        tab.get_by_test_id("deliver-yaml").click()
    name = download.value.suggested_filename
    download.value.save_as(folder / name)
    campaign, faults = read_campaign((folder / name).read_bytes(), Path(name).stem, name)
    assert faults == []
    assert isinstance(campaign, Campaign)
    return campaign


HOSTILE = [
    *("yes", "null", "007", "1e9", "~", "- x", "a: b", "b #c", "#d", "&e", "*f", "!g", "%h", "@i", "`j", "? k", "| l"),
    *(
        'say "m"',
        "it's",
        "[n]",
        "{o}",
        "p, q",
        "\\r",
        "<<",
        "---",
        "...",
        "Käufer",
        "買い手",
        "🎉",
        "{{ s }}",
        "{% t",
        "{# u",
    ),
    *(
        "trailing ",
        "two  blanks",
        "line\nbreak",
        "tab\tv",
        "\u00a0w",
        "x\u2028y",
        "👩\u200d💻",
        "z" * 255,
        "long " * 80,
    ),
    *("::group::a", "twin", "twin", "id-0", ""),
]


def test_a_campaign_says_names_and_finds_what_was_chosen(fake: FakeAirflow, tab: Page, tmp_path: Path) -> None:
    """Whatever names are made of: the file is read by what reads campaigns, and looked up by what looks names up."""
    selectors = [selector(f"id-{number}", name=name) for number, name in enumerate(HOSTILE)]
    many = flow_json("many", *selectors, name="Newsletter S3")
    others = [flow_json(f"id-{number}", selectors[0], name=name) for number, name in enumerate(HOSTILE)]
    listed = [DestinationFlow.from_json(item) for item in (many, *others)]

    def as_in_aep(call: Any) -> Any:
        next(call)
        with pytest.raises(StopIteration) as stop:
            call.send(Response({"items": [many, *others]}))
        return stop.value.value

    def said(items: Any, ident: str) -> str:
        name = unambiguous(items).get(ident, ident)
        return ident if re.search("{[{%#]", name) else name

    fake.add_catalogue([flow(item.id, item.name or "(no name)", _listed(item)) for item in listed], "odd", start=-5)
    opened(tab)
    tab.evaluate("document.querySelectorAll('.all input').forEach((box) => box.click())")
    tab.get_by_label("If AEP delivers only part").select_option("accept")
    campaign = saved(tab, tmp_path)

    found = resolve(read_activation_info(campaign.activation_info, names=True)[0], as_in_aep)
    assert (found.faults, found.warnings) == ([], [])
    assert set(found.pairs) == {(item.id, audience.id) for item in listed for audience in item.audiences}
    assert campaign.activation_info == {
        said(listed, item.id): [said(item.audiences, audience.id) for audience in item.audiences] for item in listed
    }
    assert campaign.labels["id-43"] == "twin"
    assert campaign.when.manual
    assert campaign.policies.on_partial_success == "accept"


def _listed(item: DestinationFlow) -> list[dict[str, Any]]:
    return [audience(one.platform_id, one.name or "(no name)") for one in item.audiences]


def test_a_campaign_of_plain_names_reads_like_a_sentence(fake: FakeAirflow, tab: Page, tmp_path: Path) -> None:
    opened(tab)
    all_of(tab, "mail").check()
    box(tab, "shop", "cart").check()
    saved(tab, tmp_path)

    [path] = tmp_path.iterdir()
    assert path.read_text().splitlines()[1:] == [
        'title: "Newsletter S3, Flash sale SFTP"',
        "when: manual",
        "deliver:",
        "  - flow: Newsletter S3",
        "    audiences: [Gold, Silver]",
        "  - flow: Flash sale SFTP",
        "    audiences: [Abandoned cart]",
    ]
    assert campaigns.check(tmp_path) == 0


def test_a_campaign_too_large_for_names_has_ids(fake: FakeAirflow, tab: Page, tmp_path: Path) -> None:
    many = [audience(f"id-{number}", f"{number} {'買' * 60}") for number in range(5000)]
    fake.add_catalogue([flow("mail", "Newsletter S3", many)], "many", start=-5)
    opened(tab)
    all_of(tab, "mail").check()

    assert saved(tab, tmp_path).activation_info == {"mail": [item["audience_id"] for item in many]}


# -- rights, looks


def test_who_may_not_trigger_sees_everything_and_why_the_buttons_are_off(fake: FakeAirflow, tab: Page) -> None:
    fake.forbidden = {DAG, CATALOGUE_DAG}
    opened(tab)
    box(tab, "mail", "gold").check()

    expect(tab.get_by_test_id("deliver-audience")).to_have_count(6)
    for name in ("check", "submit", "refresh"):
        expect(tab.get_by_test_id(f"deliver-{name}")).to_be_disabled()
    expect(tab.locator("#why-deliver")).to_contain_text("your role has no right to trigger this DAG")
    expect(tab.locator("#why-refresh")).to_contain_text("no right to start the DAG aep_catalog")
    expect(tab.get_by_test_id("deliver-json")).to_be_enabled()


def test_who_may_not_read_the_catalogue_is_told(fake: FakeAirflow, tab: Page) -> None:
    fake.refuse = {"aep_catalog": 403}
    open_deliver(tab)

    expect(tab.get_by_role("heading", name="No list of destinations yet")).to_be_visible()
    expect(tab.locator("#list")).to_contain_text("You may not read the runs and results (XComs) of the DAG aep_catalog")


@pytest.mark.parametrize(
    ("status", "title"),
    [(401, "Your session has ended"), (403, "You may not see this"), (500, "This could not be loaded")],
)
def test_without_the_dag_there_is_no_page(fake: FakeAirflow, tab: Page, status: int, title: str) -> None:
    fake.refuse = {"/details$": status}
    open_deliver(tab)

    expect(tab.get_by_role("heading", name=title)).to_be_visible()


def test_names_are_text_and_nothing_else(fake: FakeAirflow, tab: Page) -> None:
    evil = "<img src=x onerror=window.hit=1>"
    fake.add_catalogue(
        [flow(evil, evil, [audience(evil, evil, schedule=evil), audience("b", f"{evil}2", evil)])], "evil", start=-5
    )
    fake.add_run("past", conf={"activation_info": {evil: [evil, "<b>"]}})
    opened(tab, f"?dag_id={DAG}&run_id=past")

    expect(tab.locator(".choice .name").first).to_have_text(evil)
    expect(tab.locator(".list-banner")).to_contain_text("<b>")
    assert tab.evaluate("window.hit") is None
    assert tab.locator("main img").count() == 0


def test_all_of_it_works_by_keyboard(fake: FakeAirflow, tab: Page) -> None:
    opened(tab)
    press = tab.keyboard.press
    tab.get_by_test_id("deliver-search").focus()
    for _ in range(3):  # refresh, all of the first destination, its first audience
        press("Tab")
    press("Space")
    press("Tab")
    press("Space")
    expect(tab.get_by_test_id("deliver-summary")).to_have_text("2 audiences to 1 destination, 1 job")
    for _ in range(20):
        press("Tab")
        if tab.evaluate("document.activeElement.dataset.testid") == "deliver-submit":
            break
    press("Enter")
    tab.wait_for_url(re.compile("/plugin/aep-activation$"))

    assert fake.started[0][2] == {"activation_info": {"mail": ["gold", "silver"]}}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [chromium.DESKTOP, chromium.PHONE])
def test_it_fits_every_screen_and_the_summary_stays_in_sight(
    fake: FakeAirflow, visitor: Open, size: tuple[int, int], dark: bool
) -> None:
    long = [flow(f"f{number}", "W" * 90, [audience(f"a{one}", "M" * 90) for one in range(9)]) for number in range(9)]
    fake.add_catalogue(long, "long", start=-5)
    tab = visitor(size=size, dark=dark)
    opened(tab)
    box(tab, "f0", "a0").check()

    for place in ("0", "1e6", "2500"):
        tab.evaluate(f"scrollTo(0, {place})")
        expect(tab.get_by_test_id("deliver-summary")).to_be_in_viewport()
        expect(tab.get_by_test_id("deliver-submit")).to_be_in_viewport()
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
