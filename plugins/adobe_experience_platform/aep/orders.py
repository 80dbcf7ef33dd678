"""A pair of flow and audience, and the run that AEP delivers it in (Ad-hoc Activation API 2.0)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .json_values import as_id, as_text

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}")


class Pair(NamedTuple):
    """One audience on its way to one destination: the unit that is delivered exactly once."""

    flow_id: str
    audience_id: str


class Activation(NamedTuple):
    """A pair and the run that delivers it: "this audience goes to this flow in this run".

    ``list(activation)`` is its form in XComs and trigger arguments, ``Activation(*item)`` reads it.

    :param adopted: whether the run was found in AEP instead of being named in an answer to us.
    """

    flow_id: str
    audience_id: str
    run_id: str
    adopted: bool = False

    @property
    def pair(self) -> Pair:
        """What is delivered."""
        return Pair(self.flow_id, self.audience_id)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Activation | None:
        """Parse an entry of AEP's answer, ``{"segment", "order", "statusURL"}``; None if one of the three is missing.

        Only the run id is taken out of ``statusURL``: its host is never called.
        """
        activation = cls(
            as_id(data.get("order")), as_id(data.get("segment")), run_id_of(as_text(data.get("statusURL")))
        )
        return activation if all(activation[:3]) else None


def by_flow(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """Return {flow id: [audience id, …]}, the form of AEP's ``activationInfo`` and of our ``activation_info``."""
    grouped: dict[str, list[str]] = {}
    for flow_id, audience_id in pairs:
        grouped.setdefault(flow_id, []).append(audience_id)
    return grouped


def run_id_of(status_url: str) -> str:
    """Return the run id at the end of a ``…/runs/<id>`` URL, or "" if there is none."""
    try:
        parts = [unquote(part) for part in urlsplit(status_url.rstrip(".,;")).path.split("/") if part]
    except ValueError:
        return ""
    if len(parts) < 2 or parts[-2] != "runs" or not _RUN_ID.fullmatch(parts[-1]):
        return ""
    return parts[-1]
