"""The scheme ``aep://`` for Airflow (provider metadata, key ``asset-uris``): ``aep://<kind>/<place>…``.

Airflow imports this module at the first ``Asset`` with any URI in a process, so it is small and loads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from airflow.sdk import Asset

KINDS: Mapping[str, tuple[int, int]] = {
    "segment-exports": (1, 2),
    "flows": (1, 1),
    "flow-runs": (3, 4),
    "deliveries": (1, 1),
    "campaign-days": (1, 1),
    "submissions": (0, 0),
}
"""Kind → how many parts follow it, at least and at most: connection and sandbox, flow and audience, a DAG."""
WATCHED = ("segment-exports", "flow-runs")
"""Kinds with a watcher. What of it is not as by default follows after ``?``: Airflow keeps one watcher for an asset."""
GROUP = "adobe_experience_platform"


def uri_of(kind: str, *place: str, **options: str) -> str:
    """Return the URI of an asset; the parts may hold any characters."""
    path = "/".join([kind, *(quote(part, safe="") for part in place)])
    return f"aep://{path}{query_of(options)}"


def query_of(options: Mapping[str, str]) -> str:
    """Return what is not as by default, as it stands in an asset's URI and in its name."""
    return f"?{urlencode(sorted(options.items()), safe=',')}" if options else ""


def normalize(uri: SplitResult) -> SplitResult:
    """Return the one form of a URI, so that two spellings are one asset.

    :raises ValueError: for what is none of our kinds; the DAG file then shows it as its error.
    """
    parts = [quote(unquote(part), safe="") for part in uri.path.strip("/").split("/") if part]
    kind = uri.netloc.lower()
    least, most = KINDS.get(kind, (1, 0))
    if not least <= len(parts) <= most or (uri.query and kind not in WATCHED):
        forms = ", ".join(f"aep://{kind}{'/…' if most else ''}" for kind, (_, most) in KINDS.items())
        raise ValueError(f"{uri.geturl()!r} is not an asset of this provider: use one of {forms}, without ?")
    query = query_of(dict(parse_qsl(uri.query))).removeprefix("?")
    return uri._replace(netloc=kind, path="".join(f"/{part}" for part in parts), query=query)


def create_asset(*, flow_id: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of a destination flow, as :func:`~.triggers.delivered_flow_asset` does (for hook lineage)."""
    return Asset(name=f"aep_delivered_flow/{flow_id}", uri=uri_of("flows", flow_id), group=GROUP, extra=extra or {})


def to_openlineage(asset: Asset, lineage_context: object) -> Any:
    """Return OpenLineage's data set of an asset, the same as a delivery reports for its flows."""
    # load time: only OpenLineage's provider calls this
    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"aep://{uri.netloc}", name=unquote(uri.path.strip("/")) or uri.netloc)
