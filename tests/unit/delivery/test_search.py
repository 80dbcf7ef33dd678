"""Finding a submission's runs among all that AEP lists."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.aep.calls import Response
from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.record import Answer, Intent, Record, Watermark
from adobe_experience_platform.delivery.search import (
    SKEW,
    WATERMARK_IDS,
    concerns,
    find,
    in_progress,
    names_of,
    watermarks,
)
from adobe_experience_platform.delivery.states import Reply, SubmissionState
from adobe_experience_platform.errors import AepNotFoundError, AepRequestError, AepTransientError, Conflict
from tests.support.parts import NOW, answer, play, run_json

MS = dt.timedelta(milliseconds=1)
A, B = Pair("flow-1", "a"), Pair("flow-1", "b")


def items(*runs, following=None):
    links = {"next": {"href": f"?continuationToken={following}"}} if following else {}
    return {"items": list(runs), "_links": links}


def seeking(marks, pairs=(A,)):
    """Return a record of pairs that may have runs newer than their flow's watermark."""
    return Record(3, dict.fromkeys(pairs), marks={pair: marks[pair.flow_id] for pair in pairs})


def look(runs, pairs=(A,), aliases=None, not_ours=()):
    record = seeking({"flow-1": Watermark(NOW, ("old",))}, pairs)
    record.not_ours = list(not_ours)
    found, _ = answer(find(record, aliases or {}), items(*runs, run_json("old", created=NOW)))
    return {pair: run.id for pair, run in found.found.items()}, set(found.unnamed)


def run(run_id, *audiences, after=1, status="inProgress", **more):
    return run_json(run_id, status=status, audiences=audiences, created=NOW + after * MS, **more)


# -- find


def test_a_newer_run_that_names_the_audience_is_found():
    assert look([run("r1", "a")]) == ({A: "r1"}, set())


@pytest.mark.parametrize("status", ["inProgress", "success", "failed", "partialSuccess", "odd"])
def test_it_is_found_whatever_became_of_it(status):
    assert look([run("r1", "a", status=status)])[0] == {A: "r1"}


@pytest.mark.parametrize(
    "older", [run("r1", "a", after=-1), run("old", "a", after=0), run("old", "a", after=5)], ids=["older", "same", "id"]
)
def test_a_run_from_before_the_watermark_is_never_found(older):
    assert look([older]) == ({}, set())


def test_a_run_of_the_watermarks_own_moment_that_was_not_listed_then_is_found():
    assert look([run("r1", "a", after=0)])[0] == {A: "r1"}


def test_a_young_run_may_be_ours():
    assert look([run("r1"), run("r2", "b")]) == ({}, {"r1"})


def test_a_run_in_progress_that_names_one_of_ours_may_yet_name_the_others():
    assert look([run("r1", "a")], (A, B)) == ({A: "r1"}, {"r1"})
    assert look([run("r1", "a", status="success")], (A, B)) == ({A: "r1"}, set())
    assert look([run("r1", "z")], (A, B)) == ({}, set()), "it is somebody else's"


def test_a_run_that_has_ended_without_naming_anybody_never_will():
    found, _ = answer(
        find(seeking({"flow-1": Watermark(NOW, ())}), {}),
        items(run("r1", status="failed"), run("r2", status="inProgress")),
    )
    assert (found.nameless, found.unnamed) == (("r1",), ("r2",))


def test_a_run_that_tells_no_time_may_be_ours():
    assert look([run_json("r1", audiences=["a"], created=None)])[0] == {A: "r1"}


def test_of_several_runs_one_that_has_delivered_is_taken_else_one_that_may_else_the_one_next_to_the_post():
    three = [run("r3", "a", after=3), run("r1", "a", after=1), run("r2", "a", after=2)]
    assert look(three) == ({A: "r1"}, {"r1", "r2", "r3"}), "while they are in progress nothing is decided"
    three[0] = run("r3", "a", after=3, status="success")
    assert look(three) == ({A: "r3"}, set())
    three[0] = run("r3", "a", after=3, status="partialSuccess")
    three[1] = run("r1", "a", after=1, status="failed")
    assert look(three) == ({A: "r2"}, {"r2"}), (
        "one that goes on may still deliver: what has failed is no word on the pair"
    )
    three[2] = run("r2", "a", after=2, status="failed")
    assert look(three) == ({A: "r3"}, set())
    ended = [run(f"r{n}", "a", after=n, status="failed") for n in (2, 1)]
    assert look(ended) == ({A: "r1"}, set())


def test_one_run_may_hold_several_audiences():
    assert look([run("r1", "a", "b")], (A, B))[0] == {A: "r1", B: "r1"}


