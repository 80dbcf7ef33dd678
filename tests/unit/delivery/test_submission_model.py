"""The exactly-once protocol, explored: whatever AEP, the network, crashes and people do, no pair is sent twice.

The model's assumptions are the protocol's own: a run is listed within the settle period after the POST
that started it, and AEP's own times do not run backwards. That AEP refuses a second run for a pair in
progress is none of them: where ``scope`` is ``nothing``, only the protocol itself keeps the promise.
"""

from __future__ import annotations

import logging
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.jobs import Job
from adobe_experience_platform.delivery.steps import Done, OnConflict, Settle
from adobe_experience_platform.delivery.submission import KEY, Submission
from adobe_experience_platform.errors import AepError
from tests.support.memory_aep import Crash, Crashes, MemoryAep, MemoryStore

SETTLE = 120.0
PAIRS = (Pair("f1", "a"), Pair("f1", "b"), Pair("f2", "a"))
ALIASES = {"b": "external-b"}
POSTS = [
    "broken_before",
    "broken_after",
    "500",
    "500_after",
    "429",
    "html_after",
    "cut_after",
    "late",
    "refused",
    "401",
    "403",
    "404",
    "not_ready",
    "omit_order",
    "empty_order",
]
SILENT = logging.getLogger("tests.silent")
SILENT.disabled = True
CRASH = st.none() | st.integers(1, 18)


