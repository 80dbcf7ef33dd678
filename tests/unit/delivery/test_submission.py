"""The exactly-once protocol, story by story, against an AEP in memory below the real transport."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from adobe_experience_platform.aep.orders import Activation, Pair
from adobe_experience_platform.delivery.jobs import Job
from adobe_experience_platform.delivery.steps import Done, OnConflict, Settle, WaitFor
from adobe_experience_platform.delivery.submission import KEY, LOST_LIMIT, Submission
from adobe_experience_platform.errors import (
    AepAuthError,
    AepError,
    AepExportError,
    AepLostAnswerError,
    AepNotFoundError,
    AepNotReadyError,
    AepSubmissionError,
    AepTransientError,
)
from tests.support.memory_aep import Crash, Crashes, MemoryAep, MemoryStore

A, B, C = Pair("f1", "a"), Pair("f1", "b"), Pair("f2", "a")
SETTLE = 120.0


class Log:
    """Keeps what an operator on call should see."""

    def __init__(self):
        self.warnings = []

    def info(self, event, *args):
        assert event % args

    def warning(self, event, *args):
        self.warnings.append(event % args)


class Task:
    """A task that submits one job; every call of it is a new process that knows only what is stored."""

    def __init__(self, *pairs, aliases=None, **options):
        self.crashes = Crashes()
        aliases = aliases or {}
        aep = {key: options.pop(key) for key in list(options) if key in MemoryAep.__dataclass_fields__}
        self.aep = MemoryAep(crashes=self.crashes, aliases=aliases, **aep)
        self.store = MemoryStore(self.crashes)
        self.job = Job(1, 1, pairs or (A, B), aliases)
        self.options = options
        self.max_tries = 3
        self.submission = None

    def run(self):
        """Start an attempt; return its step."""
        self.submission = self.fresh()
        self.aep.call(self.submission.begin(resend_failed=self.options.get("resend_failed", True)))
        return self.step()

    def resume(self, *, settled=False):
        """Go on after a wait."""
        self.submission = self.fresh()
        return self.step(settled=settled)

    def settle(self):
        self.aep.advance(SETTLE)
        return self.resume(settled=True)

    def lost(self):
        """Start an attempt whose answer is lost, and settle it."""
        assert isinstance(self.run(), Settle)
        return self.settle()

    def clear(self):
        self.max_tries += 1
        self.aep.cleared()
        return self.run()

    def fresh(self):
        options = {key: value for key, value in self.options.items() if key != "resend_failed"}
        return Submission(
            job=self.job,
            store=self.store,
            max_tries=self.max_tries,
            now=self.aep.clock,
            clocks=lambda: (self.aep.now,),
            **options,
        )

    def step(self, *, settled=False):
        intent = self.submission.record.intent
        return self.aep.call(self.submission.step(settled=intent.id if settled and intent else ""))

    @property
    def orders(self):
        return self.submission.record.orders

    def delivered(self):
        """Return pair → number of our runs."""
        return {pair: len(self.aep.ours(pair)) for pair in self.job.pairs}

    def check_delivered_once(self):
        assert self.delivered() == dict.fromkeys(self.job.pairs, 1)
        assert not self.aep.breaches
        for pair, order in self.orders.items():
            assert order is not None
            assert order.run_id == self.aep.ours(pair)[0].id


# -- the straight way


@pytest.mark.parametrize("pairs", [(A,), (A, B), (A, B, C)])
def test_a_job_is_sent_in_one_post_and_recorded(pairs):
    task = Task(*pairs)
    assert task.run() == Done()
    assert len(task.aep.sent) == 1
    task.check_delivered_once()
    assert not any(order.adopted for order in task.orders.values())
    assert task.submission.record.intent is None


def test_a_finished_job_is_never_sent_again():
    task = Task()
    task.run()
    assert task.run() == Done()
    assert task.resume(settled=True) == Done()
    assert task.clear() == Done()
    assert len(task.aep.sent) == 1


def test_the_intent_is_stored_before_the_post_and_the_runs_directly_after():
    task = Task(A)
    seen = []
    task.store.after_set = lambda record: seen.append(
        (len(task.aep.sent), "intent" in record, record["orders"]["f1"]["a"])
    )
    task.run()
    assert seen == [(0, False, None), (0, True, None), (1, False, "ours-1")]


def test_version_2_names_no_export():
    task = Task(A)
    task.run()
    assert task.aep.sent == [{"activationInfo": {"f1": ["a"]}}]


@pytest.mark.parametrize(("export_id", "sent"), [(None, "24115"), ("777", "777")])
def test_version_1_names_the_export_as_text(export_id, sent):
    task = Task(A, api_version="v1", export_id=export_id)
    task.aep.newest_export = 24115
    assert task.run() == Done()
    assert task.aep.sent == [{"activationInfo": {"f1": ["a"]}, "exportIds": [sent]}]


def test_an_export_in_progress_is_waited_for():
    task = Task(A, exporting=True)
    step = task.run()
    assert isinstance(step, WaitFor)
    assert "segment export job 723 (PROCESSING" in step.reason
    assert step.conflict is None
    assert not task.aep.sent
    assert task.submission.record.state == "ready"
    task.aep.exporting = False
    assert task.resume() == Done()
    task.check_delivered_once()


def test_an_export_that_is_too_old_is_not_delivered():
    task = Task(A, max_export_age_hours=0.5)
    with pytest.raises(AepExportError):
        task.run()
    assert not task.aep.sent


# -- lost answers

LOST_WITH_EFFECT = ["broken_after", "500_after", "html_after", "cut_after"]
LOST_WITHOUT_EFFECT = ["broken_before", "500", "429", "502"]


@pytest.mark.parametrize("post", LOST_WITH_EFFECT)
def test_a_lost_answer_is_found_and_not_sent_again(post):
    task = Task(A, B, C, posts=[post])
    assert task.lost() == Done()
    assert len(task.aep.sent) == 1
    task.check_delivered_once()
    assert all(order.adopted for order in task.orders.values())


@pytest.mark.parametrize("post", LOST_WITH_EFFECT)
@pytest.mark.parametrize("lag", [5.0, 100.0])
def test_a_lost_answer_whose_runs_are_listed_late_is_found_after_a_wait(post, lag):
    task = Task(A, B, lag=lag, posts=[post])
    assert task.run() == Settle(())
    assert task.settle() == Done()
    assert len(task.aep.sent) == 1
    task.check_delivered_once()


def test_a_post_that_takes_effect_after_its_answer_was_lost_is_found():
    task = Task(A, B, late=100.0, posts=["late"])
    assert task.run() == Settle(())
    assert task.delivered() == {A: 0, B: 0}
    assert task.settle() == Done()
    task.check_delivered_once()


@pytest.mark.parametrize("post", LOST_WITHOUT_EFFECT)
def test_a_lost_post_without_effect_is_sent_again_only_after_the_wait(post):
    task = Task(A, B, posts=[post])
    assert task.run() == Settle(())
    assert len(task.aep.sent) == 1
    assert task.resume() == Settle(()), "without the wait nothing is concluded"
    assert len(task.aep.sent) == 1
    assert task.settle() == Done()
    assert len(task.aep.sent) == 2
    task.check_delivered_once()
    assert not any(order.adopted for order in task.orders.values())


def test_a_young_run_that_names_nobody_is_waited_for():
    task = Task(A, young=400.0, posts=["broken_after"])
    assert task.run() == Settle(("ours-1",))
    assert task.settle() == Settle(("ours-1",))
    assert len(task.aep.sent) == 1
    task.aep.advance(400)
    assert task.resume(settled=True) == Done()
    task.check_delivered_once()


def test_a_young_run_that_turns_out_to_be_somebody_elses_is_no_delivery():
    task = Task(A, young=60.0, posts=["broken_before"])
    original = task.aep._activate

    def activate(body):
        task.aep.foreign("f1", "z")
        return original(body)

    task.aep._activate = activate
    assert task.run() == Settle(("foreign-1",))
    task.aep._activate = original
    assert task.settle() == Done()
    task.check_delivered_once()


def test_losing_too_often_in_a_row_is_an_error_that_a_retry_takes_up():
    task = Task(A, posts=["broken_before"] * LOST_LIMIT)
    assert task.run() == Settle(())
    for _ in range(LOST_LIMIT - 2):
        assert task.settle() == Settle(())
    with pytest.raises(AepLostAnswerError) as caught:
        task.settle()
    assert caught.value.retriable
    assert len(task.aep.sent) == LOST_LIMIT
    assert task.run() == Settle(())
    assert task.settle() == Done()
    task.check_delivered_once()


def test_the_first_lost_posts_runs_are_recognised_even_after_the_second():
    task = Task(A, lag=100.0, posts=["broken_after", "broken_before"])
    task.run()
    task.aep.end(task.aep.foreign("f1", "z", lag=0.0))
    assert task.resume(settled=True) == Settle(()), "a settle period that was too short: AEP lists nothing yet"
    assert task.settle() == Done()
    assert [order.run_id for order in task.orders.values()] == ["ours-1"]


def test_the_pause_that_aep_asks_for_is_passed_on():
    task = Task(A, posts=["429"])
    original = task.aep._activate

    def activate(body):
        received = original(body)
        return type(received)(received.status, {"retry-after": "90"}, received.body)

    task.aep._activate = activate
    assert task.run() == Settle((), 90.0)


def test_at_aeps_limit_no_attempt_is_lost():
    task = Task(A, posts=["full"] * (LOST_LIMIT + 1))
    assert task.run() == Settle(())
    for _ in range(LOST_LIMIT):
        assert task.settle() == Settle(())
    assert task.settle() == Done()
    task.check_delivered_once()


def test_what_a_gateway_has_passed_on_though_it_says_it_did_not_is_found_before_anything_is_sent():
    task = Task(A, B, posts=["full_after"])
    assert task.run() == Settle(())
    assert task.settle() == Done()
    assert len(task.aep.sent) == 1
    task.check_delivered_once()


# -- not sent


@pytest.mark.parametrize(("post", "kind"), [("401", AepAuthError), ("403", AepAuthError), ("404", AepNotFoundError)])
def test_a_post_that_aep_turned_away_at_the_door_was_not_sent(post, kind):
    task = Task(*((A,) if post == "404" else (A, B)), posts=[post, post])
    with pytest.raises(kind):
        task.run()
    assert task.submission.record.intent is None
    task.aep.posts.clear()
    assert task.run() == Done(), "no wait is needed: nothing was sent"
    task.check_delivered_once()


def test_a_connection_that_is_refused_is_tried_again_at_once():
    task = Task(A, posts=["refused", "refused"])
    assert task.run() == Done()
    task.check_delivered_once()


def test_a_connection_that_is_always_refused_sends_nothing():
    task = Task(A, posts=["refused"] * 5)
    with pytest.raises(AepTransientError):
        task.run()
    assert task.submission.record.intent is None


def test_what_was_not_sent_does_not_make_an_earlier_loss_forgotten():
    task = Task(A, lag=100.0, posts=["broken_after"])
    task.run()
    lost = task.submission.record.intent
    task.aep.posts = ["403"]
    with pytest.raises(AepAuthError):
        task.resume(settled=True)
    assert task.submission.record.intent.id == lost.id, "the request that may have started something is open again"
    assert task.run() == Settle(())
    assert task.settle() == Done()
    task.check_delivered_once()


@pytest.mark.parametrize("pairs", [(A,), (A, B)])
def test_not_ready_is_tried_again_as_late_as_aep_says(pairs):
    task = Task(*pairs, posts=["not_ready"])
    with pytest.raises(AepNotReadyError) as caught:
        task.run()
    assert (caught.value.retriable, caught.value.retry_after) == (True, 600)
    task.aep.advance(600)
    step = task.run()
    if len(pairs) > 1:
        assert step == Settle(()), "AEP may have started those that were ready"
        step = task.settle()
    assert step == Done()
    task.check_delivered_once()


# -- refused


def test_a_refused_pair_is_final_and_named():
    task = Task(A, bad={"a"})
    with pytest.raises(
        AepSubmissionError, match=r"not part of this dataflow.*Not sent: audience a → flow f1"
    ) as caught:
        task.run()
    assert not caught.value.retriable
    assert task.submission.record.intent is None
    assert len(task.aep.sent) == 1


def settle_until_refused(task):
    for _ in range(5):
        try:
            assert isinstance(task.settle(), Settle)
        except AepSubmissionError as error:
            return error
    raise AssertionError("it was never refused")


@pytest.mark.parametrize("lag", [0.0, 100.0])
@pytest.mark.parametrize("young", [0.0, 300.0])
def test_a_refusal_that_was_partial_loses_nothing(lag, young):
    task = Task(A, B, C, bad={"b"}, partial_400=True, lag=lag, young=young)
    assert isinstance(task.run(), Settle)
    refusal = settle_until_refused(task)
    assert "Not sent: audience b → flow f1." in str(refusal)
    assert {pair: order is not None for pair, order in task.orders.items()} == {A: True, B: False, C: True}
    task.aep.bad.clear()
    assert task.clear() == Done()
    assert task.aep.sent[-1] == {"activationInfo": {"f1": ["b"]}}
    task.check_delivered_once()


def test_a_refusal_of_several_pairs_is_believed_after_the_wait_only():
    task = Task(A, B, bad={"b"})
    assert task.run() == Settle(())
    with pytest.raises(AepSubmissionError, match="Not sent: audience a → flow f1; audience b → flow f1"):
        task.settle()
    assert task.submission.record.intent is None
    assert len(task.aep.sent) == 1


# -- orders that are not complete


@pytest.mark.parametrize("post", ["omit_order", "empty_order"])
def test_pairs_that_the_answer_leaves_out_are_found_in_aep(post):
    task = Task(A, B, posts=[post])
    assert isinstance(task.run(), Settle), "somebody else's run may be listed before ours"
    assert task.settle() == Done()
    assert len(task.aep.sent) == 1
    task.check_delivered_once()
    assert task.orders[B].adopted


def test_what_is_listed_before_the_settling_time_is_over_is_not_final():
    task = Task(A, posts=["empty_order"], lag=30.0)
    assert task.run() == Settle(())
    task.aep.lag = 0.0
    task.aep.foreign("f1", "a", seconds=None)
    task.aep.end(task.aep.runs[0], "success")
    assert task.settle() == Done()
    assert task.orders[A].run_id == "ours-1", "the one that delivered"


@pytest.mark.parametrize(("post", "missing"), [("omit_order", "1 of 2"), ("empty_order", "2 of 2")])
def test_pairs_that_neither_answer_nor_aep_know_are_left_to_a_person(post, missing):
    task = Task(A, B, posts=[post], lag=1000.0)
    assert task.run() == Settle(())
    with pytest.raises(AepSubmissionError, match=f"named no run for {missing} pairs") as caught:
        task.settle()
    assert not caught.value.retriable
    with pytest.raises(AepSubmissionError):
        task.settle()
    assert len(task.aep.sent) == 1, "an automatic retry sends nothing"


def test_after_a_persons_clear_what_was_left_out_is_looked_for_once_more_and_then_sent():
    task = Task(A, B, posts=["omit_order"])
    task.aep._start = without_last(task.aep)
    assert task.run() == Settle(("ours-1",)), "the run in progress may yet name the other pair"
    task.aep.advance(1000)
    with pytest.raises(AepSubmissionError):
        task.settle()
    del task.aep._start
    assert task.clear() == Settle(())
    assert task.settle() == Done()
    assert task.aep.sent[-1] == {"activationInfo": {"f1": ["b"]}}
    task.check_delivered_once()


def without_last(aep):
    """Return a way to start runs that forgets the last pair, though it answers for it."""
    original = type(aep)._start

    def start(pairs):
        runs = original(aep, pairs[:-1])
        return {**runs, pairs[-1]: next(iter(runs.values()))}

    return start


def test_pairs_that_share_a_run_are_all_found_in_it():
    task = Task(A, B, posts=["omit_order"], shared_runs=True)
    assert task.run() == Settle(())
    assert task.settle() == Done()
    assert task.orders == {A: Activation(*A, "ours-1"), B: Activation(*B, "ours-1", adopted=True)}


def test_a_shared_run_is_waited_for_until_it_says_whom_it_delivers():
    task = Task(A, B, posts=["omit_order"], shared_runs=True, young=60.0)
    assert task.run() == Settle(("ours-1",))
    assert task.settle() == Done()
    assert len(task.aep.sent) == 1


def test_the_answer_may_name_an_imported_audience_by_its_other_id():
    task = Task(A, B, aliases={"b": "external-b"}, order_external=True)
    assert task.run() == Done()
    task.check_delivered_once()
    assert not task.orders[B].adopted


def test_a_lost_run_may_name_an_imported_audience_by_its_other_id():
    task = Task(A, B, aliases={"b": "external-b"}, entity_external=True, posts=["broken_after"])
    assert task.lost() == Done()
    assert len(task.aep.sent) == 1
    task.check_delivered_once()


def test_an_order_for_something_else_is_no_answer_to_us():
    log = Log()
    task = Task(A, log=log)
    original = task.aep._order
    task.aep._order = lambda pair, run: {**original(pair, run), "segment": "{{ other }}"}
    assert task.run() == Settle(())
    assert task.settle() == Done()
    assert [line for line in log.warnings if "not asked for" in line]
    assert task.orders[A] == Activation(*A, "ours-1", adopted=True)


# -- somebody else's runs


@pytest.mark.parametrize("word", ["audience", "segment"])
def test_somebody_elses_run_is_waited_for(word):
    task = Task(A, word=word)
    task.aep.foreign("f1", "a")
    step = task.run()
    assert isinstance(step, WaitFor)
    assert step.conflict == A
    assert "foreign-1" in step.reason
    assert task.submission.record.intent is None
    task.aep.advance(1000)
    assert task.resume() == Done()
    task.check_delivered_once()


def test_all_runs_in_the_way_are_named_at_once():
    task = Task(A, B)
    task.aep.foreign("f1", "a")
    task.aep.foreign("f1", "b")
    assert task.run() == Settle(())
    step = task.settle()
    assert isinstance(step, WaitFor)
    assert "foreign-1" in step.reason
    assert "foreign-2" in step.reason


def test_somebody_elses_run_is_adopted_if_wanted():
    task = Task(A, on_conflict=OnConflict.ADOPT)
    task.aep.foreign("f1", "a")
    assert task.run() == Done()
    assert task.orders == {A: Activation(*A, "foreign-1", adopted=True)}
    assert task.delivered() == {A: 0}


def test_the_rest_of_the_job_is_sent_beside_an_adopted_run():
    task = Task(A, B, on_conflict=OnConflict.ADOPT)
    task.aep.foreign("f1", "a")
    assert task.run() == Settle(())
    assert task.settle() == Done()
    assert task.orders == {A: Activation(*A, "foreign-1", adopted=True), B: Activation(*B, "ours-2")}
    assert task.aep.sent[-1] == {"activationInfo": {"f1": ["b"]}}


def test_a_run_that_names_nobody_is_not_adopted_for_pairs_that_aep_did_not_name():
    task = Task(A, B, on_conflict=OnConflict.ADOPT)
    task.aep.foreign("f1", "a")
    task.aep.young = 1e6
    task.aep.foreign("f1", "z", seconds=None)
    task.aep.young = 0
    assert task.run() == Settle(())
    assert task.settle() == Done()
    assert task.orders == {A: Activation(*A, "foreign-1", adopted=True), B: Activation(*B, "ours-3")}


def test_the_run_that_aep_names_is_adopted_not_another_young_one():
    task = Task(A, on_conflict=OnConflict.ADOPT, young=1e6)
    task.aep.foreign("f1", "a")
    task.aep.foreign("f1", "z")
    assert task.run() == Done()
    assert task.orders == {A: Activation(*A, "foreign-1", adopted=True)}


def test_somebody_elses_run_is_an_error_if_wanted():
    task = Task(A, on_conflict=OnConflict.FAIL)
    task.aep.foreign("f1", "a")
    with pytest.raises(AepSubmissionError, match=r"on_conflict is 'fail'.*foreign-1") as caught:
        task.run()
    assert not caught.value.retriable
    assert task.delivered() == {A: 0}


@pytest.mark.parametrize("on_conflict", [OnConflict.WAIT, OnConflict.ADOPT])
def test_a_run_to_another_destination_can_only_be_waited_for(on_conflict):
    task = Task(A, on_conflict=on_conflict)
    task.aep.foreign("f9", "a")
    step = task.run()
    assert isinstance(step, WaitFor)
    assert step.conflict == Pair("f9", "a")
    assert "f9" in step.reason
    assert "foreign-1" in step.reason
    task.aep.advance(1000)
    assert task.resume() == Done()
    task.check_delivered_once()


def test_a_run_to_another_destination_fails_if_wanted():
    task = Task(A, on_conflict=OnConflict.FAIL)
    task.aep.foreign("f9", "a")
    with pytest.raises(AepSubmissionError, match="f9"):
        task.run()


@pytest.mark.parametrize("on_conflict", list(OnConflict))
def test_our_own_run_behind_a_conflict_is_adopted_whatever_is_wanted(on_conflict):
    """The wait was too short for AEP's lists: the conflict itself names the run of the lost POST."""
    task = Task(A, lag=200.0, posts=["broken_after"], on_conflict=on_conflict)
    task.run()
    task.aep.advance(199.9)
    task.aep.lag = 0.0
    original = task.aep._activate

    def activate(body):
        task.aep.advance(1)
        return original(body)

    task.aep._activate = activate
    assert task.resume(settled=True) == Done()
    assert task.orders == {A: Activation(*A, "ours-1", adopted=True)}
    assert task.delivered() == {A: 1}