def test_an_imported_audience_is_found_by_its_other_id():
    assert look([run("r1", "external-a")], aliases={"a": "external-a"})[0] == {A: "r1"}
    assert look([run("r1", "external-a")])[0] == {}


def test_runs_that_are_not_ours_are_not_found():
    assert look([run("r1", "a"), run("r2")], not_ours=["r1", "r2"]) == ({}, set())


@pytest.mark.parametrize("lost_before", [False, True])
def test_the_run_in_the_way_of_a_post_is_ours_only_after_a_lost_answer(lost_before):
    mark = Watermark(NOW, ("old",))
    answered = Answer(Reply.CONFLICT, "busy", Conflict("flow-1", "a", "r1"))
    record = Record(3, {A: None}, SubmissionState.CONFLICT, Intent("i", "", {A: mark}, answered))
    record.marks = {A: mark} if lost_before else {}
    listed = [items(run("r1", "a"), run_json("old", created=NOW))] if lost_before else []
    found, _ = answer(find(record, {}), *listed)
    assert (A in found.found) is lost_before


def test_runs_of_another_flow_do_not_count():
    assert look([run_json("r1", "flow-2", audiences=["a"], created=NOW + MS)]) == ({}, set())


def test_a_pair_without_a_watermark_is_not_looked_for():
    record = Record(3, {A: None, B: None}, marks={B: Watermark(NOW, ())})
    found, _ = answer(find(record, {}), items(run("r1", "a", after=5)))
    assert found.found == {}


@pytest.mark.parametrize("runs", [[], [run_json("r1", audiences=["a"], created=NOW + MS)]])
def test_a_list_that_lacks_what_was_in_it_before_proves_nothing(runs):
    record = seeking({"flow-1": Watermark(NOW, ("old",))})
    with pytest.raises(AepTransientError, match="runs of flow flow-1 that were in it before are missing"):
        answer(find(record, {}), items(*runs))


SEVERAL = [A, Pair("flow-2", "a"), B]
LISTED = {"flow-1": Watermark(NOW, ("r0",)), "flow-2": Watermark(NOW + 10 * MS, ("q0",))}


def test_several_flows_are_listed_together_and_each_is_compared_with_its_own_watermark():
    listed = items(
        run("q0", flowId="flow-2", after=10), run("r2", "a", flowId="flow-2", after=9), run("r1", "a", "b"), run("r0")
    )
    found, (request,) = answer(find(seeking(LISTED, SEVERAL), {}), listed)
    assert {pair: item.id for pair, item in found.found.items()} == {A: "r1", B: "r1"}
    assert dict(request.params)["property"] == "flowId==flow-1,flow-2"


def asked_of(marks, react):
    """Seek several flows; return what is found, and whose runs were asked for."""
    asked = []

    def answered(request):
        asked.append(dict(request.params).get("property", "all").removeprefix("flowId=="))
        return Response(react(asked[-1]))

    found = play(find(seeking(marks, SEVERAL), {}), answered)
    return {pair: item.id for pair, item in found.found.items()}, asked


def test_a_flow_of_which_one_list_lacks_what_was_in_it_before_is_asked_for_itself():
    both = items(run("r1", "a", "b"), run("r0"))
    own = items(run("q1", "a", flowId="flow-2", after=11), run("q0", flowId="flow-2"))
    found, asked = asked_of(LISTED, lambda wanted: own if wanted == "flow-2" else both)
    assert found == {A: "r1", B: "r1", SEVERAL[1]: "q1"}
    assert asked == ["flow-1,flow-2", "flow-2"]


@pytest.mark.parametrize(("every", "more"), [((), []), ((run("x"), run("y", flowId="flow-2")), ["flow-1", "flow-2"])])
def test_that_flows_still_have_no_run_two_lists_say(every, more):
    never = {"flow-1": Watermark(None, ()), "flow-2": Watermark(NOW, ())}
    found, asked = asked_of(never, lambda wanted: items(*every) if wanted == "all" else items())
    assert found == {}
    assert asked == ["flow-1,flow-2", "all", *more]


def test_pages_are_read_back_to_the_watermark_and_no_further():
    pages = (
        items(run("r3", "x", after=3), following="p2"),
        items(run("r1", "a", after=1), following="p3"),
        items(run("r0", "a", after=-1), following="p4"),
    )
    found, requests = answer(find(seeking({"flow-1": Watermark(NOW, ())}), {}), *pages)
    assert found.found[A].id == "r1"
    assert len(requests) == 3


# -- watermarks


def test_the_watermark_is_the_newest_run():
    marks, (request,) = answer(
        watermarks(["flow-1"]), items(run("r1", after=-5000), run("r2", after=0), run("r0", after=-5001))
    )
    assert marks == {"flow-1": Watermark(NOW - SKEW, ("r1", "r2", "r0")[1::-1])}
    assert dict(request.params)["orderby"] == "-createdAt"


