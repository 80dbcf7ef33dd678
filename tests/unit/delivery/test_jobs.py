"""From a user's input to jobs that AEP takes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.input import (
    MAX_FAULTS_SHOWN,
    MAX_PAIRS_PER_RUN,
    check_id,
    parse_activation_info,
    read_activation_info,
    shorten,
)
from adobe_experience_platform.delivery.jobs import MAX_PAIRS_PER_JOB, Job, split
from adobe_experience_platform.errors import AepInputError

PAIRS = st.lists(st.builds(Pair, st.sampled_from("fghijk"), st.sampled_from("abcdefghijkl")), unique=True, max_size=72)


# -- splitting


@given(PAIRS, st.integers(6, MAX_PAIRS_PER_JOB))
def test_every_pair_is_in_exactly_one_job(pairs, limit):
    jobs = split(pairs, limit)
    assert Counter(pair for job in jobs for pair in job) == Counter(pairs)
    assert all(job for job in jobs)


@given(PAIRS, st.integers(6, MAX_PAIRS_PER_JOB))
def test_no_job_is_larger_than_the_limit(pairs, limit):
    assert all(len(job) <= limit for job in split(pairs, limit))


@given(PAIRS, st.integers(6, MAX_PAIRS_PER_JOB))
def test_all_pairs_of_an_audience_share_a_job(pairs, limit):
    jobs = split(pairs, limit)
    homes = Counter(audience for job in jobs for audience in {pair.audience_id for pair in job})
    assert set(homes.values()) <= {1}


@given(PAIRS, st.integers(1, 5))
def test_an_audience_with_too_many_flows_is_refused_with_the_number_needed(pairs, limit):
    sizes = Counter(pair.audience_id for pair in pairs)
    too_large = {audience: size for audience, size in sizes.items() if size > limit}
    if not too_large:
        split(pairs, limit)
        return
    with pytest.raises(AepInputError) as caught:
        split(pairs, limit)
    assert len(caught.value.faults) == len(too_large)
    for audience, size in too_large.items():
        assert any(
            f"audience {audience} goes to {size} flows" in fault and f"max_audiences_per_job to {size}" in fault
            for fault in caught.value.faults
        )


@given(PAIRS, st.integers(6, 20))
def test_the_same_input_is_split_the_same_way(pairs, limit):
    assert split(pairs, limit) == split(list(pairs), limit)


def test_jobs_are_filled_well():
    pairs = [Pair("flow", f"a{number}") for number in range(161)]
    assert [len(job) for job in split(pairs, 80)] == [80, 80, 1]


def test_no_pairs_need_no_job():
    assert split([], 80) == []


def test_an_audience_beyond_aeps_own_limit_needs_several_runs():
    with pytest.raises(AepInputError, match=r"AEP allows 80.*several runs"):
        split([Pair(f"f{number}", "a") for number in range(81)], 80)


# -- reading


def test_pairs_come_in_the_users_order():
    assert parse_activation_info({"f2": ["b", "a"], "f1": ["a"]}) == (("f2", "b"), ("f2", "a"), ("f1", "a"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is missing"),
        ("", "is text"),
        ('{"flow": ["a"]}', "is text"),
        ([], "is a list"),
        (5, "is a int"),
        ({}, "is empty"),
    ],
)
def test_what_is_no_activation_info_is_refused_with_an_example(value, said):
    pairs, faults = read_activation_info(value)
    assert pairs == []
    assert len(faults) == 1
    assert said in faults[0]
    assert "<flow id>" in faults[0]


HOSTILE = [
    "a\n",
    "a\nb",
    "\na",
    "a\r\nX-Evil: 1",
    "a b",
    " a",
    "a ",
    "a'b",
    'a"b',
    "a`b",
    "{a}",
    "{{ conn.aep_default.password }}",
    "{% raw %}",
    "a/b",
    "../a",
    "a\\b",
    "a?b",
    "a#b",
    "a%2fb",
    "a&b=c",
    "a==b",
    "a,b",
    "a;b",
    "a|b",
    "$(a)",
    "<a>",
    "ä",
    "а",  # noqa: RUF001 - a Cyrillic letter that looks like a Latin one
    "a\u200b",
    "a\u2028",
    "a\x00",
    "\x1b[31m",
    ".",
    "..",
    "-rf",
    "a" * 256,
]


@pytest.mark.parametrize("ident", HOSTILE, ids=lambda ident: ascii(ident)[:40])
def test_an_id_with_a_character_that_no_id_has_is_refused_safely(ident):
    fault = check_id(ident, "audience id")
    assert fault is not None
    assert fault.isprintable()
    assert fault.replace("…", "").isascii()
    assert len(fault) < 250
    assert read_activation_info({ident: ["a"], "f": [ident]})[0] == []
    assert len(read_activation_info({ident: ["a"], "f": [ident]})[1]) == 2


@pytest.mark.parametrize("ident", [None, 5, 5.0, True, [], {}, ["a"], b"a"], ids=repr)
def test_an_id_that_is_no_text_is_refused(ident):
    assert "is not text" in (check_id(ident, "audience id") or "")


def test_an_empty_id_is_refused():
    assert check_id("", "audience id") == "audience id is empty"


@pytest.mark.parametrize(
    "ident", ["ca5c6e9a-8559-4a08-97a5-f15b756da600", "extaud9001", "a", "A_1.b:c~d@e+f", "9", "a" * 255]
)
def test_ids_that_aep_has_are_accepted(ident):
    assert check_id(ident, "audience id") is None


def test_all_faults_are_found_at_once_and_sound_pairs_come_back():
    pairs, faults = read_activation_info(
        {
            "good": ["a", "b"],
            "bad flow": ["a"],
            "text": "a",
            "null": None,
            "map": {"a": 1},
            "empty": [],
            "twice": ["a", "a"],
            "mixed": ["a", 7, "", "x\n"],
            5: ["a"],
        }
    )
    assert pairs == [("good", "a"), ("good", "b"), ("twice", "a"), ("mixed", "a")]
    for said in (
        "'bad flow' is not a valid AEP id",
        "flow text: give its audiences as a list",
        "flow null: give its audiences as a list",
        "flow map: give its audiences as a list",
        "flow empty: its list of audiences is empty",
        "flow twice: audience a is listed twice",
        "flow mixed: audience id 7 is not text",
        "flow mixed: audience id is empty",
        "flow mixed: audience id 'x\\n' is not a valid AEP id",
        "flow id 5 is not text",
    ):
        assert sum(said in fault for fault in faults) == 1, said
    assert len(faults) == 10


def test_the_error_names_every_fault():
    with pytest.raises(AepInputError) as caught:
        parse_activation_info({"bad flow": ["a"], "empty": []})
    assert "Nothing was sent. 2 faults found" in str(caught.value)
    assert "bad flow" in str(caught.value)
    assert "empty" in str(caught.value)


def test_as_many_pairs_as_a_run_takes_are_accepted():
    pairs, faults = read_activation_info({"flow": [f"a{number}" for number in range(MAX_PAIRS_PER_RUN)]})
    assert (len(pairs), faults) == (MAX_PAIRS_PER_RUN, [])


def test_ten_thousand_ids_are_too_many_for_a_run():
    pairs, faults = read_activation_info({"flow": [f"a{number}" for number in range(10_000)]})
    assert len(pairs) == 10_000
    assert faults == ["10,000 audiences are more than one run takes (5,000): split them over 2 runs"]


def test_ten_thousand_bad_ids_are_shown_shortly():
    with pytest.raises(AepInputError) as caught:
        parse_activation_info({"flow": [f"{{{number}}}" for number in range(10_000)]})
    assert len(caught.value.faults) == MAX_FAULTS_SHOWN + 1
    assert caught.value.faults[-1] == "… and 9,950 more"


def test_the_same_fault_is_named_once():
    assert shorten(["x", "y", "x"]) == ["x", "y"]


# -- jobs


def test_a_job_survives_an_xcom():
    job = Job(2, 3, (Pair("f", "a"), Pair("f", "b"), Pair("g", "a")), {"a": "external-a"})
    data = job.to_json()
    assert data == {
        "job": 2,
        "of": 3,
        "activation_info": {"f": ["a", "b"], "g": ["a"]},
        "aliases": {"a": "external-a"},
    }
    assert Job.from_json(data) == job
    assert job.title == "job 2 of 3 (3 audiences)"


def test_a_users_own_job_needs_its_activation_info_only():
    assert Job.from_json({"activation_info": {"f": ["a"]}}) == Job(1, 1, (Pair("f", "a"),))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"activation_info": {"f": ["a b"]}},
        {"activation_info": {"f": ["a"]}, "aliases": ["a"]},
        {"activation_info": {"f": ["a"]}, "job": "1"},
        {"activation_info": {"f": ["a"]}, "of": None},
    ],
)
def test_a_malformed_job_is_refused(data):
    with pytest.raises(AepInputError):
        Job.from_json(data)