def started_meanwhile(task, *pairs):
    """Let somebody else start runs between our last look and the arrival of our next POST."""
    original = task.aep._activate

    def activate(body):
        for pair in pairs:
            task.aep.foreign(*pair)
        task.aep._activate = original
        return original(body)

    task.aep._activate = activate


@pytest.mark.parametrize("on_conflict", list(OnConflict))
@pytest.mark.parametrize("young", [0.0, 60.0])
def test_a_run_that_starts_between_our_look_and_our_post_is_somebody_elses(on_conflict, young):
    task = Task(A, young=young, on_conflict=on_conflict)
    started_meanwhile(task, A)
    if on_conflict is OnConflict.FAIL:
        with pytest.raises(AepSubmissionError, match=r"on_conflict is 'fail'.*foreign-1"):
            task.run()
        assert task.delivered() == {A: 0}
    elif on_conflict is OnConflict.ADOPT:
        assert task.run() == Done()
        assert task.orders == {A: Activation(*A, "foreign-1", adopted=True)}
    else:
        assert isinstance(task.run(), WaitFor)
        task.aep.advance(1000)
        started_meanwhile(task, A)
        assert isinstance(task.resume(), WaitFor), "the next one is somebody else's too"
        task.aep.advance(1000)
        assert task.resume() == Done()
        task.check_delivered_once()