def test_all_runs_of_the_newest_moment_belong_to_it():
    marks, _ = answer(watermarks(["flow-1"]), items(run("r1", after=0), run("r2", after=0), run("r0", after=-5001)))
    assert marks["flow-1"].since == NOW - SKEW
    assert set(marks["flow-1"].ids) == {"r1", "r2"}


def test_runs_that_tell_no_time_belong_to_it_too():
    marks, _ = answer(watermarks(["flow-1"]), items(run("r1", after=0), run_json("r9", created=None)))
    assert set(marks["flow-1"].ids) == {"r1", "r9"}


def test_a_flow_that_never_ran_has_an_empty_watermark():
    marks, _ = answer(watermarks(["flow-1"]), items(), items())
    assert marks == {"flow-1": Watermark(None, ())}


def test_one_empty_list_is_no_watermark():
    marks, _ = answer(watermarks(["flow-1"]), items(), items(run("r1")))
    assert marks["flow-1"].ids == ("r1",)


def test_a_moment_that_spans_pages_is_read_to_its_end():
    pages = (
        items(run("r4", after=0), run("r3", after=0), following="p2"),
        items(run("r2", after=0), run("r1", after=-5001), following="p3"),
    )
    marks, requests = answer(watermarks(["flow-1"]), *pages)
    assert set(marks["flow-1"].ids) == {"r4", "r3", "r2"}
    assert len(requests) == 2


def test_more_runs_at_once_than_can_be_kept_are_left_behind():
    crowd = [run(f"r{number}", after=0) for number in range(WATERMARK_IDS + 1)]
    later = items(run("s", flowId="flow-2", after=0))
    both = items(run("r0"), run("s", flowId="flow-2"))
    marks, _ = answer(watermarks(["flow-1", "flow-2"]), items(), both, items(*crowd), later)
    assert marks == {"flow-1": Watermark(NOW + MS, ()), "flow-2": Watermark(NOW - SKEW, ("s",))}
    assert not marks["flow-1"].is_newer(FlowRun.from_json(crowd[0]))


TWO = ["flow-1", "flow-2"]


def test_flows_that_ran_lately_have_their_watermarks_from_one_list():
    listed = items(run("a2", after=0), run("b2", flowId="flow-2", after=-3000), run("b1", flowId="flow-2", after=-9000))
    marks, (request,) = answer(watermarks(TWO), listed)
    assert dict(request.params)["property"] == "flowId==flow-1,flow-2"
    for flow_id in TWO:
        own = items(*(item for item in listed["items"] if item["flowId"] == flow_id))
        assert answer(watermarks([flow_id]), own)[0] == {flow_id: marks[flow_id]}
    assert marks["flow-2"].ids == ("b2",)


def test_flows_that_ran_together_and_never_else_have_them_from_one_list_too():
    listed = items(run("a1", after=0), run("b1", flowId="flow-2", after=-3000))
    marks, _ = answer(watermarks(TWO), listed)
    assert {flow_id: mark.ids for flow_id, mark in marks.items()} == {"flow-1": ("a1",), "flow-2": ("b1",)}


@pytest.mark.parametrize(
    "listed",
    [
        items(),
        items(run("a2", after=0), run("a1", after=-9000)),  # nothing of flow-2: it may have older runs
        items(run("b2", flowId="flow-2", after=0), run_json("b3", "flow-2", created=None), run("a1", after=-9000)),
        items(run("a2", after=0), run("x", flowId="", after=-1), run("b1", flowId="flow-2", after=-9000)),
    ],
)
def test_a_flow_of_which_one_list_does_not_tell_enough_is_asked_for_itself(listed):
    own = {
        "flow-1": items(run("a2")),
        "flow-2": items(run("b9", flowId="flow-2"), run("b8", flowId="flow-2", after=-9000)),
        "all": items(run("a2"), run("b9", flowId="flow-2")),
    }
    asked = []

    def react(request):
        asked.append(dict(request.params).get("property", "all").removeprefix("flowId=="))
        return Response(own.get(asked[-1], listed))

    marks = play(watermarks(TWO), react)
    assert "flow-2" in asked
    assert marks["flow-2"].ids == ("b9",)


@pytest.mark.parametrize("error", [AepRequestError("GET /runs", status=400), AepNotFoundError("GET /runs")])
def test_where_aep_takes_no_filter_of_several_flows_each_is_asked_for(error):
    for call in (watermarks(TWO), in_progress([A, Pair("flow-2", "a")], {}, NOW - 1000 * MS)):
        assert dict(next(call).params)["property"] == "flowId==flow-1,flow-2"
        asked = dict(call.throw(error).params)["property"]
        assert asked == "flowId==flow-1"


