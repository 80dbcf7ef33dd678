"""Assets: "a segment export has finished", "AEP has delivered" (in, start DAGs) and "a flow was delivered" (out).

>>> with DAG("my_campaign", schedule=segment_export_asset("aep_default")):
...     activation_pipeline(activation_info={"<flow id>": ["<audience id>"]})

>>> with DAG("after_any_delivery", schedule=flow_run_asset("<flow id>")):
...     ...

>>> with DAG("after_gold_went_anywhere", schedule=flow_run_asset(audience_id="<audience id>")):
...     ...

>>> with DAG("after_the_delivery", schedule=delivered_flow_asset("<flow id>")):
...     ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from airflow.sdk import Asset, AssetWatcher

from adobe_experience_platform.aep import DEFAULT_CONN_ID, conn_id_fault, short_repr
from adobe_experience_platform.delivery import check_id, may_be_id
from adobe_experience_platform.delivery.run_news import Sought
from adobe_experience_platform.errors import AepInputError
from adobe_experience_platform.hooks.asset_uris import GROUP, create_asset, query_of, uri_of

from .base import SharedPollTrigger
from .delivery import TOLD, DeliveryTrigger
from .segment_export import SegmentExportTrigger

WATCH_INTERVAL = 60.0
"""Longest pause between two looks at AEP, seconds; a watcher looks all day long."""
UNNAMED = "-"
"""In a URI: the sandbox of the connection, or any flow; no sandbox has this name, and no flow this id."""
DELIVERED_URIS = (uri_of("flows", ""), uri_of("deliveries", ""))


def segment_export_asset(
    aep_conn_id: str = DEFAULT_CONN_ID, sandbox_name: str | None = None, *, poll_interval: float = WATCH_INTERVAL
) -> Asset:
    """Return the asset that is updated when profile exports have finished and none is in progress.

    As ``schedule`` of any number of DAGs it costs one poll of AEP per connection and sandbox. The event's extra is
    ``{"from_trigger": true, "payload": {…}}``, see :class:`~.triggers.SegmentExportTrigger`.

    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``.
    :param sandbox_name: sandbox; None takes the connection's, which is read when the watcher runs and not when
        DAG files are parsed. None and the same sandbox by its name are two assets with a poll each: use one way.
    :param poll_interval: longest pause between two polls, seconds; another value is another asset with its own poll.
    :raises AepInputError: for ids that cannot be.
    """
    if faults := _place_faults(aep_conn_id, sandbox_name, poll_interval):
        raise AepInputError(faults, intro="Invalid asset.")
    place = [aep_conn_id] if sandbox_name is None else [aep_conn_id, sandbox_name]
    trigger = SegmentExportTrigger(
        aep_conn_id=aep_conn_id, sandbox_name=sandbox_name, deadline=None, poll_interval=poll_interval
    )
    return _watched("segment-exports", place, trigger, _interval(poll_interval))


def flow_run_asset(
    flow_id: str | None = None,
    audience_id: str | None = None,
    *,
    external_audience_id: str | None = None,
    statuses: Sequence[str] = TOLD,
    aep_conn_id: str = DEFAULT_CONN_ID,
    sandbox_name: str | None = None,
    poll_interval: float = WATCH_INTERVAL,
) -> Asset:
    """Return the asset that is updated when AEP has delivered to a flow, or an audience to any, whoever started it.

    One event for each delivery (flow run): of AEP's schedule, of its UI, of another tool, of a DAG of yours. All such
    assets of a connection and sandbox share one poll of AEP. The event's extra is
    ``{"from_trigger": true, "payload": {…}}``, see :class:`~.triggers.DeliveryTrigger`.

    :param flow_id: id of the destination flow; None: any that the audience is mapped to, also one that gets it later.
    :param audience_id: id of the audience; None: any audience of the flow.
    :param external_audience_id: for an imported audience: its external id, by which AEP may name it in runs.
    :param statuses: how the delivery must have ended: ``success`` and ``partial_success`` (default), ``failed``;
        others make another asset.
    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``.
    :param sandbox_name: sandbox; None takes the connection's, see :func:`segment_export_asset`.
    :param poll_interval: longest pause between two polls, seconds; another value is another asset.
    :raises AepInputError: for ids, statuses and pauses that cannot be.
    """
    faults = _place_faults(aep_conn_id, sandbox_name, poll_interval)
    given = {"flow_id": flow_id, "audience_id": audience_id, "external_audience_id": external_audience_id}
    checked = [name for name, value in given.items() if value is not None] or ["flow_id"]
    faults += [fault for name in checked if (fault := check_id(given[name], name))]
    if external_audience_id is not None and audience_id is None:
        faults.append("external_audience_id needs audience_id")
    known = sorted(Sought("").statuses)
    if isinstance(statuses, str) or not statuses or not {*statuses} <= {*known}:
        faults.append(f"statuses is {short_repr(statuses)}: list one or more of {', '.join(known)}")
    if faults:
        raise AepInputError(faults, intro="Invalid asset.")
    audiences = [ident for ident in (audience_id, external_audience_id) if ident is not None]
    trigger = DeliveryTrigger(
        flow_id=flow_id or "",
        audience_ids=audiences,
        statuses=sorted({*statuses}),
        aep_conn_id=aep_conn_id,
        sandbox_name=sandbox_name,
        deadline=None,
        poll_interval=poll_interval,
    )
    place = [aep_conn_id, sandbox_name or UNNAMED, flow_id or UNNAMED, *audiences[:1]]
    options = _interval(poll_interval)
    if trigger.statuses != sorted(TOLD):
        options["statuses"] = ",".join(trigger.statuses)
    if external_audience_id is not None:
        options["external"] = external_audience_id
    return _watched("flow-runs", place, trigger, options)


def _interval(poll_interval: float) -> dict[str, str]:
    return {} if poll_interval == WATCH_INTERVAL else {"poll_interval": f"{poll_interval:g}"}


def _watched(kind: str, place: Sequence[str], trigger: SharedPollTrigger, options: Mapping[str, str]) -> Asset:
    """Return the asset of a watcher. All that the watcher is made of is part of the asset's name.

    Airflow keeps one watcher for an asset: with another in a second DAG file, each reading of either file ends the
    other's, and both DAGs miss events.
    """
    name = "/".join([f"aep_{kind.removesuffix('s').replace('-', '_')}", *place])
    return Asset(
        name=f"{name}{query_of(options)}",
        uri=uri_of(kind, *place, **options),
        group=GROUP,
        watchers=[AssetWatcher(name=kind.replace("-", " "), trigger=trigger)],
    )


def _place_faults(aep_conn_id: str, sandbox_name: str | None, poll_interval: float) -> list[str]:
    faults = [f"aep_conn_id {fault}"] if (fault := conn_id_fault(aep_conn_id)) else []
    if sandbox_name is not None and (fault := check_id(sandbox_name, "sandbox_name")):
        faults.append(fault)
    if isinstance(poll_interval, bool) or not 1 <= poll_interval <= 3600:
        faults.append(f"poll_interval is {poll_interval!r}: enter a number of seconds from 1 to 3600")
    return faults


def delivered_flow_asset(flow_id: str) -> Asset:
    """Return the asset that is updated when a DAG has delivered to this destination flow.

    :param flow_id: id of the destination flow.
    :raises AepInputError: for what is no id.
    """
    if fault := check_id(flow_id, "flow_id"):
        raise AepInputError([fault], intro="Invalid asset.")
    return create_asset(flow_id=flow_id)


def delivery_asset(dag_id: str) -> Asset:
    """Return the asset that is updated when a DAG has delivered, to whatever destination flows.

    :param dag_id: id of the DAG that delivers, such as ``aep_campaign_daily_newsletter``.
    """
    return Asset(name=f"aep_delivery/{quote(dag_id, safe='')}", uri=uri_of("deliveries", dag_id), group=GROUP)


def delivery_outlets(dag_id: str, activation_info: object) -> list[Asset]:
    """Return the assets that a delivery updates: its DAG's, and one for each flow whose id is known at parse time.

    All are static: the DAG processor makes their rows. An asset that a task names at run time (through an AssetAlias)
    makes its rows as the task succeeds, and Airflow 3.3.2 fails the task if another does the same at that moment.

    The event of the DAG's asset names all flows, those that are given by name among them: no asset is named by a name.

    :param activation_info: {flow: [audience, …]}, by id or by name, or what Airflow resolves at run time.
    """
    flows = activation_info if isinstance(activation_info, Mapping) else {}
    known = [delivered_flow_asset(flow) for flow in flows if may_be_id(flow)]
    return [delivery_asset(dag_id), *known]


def submissions_asset() -> Asset:
    """Return the asset in whose state store all DAGs keep what they have sent, where no clear reaches it."""
    return Asset(name="aep_submissions", uri=uri_of("submissions"), group=GROUP)


def campaign_day_asset(dag_id: str) -> Asset:
    """Return the asset in whose state store a DAG keeps which run delivers which campaign day."""
    return Asset(name=f"aep_campaign_day/{quote(dag_id, safe='')}", uri=uri_of("campaign-days", dag_id), group=GROUP)
