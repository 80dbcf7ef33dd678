"""The stored record of a submission."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.aep.orders import Activation, Pair
from adobe_experience_platform.delivery.record import VERSION, Answer, Intent, Record, Watermark
from adobe_experience_platform.delivery.search import WATERMARK_IDS
from adobe_experience_platform.delivery.states import Event, Reply, SubmissionState
from adobe_experience_platform.errors import AepSubmissionError, Conflict
from tests.support.parts import NOW, run_json

LIMIT = 65_535
"""Bytes that the smallest text column of Airflow's databases holds."""

MOMENTS = st.integers(1, 4_000_000_000_000).map(lambda ms: dt.datetime.fromtimestamp(ms / 1000, tz=dt.UTC))
WORDS = st.text("abc-123", min_size=1, max_size=6)
ANSWERS = st.builds(
    Answer,
    st.sampled_from([Reply.INCOMPLETE, Reply.CONFLICT, Reply.REFUSED_IN_PART]),
    st.text(max_size=30),
    st.none() | st.builds(Conflict, WORDS, WORDS, WORDS),
)


MARKS = st.dictionaries(
    st.builds(Pair, WORDS, WORDS),
    st.builds(Watermark, st.none() | MOMENTS, st.lists(WORDS, max_size=4).map(tuple)),
    max_size=4,
)


def intents(answers: Any) -> Any:
    return st.builds(
        Intent,
        id=WORDS,
        at=st.just("2026-03-10T12:00:00+00:00"),
        marks=MARKS,
        answer=answers,
        wait=st.integers(0, 600).map(float),
    )


STATES = st.one_of(
    st.just((SubmissionState.READY, None)),
    st.tuples(st.sampled_from([SubmissionState.OPEN, SubmissionState.REOPENED]), intents(st.none())),
    st.tuples(st.sampled_from([SubmissionState.INCOMPLETE, SubmissionState.CONFLICT_IN_PART]), intents(ANSWERS)),
)


@st.composite
def records(draw: Any) -> Record:
    state, intent = draw(STATES)
    orders = draw(
        st.dictionaries(st.builds(Pair, WORDS, WORDS), st.none() | st.tuples(WORDS, st.booleans()), max_size=8)
    )
    marks = draw(MARKS)
    known = {**dict.fromkeys([*marks, *(intent.marks if intent else ())]), **orders}
    return Record(
        max_tries=draw(st.integers(0, 99)),
        orders={pair: Activation(*pair, *run) if run else None for pair, run in known.items()},
        marks=marks,
        state=state,
        intent=intent,
        not_ours=draw(st.lists(WORDS, max_size=4)),
        doubtful=draw(st.lists(WORDS, max_size=4)),
        lost=draw(st.integers(0, 3)),
    )


@given(records())
def test_a_record_survives_storage(record):
    kept = record.to_json()
    assert json.loads(json.dumps(kept)) == kept, "Airflow's store takes JSON values only: no tuples"
    assert Record.from_json(kept) == record


@pytest.mark.parametrize("version", [VERSION + 1, 0, "1", None])
def test_a_record_of_another_version_is_refused_and_nothing_is_sent(version):
    with pytest.raises(AepSubmissionError, match="nothing more was sent"):
        Record.from_json({**Record(max_tries=3).to_json(), "v": version})


@pytest.mark.parametrize(
    "damage",
    [
        {"orders": None},
        {"orders": {"f": None}},
        {"orders": {"f": {"a": 5}}},
        {"adopted": []},
        {"not_ours": None},
        {"doubtful": None},
        {"marks": {}},
        {"marks": [[{"f": ["unknown"]}, None]]},
        {"max_tries": "x"},
        {"lost": None},
        {"state": "odd"},
        {"state": "open"},
        {"intent": {}},
        {"intent": {"at": "x"}},
        {"state": "open", "intent": {"id": "x", "at": "x", "marks": [[]], "answer": ["odd"]}},
        {"state": "open", "intent": {"id": 5, "at": "x", "marks": [], "answer": None, "wait": 0}},
    ],
)
def test_a_damaged_record_is_refused_and_never_read_as_empty(damage):
    with pytest.raises(AepSubmissionError, match="damaged"):
        Record.from_json({**Record(max_tries=3).to_json(), **damage})


@pytest.mark.parametrize("part", ["orders", "adopted", "state", "max_tries", "marks", "not_ours", "doubtful", "lost"])
def test_an_incomplete_record_is_refused(part):
    kept = Record(max_tries=3).to_json()
    del kept[part]

    with pytest.raises(AepSubmissionError, match="damaged"):
        Record.from_json(kept)


@pytest.mark.parametrize("value", ["", "{}", [], 5, True, {}])
def test_what_is_not_a_record_is_refused(value):
    with pytest.raises(AepSubmissionError, match="damaged"):
        Record.from_json(value)