def test_the_run_that_aep_names_for_one_of_several_audiences_is_somebody_elses():
    task = Task(A, B)
    started_meanwhile(task, A)
    assert task.run() == Settle(("foreign-1",)), "a gateway may have sent our POST twice, and it may yet name B"
    task.aep.advance(1000)
    assert isinstance(task.settle(), WaitFor)
    assert task.resume() == Done()
    task.check_delivered_once()


@pytest.mark.parametrize("shared_runs", [False, True])
def test_what_is_adopted_is_adopted_for_all_that_it_delivers(shared_runs):
    """A gateway sends our POST twice: AEP refuses it because of its first copy."""
    task = Task(A, B, posts=["repeated"], on_conflict=OnConflict.ADOPT, shared_runs=shared_runs, run_seconds=10.0)
    assert isinstance(task.run(), Settle)
    assert task.settle() == Done()
    assert len(task.aep.ours(A)) == len(task.aep.ours(B)) == 1


def test_an_old_run_is_no_answer_to_a_conflict_though_aep_listed_none():
    """Both looks before the POST are empty by a slip of AEP's, so that an old run looks new."""
    task = Task(A, posts=["repeated"], on_conflict=OnConflict.ADOPT)
    task.aep.foreign("f1", "a", seconds=1)
    task.aep.advance(1000)
    task.aep.looks = ["empty", "empty"]
    assert task.run() == Done()
    assert task.orders[A].run_id == "ours-2"


