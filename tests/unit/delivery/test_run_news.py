"""Which deliveries of a flow have ended since the last look: each once, in whatever order they begin and end."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.delivery import run_news
from adobe_experience_platform.delivery.run_lists import wanted
from adobe_experience_platform.delivery.run_news import RunMark, Sought, first_mark
from adobe_experience_platform.errors import AepError
from tests.support.parts import NOW, millis, run_json

PLACE = "ORG@AdobeOrg/prod"
FLOW = Sought("flow-1")
GOLD = Sought("flow-1", ("gold", "gold-external"))
look = partial(run_news.look, now=NOW + dt.timedelta(days=3))


def hours(number: float) -> dt.datetime:
    """Return the time so many hours ago."""
    return NOW - dt.timedelta(hours=number)


def run(
    run_id: str, status: str = "success", *audiences: str, began: float | None = 3.0, ended: float | None = None
) -> FlowRun:
    """Return a run that began so many hours ago, and ended so many hours ago."""
    data: Any = run_json(run_id, status=status, audiences=audiences, created=None if began is None else hours(began))
    if ended is not None:
        data["metrics"]["durationSummary"] = {"completedAtUTC": millis(hours(ended))}
    return FlowRun.from_json(data)


def marked(*runs: FlowRun) -> RunMark:
    """Return the mark of a first look, as it comes back from the store."""
    return stored(first_mark(PLACE, runs, NOW))


def stored(mark: RunMark | None) -> RunMark:
    assert mark is not None
    text = json.dumps(mark.to_json())
    assert len(text) < 65_535
    assert RunMark.from_json(json.loads(text)) == mark
    return mark


def news(mark: RunMark, *runs: FlowRun, sought: Sought = FLOW) -> list[str]:
    return [item.id for item in look(runs, mark, sought).news]


OLD = run("old", began=30, ended=29)


def test_a_first_look_only_records() -> None:
    mark = marked(OLD, run("a", ended=2), run("b", "inProgress"))

    assert news(mark, OLD, run("a", ended=2), run("b", "inProgress")) == []
    assert news(mark, OLD, run("a", ended=2), run("b")) == ["b"]


def test_a_delivery_is_news_once() -> None:
    found = look([run("a", ended=1)], marked(OLD), FLOW)

    assert [item.id for item in found.news] == ["a"]
    assert news(stored(found.mark), run("a", ended=1)) == []


def test_what_began_first_and_ends_last_is_news_when_it_ends() -> None:
    mark = marked(run("slow", "inProgress", began=5), run("quick", began=4, ended=2))
    assert news(mark, run("quick", began=4, ended=2), run("slow", began=5, ended=3)) == ["slow"], "listed late as ended"


def test_several_come_in_the_order_of_their_ends() -> None:
    assert news(marked(OLD), run("b", began=2, ended=1), run("a", began=3, ended=0.5)) == ["b", "a"]


def test_a_list_that_lacks_a_run_for_a_moment_neither_loses_nor_repeats_it() -> None:
    found = look([run("a", ended=1)], marked(OLD), FLOW)
    gone = look([], stored(found.mark), FLOW)
    assert (gone.news, gone.mark) == ((), None)
    assert news(stored(found.mark), run("a", ended=1)) == []
    assert news(stored(found.mark), run("b", ended=1)) == ["b"]


def test_a_run_listed_late_is_news_although_later_ones_are_known() -> None:
    mark = marked(run("later", began=1, ended=0.5))
    assert news(mark, run("later", began=1, ended=0.5), run("late", began=1.1, ended=0.9)) == ["late"]


def test_a_run_without_any_time_is_known_by_its_id() -> None:
    mark = marked(run("timeless", began=None), OLD)
    assert news(mark, run("timeless", began=None), run("new", began=None)) == ["new"]
    assert news(stored(look([run("new", began=None)], mark, FLOW).mark), run("new", began=None)) == []


def test_the_window_moves_with_the_newest_run_and_what_is_in_progress_stays_in_mind() -> None:
    mark = marked(run("slow", "inProgress", began=30), run("a", began=28, ended=27))
    later = stored(look([run("slow", "inProgress", began=30), run("b", began=1, ended=0.5)], mark, FLOW).mark)

    assert later.since == hours(1) - run_news.WINDOW
    assert (set(later.known), set(later.open)) == ({"b"}, {"slow"})
    assert wanted(FLOW, later).open == ("slow",)
    assert news(later, run("a", began=28, ended=27)) == [], "too old, whoever else asks for it"
    told = look([run("slow", began=30, ended=0.1)], later, FLOW)
    assert [item.id for item in told.news] == ["slow"]
    assert news(stored(told.mark), run("slow", began=30, ended=0.1)) == []


def test_what_was_told_is_not_kept_as_in_progress() -> None:
    mark = marked(run("slow", "inProgress", began=30), OLD)
    told = stored(look([run("slow", began=30, ended=1)], mark, FLOW).mark)
    assert not told.open
    moved = stored(look([run("new", began=-30)], told, FLOW).mark)
    assert news(moved, run("slow", began=30, ended=1)) == [], "whoever else asks for it"


def test_a_run_without_the_time_of_its_creation_is_placed_by_the_others() -> None:
    mark = marked(run("new", began=1))
    assert news(mark, run("long ago", began=None, ended=40), run("today", began=None, ended=0.5)) == ["today"]


def test_a_run_in_progress_for_a_week_is_asked_for_no_longer() -> None:
    mark = marked(run("stuck", "inProgress", began=24 * 8), run("a", began=24 * 7.5))
    moved = stored(look([run("stuck", "inProgress", began=24 * 8), run("b", began=24 * 6)], mark, FLOW).mark)
    assert set(moved.open) == {"stuck"}
    assert not stored(look([run("c", began=-48)], moved, FLOW).mark).open


def test_a_run_in_progress_that_the_list_lacks_while_the_window_moves_is_not_lost() -> None:
    seen = stored(look([run("slow", "inProgress", began=20)], marked(OLD), FLOW).mark)
    moved = stored(look([run("a", began=-10)], seen, FLOW).mark)
    assert wanted(FLOW, moved).open == ("slow",)
    assert news(moved, run("slow", began=20)) == ["slow"]


def test_a_mark_keeps_to_the_size_of_a_stored_value() -> None:
    ids = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(2000)]
    runs = [run(ident, began=20 - number / 200) for number, ident in enumerate(ids)]
    mark = marked(*runs)

    assert len(mark.known) == run_news.MOST_IDS
    assert news(mark, *runs) == []
    found = look([run("new", began=0.1)], mark, FLOW)
    assert len(stored(found.mark).known) <= run_news.MOST_IDS
    assert news(stored(found.mark), *runs, run("new", began=0.1)) == []


@pytest.mark.parametrize("per_hour", [10, 80])
def test_more_than_can_be_told_at_a_time_is_told_in_parts_and_the_mark_stays_small(per_hour: int) -> None:
    most, mark = run_news.MOST_TOLD, marked(OLD, run("slow", "inProgress", began=20))
    ids = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(16 * most)]
    runs = [run("slow", began=20), *(run(ident, began=19 - number / per_hour) for number, ident in enumerate(ids))]
    told: list[str] = []
    for _ in range(17):
        found = look(runs, mark, FLOW, most=most)
        assert len(found.news) <= most
        told += [item.id for item in found.news]
        mark = stored(found.mark)

    assert sorted(told) == sorted(item.id for item in runs)
    assert news(mark, *runs) == []


def test_a_run_with_a_time_far_ahead_of_ours_hides_no_other() -> None:
    """AEP's clock and ours differ by less than a day: such a time is an error."""
    wild = run("wild", began=-24 * 400)
    found = look([wild], marked(OLD), FLOW)
    assert [item.id for item in found.news] == ["wild"]
    later = look([wild, run("next", began=2, ended=1)], stored(found.mark), FLOW)
    assert [item.id for item in later.news] == ["next"]
    assert news(stored(later.mark), run("after it", began=-20, ended=-21)) == ["after it"]
    assert news(marked(wild, run("a", began=26)), run("b", began=25, ended=2)) == ["b"], "nor at the first look"


