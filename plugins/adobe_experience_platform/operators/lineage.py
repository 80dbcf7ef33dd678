"""What a delivery tells the rest of the house: an asset event per delivered flow, and OpenLineage's facets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from adobe_experience_platform.aep import RunStatus
from adobe_experience_platform.delivery import Result
from adobe_experience_platform.triggers import DELIVERED, FIRST_EVENTS, delivered_flow_asset

from . import turns

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

RUN_IDS_SHOWN = 100
OPENLINEAGE_NAMESPACE = "aep://flows"


def delivered_flows(results: Iterable[Result]) -> dict[str, dict[str, Any]]:
    """Return {flow id: counts and run ids} of the flows that something was delivered to."""
    flows: dict[str, dict[str, Any]] = {}
    runs: dict[str, dict[str | None, None]] = {}
    for result in results:
        if result["status"] not in (RunStatus.SUCCESS, RunStatus.PARTIAL_SUCCESS):
            continue
        flow = flows.setdefault(
            result["flow_id"],
            {"flow_id": result["flow_id"], "audiences": 0, "partly": 0, "adopted": 0, "records_exported": 0}
            | {"records_failed": 0},
        )
        flow["audiences"] += 1
        flow["partly"] += result["status"] == RunStatus.PARTIAL_SUCCESS
        flow["adopted"] += result["adopted"]
        flow["records_exported"] += result["records_exported"] or 0
        flow["records_failed"] += result["records_failed"] or 0
        runs.setdefault(result["flow_id"], {})[result["run_id"]] = None
    for flow_id, ids in runs.items():
        flows[flow_id] |= {"runs": len(ids), "run_ids": list(ids)[:RUN_IDS_SHOWN]}
    return flows


def emit_delivered(context: Context, results: Iterable[Result]) -> int:
    """Add an asset event per delivered flow to a task that has :data:`~.assets.DELIVERED` among its outlets.

    Airflow stores the events only if the task succeeds: a partly failed run emits after its repair.

    Returns the number of flows.
    """
    events: Any = context["outlet_events"][DELIVERED]
    ti = context["ti"]
    flows = delivered_flows(results)
    wait_for_turn(context, flows)
    for flow_id, told in flows.items():
        events.add(delivered_flow_asset(flow_id), extra={**told, "dag_id": ti.dag_id, "dag_run_id": ti.run_id})
    return len(flows)


def wait_for_turn(context: Context, flow_ids: Iterable[str]) -> None:
    """Wait while another task emits the first event of one of these flows, see :mod:`.turns`; never raises.

    Flows that have had an event need no turn: then this costs one call of Airflow's API.
    """
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors

    wanted = list(flow_ids)

    def new() -> list[str]:
        known = AssetStateStoreAccessors(inlets=[DELIVERED])  # asks for all assets under the alias
        return [flow_id for flow_id in wanted if not _holds(known, flow_id)]

    try:
        if not new():
            return
        store: Any = context["asset_state_store"][FIRST_EVENTS]
        if not turns.take(store, str(context["ti"].id), new):
            log.warning(
                "Other tasks have emitted first events of these flows for %d s; this one no longer waits",
                turns.PATIENCE,
            )
    except Exception as error:  # noqa: BLE001 - the delivery has ended well; an event decorates it
        log.warning("Asset events are emitted without looking whether another task does the same: %s", error)


def _holds(accessors: Any, flow_id: str) -> bool:
    try:
        accessors[delivered_flow_asset(flow_id)]
    except KeyError:
        return False
    return True


def openlineage_of(results: Iterable[Result], names: Mapping[str, str]) -> Any:
    """Return OpenLineage's description of a delivery: each flow is a data set that was written.

    Only its provider calls this, so only then is it imported.

    :param names: id → name.
    """
    from airflow.providers.common.compat.openlineage.facet import (
        DocumentationDatasetFacet,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage  # type: ignore[import-not-found,unused-ignore]

    return OperatorLineage(
        outputs=[
            OutputDataset(
                namespace=OPENLINEAGE_NAMESPACE,
                name=flow_id,
                facets={"documentation": DocumentationDatasetFacet(description=names.get(flow_id, flow_id))},
                outputFacets={
                    "outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=told["records_exported"], size=None)
                },
            )
            for flow_id, told in delivered_flows(results).items()
        ]
    )