@pytest.mark.parametrize("on_conflict", list(OnConflict))
def test_a_conflict_that_was_partial_loses_nothing(on_conflict):
    task = Task(A, B, partial_400=True, lag=60.0, on_conflict=on_conflict)
    task.aep.foreign("f1", "b", lag=0.0)
    assert task.run() == Settle(())
    if on_conflict is OnConflict.FAIL:
        with pytest.raises(AepSubmissionError, match="nothing more was sent: audience b"):
            task.settle()
    elif on_conflict is OnConflict.ADOPT:
        assert task.settle() == Done()
        assert task.orders[B] == Activation(*B, "foreign-1", adopted=True)
    else:
        assert isinstance(task.settle(), WaitFor)
        task.aep.advance(1000)
        assert task.resume() == Done()
    assert task.orders[A] == Activation(*A, "ours-2", adopted=True)
    assert len(task.aep.ours(A)) == 1


def test_somebody_elses_run_from_before_is_never_taken_for_ours():
    task = Task(A, posts=["broken_before"])
    task.aep.end(task.aep.foreign("f1", "a"))
    assert task.run() == Settle(())
    assert task.settle() == Done()
    task.check_delivered_once()


def test_somebody_elses_run_after_a_lost_post_is_adopted_and_says_so():
    task = Task(A, posts=["broken_before"])
    assert task.run() == Settle(())
    task.aep.foreign("f1", "a")
    assert task.settle() == Done()
    assert task.orders == {A: Activation(*A, "foreign-1", adopted=True)}