def test_what_one_of_two_marks_has_told_and_forgotten_is_not_told_again() -> None:
    stale = marked(run("slow", "inProgress", began=5), run("lives", "inProgress", began=5))
    told = stored(look([run("slow", began=5), run("lives", "inProgress", began=5)], stale, FLOW).mark)
    moved = stored(look([run("new", began=-48)], told, FLOW).mark)
    for one, two in ((stale, moved), (moved, stale)):
        assert set(stored(one.merged(two)).open) == {"lives"}
        assert news(one.merged(two), run("slow", began=5)) == []


def test_all_audiences_of_a_flow_may_be_in_progress_at_once() -> None:
    going = [run(f"{number:08d}-0000", "inProgress", began=30) for number in range(run_news.MOST_OPEN)]
    moved = stored(look([run("new", began=-48)], marked(*going), FLOW).mark)
    assert len(news(moved, *(run(item.id, began=30) for item in going))) == run_news.MOST_OPEN


def test_a_run_counts_for_the_audience_that_it_names_by_either_id() -> None:
    mark = marked(OLD)
    runs = [run("a", "success", "silver"), run("b", "success", "silver", "gold"), run("c", "success", "gold-external")]
    assert news(mark, *runs, sought=GOLD) == ["b", "c"]


def test_a_run_that_names_its_audience_after_its_end_counts_then() -> None:
    mark = marked(OLD)
    found = look([run("a")], mark, GOLD)
    assert (found.news, [item.id for item in found.others]) == ((), ["a"])
    assert news(found.mark or mark, run("a", "success", "gold"), sought=GOLD) == ["a"]


