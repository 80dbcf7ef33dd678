"""What is read of AEP for those who wait for deliveries, and with how many requests."""

from __future__ import annotations

import datetime as dt
from functools import partial

from adobe_experience_platform.aep import PAGE_SIZE, endpoints
from adobe_experience_platform.delivery import run_lists
from adobe_experience_platform.delivery.run_lists import Mappings, RunsWanted, wanted
from adobe_experience_platform.delivery.run_news import WINDOW, Sought, first_mark
from tests.support.parts import NOW, answer, flow_json, run_json, selector

FLOW = Sought("flow-1")
runs_call = partial(run_lists.runs_call, now=NOW)
NONE = Mappings()


def hours(number: float) -> dt.datetime:
    """Return the time so many hours ago."""
    return NOW - dt.timedelta(hours=number)


def listed(*runs: dict[str, object], more: bool = False) -> dict[str, object]:
    links = {"next": {"href": f"/runs?continuationToken={runs[0]['createdAt']}"}} if more else {}
    return {"items": list(runs), "_links": links}


def test_the_list_is_read_as_far_back_as_the_oldest_look_needs() -> None:
    asked = [RunsWanted("flow-1", hours(10)), RunsWanted("flow-1", hours(40))]
    asked.append(RunsWanted("flow-2", hours(400)))
    pages = [listed(run_json("a", created=hours(number)), more=True) for number in (5, 30)]

    runs, requests = answer(
        runs_call("flow-1", asked, NONE), *pages, listed(run_json("b", created=hours(41)), more=True)
    )

    assert (len(runs), len(requests)) == (3, 3)


def test_a_first_look_reads_a_window_behind_the_newest_run() -> None:
    pages = [listed(run_json(f"r{number}", created=hours(number)), more=True) for number in (100, 110, 125)]
    runs, _ = answer(runs_call("flow-1", [wanted(FLOW, None)], NONE), *pages)
    assert len(runs) == 3


def test_an_empty_list_is_read_twice_before_it_is_a_first_look() -> None:
    runs, _ = answer(runs_call("flow-1", [wanted(FLOW, None)], NONE), listed(), listed(run_json("a", created=hours(1))))
    assert [item.id for item in runs] == ["a"]
    mark = first_mark("ORG/prod", [], NOW)
    assert mark.since == NOW - WINDOW
    assert answer(runs_call("flow-1", [wanted(FLOW, mark)], NONE), listed())[0] == []


def test_old_runs_in_progress_are_asked_for_one_by_one() -> None:
    look_wanted = RunsWanted("flow-1", hours(10), ("a", "old"))
    answers = [listed(run_json("a", created=hours(1))), {"items": [run_json("old", created=hours(50))]}]
    runs, requests = answer(runs_call("flow-1", [look_wanted], NONE), *answers)
    assert [item.id for item in runs] == ["a", "old"]
    assert requests[1].path.endswith("/runs/old")
    gone, _ = answer(runs_call("flow-1", [look_wanted], NONE), answers[0], {"items": []})
    assert [item.id for item in gone] == ["a"]


def test_a_first_look_reads_as_far_back_beside_a_run_with_a_time_far_ahead() -> None:
    pages = [listed(run_json(f"r{number}", created=hours(number)), more=True) for number in (-9000, 1, 20, 26)]
    runs, _ = answer(runs_call("flow-1", [wanted(FLOW, None)], NONE), *pages)
    assert len(runs) == 4


# ----------------------------------------------------------------------- of an audience, to any flow that has it

GOLD = ("gold", "gold-external")


def flows(*flow_ids: str) -> dict[str, object]:
    return {"items": [flow_json(each, selector("gold-external", systemSegmentId="gold")) for each in flow_ids]}


def test_the_flows_of_an_audience_are_one_request_and_their_runs_another() -> None:
    ids = [f"flow-{number}" for number in range(PAGE_SIZE)]
    runs = listed(run_json("a", "flow-7", created=hours(1)), run_json("b", "flow-9", created=hours(30)))
    mappings, asked = Mappings(), [RunsWanted(GOLD, hours(25))]

    found, requests = answer(runs_call(GOLD, asked, mappings), flows(*ids), runs)

    assert [run.id for run in found] == ["a", "b"]
    assert [dict(request.params)["property"] for request in requests] == [
        "transformations[].params.segmentSelectors.selectors[].value.id==gold,gold-external",
        f"flowId=={','.join(ids)}",
    ]
    assert list(mappings.of(GOLD)) == ids
    assert mappings.of("flow-1") == {}, "what is waited for there is the flow"


def test_which_flows_have_the_audience_is_looked_up_now_and_then_and_none_is_dropped() -> None:
    mappings, one, later = Mappings(), [RunsWanted(GOLD, hours(25))], NOW + run_lists.LOOKED_UP_FOR
    answer(runs_call(GOLD, one, mappings), flows("flow-1"), listed(run_json()))
    _, requests = answer(runs_call(GOLD, one, mappings), listed(run_json()))
    assert len(requests) == 1

    _, requests = answer(runs_call(GOLD, one, mappings, now=later), flows("flow-2"), listed(run_json()))
    assert dict(requests[1].params)["property"] == "flowId==flow-1,flow-2", "flow-1 may still be delivering"
    noted = [RunsWanted(GOLD, hours(25), (), ("flow-3",))]
    _, requests = answer(runs_call(GOLD, noted, mappings, now=later), listed(run_json()))
    assert dict(requests[0].params)["property"] == "flowId==flow-1,flow-2,flow-3"


def test_an_audience_that_no_flow_has_has_no_runs() -> None:
    found, requests = answer(runs_call(GOLD, [RunsWanted(GOLD, None)], Mappings()), *[flows()] * 3)
    assert (found, [request.path for request in requests]) == ([], [endpoints.FLOWS] * 3)


def test_a_run_that_does_not_say_whose_it_is_is_of_the_flow_that_was_asked() -> None:
    lists = [listed(run_json("a", "flow-1")), listed(run_json("b", ""))]
    found, _ = answer(
        runs_call(GOLD, [RunsWanted(GOLD, hours(25))], Mappings()), flows("flow-1", "flow-2"), lists[1], *lists
    )
    assert {run.id: run.flow_id for run in found} == {"a": "flow-1", "b": "flow-2"}