def open_record(**intent):
    """Return the stored form of a record with an answered POST, with changes to its intent."""
    post = Intent(
        "i", "", {Pair("f", "a"): Watermark(NOW, ("r0",))}, Answer(Reply.CONFLICT, "busy", Conflict("f", "a", "r9"))
    )
    kept = Record(3, {Pair("f", "a"): None}, SubmissionState.CONFLICT, post).to_json()
    return {**kept, "intent": {**post.to_json(), **intent}}


@pytest.mark.parametrize("part", ["id", "at", "marks", "answer", "wait"])
def test_an_incomplete_intent_is_refused(part):
    kept = open_record()
    assert Record.from_json(kept).to_json() == kept
    del kept["intent"][part]

    with pytest.raises(AepSubmissionError, match="damaged"):
        Record.from_json(kept)


@pytest.mark.parametrize(
    "damage",
    [
        {"marks": {}},
        {"marks": [[{"f": ["a"]}]]},
        {"marks": [[{"f": ["a"]}, "now"]]},
        {"marks": [[{"f": ["a"]}, 1e300]]},
        {"marks": [[{"f": ["a"]}, 1, 2]]},
        {"marks": [[{"f": ["other"]}, 1]]},
        {"answer": None},
        {"answer": ["odd", "", None]},
        {"answer": ["conflict", "busy"]},
        {"answer": ["conflict", "busy", ["f", "a"]]},
        {"answer": ["conflict", "busy", "r9"]},
    ],
)
def test_a_damaged_intent_is_refused(damage):
    with pytest.raises(AepSubmissionError, match="damaged"):
        Record.from_json(open_record(**damage))


@pytest.mark.parametrize("damage", [{"state": "ready"}, {"state": "open"}, {"lost": float("nan")}, {"intent": None}])
def test_parts_that_contradict_each_other_are_refused(damage):
    with pytest.raises(AepSubmissionError, match="damaged"):
        Record.from_json({**open_record(), **damage})


def ids(count):
    return [str(uuid.uuid4()) for _ in range(count)]