def test_a_run_of_another_flow_is_no_news() -> None:
    other = FlowRun.from_json(run_json("x", flow_id="flow-2"))
    assert news(marked(OLD), other) == []


ANY = Sought("", ("gold",))


def test_of_a_flow_that_gets_the_audience_later_what_ended_before_is_no_news_however_late_it_is_listed() -> None:
    def of(flow_id: str, found: FlowRun) -> FlowRun:
        return replace(found, flow_id=flow_id)

    listed = of("first", run("a", "success", "gold", began=3, ended=2))
    mark = stored(first_mark(PLACE, [listed], NOW, carriers=["first"]))
    carriers = {"first": hours(90), "later": hours(90), "new": hours(1)}
    runs = [
        of("first", run("late", "success", "gold", began=3, ended=2.5)),
        of("later", run("old", "success", "gold", began=4, ended=2.1)),
        of("later", run("today", "success", "gold", began=4, ended=1.9)),
        of("new", run("unmapped", "success", "gold", began=4, ended=1.1)),
        of("new", run("mapped", "success", "gold", began=4, ended=0.9)),
    ]
    found = look([listed], mark, ANY, carriers=carriers)
    joined = stored(found.mark)
    assert (found.news, set(joined.flows)) == ((), {"first", "later", "new"})
    assert [item.id for item in look(runs, joined, ANY, carriers=carriers).news] == ["late", "today", "mapped"]
    assert wanted(ANY, joined).flows == ("first", "later", "new"), "also those that lose it"
    for merged in (joined.merged(mark), mark.merged(joined)):
        assert stored(merged) == joined

    assert [item.id for item in look(runs[:2], mark, ANY, carriers=carriers).news] == ["late"], "in one look too"


def test_the_runs_of_a_hundred_flows_keep_to_the_size_of_a_stored_value() -> None:
    ids = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(1200)]
    going_on = [run(ident, "inProgress", began=20) for ident in ids[:300]]
    runs = [*going_on, *(run(ident, began=19 - number / 200) for number, ident in enumerate(ids[300:]))]
    mark = stored(first_mark(PLACE, runs, NOW, carriers=ids[:150]))
    many = stored(look(runs, mark, ANY, carriers=dict.fromkeys(ids[:200], NOW)).mark or mark)
    assert len(json.dumps(many.to_json())) < 62_000, "what is being told is stored beside it"


def test_a_failed_run_may_be_passed_over_and_counts_if_it_succeeds_after_all() -> None:
    good = Sought("flow-1", statuses=frozenset({"success"}))
    mark = marked(OLD)
    found = look([run("a", "failed")], mark, good)
    assert (found.news, [item.id for item in found.others]) == ((), ["a"])
    assert news(found.mark or mark, run("a", "success"), sought=good) == ["a"]
    assert news(mark, run("a", "failed")) == ["a"]


