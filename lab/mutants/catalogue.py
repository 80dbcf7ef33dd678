"""The mutants: what is broken, and where. Anchors are short and must occur exactly once in their file.

The first that were written are those which earlier tests did not notice; each rule of docs/exactly-once.md has some.
"""

# ruff: noqa: E501
from __future__ import annotations

from dataclasses import dataclass

CORE = ("tests/unit/delivery",)
PROTOCOL = ("tests/promises/protocol", "tests/promises/model")
TASKS = ("tests/unit/operators", "tests/unit/triggers")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one place.

    :param file: below ``plugins/adobe_experience_platform``.
    :param old: what stands there, once.
    :param new: what stands there instead.
    :param why: what it breaks, in words.
    :param tests: where it must be noticed, the quickest first.
    :param equivalent: why nothing can notice it; "" for all others.
    """

    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...] = (*CORE, *PROTOCOL)
    equivalent: str = ""


SUBMISSION = "delivery/submission.py"
RECORD = "delivery/record.py"
SEARCH = "delivery/search.py"
STATES = "delivery/states.py"
STEPS = "delivery/steps.py"
XCOM = "delivery/xcom.py"
VERDICT = "delivery/verdict.py"
RESULTS = "delivery/results.py"
GUARD = "delivery/size_guard.py"
SUBMIT = "operators/submit.py"
ACTIVATE = "operators/activate.py"
PLAN = "operators/plan.py"
NOTES = "operators/notes.py"
OWNERS = "operators/owners.py"
WATCH = "operators/wait_for_runs.py"
GATES = "operators/gates.py"
REPORT = "operators/report.py"
LOST = "triggers/lost_submission.py"
FLOW_RUN = "triggers/flow_run.py"
MEMORY = "triggers/memory.py"
RUN_NEWS = "delivery/run_news.py"
NEXT_DELIVERY = "delivery/next_delivery.py"
NEXT_SENSOR = "sensors/delivery.py"
TOLD = "hooks/told.py"
THROTTLE = "hooks/throttle.py"
WORKER = "hooks/sync_hook.py"
PAUSES = "operators/long_pauses.py"
WATCHERS = ("tests/unit/triggers/test_memory.py", "tests/unit/triggers/test_delivery.py")
NEXT = ("tests/unit/sensors/test_delivery.py", "tests/unit/delivery/test_next_delivery.py")
NEWS = ("tests/unit/delivery/test_run_news.py", *NEXT)
HOOKS = ("tests/unit/hooks",)
PAUSED = ("tests/unit/hooks", "tests/unit/sensors/test_sensors.py", "tests/promises/field/test_limits.py")
GUARDED = ("tests/unit/delivery/test_size_guard.py",)
WHOSE = ("tests/unit/operators/test_owners.py", "tests/unit/operators/test_plan.py")
ALL = (*TASKS, *CORE, "tests/promises/gates", *PROTOCOL)

MUTANTS = (
    # -- what earlier tests did not notice
    Mutant(STATES, "return Reply.CONFLICT if alone else Reply.CONFLICT_IN_PART", "return Reply.CONFLICT", "an unclear 400 counts as a clear one"),
    Mutant(NOTES, "and not self._remembers()", "", "a task that is cleared as it begins never goes on", ALL),
    Mutant(NOTES, "if self._notes is not None and not self._is_cleared:\n            self._notes.set(_run_note", "if self._notes is not None:\n            self._notes.set(_run_note", "a run that is planned anew after a clear passes for one that remembers", ALL),
    Mutant(NOTES, "for each in (listed[\"run\"], *listed[\"names\"]", "for each in (*listed[\"names\"]", "a run whose copies were deleted passes for one that remembers", ALL),
    Mutant(REPORT, "self.watch_task_id if is_watched else self.submit_task_id", "self.watch_task_id", "the advice leaves out a green task that did not find out", ALL),
    Mutant(WATCH, "seen is not None and tries > seen[0]", "seen is not None and tries >= seen[0]", "repairs at every try after a clear", ALL),
    Mutant(ACTIVATE, "TaskStore(context).set(PHASE, WATCHING)", "pass", "a waiting phase is not stored", ALL),
    Mutant(XCOM, 'note.get("missing_is", UNKNOWN)', 'note.get("missing_is", NOT_SENT)', "unknown by default becomes not sent", ALL),
    Mutant(WATCH, "                unnoted = NOT_SENT\n", "                pass\n", "a missing note reads as unknown", ALL),
    Mutant(WATCH, "for job, pairs in repaired if pairs]", "for job, pairs in repaired if pairs and job.number < 2]", "no repairs in job 2 and later", ALL),
    Mutant(SEARCH, "ids.get((order.flow_id, order.audience_id))", "{k[1]: v for k, v in ids.items()}.get(order.audience_id)", "an order of another flow is accepted"),
    # -- the submission
    Mutant(SUBMISSION, "and not is_settled):", "and False):", "absence needs no settling time"),
    Mutant(SUBMISSION, "if look.unnamed or (state", "if (state", "a run that names nobody yet is not waited for"),
    Mutant(SUBMISSION, "settled == intent.id", "bool(settled)", "a wait settles any intent"),
    Mutant(SUBMISSION, "fresh = yield from watermarks(dict.fromkeys(pair.flow_id for pair in pairs if pair not in kept), room)", "kept, fresh = {}, (yield from watermarks(dict.fromkeys(pair.flow_id for pair in pairs), room))", "watermarks are taken anew at each POST", equivalent="the record keeps the first of each pair in any case; a list is read once more"),
    Mutant(SUBMISSION, "self.record.move(Event.INTENT, intent)\n                self._save()", "self.record.move(Event.INTENT, intent)", "the intent is not stored before the POST"),
    Mutant(SUBMISSION, "            lease.require()\n", "            pass\n", "no lease: a frozen process sends when it thaws"),
    Mutant(SUBMISSION, "if run.status is RunStatus.FAILED and", "if run.status is not RunStatus.SUCCESS and", "a clear sends again what is in progress"),
    Mutant(SUBMISSION, "                    continue  # it may have delivered: never send it again", "                    self.record.orders[order.pair] = None\n                    continue", "a clear sends again what AEP no longer knows"),
    Mutant(SUBMISSION, "self.record.not_ours.append(order.run_id)", "pass", "a failed run is found again after the clear"),
    Mutant(SUBMISSION, "self.record.lost >= LOST_LIMIT", "False", "lost answers are sent again without end"),
    Mutant(SUBMISSION, "if gives_up or reply in (Reply.NOT_SENT, Reply.NOT_READY_IN_PART):", "if gives_up:", "what was not sent is sent again at once"),
    Mutant(SUBMISSION, "self.record.move(reply, earlier if reply is Reply.NOT_SENT else None)", "self.record.move(reply, None)", "a POST that never left closes the one that is open"),
    Mutant(SUBMISSION, "if stored is not None and (known - wanted", "if False and (known - wanted", "a record about other pairs is taken for these"),
    Mutant(SUBMISSION, "return self.max_tries > self.record.max_tries", "return False", "a clear is not noticed"),
    Mutant(SUBMISSION, "if self.on_conflict is OnConflict.FAIL:", "if False:", "on_conflict = fail waits"),
    Mutant(SUBMISSION, "if busy:\n            return WaitFor(busy)", "if False:\n            return WaitFor(busy)", "an export in progress is not waited for"),
    # -- the record
    Mutant(RECORD, "self.marks = {**self.intent.marks, **self.marks}", "self.marks = {**self.marks, **self.intent.marks}", "a later watermark replaces the first", equivalent="a pair's marks in the intent are those of the record where it has any, see Submission._send: the two never differ"),
    Mutant(RECORD, 'raise AepSubmissionError(\n                "The record of this delivery is damaged', 'return cls(3)\n            raise AepSubmissionError(\n                "The record of this delivery is damaged', "a damaged record reads as an empty one"),
    Mutant(RECORD, 'if data["v"] != VERSION or (intent', "if (intent", "a record without a version is read"),
    Mutant(RECORD, "if run.id in self.ids:\n            return False", "", "a run of the watermark's own moment is newer than it"),
    Mutant(RECORD, "self.not_ours, self.doubtful = [*self.not_ours, *self.doubtful], []", "self.doubtful = []", "a person's word on doubtful runs is forgotten"),
    Mutant(RECORD, "isinstance(found, int) and found > known", "False", "a record of a newer version is read"),
    # -- the search
    Mutant(SEARCH, "if any(mark.ids and all(map(mark.is_newer, runs)) for mark in oldest):", "if False:", "a list that lost its runs proves absence"),
    Mutant(SEARCH, "runs = runs or (yield from endpoints.runs_of_flow(flow_id, _has_newest))", "pass", "one empty list is a watermark"),
    Mutant(SEARCH, "mark = Watermark(newest - SKEW if newest is not None else None, ())", "mark = Watermark(None, ())", "what a cut list of runs lacks passes for ours"),
    Mutant(SEARCH, "set(silent) - {run.flow_id for run in runs}", "set(silent)", "one list says that a flow never ran"),
    Mutant(SEARCH, "nameless += [] if run.audiences else [run.id]", "pass", "a run that ended without a name is nobody's"),
    Mutant(SEARCH, "since = newest - SKEW if newest is not None else None", "since = newest", "AEP's nodes have one clock"),
    Mutant(SEARCH, "return (pair.audience_id, other) if other else (pair.audience_id,)", "return (pair.audience_id,)", "imported audiences go by one id only"),
    Mutant(SEARCH, " if pair != refused or pair in record.marks}", "}", "an old run passes for the run in the way"),
    Mutant(SUBMISSION, 'self._cannot_tell((conflict.run_id,), "AEP refused', 'str("AEP refused', "a run that began as the POST was sent is somebody else's"),
    # -- states
    Mutant(STATES, "S.CONFLICT_IN_PART, S.REFUSED_IN_PART, S.NOT_READY_IN_PART})", "S.CONFLICT_IN_PART, S.NOT_READY_IN_PART})", "a POST that was refused in part is certain"),
    Mutant(STATES, "S.REOPENED, S.INCOMPLETE, S.CONFLICT_IN_PART", "S.REOPENED, S.CONFLICT_IN_PART", "what an answer leaves out is adopted before the settling time is over"),
    Mutant(STATES, "if isinstance(error, AepNotReadyError) and not alone:", "if False:", "a POST that was not ready in part was not sent"),
    Mutant(STATES, "R.NOT_SENT: S.READY, E.INTENT: S.REOPENED}", "R.NOT_SENT: S.READY, E.INTENT: S.OPEN}", "an earlier lost POST is forgotten by the next"),
    # -- the lease
    Mutant(STEPS, "late > LEASE", "late > 10_000", "the lease is as good as endless", (*CORE, *PROTOCOL)),
    Mutant(STEPS, "if self.stopped() or", "if", "on_kill does not forbid sending", (*TASKS, *CORE, *PROTOCOL)),
    # -- tasks
    Mutant(SUBMIT, 'return intent if event.get("settled") is True else ""', "return intent", "found passes for settled", ALL),
    Mutant(SUBMIT, "submission.record_found(intent, [", "list([", "what the trigger found is not recorded", ALL),
    Mutant(SUBMIT, "self._is_killed = True", "pass", "on_kill does nothing", ALL),
    Mutant(NOTES, 'return note.get("record", "")\n        if own', "return None\n        if own", "a clear that forgets the record makes it empty", ALL),
    Mutant(NOTES, 'self._notes.set(name, {"run": self._dag_run, "record": value})', "pass", "the record has no copy", ALL),
    Mutant(NOTES, "(holder or name not in known) and self._wins(pair):", "(holder or name not in known):", "two tasks that begin at once take the same pair", ALL),
    Mutant(NOTES, " and self._wins(pair):", " and self._wins(pair) and not self._clears:", "no pair moves to another place", ALL),
    Mutant(NOTES, "if self._noted(key) != self._before:", "if False:", "a place takes pairs although another was at work", ALL),
    Mutant(ACTIVATE, "self._is_killed or not store.holds(submission.missing)", "self._is_killed", "who has lost its pairs sends what it has begun", ALL),
    Mutant(PLAN, "            if not self._is_alone(context):\n", "            if False:\n", "two pipelines of a run take the same pair", ALL),
    Mutant(PLAN, "        if ruling.faults:\n", "        if False:\n", "the size guard refuses nothing", TASKS),
    Mutant(PLAN, "        if kept is not None:\n", "        if False:\n", "a size guard decides again after a part was sent", TASKS),
    Mutant(GUARD, "        if size is None:\n", "        if False:\n", "a size that is not known is compared", CORE),
    Mutant(NOTES, "and (holder or name not in known) and", "and", "who was refused takes the pair once the notes are gone", ALL),
    Mutant(OWNERS, 'owner.get("run") != self._dag_run', "False", "no run is another DAG run's", ALL),
    Mutant(OWNERS, "            note = note_in(self._notes, name) or {}", "            note: dict = {}", "what AEP answers to other plans is not read", ALL),
    Mutant(OWNERS, "            if all(self._answered in _names_in(flows.get(flow_id)) for flow_id in self._flow_ids):\n", "            if True:\n", "a note that nobody would find", ALL),
    Mutant(OWNERS, "if not self._is_first:\n            return None", "", "two tries write one note", ALL),
    Mutant(OWNERS, "- REGISTERED_FOR - MARGIN", "", "plans of before the DAG run began are not looked at", ALL),
    Mutant(SUBMISSION, "            self.store.read_others({pair.flow_id for pair in found})", "            pass", "found runs are taken unseen", ALL),
    Mutant(ACTIVATE, 'resend_failed=self.given("resend_failed")', "resend_failed=True", "activate repairs too", ALL),
    Mutant(ACTIVATE, "if submission.is_cleared:", "if False:", "a clear of a running task is counted at a later retry", ALL),
    Mutant(LOST, "time.monotonic() - self._since >= self.settle_seconds", "True", "the trigger settles at once", ALL),
    Mutant(LOST, "return None if look.unnamed else self._end", "return self._end", "the trigger ends although a run names nobody", ALL),
    Mutant(FLOW_RUN, "self._missing.setdefault(run_id, time.monotonic()) > NOT_FOUND_GRACE", "self._since >= 0", "a run that AEP does not know yet is lost", ALL),
    Mutant(WATCH, "return any(clears in (each if isinstance(each, list) else [each]) for each in found)", "return False", "what fails while a clear is still on its way is sent again by it", ALL),
    Mutant(WATCH, "            if run_ids - self._told(context, job):\n", "            if False:\n", "what a verdict has named is forgotten", ALL),
    Mutant(WATCH, "failed -= {pair for pair, clears in later.items() if clears > seen}", "pass", "what a clear lets begin is sent again by the same clear", ALL),
    Mutant(GATES, 'if states.get(own) != "running":', "if False:", "a task that was marked or cleared goes on sending", ALL),
    Mutant(GATES, 'if states.get(task) != "success"]', "if False]", "no task in front of it must have succeeded", ALL),
    Mutant(GATES, "    hold_day(context, campaign_day)\n", "    pass\n", "a campaign day that another run holds is delivered", ALL),
    Mutant(GATES, "return not (began or (clears and", "return not ((clears and", "a note that is gone proves that nothing was sent", ALL),
    Mutant(GATES, 'before.get("clears", -1) >= clears - 1', "True", "what was once unsent is unsent for good", ALL),
    # -- what is said
    Mutant(XCOM, "missing_is=UNKNOWN if is_sending or submission.is_doubtful else NOT_SENT", "missing_is=UNKNOWN if is_sending else NOT_SENT", "an open POST is reported as not sent", ALL),
    Mutant(RESULTS, 'status = UNKNOWN if isinstance(run, AepError)', 'status = "failed" if isinstance(run, AepError)', "a run that cannot be read is called failed", ALL),
    Mutant(RESULTS, "        return accept_partial\n", "        return True\n", "partial success is success", ALL),
    Mutant(REPORT, "if failed:\n            raise AirflowFailException", "if False:\n            raise AirflowFailException", "a red run is green", ALL),
    Mutant(REPORT, 'results.append(submitted_only(orders[pair]))', 'results.append(without_run(pair, NOT_SENT, ""))', "what was submitted and not watched is called not sent", ALL),
    Mutant(VERDICT, 'return not (self.good or self.partly) and all(', "return bool(self.bad) or all(", "a refused run that has delivered says that nothing was sent", ALL),
    # -- every delivery of AEP is told once
    Mutant(MEMORY, "        await asyncio.sleep(CLAIM_SECONDS)\n", "", "of two watchers that note at once, both tell", WATCHERS),
    Mutant(MEMORY, "            await asyncio.sleep(STORED_SECONDS)\n", "            pass\n", "an event that Airflow has not stored counts as told", WATCHERS),
    Mutant(MEMORY, " and time.monotonic() - begun <= LONGEST_CLAIM_SECONDS", "", "a triggerer that was frozen tells what another one has told", WATCHERS),
    Mutant(MEMORY, "            unsure |= stored.ids\n", "", "what may have been told is told as if it were new", WATCHERS),
    Mutant(MEMORY, "unsure=stored.unsure - told", "unsure=frozenset()", "what may have been told and is not listed for a moment is told as if it were new", WATCHERS),
    Mutant(RUN_NEWS, "(run.id in self.open or not self._is_old(run))", "not self._is_old(run)", "a run that ends a day after it began is lost", ("tests/unit/delivery/test_run_news.py",)),
    Mutant(RUN_NEWS, "return run.created_at or run.started_at or run.completed_at", "return run.created_at", "a run without createdAt never leaves the mark", ("tests/unit/delivery/test_run_news.py",)),
    Mutant(RUN_NEWS, "(at := began(run)) and at <= now + WINDOW", "(at := began(run))", "a time far ahead of ours hides all later runs", ("tests/unit/delivery/test_run_news.py",)),
    Mutant(RUN_NEWS, "min(newest - WINDOW, upto)", "newest - WINDOW", "of many deliveries at once some are lost", ("tests/unit/delivery/test_run_news.py",)),
    Mutant(RUN_NEWS, "not (two.since and at and at < two.since)", "True", "what another watcher has told and forgotten is told again", ("tests/unit/delivery/test_run_news.py",)),
    # -- whose a flow run is
    Mutant(OWNERS, " and now() - told <= REGISTERED_FOR:", ":", "a plan of long ago that nobody reads any more says where", WHOSE),
    Mutant(OWNERS, "if not item.adopted or note_in(self._notes, name) is None:", "if True:", "who has found a run takes it from whom AEP has answered", WHOSE),
    Mutant(OWNERS, "sorted({*known, *answered})", "sorted(answered)", "a second answer forgets the first", WHOSE),
    Mutant(OWNERS, "return told != {self._dag_run}", "return self._dag_run not in told", "a run that was answered to two DAG runs is each one's own", WHOSE),
    Mutant(OWNERS, "                size *= 2  # more of one moment than a page holds\n", "                return\n", "of many plans at one moment some are not read", WHOSE),
    Mutant(OWNERS, "            since = last\n", "            return\n", "plans beyond the first page are not read", WHOSE),
    Mutant(OWNERS, "            keep(list(claimed))\n", "            str(claimed)\n", "what was found is noted for good", WHOSE),
    Mutant(OWNERS, "if isinstance(name, str) and NAME.fullmatch(name)] if isinstance(told, list) else []", "if isinstance(name, str)] if isinstance(told, list) else []", "an event that anybody has made leads to any note", WHOSE),
    Mutant(OWNERS, "and not clears_of(context)", "", "a cleared run's first try writes the note of the one before", WHOSE),
    Mutant(NOTES, "in runs[:-RUNS_KEPT] if begun <= (at - KEPT_FOR).timestamp()]", "in runs[:-RUNS_KEPT]]", "notes of a run go minutes after it began, where many begin at once", WHOSE),
    Mutant(NOTES, "(aged or [name for name, _ in runs[:-MOST_KEPT]])", "aged", "the list of a task's runs outgrows the store", WHOSE),
    Mutant(PLAN, "        register(context, ", "        print(context, ", "the plan tells nobody where its notes are", WHOSE),
    # -- the pauses that AEP asks for
    Mutant(TOLD, "        if seconds <= self.left():\n            return\n", "", "a shorter pause ends a longer one", HOOKS),
    Mutant(TOLD, "return left if 0 < left <= LONGEST_PAUSE else 0.0", "return max(left, 0.0)", "a clock that was set back stops all for days", HOOKS),
    Mutant(THROTTLE, "return max(super().pause(now), self._told.left())", "return super().pause(now)", "what another process was told is not kept to", HOOKS),
    Mutant(THROTTLE, "        if told:\n", "        if False:\n", "no other process is told", HOOKS),
    Mutant(THROTTLE, "        if told:\n", "        if refused:\n", "pauses that were only found out are everybody's", HOOKS),
    Mutant(THROTTLE, "                transport.require_open(pause)\n", "", "a call in the triggerer waits for an hour", HOOKS),
    Mutant(THROTTLE, "            self.allowed = max(1, self.allowed // 2)\n", "", "after a refusal as many ask at once as before", HOOKS),
    Mutant(WORKER, "(error.retry_after or 0.0) > self.patience:", "(error.retry_after or 0.0) > 0:", "a worker hands over what it would wait for itself", PAUSED),
    Mutant(PAUSES, "        if ends is not None and ends < until:\n            return\n", "", "a task defers beyond its own end", PAUSED),
    Mutant(PAUSES, "        method, kwargs = self._resumed\n", "        method, kwargs = \"\", {}\n", "after a pause a resumed task begins anew, and forgets what its wait has found", PAUSED),
    Mutant(PAUSES, "            hook.patience = LONGEST_PAUSE\n", "            pass\n", "without deferral a long pause fails the task", PAUSED),
    Mutant(PAUSES, "(error.retry_after or 0.0) > transport.LONGEST_SLEEP:", "False:", "a long pause that a trigger's way of asking meets fails the task", PAUSED),
    # -- the size guard
    Mutant(GUARD, "if outlook.may_be_incremental:", "if False:", "an export of changes only is compared as if it were the whole audience", GUARDED),
    Mutant(GUARD, "abs(size.profiles - last.read) * 100", "(size.profiles - last.read) * 100", "an audience that has shrunk passes", GUARDED),
    Mutant(GUARD, "> Decimal(str(self.max_change_percent)) * last.read", ">= Decimal(str(self.max_change_percent)) * last.read", "what is just allowed is refused", GUARDED),
    Mutant(GUARD, "size.profiles < self.min_records:", "size.profiles <= self.min_records:", "the smallest size that is allowed is refused", GUARDED),
    Mutant(GUARD, "size.profiles > self.max_records:", "size.profiles >= self.max_records:", "the largest size that is allowed is refused", GUARDED),
    Mutant(GUARD, "last is None or last.read is None:", "last is None:", "a last delivery that counts nothing is compared", GUARDED),
    Mutant(GUARD, 'if self.on_unknown == "refuse":', "if False:", "what is not known is sent against the person's word", GUARDED),
    Mutant(GUARD, 'if self.on_breach == "ask" and not faults:', "if False:", "a person who would be asked is not", GUARDED),
    # -- the next delivery
    Mutant(NEXT_SENSOR, '            self._note(context, {"asked": asked, "begun": now().isoformat()})\n', "", "what ends before AEP can first be asked is not waited for", NEXT),
    Mutant(NEXT_SENSOR, 'if kept["failed"] and kept["max_tries"] != context["ti"].max_tries:', "if False:", "a clear waits for the delivery that has failed", NEXT),
    Mutant(NEXT_SENSOR, 'if kept["failed"] and kept["max_tries"] != context["ti"].max_tries:', 'if kept["failed"]:', "a retry passes over the delivery that has failed", NEXT),
    Mutant(NEXT_SENSOR, '                self._note(context, {**fixed, "run_id": run.id})\n                return run', "                return run", "a retry finds another delivery than the first try", NEXT),
    Mutant(NEXT_SENSOR, 'self._note(context, {**self._fixed(context), "run_id": str(event.get("run_id", ""))})', "pass", "what the trigger has found is forgotten by the next process", NEXT),
    Mutant(NEXT_SENSOR, "mark=fixed[\"mark\"],", "mark=self._fix(fixed[\"asked\"], None)[\"mark\"],", "a retry waits from its own start on", NEXT),
    Mutant(NEXT_SENSOR, 'if kept is not None and kept["asked"] != asked:', "if False:", "a task that was changed waits for what it was before", NEXT),
    Mutant(NEXT_SENSOR, "self._failures + 1 >= FAILURES_ALLOWED", "False", "an AEP that never answers is asked until the end", NEXT),
    Mutant(NEXT_DELIVERY, "mark_of(note).with_told(run_id).to_json()", "note[\"mark\"]", "what was passed over is found again", NEXT),
    Mutant(NEXT_DELIVERY, "    if not run.status.is_terminal:\n", "    if False:\n", "a node that lags makes a delivery of a run in progress", NEXT),
    Mutant(NEXT_DELIVERY, "keys() >= BEGUN or kept", "keys() >= set() or kept", "a damaged note is read", NEXT),
    Mutant(RUN_NEWS, "ended is None or ended >= self.ended_since", "ended is None or ended > self.ended_since", "what ended at the very moment does not count", NEWS),
    Mutant(RUN_NEWS, "if run.id not in found or run.status.is_terminal:", "if run.id not in found:", "a run that ends while it is listed is in progress for good", NEWS),
    Mutant("delivery/run_lists.py", "    if not any(found.values()) and any(each.since is None for each in looks):\n        found = yield from endpoints.runs_of_each(flow_ids, enough)\n", "", "one empty list makes all old runs news", NEWS),
    Mutant(RUN_NEWS, "return RunMark(place, ended_since - WINDOW, timeless, {}", "return RunMark(place, ended_since, timeless, {}", "what began before since and ended after it is lost", NEWS),
    Mutant(RUN_NEWS, "{key: at for key, at in mark.open.items() if key not in over}", "{}", "a run in progress that the list lacks for once is forgotten", NEWS),
)  # fmt: skip
