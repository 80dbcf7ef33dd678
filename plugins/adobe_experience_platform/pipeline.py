"""The task group that all DAGs of this project are made of, for use in any DAG.

>>> with DAG("my_campaign", schedule=None):
...     activation_pipeline(activation_info={"<flow id>": ["<audience id>"]})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator, TaskGroup, TriggerRule, XComArg

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

if TYPE_CHECKING:
    from airflow.sdk import Context

RETRIES = 3
RETRY_DELAY = timedelta(seconds=30)


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

    ``activation_info`` and every setting take a value or something that Airflow resolves at run time
    (``dag.param("…")``, an XComArg, a template).

    :param activation_info: {flow id: [audience id, …]}.
    :param settings: the delivery's settings, such as ``on_conflict="wait"``: the params of the DAG
        ``aep_adhoc_activation`` of the same name, see :class:`~.settings.DeliverySettings`.
    :param check_conf: refuse conf keys that are no params of the DAG.
    :param campaign_day: deliver at most once per day and within bounds, see :class:`~.delivery.CampaignDay`; for
        DAGs that an asset starts. None (default): every run delivers.
    :param approval: a person has to agree after the plan is made (task ``approve``); True: anybody, within 4 hours; or
        an :class:`~.delivery.Approval`. A no, or no answer, ends the run red, and nothing is sent.
    :param labels: flow or audience id → how people call it; shown beside AEP's own name.
    :param notices: who is told how the delivery ended: a :class:`~.notifications.Notices`, its arguments, or None.
    :param emit_assets: emit an asset event of this DAG's delivery, and one of each delivered flow whose id is known
        when the DAG is parsed, see ``docs/after-export.md``; campaigns do. Default False.
    :param deferrable: wait in the triggerer (default) instead of holding a worker slot.
    :param group_id: id of the task group; with ``prefix_group_id=True`` a DAG may hold several.
    :param default_args: for the tasks, over those of the DAG; where neither says so, 3 retries, 30 seconds apart.

    Returns the task group. Its ``output`` is what ``report`` returns, ``{"summary": {…}, "results": […]}``: a task that
    takes it runs when everything was delivered.
    """
    if unknown := sorted(set(settings) - set(SETTINGS)):
        raise TypeError(f"activation_pipeline() has no argument {', '.join(unknown)}")
    group = ActivationTaskGroup(group_id=group_id, prefix_group_id=prefix_group_id)
    # A DAG of somebody's own may say how its tasks are retried, for all of them.
    outer = {**group.dag.default_args, **group.default_args}
    # What the tasks need to reach the claims on campaign days.
    claims: dict[str, Any] = {"inlets": [campaign_day_asset(group.dag.dag_id)]} if campaign_day else {}
    defaults = {"retries": RETRIES, "retry_delay": RETRY_DELAY, **outer, **(default_args or {})}
    group.default_args = {**defaults, "on_failure_callback": callbacks(defaults, "on_failure_callback", keep_reason)}
    told = Notices.of(notices)
    at_end = {
        f"on_{event}_callback": callbacks(defaults, f"on_{event}_callback", *([call] if call else []))
        for event, call in (("success", told and told.on_success), ("failure", told and told.on_failure))
    }
    with group:
        # With their prefixes, if any: the group may lie in another one.
        ids = {
            task: str(TaskGroup.child_id(group, task)) for task in task_ids.ALL if approval or task != task_ids.APPROVE
        }
        plan = PlanJobsOperator(
            task_id=task_ids.PLAN,
            activation_info=activation_info,
            settings=settings,
            check_conf=check_conf,
            skip_on_dry_run=[ids[task] for task in ids if task != task_ids.PLAN],
            campaign_day=campaign_day,
            labels=labels,
            deferrable=deferrable,
            **claims,
        )
        planned = cast("Any", plan.output)
        # What plan_jobs has checked, for all others.
        checked = {"settings": planned[xcom.SETTINGS]}
        names = planned[xcom.NAMES]
        wait_export = SegmentExportSensor(
            task_id=task_ids.WAIT_EXPORT,
            activation_info=plan.output,
            names=names,
            deferrable=deferrable,
            **checked,
        )
        latest = LatestSegmentExportOperator(task_id=task_ids.LATEST_EXPORT, **checked)
        activate = AdHocActivationOperator.partial(
            task_id=task_ids.ACTIVATE,
            names=names,
            # Failed runs are sent again by wait_for_flow_runs, which turns red and is cleared.
            resend_failed=False,
            deferrable=deferrable,
            map_index_template="{{ task.job_title }}",
            **({"campaign_day": planned[xcom.CAMPAIGN_DAY], **claims} if campaign_day else {}),
            **checked,
        ).expand(job=plan.output)
        watch = DeliveryOperator(
            task_id=task_ids.WAIT_RUNS,
            jobs=plan.output,
            submit_task_id=ids[task_ids.ACTIVATE],
            names=names,
            deferrable=deferrable,
            # Watches what was submitted although a job was refused; does not run if there is no plan.
            trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
            **checked,
        )
        report = DeliveryReportOperator(
            task_id=task_ids.REPORT,
            plan_task_id=ids[task_ids.PLAN],
            submit_task_id=ids[task_ids.ACTIVATE],
            watch_task_id=ids[task_ids.WAIT_RUNS],
            approve_task_id=ids.get(task_ids.APPROVE),
            export_task_id=ids[task_ids.LATEST_EXPORT],
            task_ids=[ids[task] for task in ids if task != task_ids.REPORT],
            # Always runs, and turns red itself if any task is red: a green leaf would hide the failure.
            trigger_rule=TriggerRule.ALL_DONE,
            outlets=delivery_outlets(group.dag.dag_id, activation_info) if emit_assets else [],
            **at_end,
        )
        wait_export >> latest >> activate >> watch >> report
        plan >> report
        if approval:
            approve = ApproveDeliveryOperator(
                task_id=task_ids.APPROVE,
                jobs=plan.output,
                names=names,
                title=group.dag.dag_display_name,
                approval=approval if isinstance(approval, Approval) else None,
                **checked,
            )
            plan >> approve >> wait_export
    return group
