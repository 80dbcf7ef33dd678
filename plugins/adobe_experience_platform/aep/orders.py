"""A pair of flow and audience, and the order that AEP makes of it (Ad-hoc Activation API 2.0)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .json_values import as_id, as_text

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}")


class Pair(NamedTuple):
    """One audience on its way to one destination: the unit that is delivered exactly once."""

    flow_id: str
    audience_id: str


@dataclass(frozen=True, slots=True)
class ActivationOrder:
    """One entry of the answer to ``POST /adhocrun``: this audience goes to this flow in this run."""

    flow_id: str
    audience_id: str
    run_id: str

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> ActivationOrder | None:
        """Parse ``{"segment", "order", "statusURL"}``; None if one of the three is missing.

        Only the run id is taken out of ``statusURL``: its host is never called.
        """
        order = cls(
            as_id(data.get("order")),
            as_id(data.get("segment")),
            run_id_of(as_text(data.get("statusURL"))),
        )
        return order if order.flow_id and order.audience_id and order.run_id else None


def run_id_of(status_url: str) -> str:
    """Return the run id at the end of a ``…/runs/<id>`` URL, or "" if there is none."""
    try:
        parts = [unquote(part) for part in urlsplit(status_url).path.split("/") if part]
    except ValueError:
        return ""
    if len(parts) < 2 or parts[-2] != "runs" or not _RUN_ID.fullmatch(parts[-1]):
        return ""
    return parts[-1]
