"""What a delivery tells the rest of the house: asset events, and OpenLineage's facets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from adobe_experience_platform.aep import RunStatus
from adobe_experience_platform.delivery import Result
from adobe_experience_platform.triggers import DELIVERED_URIS, delivered_flow_asset, delivery_asset

if TYPE_CHECKING:
    from airflow.sdk import Context

RUN_IDS_SHOWN = 100
FLOWS_SHOWN = 500
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


def fill_events(context: Context, outlets: Iterable[Any], results: Iterable[Result]) -> list[Any]:
    """Fill the asset events of a delivery, and return the outlets without the flows that nothing was delivered to.

    Airflow emits an event for each outlet of a task that succeeds, also an empty one. A flow without a delivery is
    among them where a person has marked a failed task as successful.

    :param outlets: of the task, see :func:`~.triggers.delivery_outlets`; others are returned as they are.
    """
    ti = context["ti"]
    run = {"dag_id": ti.dag_id, "dag_run_id": ti.run_id}
    flows = delivered_flows(results)
    extras = {delivered_flow_asset(flow_id).uri: {**told, **run} for flow_id, told in flows.items()}
    if flows:
        brief = [{key: flow[key] for key in flow if key != "run_ids"} for flow in list(flows.values())[:FLOWS_SHOWN]]
        extras[delivery_asset(ti.dag_id).uri] = {"flow_count": len(flows), "flows": brief, **run}
    kept = []
    for outlet in outlets:
        uri = outlet.uri if isinstance(outlet, Asset) else ""
        if uri in extras:
            context["outlet_events"][outlet].extra = extras[uri]
        if uri in extras or not uri.startswith(DELIVERED_URIS):
            kept.append(outlet)
    return kept


def openlineage_of(results: Iterable[Result], names: Mapping[str, str]) -> Any:
    """Return OpenLineage's description of a delivery: each flow is a data set that was written.

    :param names: id → name.
    """
    # load time: only OpenLineage's provider calls this, and it may be missing
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
