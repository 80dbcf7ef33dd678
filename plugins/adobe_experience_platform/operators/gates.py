"""What every send passes first, in this pass of the run; and what proves that nothing was sent."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.sdk import Context
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from adobe_experience_platform.errors import AepSubmissionError

from .base import clears_of
from .campaign_gate import hold_day

NEVER_BEGAN = ("upstream_failed", "skipped")
UNSENT = "unsent"
"""Store key: up to which clear of the run a missing note has been a proof."""


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
    found = ti.get_task_states(dag_id=ti.dag_id, task_ids=[ti.task_id, *task_ids], run_ids=[ti.run_id])
    states = found.get(ti.run_id, {})
    if states.get(own) != "running":
        raise AepSubmissionError("This task was marked or cleared while it ran, so it sends nothing more.")
    if closed := [f"{task} ({states.get(task) or 'waiting'})" for task in task_ids if states.get(task) != "success"]:
        raise AepSubmissionError(
            f"This task sends nothing more, because it needs the success of {', '.join(closed)}. When that task has "
            "succeeded, clear the failed tasks."
        )
    hold_day(context, campaign_day)


def is_unsent(context: Context, task_id: str, notes: object) -> bool:
    """Whether the jobs of a (mapped) submitting task that have left no note have certainly sent nothing in this run.

    Its note goes at the start of each try. So a missing one proves nothing once a try has begun; and after a clear it
    proves something only where it did before.
    """
    ti: Any = context["ti"]
    store: Any = context["task_state_store"]
    items: list[Any] = notes if isinstance(notes, list) else [notes]
    noted = {item.get("job", 1) - 1 for item in items if item}
    states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[task_id], run_ids=[ti.run_id]).get(ti.run_id, {})
    known = {f"{task_id}_{index}" for index in noted} | ({task_id} if noted else set())
    began = [name for name, state in states.items() if name not in known and state not in NEVER_BEGAN]
    clears = clears_of(context)
    before = store.get(UNSENT)
    if began or (clears and not (isinstance(before, dict) and before.get("clears", 0) >= clears - 1)):
        return False
    if before != {"clears": clears}:
        store.set(UNSENT, {"clears": clears}, retention=NEVER_EXPIRE)
    return True