class Delivery(RuleBasedStateMachine):
    """One task that submits one job, in a world that does what it likes."""

    @initialize(
        lag=st.sampled_from([0.0, 5.0, 80.0]),
        young=st.sampled_from([0.0, 20.0, 400.0]),
        run_seconds=st.sampled_from([None, 10.0, 300.0]),
        scope=st.sampled_from(["audience", "pair", "nothing"]),
        tick=st.sampled_from([0.001, 1.0, 60.0]),
        partial_400=st.booleans(),
        shared_runs=st.booleans(),
        ignores_filters=st.booleans(),
        external=st.tuples(st.booleans(), st.booleans()),
        on_conflict=st.sampled_from(list(OnConflict)),
        skew=st.sampled_from([0.0, -900.0, 900.0]),
        pairs=st.sampled_from([PAIRS, PAIRS[:2], PAIRS[:1]]),
    )
    def begin(self, on_conflict, skew, pairs, external, **aep):
        self.crashes = Crashes()
        self.aep = MemoryAep(
            crashes=self.crashes,
            aliases=ALIASES,
            order_external=external[0],
            entity_external=external[1],
            late=SETTLE - aep["lag"] - 1,
            **aep,
        )
        self.store = MemoryStore(self.crashes, after_set=self.note)
        self.job = Job(1, 1, pairs, ALIASES)
        self.on_conflict, self.skew = on_conflict, skew
        self.max_tries = 3
        self.phase = "start"
        self.marked_at = 0.0
        self.had_intent = False
        self.adopted = set()
        self.submission = self.fresh()

    def note(self, record):
        """Check what was adopted, and note when a watermark was taken: when an intent appears."""
        for flow_id, audiences in record["adopted"].items():
            for audience in audiences:
                run_id = record["orders"][flow_id][audience]
                (run,) = [run for run in self.aep.runs if run.id == run_id]
                if not run.ours and run_id not in self.adopted and self.on_conflict is not OnConflict.ADOPT:
                    assert run.listed_at >= self.marked_at, f"{run} was there before our POST"
                self.adopted.add(run_id)
        if "intent" in record and not self.had_intent:
            self.marked_at = self.aep.now
        self.had_intent = "intent" in record

    def fresh(self):
        return Submission(
            job=self.job,
            store=self.store,
            max_tries=self.max_tries,
            on_conflict=self.on_conflict,
            log=SILENT,
            now=lambda: self.aep.clock(self.skew),
            clocks=lambda: (self.aep.now,),
        )

    def go_on(self, crash, *, begin, settled=False):
        """Let the task run until it ends, waits or dies."""
        self.crashes.at, self.crashes.seen = crash, 0
        try:
            if begin:
                self.submission = self.fresh()
                self.aep.call(self.submission.begin(resend_failed=True))
            intent = self.submission.record.intent
            step = self.aep.call(self.submission.step(settled=intent.id if settled and intent else ""))
            self.phase = "done" if isinstance(step, Done) else "settling" if isinstance(step, Settle) else "waiting"
        except Crash:
            self.phase = "start"
        except AepError as error:
            self.phase = "start" if error.retriable else "failed"
        finally:
            self.crashes.at = None
        if self.phase != "start":
            self.check_truth()

    def check_truth(self):
        """Whatever the record says of a pair is so."""
        record = self.submission.record
        for pair in self.job.pairs:
            order = record.orders[pair]
            if order is None:
                assert self.phase != "done"
                if record.intent is None:
                    lost = [run.id for run in self.aep.ours(pair) if run.id not in record.not_ours]
                    assert not lost, f"{pair} is called not sent, but AEP runs {lost}"
                continue
            (run,) = [run for run in self.aep.runs if run.id == order.run_id]
            assert run.has(pair), f"{pair} is called delivered by {run}"
            if not run.ours:
                assert order.adopted, f"{run} is called ours"

    # -- the task

    @precondition(lambda self: self.phase == "start")
    @rule(crash=CRASH)
    def run_or_retry(self, crash):
        self.go_on(crash, begin=True)

    @precondition(lambda self: self.phase == "settling")
    @rule(crash=CRASH, anew=st.booleans())
    def settle(self, crash, anew):
        self.aep.advance(SETTLE)
        if anew:
            self.submission = self.fresh()
        self.go_on(crash, begin=False, settled=True)

    @precondition(lambda self: self.phase == "waiting")
    @rule(crash=CRASH, anew=st.booleans(), seconds=st.sampled_from([0.0, 30.0, 700.0]))
    def wait(self, crash, anew, seconds):
        self.aep.advance(seconds)
        if anew:
            self.submission = self.fresh()
        self.go_on(crash, begin=False)

    @precondition(lambda self: self.phase in ("settling", "waiting"))
    @rule()
    def lose_the_wait(self):
        self.phase = "start"

    @rule()
    def clear_by_a_person(self):
        self.max_tries += 1
        self.aep.cleared()
        self.phase = "start"

    # -- the world

    @rule(post=st.sampled_from(POSTS))
    def arm(self, post):
        if len(self.aep.posts) < 3:
            self.aep.posts.append(post)

    @rule(
        where=st.sampled_from(
            [("f1", ("a",)), ("f1", ("b",)), ("f1", ("a", "b")), ("f2", ("a",)), ("f3", ("a",)), ("f1", ("z",))]
        ),
        seconds=st.sampled_from([None, 5.0, 600.0]),
        lag=st.sampled_from([0.0, 50.0]),
    )
    def somebody_else_delivers(self, where, seconds, lag):
        if len(self.aep.runs) < 12:
            self.aep.foreign(where[0], *where[1], seconds=seconds, lag=lag)

    @rule(which=st.integers(0, 20), ending=st.sampled_from(["success", "failed", "partialSuccess"]))
    def a_run_ends(self, which, ending):
        going_on = [run for run in self.aep.runs if not run.ended(self.aep.now)]
        if going_on:
            self.aep.end(going_on[which % len(going_on)], ending)

    @rule(which=st.integers(0, 20))
    def a_run_fails_without_naming_anybody(self, which):
        young = [run for run in self.aep.runs if not run.ended(self.aep.now) and self.aep.now < run.named_at]
        if young:
            self.aep.end(young[which % len(young)], "failed", nameless=True)

    @rule(seconds=st.sampled_from([1.0, 60.0, 400.0]))
    def time_passes(self, seconds):
        self.aep.advance(seconds)

    @rule()
    def an_export_starts_or_ends(self):
        self.aep.exporting = not self.aep.exporting

    @rule()
    def an_audience_is_unmapped_or_mapped(self):
        self.aep.bad ^= {"b"}

    @rule()
    def lists_change_their_order(self):
        self.aep.shuffled = not self.aep.shuffled

    @invariant()
    def no_pair_is_sent_twice(self):
        if hasattr(self, "aep"):
            assert not self.aep.breaches

    def teardown(self):
        """When all trouble is over, the task ends with a run for every pair."""
        if not hasattr(self, "aep"):
            return
        self.aep.posts.clear()
        self.aep.bad.clear()
        self.aep.exporting = False
        for _ in range(12):
            self.aep.advance(1000)
            for run in self.aep.runs:
                if not run.ended(self.aep.now):
                    self.aep.end(run)
            if self.phase == "done":
                break
            if self.phase == "failed":
                self.clear_by_a_person()
            self.go_on(None, begin=self.phase == "start", settled=self.phase == "settling")
            self.no_pair_is_sent_twice()
        assert self.phase == "done", f"the task never ends: {self.phase}, {self.store.get(KEY)}"
        self.check_truth()


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(
    max_examples=int(os.environ.get("AEP_MODEL_EXAMPLES", "1000")),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
