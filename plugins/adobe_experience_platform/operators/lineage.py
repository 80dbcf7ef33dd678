"""What a delivery tells the rest of the house: asset events, and OpenLineage's facets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow.sdk import Asset, Context

from adobe_experience_platform.aep import RunStatus
from adobe_experience_platform.delivery import Result, RunFigures, exported_counts, failed_records, is_sent
from adobe_experience_platform.triggers import DELIVERED_URIS, delivered_flow_asset, delivery_asset

RUN_IDS_SHOWN = 100
FLOWS_SHOWN = 500
OPENLINEAGE_NAMESPACE = "aep://flows"


def delivered_flows(results: Iterable[Result]) -> dict[str, dict[str, Any]]:
    """Return {flow id: counts and run ids} of the flows that something was delivered to.

    Records exported and failed, files and bytes are None unless AEP gives them for the whole delivery to the flow.
    """
    delivered: dict[str, list[Result]] = {}
    for result in filter(is_sent, results):
        delivered.setdefault(result["flow_id"], []).append(result)
    return {flow_id: _delivered_flow(flow_id, own) for flow_id, own in delivered.items()}


def _delivered_flow(flow_id: str, results: Sequence[Result]) -> dict[str, Any]:
    audiences = Counter(result["run_id"] for result in results)
    runs = {result["run_id"]: result.get("figures", RunFigures()) for result in results}
    # What a run has delivered for others too is not of this delivery, and AEP does not say how much of it is.
    shared = {ident for ident, figures in runs.items() if figures.get("audiences") != audiences[ident]}
    own = [{} if ident in shared else figures for ident, figures in runs.items()]
    is_counted = all(
        item["records_failed"] is not None or ("records_failed_in_run" in item and item["run_id"] not in shared)
        for item in results
    )
    return {
        "flow_id": flow_id,
        "audiences": len(results),
        "partly": sum(result["status"] == RunStatus.PARTIAL_SUCCESS for result in results),
        "adopted": sum(result["adopted"] for result in results),
        "records_exported": _sum(exported_counts(results)),
        "records_failed": failed_records(results) if is_counted else None,
        "files": _sum(figures.get("files") for figures in own),
        "bytes": _sum(figures.get("bytes") for figures in own),
        "runs": len(runs),
        "run_ids": list(runs)[:RUN_IDS_SHOWN],
    }


def _sum(numbers: Iterable[Any]) -> int | None:
    found = list(numbers)
    return None if None in found else sum(found)


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
    """Return OpenLineage's description of a delivery: each flow is a data set, with what was written to it."""
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
                    "outputStatistics": OutputStatisticsOutputDatasetFacet(
                        rowCount=told["records_exported"], size=told["bytes"], fileCount=told["files"]
                    )
                },
            )
            for flow_id, told in delivered_flows(results).items()
        ]
    )
