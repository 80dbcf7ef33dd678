"""The task group that all DAGs of this project are made of, for use in any DAG.

>>> with DAG("my_campaign", schedule=None):
...     activation_pipeline(activation_info={"<flow id>": ["<audience id>"]})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from airflow.sdk import BaseOperator, Context, TaskGroup, TriggerRule, XComArg

from adobe_experience_platform.delivery import SETTINGS, Approval, CampaignDay, task_ids, xcom
from adobe_experience_platform.notifications import Notices
from adobe_experience_platform.operators import (
    AdHocActivationOperator,
    ApproveDeliveryOperator,
    DeliveryOperator,
    DeliveryReportOperator,
    LatestSegmentExportOperator,
    PlanJobsOperator,
    Resolvable,
    keep_reason,
)
from adobe_experience_platform.sensors import SegmentExportSensor
from adobe_experience_platform.triggers import campaign_day_asset, delivery_outlets

RETRIES = 3
RETRY_DELAY = timedelta(seconds=30)
INNER: dict[str, Any] = {"trigger_rule": TriggerRule.ALL_SUCCESS}
"""A ``trigger_rule`` of ``default_args`` says when the delivery begins, never that it goes on after a failed plan."""


def callbacks(defaults: Mapping[str, Any], name: str, *more: Callable[[Context], None]) -> list[Any]:
    """Return the callbacks that a DAG's author has given, and ours after them."""
    given = defaults.get(name) or []
    return [*(given if isinstance(given, Sequence) else [given]), *more]


class ActivationTaskGroup(TaskGroup):
    """The tasks of one delivery; ``output`` is what its task ``report`` returns."""

    @property
    def output(self) -> Any:
        """Return ``{"summary": {…}, "results": […]}`` as an XComArg, for a task of your own."""
        return XComArg(cast("BaseOperator", self.get_child_by_label(task_ids.REPORT)))


def activation_pipeline(
    *,
    activation_info: Resolvable,
    check_conf: bool = False,
    campaign_day: CampaignDay | None = None,
    approval: Approval | bool = False,
    labels: Mapping[str, str] | None = None,
    notices: Notices | Mapping[str, Any] | None = None,
    emit_assets: bool = False,
    deferrable: bool = True,
    group_id: str = "delivery",
    prefix_group_id: bool = False,
    default_args: dict[str, Any] | None = None,
    **settings: Resolvable,
) -> ActivationTaskGroup:
    """Build the tasks of one delivery: plan, (ask,) wait, find the export, activate, watch, report.

    ``activation_info`` and settings may be resolved at run time: ``dag.param("…")``, an XComArg, a template.

    :param activation_info: {flow: [audience, …]}, each by its id or by its name as AEP shows it.
    :param settings: the delivery's settings, such as ``on_conflict="wait"``: the params of the DAG
        ``aep_adhoc_activation`` of the same name, see :class:`~.settings.DeliverySettings`.
    :param check_conf: refuse conf keys that are no params of the DAG.
    :param campaign_day: when, and at most once a day, see :class:`~.delivery.CampaignDay`; None: every run delivers.
    :param approval: a person has to agree to the plan (task ``approve``), else nothing is sent, and the run is red:
        True (anybody, within 4 hours) or an :class:`~.delivery.Approval`.
    :param labels: flow or audience id → how people call it; shown beside AEP's own name.
    :param notices: who is told how the delivery ended: a :class:`~.notifications.Notices`, its arguments, or None.
    :param emit_assets: emit an asset event of this DAG's delivery, and one of each delivered flow that is given by its
        id when the DAG is parsed, see ``docs/after-export.md``; campaigns do. Default False.
    :param deferrable: wait in the triggerer instead of holding a worker slot; default True.
    :param group_id: id of the task group; with ``prefix_group_id=True`` a DAG may hold several.
    :param default_args: for the tasks, over those of the DAG; where neither says so, 3 retries, 30 seconds apart.

    Returns the task group; a task that takes its ``output``, what ``report`` returns, runs when all was delivered.
    """
    if unknown := sorted(set(settings) - set(SETTINGS)):
        raise TypeError(f"activation_pipeline() has no argument {', '.join(unknown)}")
    group = ActivationTaskGroup(group_id=group_id, prefix_group_id=prefix_group_id)
    defaults = _defaults(group, default_args)
    group.default_args = {**defaults, "on_failure_callback": callbacks(defaults, "on_failure_callback", keep_reason)}
    # With their prefixes, if any: the group may lie in another one.
    ids = {task: str(TaskGroup.child_id(group, task)) for task in task_ids.ALL if approval or task != task_ids.APPROVE}
    with group:
        how: dict[str, Any] = {"check_conf": check_conf, "labels": labels, "deferrable": deferrable}
        plan = PlanJobsOperator(
            task_id=task_ids.PLAN,
            activation_info=activation_info,
            settings={name: defaults[name] for name in SETTINGS if name in defaults} | settings,
            skip_on_dry_run=[ids[task] for task in ids if task != task_ids.PLAN],
            campaign_day=campaign_day,
            has_approval=bool(approval),
            **how | _claims(group, campaign_day),
        )
        first, last = _delivery(group, plan, ids, campaign_day, deferrable=deferrable)
        outlets = delivery_outlets(group.dag.dag_id, activation_info) if emit_assets else []
        [plan, last] >> _report(ids, outlets, _at_end(defaults, notices))
        if approval:
            plan >> _approve(group, plan, approval) >> first
    return group