# -- a person clears the task


def failed_delivery(**options):
    task = Task(A, B, **options)
    task.run()
    task.aep.end(task.aep.ours(A)[0], "failed")
    task.aep.end(task.aep.ours(B)[0], "success")
    return task


def test_after_a_persons_clear_exactly_what_failed_is_sent_again():
    task = failed_delivery()
    assert task.clear() == Done()
    assert task.delivered() == {A: 2, B: 1}
    assert not task.aep.breaches
    assert task.orders[A] == Activation(*A, "ours-3")
    assert task.submission.record.not_ours == ["ours-1"]


def test_a_retry_does_not_send_again_what_failed():
    task = failed_delivery()
    assert task.run() == Done()
    assert task.delivered() == {A: 1, B: 1}


def test_the_retry_of_a_cleared_task_is_a_retry_again():
    task = failed_delivery()
    task.clear()
    task.aep.end(task.aep.ours(A)[1], "failed")
    assert task.run() == Done()
    assert task.delivered() == {A: 2, B: 1}
    assert task.clear() == Done()
    assert task.delivered() == {A: 3, B: 1}


def test_a_task_that_does_not_repair_sends_nothing_again():
    task = failed_delivery(resend_failed=False)
    assert task.clear() == Done()
    assert task.delivered() == {A: 1, B: 1}


