"""The scheme ``aep://`` for Airflow (provider metadata, key ``asset-uris``): ``aep://<kind>/<place>…``.

Airflow imports this module at the first ``Asset`` with any URI in a process, so it is small and loads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

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
GROUP = "adobe_experience_platform"


def uri_of(kind: str, *place: str) -> str:
    """Return the URI of an asset; the parts may hold any characters."""
    return f"aep://{'/'.join([kind, *(quote(part, safe='') for part in place)])}"


def normalize(uri: SplitResult) -> SplitResult:
    """Return the one form of a URI, so that two spellings are one asset.

    :raises ValueError: for what is none of our kinds; the DAG file then shows it as its error.
    """
    parts = [quote(unquote(part), safe="") for part in uri.path.strip("/").split("/") if part]
    least, most = KINDS.get(uri.netloc.lower(), (1, 0))
    if not least <= len(parts) <= most or uri.query:
        forms = ", ".join(f"aep://{kind}{'/…' if most else ''}" for kind, (_, most) in KINDS.items())
        raise ValueError(f"{uri.geturl()!r} is not an asset of this provider: use one of {forms}, without ?")
    return uri._replace(netloc=uri.netloc.lower(), path="".join(f"/{part}" for part in parts))


def create_asset(*, flow_id: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of a destination flow, as :func:`~.triggers.delivered_flow_asset` does (for hook lineage)."""
    return Asset(name=f"aep_delivered_flow/{flow_id}", uri=uri_of("flows", flow_id), group=GROUP, extra=extra or {})


def to_openlineage(asset: Asset, lineage_context: object) -> Any:
    """Return OpenLineage's data set of an asset, the same as a delivery reports for its flows."""
    # load time: only OpenLineage's provider calls this
    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"aep://{uri.netloc}", name=unquote(uri.path.strip("/")) or uri.netloc)