def test_flows_that_never_ran_are_told_by_two_lists_whatever_their_number():
    flow_ids = [f"flow-{number}" for number in range(100)]
    marks, requests = answer(watermarks(flow_ids), items(), items())
    assert marks == dict.fromkeys(flow_ids, Watermark(None, ()))
    assert [dict(request.params).get("property", "all runs")[:12] for request in requests] == [
        "flowId==flow",
        "all runs",
    ]


def test_what_a_flow_that_never_ran_begins_is_newer_than_what_others_had_begun_and_what_a_cut_list_lacks_is_not():
    listed = items(run("c2", flowId="flow-3", after=0), run("c1", flowId="flow-3", after=-9000))
    every = items(run("x", flowId="another", after=1000), *listed["items"])
    marks, _ = answer(watermarks([*TWO, "flow-3"]), listed, every)
    assert marks["flow-1"] == marks["flow-2"] == Watermark(NOW + 1000 * MS - SKEW, ())
    assert marks["flow-3"].ids == ("c2",)
    assert marks["flow-1"].is_newer(FlowRun.from_json(run("ours", after=1000)))
    assert not marks["flow-1"].is_newer(FlowRun.from_json(run("hidden", after=-9001)))


@pytest.mark.parametrize(
    "every",
    [
        items(run("b1", flowId="flow-2"), run("a1")),
        items(*(run(f"x{number}", flowId="another") for number in range(300))),
        items(run("x", flowId="")),
        AepRequestError("GET /runs", status=400),
    ],
    ids=["it names them", "too long", "it does not say whose they are", "refused"],
)
def test_where_the_list_of_all_runs_does_not_say_that_a_flow_never_ran_it_is_asked_for_itself(every):
    asked = []

    def react(request):
        asked.append(dict(request.params).get("property", "all").removeprefix("flowId=="))
        if asked[-1] == "all" and isinstance(every, AepRequestError):
            raise every
        return Response(every if asked[-1] == "all" else items())

    assert play(watermarks(TWO), react) == dict.fromkeys(TWO, Watermark(None, ()))
    assert asked == ["flow-1,flow-2", "all", *["flow-1"] * 2, *["flow-2"] * 2]


def test_a_crowd_of_flows_is_not_read_for_ever():
    pages = [
        items(*(run(f"r{page}-{n}", after=-page * 100 - n) for n in range(100)), following=f"p{page}")
        for page in range(3)
    ]
    rest = items(run("b", flowId="flow-2", after=-99_000), run("b0", flowId="flow-2", after=-999_000))
    marks, requests = answer(watermarks(TWO), *pages, items(run("a", after=0), run("a0", after=-6000)), rest)
    assert len(requests) == 5
    assert marks["flow-2"].ids == ("b",)


def test_all_watermarks_together_keep_a_bounded_number_of_ids():
    crowd = [items(*(run(f"r{n}", flowId=f"f{f}", after=0) for n in range(300))) for f in range(5)]
    flow_ids = [f"f{number}" for number in range(5)]
    marks, _ = answer(watermarks(flow_ids), items(), items(*(run(each, flowId=each) for each in flow_ids)), *crowd)
    assert sum(len(mark.ids) for mark in marks.values()) <= WATERMARK_IDS


# -- runs in progress


def parsed(*runs):
    return [FlowRun.from_json(item) for item in runs]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([run("r1", "a")], {A: "r1"}),
        ([run("r1", "a", status="success")], {}),
        ([run("r1", "a", status="odd")], {A: "r1"}),
        ([run("r1", "c")], {}),
        ([run("r1")], {A: "r1", B: "r1"}),
        ([run("r1"), run("r2", "a")], {A: "r2", B: "r1"}),
        ([run("r1", "a", "b")], {A: "r1", B: "r1"}),
        ([], {}),
    ],
)
def test_which_runs_in_progress_concern_a_pair(runs, expected):
    found = concerns(parsed(*runs), [A, B], {})
    assert {pair: item.id for pair, item in found.items()} == expected


def test_in_progress_asks_each_flow_for_its_recent_runs():
    runs = items(run("r1", "a"), run("r2", "external", flowId="flow-2"), run("r0", "b", after=-10_000_000))
    pairs = [A, B, Pair("flow-2", "a")]
    found, requests = answer(in_progress(pairs, {"a": "external"}, NOW - 1000 * MS), runs)
    assert {pair: item.id for pair, item in found.items()} == {A: "r1", pairs[2]: "r2"}
    assert len(requests) == 1


def test_names_of_a_pair():
    assert names_of(A, {}) == ("a",)
    assert names_of(A, {"a": "external"}) == ("a", "external")