@pytest.mark.parametrize("ending", ["success", "partialSuccess", "odd", None])
def test_only_a_failed_run_is_sent_again(ending):
    task = Task(A)
    task.run()
    if ending:
        task.aep.end(task.aep.runs[0], ending)
    assert task.clear() == Done()
    assert task.delivered() == {A: 1}


def test_a_run_that_aep_no_longer_knows_is_not_sent_again():
    task = Task(A)
    task.run()
    task.aep.runs.clear()
    assert task.clear() == Done()
    assert len(task.aep.sent) == 1


def test_a_failed_run_is_not_found_again_as_the_answer_to_its_own_repair():
    task = failed_delivery()
    task.aep.posts = ["broken_before"]
    assert task.clear() == Settle(())
    assert task.settle() == Done()
    assert task.delivered() == {A: 2, B: 1}


def test_runs_that_ended_without_naming_anybody_are_left_to_a_person():
    task = Task(A, posts=["broken_after"], young=1e6)
    task.run()
    task.aep.end(task.aep.runs[0], "failed", nameless=True)
    with pytest.raises(AepSubmissionError, match="ours-1") as caught:
        task.settle()
    assert not caught.value.retriable
    assert task.run() == Settle(())
    with pytest.raises(AepSubmissionError):
        task.settle()
    assert len(task.aep.sent) == 1
    assert task.clear() == Settle(())
    task.aep.young = 0
    assert task.settle() == Done()
    assert not task.aep.breaches