def test_what_ended_since_a_time_is_news_at_once() -> None:
    since = Sought("flow-1", ended_since=hours(2))
    runs = [
        run("before", ended=2.5),
        run("then", ended=2),
        run("after", began=20, ended=1),
        run("timeless", began=None),
    ]
    mark = stored(first_mark(PLACE, runs, NOW, since.ended_since))
    assert news(mark, *runs, sought=since) == ["then", "after"]


def test_a_run_that_pages_show_twice_is_one() -> None:
    assert news(marked(OLD), run("a"), run("a", "inProgress")) == ["a"]
    assert news(marked(OLD), run("a", "inProgress"), run("a")) == ["a"]


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        "",
        [],
        {},
        {"v": 2},
        {"v": 1},
        {"v": 1, "known": [], "open": {}, "flows": {}},
        {"v": 1, "known": {}, "open": {}},
        {"v": 1, "known": {"a": "x"}, "open": {}, "flows": {}},
    ],
)
def test_a_mark_that_cannot_be_read_is_none_to_a_watcher_and_an_error_to_a_task(damaged: object) -> None:
    assert RunMark.from_json(damaged) is None
    with pytest.raises(AepError, match="Start a new run"):
        RunMark.require(damaged)


# ---------------------------------------------------------------------------------------- what is told


def test_a_delivery_is_described_by_aeps_own_figures() -> None:
    data: Any = run_json("a", audiences=["gold", "silver"])
    records = data["metrics"]["recordSummary"]
    records["targetSummaries"] = [{"entitySummaries": [{"id": "segment:gold", "outputRecordCount": 3}]}]
    records["outputRecordCount"] = 7
    data["metrics"] |= {"fileSummary": {"outputFileCount": 2}, "sizeSummary": {"outputBytes": 900}}

    whole, own = (run_news.describe(FlowRun.from_json(data), sought) for sought in (FLOW, GOLD))

    assert (whole["records_exported"], own["records_exported"]) == (7, 3)
    assert (whole["files"], whole["bytes"], own["files"], own["bytes"]) == (2, 900, None, None)
    assert (own["audience_ids"], own["audience_count"]) == (["gold", "silver"], 2)
    assert (own["created_at"], own["completed_at"], own["records_failed"]) == (NOW.isoformat(), None, None)
    assert whole["loss"] == ""
    assert own["loss"] == "AEP read 5 records, exported 3, skipped or failed 0, and does not say what became of 2"


def test_a_delivery_of_one_audience_is_described_alike_whatever_was_waited_for() -> None:
    data: Any = run_json("a", audiences=["gold"])
    told = {"id": "segment:gold", "outputRecordCount": 3, "skippedRecordCount": 1, "failedRecordCount": 4}
    data["metrics"]["recordSummary"] = {"targetSummaries": [{"entitySummaries": [told]}]}

    whole, own = (run_news.describe(FlowRun.from_json(data), sought) for sought in (FLOW, GOLD))

    assert whole == own
    assert (own["records_exported"], own["records_skipped"], own["records_failed"]) == (3, 1, 4)


def test_what_audiences_lost_is_told_of_their_flow_too() -> None:
    data: Any = run_json("a", audiences=["gold", "silver"])
    named = [{"id": "segment:gold", "failedRecordCount": 4}, {"id": "segment:silver", "failedRecordCount": 3}]
    data["metrics"]["recordSummary"] = {"targetSummaries": [{"entitySummaries": named}]}
    assert run_news.describe(FlowRun.from_json(data), FLOW)["records_failed"] == 7


@pytest.mark.parametrize(
    ("changes", "whole", "own"),
    [
        ({"recordSummary": {"failedRecordCount": 4}}, (4, ""), (None, "4 records failed in its run")),
        ({"fileSummary": {"failedFileCount": 1}}, *[(None, "1 file failed in its run")] * 2),
    ],
)
def test_a_delivery_is_described_with_what_it_may_lack(changes: Any, whole: object, own: object) -> None:
    data: Any = run_json("a", audiences=["gold", "silver"])
    for branch, fields in changes.items():
        data["metrics"][branch] = {**data["metrics"].get(branch, {}), **fields}

    told = [run_news.describe(FlowRun.from_json(data), sought) for sought in (FLOW, GOLD)]

    assert [(each["records_failed"], each["loss"]) for each in told] == [whole, own]
