"""What can be known before anything is sent: findings about flows and audiences, all at once.

Each rule cites what Adobe documents: the flow exists, is enabled and is a destination; the audience is
mapped, inside its schedule (or has none, frequency ONCE) and mapped over an hour ago; imported audiences
go by their system-generated id. What a flow does not say is a warning, never a refusal; so is that a file overwrites
the last one, or another one of this delivery.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence

from adobe_experience_platform.aep import DestinationFlow, MappedAudience, Pair, by_flow, quoted

from . import names
from .findings import Finding, Findings, label_of
from .input import listed
from .outlook import file_name, overwrites

FIRST_HOUR = dt.timedelta(hours=1)
_EXTEND = "change the audience's schedule in this destination in AEP"


def inspect(
    asked: Sequence[Pair], run: names.Run, now: dt.datetime, known: Mapping[Pair, Pair] | None = None
) -> Findings:
    """Look up every flow and audience once, as :func:`~.names.resolve` does, and check every pair."""
    findings = names.resolve(asked, run, known)
    chosen = by_flow(findings.pairs)
    for flow in findings.flows.values():
        _check_flow(flow, findings)
        audiences = [audience for ident in chosen.get(flow.id, ()) if (audience := flow.audience(ident))]
        for audience in audiences:
            _check_audience(flow, audience, now, findings)
        _check_file_names(flow, audiences, findings)
    return findings


def check(flow: DestinationFlow, audience: MappedAudience, now: dt.datetime) -> Findings:
    """Check one audience of a flow that is known, and takes audiences."""
    findings = Findings()
    _check_flow(flow, findings)
    _check_audience(flow, audience, now, findings)
    return findings


def _check_flow(flow: DestinationFlow, findings: Findings) -> None:
    label = label_of("flow", flow.id, flow.name)
    if not flow.state:
        findings.warnings.append(f"{label} does not say whether it is enabled")
    elif flow.state.lower() != "enabled":
        findings.faults.append(Finding(label, f"is {flow.state}, not enabled", "enable it under Destinations > Browse"))
    if flow.is_destination is None and not flow.takes_none:
        findings.warnings.append(f"{label} does not say whether it goes to a destination")
    if flow.audiences and not any(audience.is_file_export for audience in flow.audiences):
        findings.warnings.append(f"{label} does not look like a file export; on-demand delivery needs one")


def _check_file_names(flow: DestinationFlow, audiences: Sequence[MappedAudience], findings: Findings) -> None:
    label, files = label_of("flow", flow.id, flow.name), {audience: file_name(flow, audience) for audience in audiences}
    if undated := [files[audience] for audience in audiences if overwrites(audience)]:
        findings.warnings.append(
            f"{label}: the name of a file has no date or time, so that each delivery overwrites the last file: "
            f"{_names(undated)}. To keep both, add a date and time to the file name in this destination in AEP"
        )
    # What AEP itself fills in of an audience may tell them apart.
    often = Counter(name for name in files.values() if name and "%SEGMENT_" not in name.upper())
    if same := [name for name, times in often.items() if times > 1]:
        findings.warnings.append(
            f"{label}: several of these audiences have one file name, so that one file may overwrite the other: "
            f"{_names(same)}. To keep all, add the audience's id or name to the file name in this destination in AEP"
        )


def _names(files: Sequence[str]) -> str:
    return listed(list(dict.fromkeys(map(quoted, files))), names.LISTED)


def _check_audience(flow: DestinationFlow, audience: MappedAudience, now: dt.datetime, findings: Findings) -> None:
    label = f"{label_of('flow', flow.id, flow.name)}: {label_of('audience', audience.platform_id, audience.name)}"
    _check_schedule(audience, label, now, findings)
    if audience.mapped_at is None:
        findings.warnings.append(f"{label} does not say when it was mapped; AEP needs an hour after mapping")
    elif now - audience.mapped_at < FIRST_HOUR:
        ready = audience.mapped_at + FIRST_HOUR
        findings.faults.append(
            Finding(label, "was mapped less than an hour ago", f"try again after {ready:%Y-%m-%d %H:%M} UTC")
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