# -- the clock


@pytest.mark.parametrize("skew", [dt.timedelta(minutes=-15), dt.timedelta(minutes=15), dt.timedelta(days=-3)])
def test_our_clock_does_not_matter(skew):
    task = Task(A, B, posts=["broken_after", "broken_before"], lag=30.0)
    right = task.aep.clock
    task.aep.clock = lambda: right() + skew
    assert task.run() == Settle(())
    assert task.settle() == Done()
    task.check_delivered_once()


@pytest.mark.parametrize("tick", [1.0, 3600.0])
def test_runs_created_in_the_same_moment_are_told_apart(tick):
    task = Task(A, tick=tick, posts=["broken_after"])
    task.aep.end(task.aep.foreign("f1", "a"))
    assert task.lost() == Done()
    task.check_delivered_once()


# -- lists


@pytest.mark.parametrize("quirk", [{"shuffled": True}, {"ignores_filters": True}])
def test_lists_in_another_order_or_unfiltered_make_no_difference(quirk):
    task = Task(A, B, C, posts=["broken_after"], **quirk)
    for flow_id, audience in [("f1", "a"), ("f2", "a"), ("f1", "b"), ("f9", "a")]:
        task.aep.end(task.aep.foreign(flow_id, audience))
    assert task.lost() == Done()
    task.check_delivered_once()