def _defaults(group: TaskGroup, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the tasks' default arguments: a DAG of somebody's own may say how all of its tasks are retried."""
    outer = {**group.dag.default_args, **group.default_args}
    return {"retries": RETRIES, "retry_delay": RETRY_DELAY, **outer, **(given or {})}


def _at_end(defaults: Mapping[str, Any], notices: Notices | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the callbacks of the report, which tell people how the delivery ended."""
    notice = Notices.of(notices)
    return {
        f"on_{event}_callback": callbacks(defaults, f"on_{event}_callback", *([call] if call else []))
        for event, call in (("success", notice and notice.on_success), ("failure", notice and notice.on_failure))
    }


def _report(ids: Mapping[str, str], outlets: Sequence[Any], at_end: Mapping[str, Any]) -> DeliveryReportOperator:
    return DeliveryReportOperator(
        task_id=task_ids.REPORT,
        plan_task_id=ids[task_ids.PLAN],
        submit_task_id=ids[task_ids.ACTIVATE],
        watch_task_id=ids[task_ids.WAIT_RUNS],
        approve_task_id=ids.get(task_ids.APPROVE),
        export_task_id=ids[task_ids.LATEST_EXPORT],
        task_ids=[ids[task] for task in ids if task != task_ids.REPORT],
        # Always runs, and turns red itself if any task is red: a green leaf would hide the failure.
        trigger_rule=TriggerRule.ALL_DONE,
        outlets=outlets,
        **at_end,
    )


def _approve(group: TaskGroup, plan: PlanJobsOperator, approval: Approval | bool) -> ApproveDeliveryOperator:
    return ApproveDeliveryOperator(
        task_id=task_ids.APPROVE,
        jobs=plan.output,
        briefing=_of_plan(plan),
        plan_task_id=plan.task_id,
        title=group.dag.dag_display_name,
        approval=approval if isinstance(approval, Approval) else None,
        **INNER,
    )


def _claims(group: TaskGroup, campaign_day: CampaignDay | None) -> dict[str, Any]:
    """Return what a task needs to reach the claims on campaign days."""
    return {"inlets": [campaign_day_asset(group.dag.dag_id)]} if campaign_day else {}


def _of_plan(plan: PlanJobsOperator, key: str = xcom.BRIEFING) -> Any:
    """Return what ``plan_jobs`` has checked and looked up, for all others."""
    return cast("Any", plan.output)[key]


def _delivery(
    group: TaskGroup,
    plan: PlanJobsOperator,
    ids: Mapping[str, str],
    campaign_day: CampaignDay | None,
    *,
    deferrable: bool,
) -> tuple[BaseOperator, BaseOperator]:
    """Make the tasks that deliver; return the first and the last of them.

    :param ids: task → its id with the group's prefix.
    """
    briefing = _of_plan(plan)
    gates = [ids[task] for task in (task_ids.APPROVE, task_ids.WAIT_EXPORT, task_ids.LATEST_EXPORT) if task in ids]
    sending: dict[str, Any] = {"gate_task_ids": gates, "deferrable": deferrable, "briefing": briefing}
    if campaign_day:
        sending |= {"campaign_day": _of_plan(plan, xcom.CAMPAIGN_DAY), **_claims(group, campaign_day)}
    wait_export = SegmentExportSensor(
        task_id=task_ids.WAIT_EXPORT, activation_info=plan.output, briefing=briefing, deferrable=deferrable, **INNER
    )
    latest = LatestSegmentExportOperator(
        task_id=task_ids.LATEST_EXPORT, briefing=briefing, deferrable=deferrable, **INNER
    )
    activate = AdHocActivationOperator.partial(
        task_id=task_ids.ACTIVATE,
        # Failed runs are sent again by wait_for_flow_runs, which turns red and is cleared.
        resend_failed=False,
        map_index_template="{{ task.job_title }}",
        **INNER,
        **sending,
    ).expand(job=plan.output)
    watch = DeliveryOperator(
        task_id=task_ids.WAIT_RUNS,
        jobs=plan.output,
        submit_task_id=ids[task_ids.ACTIVATE],
        # Watches what was submitted although a job was refused; does not run if there is no plan.
        trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
        **sending,
    )
    wait_export >> latest >> activate >> watch
    return wait_export, watch
