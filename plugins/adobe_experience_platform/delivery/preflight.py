"""What can be known before anything is sent: findings about flows and audiences, all at once.

Each rule cites what Adobe documents: the flow exists, is enabled and is a destination; the audience is
mapped, inside its schedule (or has none, frequency ONCE) and mapped over an hour ago; imported audiences
go by their system-generated id. What a flow does not say is a warning, never a refusal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from adobe_experience_platform.aep import Call, DestinationFlow, MappedAudience, Pair, by_flow, endpoints
from adobe_experience_platform.errors import AepNotFoundError, AepRequestError

FIRST_HOUR = dt.timedelta(hours=1)
_EXTEND = "change the audience's schedule in this destination in AEP"


class Finding(NamedTuple):
    """A reason not to send: where, what, and what to do about it."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where} {self.what}: {self.remedy}"


@dataclass(slots=True)
class Findings:
    """Result of the preflight.

    :param flows: flow id → flow, for the flows that exist.
    :param faults: reasons not to send.
    :param warnings: what could not be checked.
    :param aliases: audience id → external id, for imported audiences.
    """

    flows: dict[str, DestinationFlow] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)

    def names(self, pairs: Iterable[Pair]) -> dict[str, str]:
        """Return id → name of the flows and audiences in ``pairs``, where AEP has a name."""
        names: dict[str, str] = {}
        for pair in pairs:
            flow = self.flows.get(pair.flow_id)
            audience = flow.audience(pair.audience_id) if flow else None
            if flow and flow.name:
                names[pair.flow_id] = flow.name
            if audience and audience.name:
                names[pair.audience_id] = audience.name
        return names


def inspect(
    pairs: Iterable[Pair], run: Callable[[Call[DestinationFlow]], DestinationFlow], now: dt.datetime
) -> Findings:
    """Read every flow once and check every pair.

    :param pairs: what is to be delivered.
    :param run: carries out a call, such as ``hook.call``.
    :param now: the present (aware time).
    :raises AepCallError: if AEP cannot be reached at all.
    """
    findings = Findings()
    for flow_id, audiences in by_flow(pairs).items():
        try:
            flow = run(endpoints.flow(flow_id))
        except (AepNotFoundError, AepRequestError) as error:
            if not isinstance(error, AepNotFoundError) and error.status != 400:
                raise
            said = f" (AEP: {error.text})" if error.text else ""
            findings.faults.append(
                Finding(
                    f"flow {flow_id}",
                    f"does not exist in this sandbox{said}",
                    "copy its id from the aep_catalog DAG or from Destinations > Browse",
                )
            )
            continue
        findings.flows[flow_id] = flow
        _check_flow(flow, flow_id, findings)
        for audience_id in audiences if not flow.takes_none else ():
            _check_audience(flow, _label("flow", flow_id, flow.name), audience_id, now, findings)
    return findings


def _label(what: str, ident: str, name: str) -> str:
    return f"{what} {name!r} ({ident})" if name else f"{what} {ident}"


def _check_flow(flow: DestinationFlow, flow_id: str, findings: Findings) -> None:
    label = _label("flow", flow_id, flow.name)
    if not flow.state:
        findings.warnings.append(f"{label} does not say whether it is enabled")
    elif flow.state.lower() != "enabled":
        findings.faults.append(Finding(label, f"is {flow.state}, not enabled", "enable it under Destinations > Browse"))
    if flow.takes_none:
        findings.faults.append(Finding(label, flow.takes_none, "choose one from the aep_catalog DAG"))
    elif flow.is_destination is None:
        findings.warnings.append(f"{label} does not say whether it goes to a destination")
    if flow.audiences and not any(audience.is_file_export for audience in flow.audiences):
        findings.warnings.append(f"{label} does not look like a file export; on-demand delivery needs one")


def _check_audience(
    flow: DestinationFlow, flow_label: str, audience_id: str, now: dt.datetime, findings: Findings
) -> None:
    audience = flow.audience(audience_id)
    if audience is None and not flow.tells_audiences:
        findings.warnings.append(f"{flow_label} does not list the audiences mapped to it")
        return
    if audience is None:
        external = next((item for item in flow.audiences if item.system_id and item.id == audience_id), None)
        if external:
            findings.faults.append(
                Finding(
                    f"{flow_label}: audience {audience_id}",
                    f"is the external id of the imported audience {external.name!r}",
                    f"use its system-generated id {external.system_id}",
                )
            )
        else:
            findings.faults.append(
                Finding(
                    f"{flow_label}: audience {audience_id}",
                    "is not mapped to this flow",
                    "map it under Destinations > Browse > Activate audiences, or correct the id",
                )
            )
        return
    if audience.system_id and audience.id:
        findings.aliases[audience_id] = audience.id
    label = f"{flow_label}: {_label('audience', audience_id, audience.name)}"
    _check_schedule(audience, label, now, findings)
    if audience.mapped_at is None:
        findings.warnings.append(f"{label} does not say when it was mapped; AEP needs an hour after mapping")
    elif now - audience.mapped_at < FIRST_HOUR:
        ready = audience.mapped_at + FIRST_HOUR
        findings.faults.append(
            Finding(label, "was mapped less than an hour ago", f"start again after {ready:%Y-%m-%d %H:%M} UTC")
        )


def _check_schedule(audience: MappedAudience, label: str, now: dt.datetime, findings: Findings) -> None:
    today = now.astimezone(dt.UTC).date()
    if audience.start_date and today < audience.start_date:
        findings.faults.append(Finding(label, f"is scheduled from {audience.start_date} on", _EXTEND))
    elif audience.end_date and today > audience.end_date:
        findings.faults.append(Finding(label, f"has a schedule that ended on {audience.end_date}", _EXTEND))
    elif today == audience.end_date:
        findings.warnings.append(
            f"{label} has a schedule that ends today; Adobe's documents leave open whether AEP still delivers on the "
            f"last day, so it may refuse: to be sure, {_EXTEND}"
        )
    elif not audience.start_date:
        findings.warnings.append(f"{label} has no schedule")
