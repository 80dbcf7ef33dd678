"""What every send passes first, in this pass of the run; and what proves that nothing was sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from airflow.sdk import Context

from adobe_experience_platform.errors import AepSubmissionError

from .base import clears_of
from .campaign_gate import hold_day

NEVER_BEGAN = ("upstream_failed", "skipped")


def require_gates(context: Context, task_ids: Collection[str], campaign_day: object = None) -> None:
    """Let a send pass, or raise; called directly before its intent is stored, by first sends and repairs alike.

    :param task_ids: tasks that must have succeeded, in this pass or in the last that ran them.
    :param campaign_day: the XCom ``campaign_day`` of the planning task, None without day rules.
    :raises AepSubmissionError: somebody has marked or cleared this task, whose process goes on for seconds; or a task
        in front of it has not succeeded.
    :raises AepCampaignDayError: another run has taken the day.
    :raises AepDeadlineError: it is too late for the day.
    """
    ti: Any = context["ti"]
    own = ti.task_id if ti.map_index < 0 else f"{ti.task_id}_{ti.map_index}"
    states = task_states(context, [ti.task_id, *task_ids])
    if states.get(own) != "running":
        raise AepSubmissionError("This task was marked or cleared while it ran, so it sends nothing more.")
    if closed := [f"{task} ({states.get(task) or 'waiting'})" for task in task_ids if states.get(task) != "success"]:
        raise AepSubmissionError(
            f"This task sends nothing more, because it needs the success of {', '.join(closed)}. When that task has "
            "succeeded, clear the failed tasks."
        )
    hold_day(context, campaign_day)


def task_states(context: Context, task_ids: Collection[str]) -> Mapping[str, str]:
    """Return the states of tasks of this run; mapped ones come as ``activate_0``."""
    ti: Any = context["ti"]
    states: Mapping[str, Mapping[str, str]] = ti.get_task_states(
        dag_id=ti.dag_id, task_ids=list(task_ids), run_ids=[ti.run_id]
    )
    return states.get(ti.run_id, {})


def is_unsent(context: Context, task_id: str, notes: object, states: Mapping[str, str], before: object) -> bool:
    """Whether the jobs of a (mapped) submitting task that have left no note have certainly sent nothing in this run.

    Its note goes at the start of each try. So a missing one proves nothing once a try has begun; and after a clear it
    proves something only where it did before. Whoever asks notes a yes, as ``clears`` of the run.

    :param states: of tasks of this run, read after the notes: what begins in between would pass for what never did.
    :param before: where the last yes is noted.
    """
    items: list[Any] = notes if isinstance(notes, list) else [notes]
    noted = {item.get("job", 1) - 1 for item in items if item}
    known = {f"{task_id}_{index}" for index in noted} | ({task_id} if noted else set())
    own = [name for name in states if task_id in (name, name.rpartition("_")[0])]
    began = [name for name in own if name not in known and states[name] not in NEVER_BEGAN]
    clears = clears_of(context)
    return not (began or (clears and not (isinstance(before, dict) and before.get("clears", -1) >= clears - 1)))
