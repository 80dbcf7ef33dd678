"""A task that submits: it brings submissions to their end and waits, deferred, for what stands in the way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context, conf
from airflow.sdk.definitions.mappedoperator import OperatorPartial
from airflow.triggers.base import BaseTrigger

from adobe_experience_platform.aep import LONGEST_PAUSE, Activation, by_flow
from adobe_experience_platform.delivery import Done, Job, OnConflict, Settle, Submission, WaitFor, check_id
from adobe_experience_platform.hooks import metrics
from adobe_experience_platform.triggers import LostSubmissionTrigger, submissions_asset

from .base import BACKSTOP, AepTask, Deadline, TaskStore, WaitTimeoutError, clears_of, now, read_event
from .notes import NotedStore

CONFLICT_PAUSE = 30.0
"""Seconds before an activation that AEP has refused because of another run is tried again, at least."""
PHASE = "phase"
"""Store key: what a submitting task waits for, so that its resumption knows; it survives a lost event."""
WATCHING: dict[str, object] = {"watching": True}
SUBMITTING: dict[str, object] = {"watching": False}


class SubmittingTask(AepTask):
    """A task that submits jobs exactly once, see :mod:`.submission`."""

    _is_killed = False
    _is_resumed = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inlets = [*self.inlets, *({submissions_asset()} - set(self.inlets))]

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Return what is to be mapped; it names the asset that keeps what was sent."""
        inlets = kwargs.pop("inlets", None) or []
        own = inlets if isinstance(inlets, list) else [inlets]
        return super().partial(inlets=[*own, submissions_asset()], **kwargs)

    def on_kill(self) -> None:
        """Forbid sending: Airflow lets the code go on for seconds."""
        self._is_killed = True

    def _submission_of(self, context: Context, job: Job, store: NotedStore, **how: Any) -> Submission:
        """Return the submission of a job, as the settings say; ``how`` has what differs from task to task."""
        return Submission(
            job=job,
            store=store,
            max_tries=context["ti"].max_tries,
            api_version=self.options.api_version,
            on_conflict=OnConflict(self.options.on_conflict),
            max_export_age_hours=self.options.max_export_age_hours,
            clears=clears_of(context),
            names=self.known_names,
            log=self.log,
            conflicted=self._count_conflicts,
            **how,
        )

    def _submit(self, context: Context, submissions: Sequence[Submission], event: object = None) -> None:
        """Bring every submission to its end, deferring where something must be waited for; a wait ends by an event."""
        for submission in submissions:
            settled = settled_by(submission, event)
            while not isinstance(step := self.hook.call(submission.step(settled=settled)), Done):
                settled = ""
                deadline = self._deadline(context, "submit", self.options.export_timeout_minutes)
                if now() >= deadline.at:
                    unnamed = "" if isinstance(step, WaitFor) else ", ".join(step.unnamed)
                    what = step.reason if isinstance(step, WaitFor) else f"what became of the last activation {unnamed}"
                    deadline.require(what)
                    raise WaitTimeoutError(
                        f"Waited until {deadline.at:%Y-%m-%d %H:%M} UTC for {what.strip()}. What was not sent is named "
                        "in the report; clear this task to go on."
                    )
                if isinstance(step, Settle):
                    settled = settled_by(submission, self._settle(context, submission, step, deadline))
                else:
                    self._wait_for(context, submission, step, deadline)

    def _count_conflicts(self, number: int) -> None:
        metrics.count(metrics.CONFLICTED, self._tags(), number)

    def _settle(self, context: Context, submission: Submission, step: Settle, deadline: Deadline) -> object:
        seconds = max(settle_seconds(self.hook.settings.timeout), min(step.at_least, LONGEST_PAUSE))
        self.log.info(
            "It is not wholly known what the last activation started. AEP is watched for its runs for up to %d s "
            "before anything else is done.",
            seconds,
        )
        ends_at = max(deadline.at, now() + dt.timedelta(seconds=seconds))
        trigger = LostSubmissionTrigger(
            record=submission.record.to_json(),
            settle_seconds=seconds,
            aliases=submission.job.aliases,
            **self._trigger_arguments(ends_at),
        )
        # The trigger never ends sooner than AEP has settled; where Airflow gives the try less, Airflow ends the wait.
        return self._pause(context, trigger, Deadline(ends_at) if deadline.limit is None else deadline)

    def _wait_for(self, context: Context, submission: Submission, step: WaitFor, deadline: Deadline) -> None:
        self.log.info("Before anything is sent, this must end: %s", step.reason)
        pairs = list(submission.missing) if submission.on_conflict == "wait" else []
        # AEP has just refused: even if its lists show nothing, asking again at once would be refused again.
        least = 0.0 if step.conflict is None else min(self.options.poll_interval, CONFLICT_PAUSE)
        if step.conflict is not None and not check_id(step.conflict.flow_id, "") and step.conflict not in pairs:
            pairs.append(step.conflict)
        trigger = self._export_trigger(deadline.at, by_flow(pairs), submission.job.aliases, least_seconds=least)
        self._pause(context, trigger, deadline)

    def _pause(self, context: Context, trigger: BaseTrigger, deadline: Deadline) -> object:
        TaskStore(context).set(PHASE, SUBMITTING)
        event = self._wait(context, trigger, deadline.at, dt.timedelta(0) if deadline.limit else BACKSTOP)
        read_event(event)
        return event


def settled_by(submission: Submission, event: object) -> str:
    """Record what a wait has seen; return the intent that it settled, "" if none."""
    if not isinstance(event, dict):
        return ""
    intent = str(event.get("intent", ""))
    submission.record_found(intent, [Activation(*order) for order in event.get("found", ())])
    return intent if event.get("settled") is True else ""


def phase_of(context: Context) -> dict[str, object]:
    """Return what a task that has submitted was waiting for when it deferred."""
    phase = TaskStore(context).get(PHASE)
    return phase if isinstance(phase, dict) else {}


def settle_seconds(timeout: float) -> float:
    """Return how long after a lost answer a run may still show up: the POST's hard limit and a margin.

    The margin is Airflow's option ``[adobe_experience_platform] settle_margin_seconds``, 60 by default.
    """
    return timeout + conf.getfloat("adobe_experience_platform", "settle_margin_seconds", fallback=60.0)