@pytest.mark.parametrize("flows", [1, 10, 80])
@pytest.mark.parametrize("adopted", [False, True])
def test_a_full_job_with_its_largest_watermarks_fits_the_store(flows, adopted):
    flow_ids = ids(flows)
    pairs = [Pair(flow_ids[number % flows], audience) for number, audience in enumerate(ids(80))]
    marks = {flow_id: Watermark(NOW, tuple(ids(WATERMARK_IDS // flows))) for flow_id in flow_ids}
    record = Record(
        max_tries=3,
        orders={pair: Activation(*pair, run_id, adopted) for pair, run_id in zip(pairs, ids(80), strict=True)},
        intent=Intent(
            uuid.uuid4().hex,
            NOW.isoformat(),
            {pair: marks[pair.flow_id] for pair in pairs},
            Answer(Reply.REFUSED_IN_PART, "x" * 600),
        ),
        state=SubmissionState.REFUSED_IN_PART,
        marks={pair: marks[pair.flow_id] for pair in pairs},
        not_ours=ids(80),
        lost=2,
    )
    assert len(json.dumps(record.to_json())) < LIMIT


def test_a_record_holds_ids_and_times_only():
    record = Record(3, {Pair("f", "a"): Activation("f", "a", "r", True), Pair("f", "b"): None}, not_ours=["r0"])
    record.move(Event.INTENT, Intent("i", "2026-03-10T12:00:00+00:00", {Pair("f", "b"): Watermark(NOW, ("r9",))}))
    assert record.to_json() == {
        "v": 1,
        "state": "open",
        "orders": {"f": {"a": "r", "b": None}},
        "adopted": {"f": ["a"]},
        "max_tries": 3,
        "marks": [],
        "not_ours": ["r0"],
        "doubtful": [],
        "lost": 0,
        "later": [],
        "intent": {
            "id": "i",
            "at": "2026-03-10T12:00:00+00:00",
            "marks": [[{"f": ["b"]}, int(NOW.timestamp() * 1000), "r9"]],
            "answer": None,
            "wait": 0.0,
            "clears": 0,
        },
    }


# -- steps


def opened(*events):
    """Return a record whose first POST is open, after these steps."""
    record = Record(3)
    for event in (Event.INTENT, *events):
        record.move(event, Intent("i", "", {Pair("f", "a"): Watermark(NOW, ())}) if event is Event.INTENT else None)
    return record


def test_a_step_that_the_table_does_not_have_is_an_error_and_changes_nothing():
    record = Record(3)
    with pytest.raises(ValueError, match="'lost' cannot happen while a submission is 'ready'"):
        record.move(Reply.LOST)
    assert record == Record(3)


@pytest.mark.parametrize("end", [Reply.ACCEPTED, Reply.NOT_SENT, Event.FOUND])
def test_what_is_ready_has_no_intent(end):
    assert opened(end).intent is None


def test_what_was_not_sent_opens_the_earlier_post_again():
    record = opened(Event.INTENT)
    earlier = Intent("earlier", "", {})
    record.move(Reply.NOT_SENT, earlier)
    assert (record.state, record.intent) == (SubmissionState.OPEN, earlier)


def test_a_persons_clear_forgets_the_answer_and_the_runs_that_will_never_tell():
    record = opened(Reply.INCOMPLETE)
    record.intent.answer, record.doubtful = Answer(Reply.INCOMPLETE), ["r1"]
    record.move(Event.CLEARED)
    assert (record.state, record.not_ours, record.doubtful) == (SubmissionState.OPEN, ["r1"], [])
    assert record.intent.answer is None


@pytest.mark.parametrize("reply", [Reply.CONFLICT, Reply.CONFLICT_IN_PART, Reply.REFUSED, Reply.REFUSED_IN_PART])
def test_a_persons_clear_does_not_forget_what_aep_has_refused(reply):
    record = opened(reply)
    record.intent.answer = Answer(reply)
    record.move(Event.CLEARED)
    assert record.intent.answer == Answer(reply)


@pytest.mark.parametrize(
    ("events", "doubted"),
    [
        ((), False),
        ((Reply.LOST,), False),
        ((Event.INTENT,), True),
        ((Event.ABSENT,), True),
        ((Reply.NOT_SENT,), False),
        ((Reply.CONFLICT, Event.ABSENT), False),
        ((Reply.REFUSED, Event.ABSENT), False),
        ((Reply.INCOMPLETE, Event.ABSENT), True),
        ((Reply.INCOMPLETE, Event.CLEARED, Event.ABSENT), True),
        ((Reply.CONFLICT_IN_PART, Event.ABSENT), True),
        ((Reply.REFUSED_IN_PART, Event.ABSENT), True),
        ((Reply.NOT_READY_IN_PART, Event.ABSENT), True),
    ],
)
def test_a_pair_that_a_post_may_have_started_keeps_its_watermark_for_good(events, doubted):
    assert bool(opened(*events).marks) is doubted


def test_of_two_watermarks_the_first_is_kept():
    first, second = Watermark(NOW, ()), Watermark(NOW, ("r1",))
    record = Record(3, {Pair("f", "a"): None})
    for mark in (first, second):
        record.move(Event.INTENT, Intent("i", "", {Pair("f", "a"): mark}))
        record.move(Event.ABSENT)
    assert record.marks == {Pair("f", "a"): first}


# -- watermarks

MINUTE = dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    ("mark", "created", "newer"),
    [
        (Watermark(NOW, ("old",)), NOW + MINUTE, True),
        (Watermark(NOW, ("old",)), NOW, True),
        (Watermark(NOW, ("old",)), NOW - MINUTE, False),
        (Watermark(NOW, ("old", "run")), NOW, False),
        (Watermark(NOW, ("old", "run")), NOW + MINUTE, False),
        (Watermark(None, ()), NOW - MINUTE, True),
        (Watermark(NOW, ()), None, True),
        (Watermark(NOW, ("run",)), None, False),
    ],
)
def test_which_runs_are_newer_than_a_watermark(mark, created, newer):
    assert mark.is_newer(FlowRun.from_json(run_json("run", created=created))) is newer


@pytest.mark.parametrize(
    ("mark", "created", "reached"),
    [
        (Watermark(NOW, ()), NOW - MINUTE, True),
        (Watermark(NOW, ()), NOW, False),
        (Watermark(NOW, ()), None, False),
        (Watermark(None, ()), NOW, False),
    ],
)
def test_how_far_a_list_is_read(mark, created, reached):
    runs = [FlowRun.from_json(run_json("r1", created=NOW + MINUTE)), FlowRun.from_json(run_json("r0", created=created))]
    assert mark.reached(runs) is reached


def test_milliseconds_survive_storage():
    moment = dt.datetime(2026, 3, 10, 12, 0, 0, 123_000, tzinfo=dt.UTC)
    pair = Pair("f", "a")
    record = Record(1, {pair: None}, SubmissionState.OPEN, Intent("i", "", {pair: Watermark(moment, ())}))
    kept = Record.from_json(record.to_json()).intent
    assert kept is not None
    assert kept.marks[pair].is_newer(FlowRun.from_json(run_json("r", created=moment)))
    before = moment - dt.timedelta(milliseconds=1)
    assert not kept.marks[pair].is_newer(FlowRun.from_json(run_json("r", created=before)))


def test_a_record_of_a_newer_version_is_refused_as_one():
    """A damaged record asks people to look in AEP; this one asks them to deploy the version that wrote it."""
    newer = {**Record(3, {}).to_json(), "v": VERSION + 1}

    with pytest.raises(AepSubmissionError, match="was written by a newer version of this package"):
        Record.from_json(newer)
