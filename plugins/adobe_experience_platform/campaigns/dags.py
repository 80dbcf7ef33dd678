"""Campaign files as DAGs: ``include/campaigns/<name>.yaml`` becomes ``aep_campaign_<name>``.

>>> for dag in campaign_dags(Path("include/campaigns")):
...     globals()[dag.dag_id] = dag
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, CronTriggerTimetable, Param, conf, get_parsing_context
from airflow.sdk.definitions.callback import AsyncCallback

from adobe_experience_platform.aep import for_markdown, one_line
from adobe_experience_platform.delivery import form_field, shorten
from adobe_experience_platform.errors import AepInputError
from adobe_experience_platform.notifications import delivered_by, delivered_within, export_or_due
from adobe_experience_platform.operators import markdown
from adobe_experience_platform.pipeline import activation_pipeline
from adobe_experience_platform.triggers import segment_export_asset

from .file import DAG_PREFIX, Campaign
from .folder import load, load_one

log = logging.getLogger(__name__)

TAG = "aep-activation"
ROWS_SHOWN = 100
OPTION = ("adobe_experience_platform", "campaigns_folder")


def campaigns_folder(default: Path) -> Path:
    """Return where campaign files are: Airflow's option ``campaigns_folder``, or the default."""
    return Path(conf.get(*OPTION, fallback="") or default)


def campaign_dags(folder: Path) -> Iterator[DAG]:
    """Build the DAGs of all sound campaign files of a folder; in a task's process only that task's own.

    Faulty files are left out; :func:`raise_faults` tells of them.
    """
    only = get_parsing_context().dag_id
    if only is None:
        found = list(load(folder).found.values())
    else:
        one = load_one(folder, only.removeprefix(DAG_PREFIX)) if only.startswith(DAG_PREFIX) else None
        found = [one] if one else []
    for campaign in found:
        try:
            yield build(campaign)
        except Exception:  # what Airflow refuses in one campaign costs that one
            log.exception("The campaign %s is left out: Airflow does not take it", campaign.name)


def raise_faults(folder: Path) -> None:
    """Raise one :class:`AepInputError` with the faults of all files, for Airflow's banner of import errors."""
    if faults := load(folder).faults:
        raise AepInputError(shorten([str(fault) for fault in faults]), intro="Some campaigns are left out.")


def build(campaign: Campaign) -> DAG:
    """Build the DAG of a campaign: the same tasks as those of ``aep_adhoc_activation``."""
    zone = ZoneInfo(campaign.timezone)
    dag = DAG(
        dag_id=campaign.dag_id,
        dag_display_name=campaign.title or campaign.dag_id,
        description=campaign.description or f"Recurring campaign {campaign.title or campaign.name}.",
        doc_md=_documentation(campaign),
        schedule=_schedule(campaign),
        end_date=dt.datetime.combine(campaign.end, dt.time(23, 59, 59), tzinfo=zone) if campaign.end else None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=campaign.paused,
        default_args={"owner": campaign.owner},
        tags=[TAG, *campaign.tags],
        deadline=_deadline(campaign),
        params={"dry_run": Param(**form_field("dry_run"))},
        **_start(campaign),
    )
    with dag:
        activation_pipeline(
            activation_info=campaign.activation_info,
            labels=campaign.labels,
            aep_conn_id=campaign.connection,
            sandbox_name=campaign.sandbox,
            api_version=campaign.api_version,
            **campaign.policies.model_dump(),
            dry_run=dag.param("dry_run"),
            campaign_day=campaign.day,
            approval=campaign.approval or False,
            notices=campaign.notices,
            emit_assets=True,
            check_conf=True,
        )
    return dag


def _schedule(campaign: Campaign) -> Any:
    """Return what starts the campaign; nothing does while its file says ``paused: true``."""
    when = campaign.when
    if campaign.paused or when.manual:
        return None
    if when.cron:
        # Without this a campaign that is added after its time would begin at once, see the timetable's code.
        return CronTriggerTimetable(when.cron, timezone=campaign.timezone, run_immediately=dt.timedelta(0))
    asset = segment_export_asset(campaign.connection, campaign.sandbox)
    due = campaign.day.due if campaign.day else None
    return export_or_due(asset, due, campaign.timezone) if due else [asset]


def _start(campaign: Campaign) -> dict[str, Any]:
    """Return Airflow's start_date, only where no campaign day says it.

    With one that is past Airflow would, when the campaign is added, at once make up for its newest time.
    """
    if campaign.is_daily_at_most or not campaign.start:
        return {}
    return {"start_date": dt.datetime.combine(campaign.start, dt.time(), tzinfo=ZoneInfo(campaign.timezone))}


def _deadline(campaign: Campaign) -> Any:
    """Return the alert for a run that is late."""
    terms, zone = campaign.deadline, campaign.timezone
    if terms is None:
        return None
    if terms.by:
        return delivered_by(terms.by, zone, _late(campaign, f"delivered by {terms.by:%H:%M} ({zone})"))
    limit = terms.within or dt.timedelta()
    late = _late(campaign, f"delivered within {limit}")
    return delivered_within(limit, late, not_before=campaign.when.not_before, timezone=zone)


def _late(campaign: Campaign, promise: str) -> AsyncCallback:
    """Return what is called for a run that is late: the campaign's notices, else a line in the triggerer's log."""
    if campaign.notices and "deadline" in campaign.notices.on:
        return campaign.notices.deadline_callback(promise, zone=campaign.timezone)
    return AsyncCallback(log_late, kwargs={"promise": promise})


async def log_late(promise: str, context: Mapping[str, Any] | None = None) -> None:
    """Log that a run is late; Airflow's triggerer calls this for a campaign without notices."""
    run = (context or {}).get("dag_run") or {}
    run_id = one_line(str(run.get("dag_run_id") or run.get("run_id")))
    log.error("LATE: run %s of %s is not %s", run_id, run.get("dag_id"), promise)


def _documentation(campaign: Campaign) -> str:
    """Say on the DAG's page what its file says."""
    labels = campaign.labels
    rows = [
        (labels.get(item.flow) or item.flow, labels.get(audience) or audience)
        for item in campaign.deliver
        for audience in item.audiences
    ]
    parts = [for_markdown(campaign.description or ""), "", *(f"* {line}" for line in _terms(campaign)), ""]
    if len(rows) > ROWS_SHOWN:
        rows[ROWS_SHOWN:] = [("…", f"and {len(rows) - ROWS_SHOWN:,} more")]
    parts += markdown(("Destination", "Audience"), rows)
    parts += ["", "Made from a campaign file; to change it, change the file. To deliver once more, press *Trigger*."]
    return "\n".join(parts)


def _terms(campaign: Campaign) -> Iterator[str]:
    when, zone = campaign.when, for_markdown(campaign.timezone)
    if campaign.paused:
        yield "**Paused by its file**: nothing starts by itself"
    if when.cron:
        yield f"Starts at `{when.cron}`, {zone}"
    elif when.after_export:
        yield f"Starts when the daily segment export has ended; days and times are those of {zone}"
    else:
        yield "Starts by hand only"
    for label, value in (
        ("Not before", when.not_before and f"{when.not_before:%H:%M}"),
        ("Not after", when.not_after and f"{when.not_after:%H:%M}"),
        ("First day", campaign.start),
        ("Last day", campaign.end),
        ("To be delivered by", campaign.deadline and campaign.deadline.by and f"{campaign.deadline.by:%H:%M}"),
        ("To be delivered within", campaign.deadline and campaign.deadline.within),
        ("Needs approval within", campaign.approval and campaign.approval.within),
    ):
        if value:
            yield f"{label}: {value}"
