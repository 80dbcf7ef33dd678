"""Jobs that AEP takes: the split of pairs, and a job in an XCom."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.jobs import MAX_PAIRS_PER_JOB, Job, split
from adobe_experience_platform.errors import AepInputError

PAIRS = st.lists(st.builds(Pair, st.sampled_from("fghijk"), st.sampled_from("abcdefghijkl")), unique=True, max_size=72)


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
