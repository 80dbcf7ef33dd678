"""``aep_catalog``: what you can deliver, with names, ids and JSON to paste."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from adobe_experience_platform.aep import DEFAULT_CONN_ID, DestinationFlow, MappedAudience, count, endpoints
from adobe_experience_platform.delivery import preflight, unambiguous, xcom

from .base import AepTask, Resolvable, now
from .tables import table

HEAD = ("Destination", "State", "Last run", "Audience", "Schedule", "Can be delivered", "Audience id", "Flow id")
PART_BYTES = 250_000
"""Size of an XCom: a catalog of Adobe's guardrails (100 destinations, 250 audiences each) is 5 MB."""


class CatalogOperator(AepTask):
    """List the sandbox's destination flows with their audiences.

    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``. (templated)
    :param sandbox_name: sandbox; None takes the connection's. (templated)
    :param deferrable: spend a long pause that AEP asks for in the triggerer (default) instead of holding a worker slot.

    Returns ``{"flows": [{"flow_id", "name", "state", "last_run", "audiences": [{"audience_id", "name",
    "schedule", "ready", "reason"}]}], "activation_info": {flow id: [audience id, …]}, "by_name": {flow: [audience,
    …]}}``; the last two hold what can be delivered now: by ids, and by names where a name is enough. Of a catalog of
    more than PART_BYTES all are empty, and there is ``"parts": n``: the XComs ``flows_1`` … ``flows_n`` hold its flows
    as JSON text of about that size each, which any database stores and Airflow's API reads quickly.

    Source: Adobe, Flow Service API, ``GET /flows``.
    """

    def __init__(
        self,
        *,
        aep_conn_id: Resolvable = DEFAULT_CONN_ID,
        sandbox_name: Resolvable = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the flows, print the table and the JSON."""
        flows = sorted(self.hook.call(endpoints.catalog_flows()), key=lambda flow: flow.name.lower())
        moment = now()
        listed = [describe(flow, moment) for flow in flows]
        by_id: dict[str, list[str]] = {}
        by_name: dict[str, list[str]] = {}
        flow_names = unambiguous(flows)
        for flow, about in zip(flows, listed, strict=True):
            if ready := [item["audience_id"] for item in about["audiences"] if item["ready"]]:
                names = unambiguous(flow.audiences)
                by_id[flow.id] = ready
                by_name[flow_names.get(flow.id, flow.id)] = [names.get(ident, ident) for ident in ready]
        self._show(listed, by_name, by_id)
        return _stored(context, {"flows": listed, "activation_info": by_id, "by_name": by_name})

    def _show(self, flows: Sequence[dict[str, Any]], *to_paste: dict[str, list[str]]) -> None:
        self.log.info("%s in sandbox %s", count(len(flows), "destination flow"), self.hook.settings.sandbox_name)
        rows = [
            (
                *("" if number else flow[key] for key in ("name", "state", "last_run")),
                audience["name"],
                audience["schedule"],
                "yes" if audience["ready"] else audience["reason"],
                audience["audience_id"],
                flow["flow_id"],
            )
            for flow in flows
            for number, audience in enumerate(flow["audiences"] or [_NONE])
        ]
        for line in table(HEAD, rows):
            self.log.info("%s", line)
        for how, info in zip(("by name", "by id"), to_paste, strict=True):
            lines = [f"  {_json(flow)}: {_json(audiences)}" for flow, audiences in info.items()]
            self.log.info("To paste into activation_info, %s (keep what you need):\n{\n%s\n}", how, ",\n".join(lines))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_STEP = 500
_NONE = {"name": "(no audience)", "schedule": "", "ready": False, "reason": "", "audience_id": ""}


def _stored(context: Context, catalog: dict[str, Any]) -> dict[str, Any]:
    """Return the catalog, or push a large one in parts and return how many there are."""
    parts = _parts(catalog["flows"])
    if len(parts) <= 1:
        return catalog
    for number, part in enumerate(parts, start=1):
        context["ti"].xcom_push(key=f"{xcom.CATALOG_PART}{number}", value=part)
    return {**{key: type(value)() for key, value in catalog.items()}, "parts": len(parts)}


def _parts(flows: Sequence[dict[str, Any]]) -> list[str]:
    """Return flows as JSON texts of about PART_BYTES; a flow's audiences may be spread over several."""
    texts: list[str] = []
    for flow in flows:
        for start in range(0, max(1, len(flow["audiences"])), _STEP):
            audiences = flow["audiences"][start : start + _STEP]
            text = json.dumps({**flow, "audiences": audiences}, separators=(",", ":"))
            if texts and len(texts[-1]) + len(text) <= PART_BYTES:
                texts[-1] += f",{text}"
            else:
                texts.append(text)
    return [f"[{text}]" for text in texts]


def describe(flow: DestinationFlow, moment: dt.datetime) -> dict[str, Any]:
    """Describe a flow and its audiences as the catalog does: what it is, and what of it can be delivered."""
    last = f"{flow.last_run_state} {flow.last_run_at:%Y-%m-%d %H:%M}" if flow.last_run_at else "never"
    return {
        "flow_id": flow.id,
        "name": flow.name or "(no name)",
        "state": flow.state or "?",
        "last_run": last.strip(),
        "audiences": [_audience(flow, audience, moment) for audience in flow.audiences],
    }


def _audience(flow: DestinationFlow, audience: MappedAudience, moment: dt.datetime) -> dict[str, Any]:
    """Describe one audience; whether it can be delivered is judged by the preflight's own rules."""
    faults = preflight.check(flow, audience, moment).faults
    # The plan only warns of this, as a flow need not tell; what is offered for pasting should be certain.
    reasons = [fault.what for fault in faults] or (
        [] if audience.is_file_export else ["does not look like a file export"]
    )
    return {
        "audience_id": audience.platform_id,
        "name": audience.name or "(no name)",
        "schedule": audience.schedule,
        "ready": not reasons,
        "reason": "no, it " + reasons[0] if reasons else "",
    }