# -- crashes

WORLDS = {
    "well": {},
    "lost with effect": {"posts": ["broken_after"]},
    "lost with effect, listed late": {"posts": ["broken_after"], "lag": 60.0},
    "lost with effect, young": {"posts": ["broken_after"], "young": 200.0},
    "late effect": {"posts": ["late"], "late": 100.0},
    "lost without effect": {"posts": ["broken_before"]},
    "lost twice": {"posts": ["broken_before", "500_after"]},
    "incomplete": {"posts": ["omit_order"]},
    "empty": {"posts": ["empty_order"]},
    "incomplete, shared": {"posts": ["omit_order"], "shared_runs": True, "young": 30.0},
    "conflict": {"foreign": True},
    "conflict, partial": {"foreign": True, "partial_400": True, "lag": 60.0},
    "adopt": {"foreign": True, "on_conflict": OnConflict.ADOPT},
    "fresh mark": {"posts": ["401", "broken_after"]},
    "not ready": {"posts": ["not_ready"]},
}


def drive_to_the_end(task, first):
    """Let the task run with retries, waits and, if it fails, a person's clear, until it is done."""
    action = first
    for _ in range(30):
        try:
            step = action()
        except Crash:
            action = task.run
        except AepError as error:
            task.aep.advance(600)
            action = task.run if error.retriable else task.clear
        else:
            if step == Done():
                return
            if isinstance(step, Settle):
                action = task.settle
            else:
                task.aep.advance(1000)
                action = task.resume
    raise AssertionError("it never ends")


def world_of(name):
    options = dict(WORLDS[name])
    foreign = options.pop("foreign", False)
    posts = list(options.pop("posts", []))
    task = Task(A, B, C, posts=posts, **options)
    if foreign:
        task.aep.foreign("f1", "b", lag=0.0)
    return task


@pytest.mark.parametrize("name", WORLDS)
def test_a_crash_at_any_moment_delivers_nothing_twice(name):
    for moment in itertools.count(1):
        task = world_of(name)
        task.crashes.at = moment
        drive_to_the_end(task, task.run)
        assert not task.aep.breaches, f"crash at moment {moment}"
        for pair, order in task.orders.items():
            runs = task.aep.ours(pair)
            adopted = pair == B and order.run_id == "foreign-1"
            assert [run.id for run in runs] == ([] if adopted else [order.run_id]), f"crash at moment {moment}"
        if task.crashes.seen < moment:
            assert moment > 8, "the story has several moments"
            return


@pytest.mark.parametrize("name", WORLDS)
def test_two_crashes_deliver_nothing_twice(name):
    for first, second in itertools.product(range(3, 30, 4), range(1, 14, 3)):
        task = world_of(name)
        task.crashes.at = first
        moments = iter([first + second])

        def crash_again(task=task, moments=moments):
            task.crashes.at = next(moments, None)
            return task.run()

        try:
            task.run()
        except (Crash, AepError):
            drive_to_the_end(task, crash_again)
        else:
            continue
        assert not task.aep.breaches, f"crashes at {first} and {second}"


# -- the record


def test_the_store_of_a_newer_version_sends_nothing():
    task = Task(A)
    task.run()
    record = task.store.get(KEY)
    task.store.set(KEY, {**record, "v": 99})
    with pytest.raises(AepSubmissionError, match="nothing more was sent"):
        task.run()
    assert len(task.aep.sent) == 1


def test_names_are_shown_beside_ids():
    task = Task(A, bad={"a"}, names={"a": "Gold", "f1": "S3"})
    with pytest.raises(AepSubmissionError, match=r"Not sent: audience 'Gold' \(a\) → flow 'S3' \(f1\)"):
        task.run()
