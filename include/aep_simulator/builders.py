"""From seed entries to entities."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date, timedelta

from .clock import Clock
from .documents import flow_body
from .entities import Audience, Flow, Mapping, RunOutcome, Sandbox, Schedule, SimulatedSegmentJob, derived_id
from .seed import AudienceSeed, Ending, FlowSeed, MappingSeed, OutcomeSeed, RunSeed, SandboxSeed, SegmentJobSeed

# (flow spec, target's connection spec) of Amazon S3 in Adobe's table of destinations, for audiences and for datasets.
# Streaming flows and sources get ids of their own.
_S3 = "4fce964d-3f37-408f-9778-e597338a21ee"
_SPECS = {
    "file": ("1a0514a6-33d4-4c7f-aff8-594799c47549", _S3),
    "dataset": ("269ba276-16fc-47db-92b0-c1049a3c131f", _S3),
}


def build_sandbox(seed: SandboxSeed, org_id: str) -> Sandbox:
    """Build a sandbox."""
    sandbox_id = derived_id(f"sandbox {org_id} {seed.name}")
    return Sandbox(sandbox_id, seed.name, seed.title or seed.name.title(), seed.type, seed.state)


def build_audience(seed: AudienceSeed) -> Audience:
    """Build an audience; without a size it gets one between 2,000 and 90,000 that follows from its id."""
    size = 2000 + uuid.UUID(derived_id(seed.id)).int % 88000 if seed.size is None else seed.size
    return Audience(seed.id, seed.name, seed.sandbox, size, seed.external_id, seed.namespace)


def build_flow(
    seed: FlowSeed,
    audiences: dict[tuple[str, str], Audience],
    sandboxes: dict[str, Sandbox],
    org_id: str,
    clock: Clock,
) -> Flow:
    """Build a flow; an audience it maps that the seed does not list is added to ``audiences``."""
    if seed.sandbox not in sandboxes:
        raise ValueError(f"flow {seed.id} is in sandbox {seed.sandbox}, which there is not")
    mappings: dict[str, Mapping] = {}
    for entry in seed.audiences:
        unnamed = AudienceSeed(id=entry.id, name=f"Audience {entry.id}", sandbox=seed.sandbox)
        audience = audiences.setdefault((seed.sandbox, entry.id), build_audience(unnamed))
        mappings[audience.id] = _build_mapping(entry, audience, clock)
    own = derived_id(f"{seed.kind} spec")
    flow_spec, connection_spec = _SPECS.get(seed.kind, (own, own))
    flow = Flow(
        id=seed.id,
        name=seed.name,
        sandbox=seed.sandbox,
        state=seed.state,
        kind=seed.kind,
        created_ms=clock.ms() - int(seed.age * 1000),
        flow_spec_id=seed.flow_spec_id or flow_spec,
        connection_spec_id=seed.connection_spec_id or connection_spec,
        source_connection_id=derived_id(f"source of {seed.id}"),
        target_connection_id=derived_id(f"target of {seed.id}"),
        mappings=mappings,
        raw=seed.raw,
    )
    flow.body = flow_body(flow, sandboxes[seed.sandbox], org_id)
    return flow


def build_segment_job(
    seed: SegmentJobSeed, number: int, audiences: Iterable[Audience], clock: Clock
) -> SimulatedSegmentJob:
    """Build an evaluation."""
    created = clock.ms() - int(seed.age * 1000)
    sizes = seed.sizes
    if sizes is None:
        evaluated = (item for item in audiences if item.sandbox == seed.sandbox and item.external_id is None)
        sizes = {item.id: item.size for item in evaluated}
    return SimulatedSegmentJob(
        id=seed.id or derived_id(f"segment job {seed.sandbox} {number}"),
        sandbox=seed.sandbox,
        source=seed.source,
        status=seed.status,
        created_ms=created,
        updated_ms=min(clock.ms(), created + int(seed.duration * 1000)),
        sizes=sizes,
        raw=seed.raw,
    )


def outcome_of(seed: OutcomeSeed | RunSeed, status: str | None = "") -> RunOutcome:
    """Build an outcome, optionally with another status than the seed's."""
    told = {name: getattr(seed, name) for name in Ending.model_fields}
    return RunOutcome(**told if status == "" else {**told, "status": status})


def _build_mapping(seed: MappingSeed, audience: Audience, clock: Clock) -> Mapping:
    # The schema says endDate is absent with ONCE and startTime with AFTER_SEGMENT_EVAL.
    once = seed.frequency == "ONCE"
    chained = seed.trigger_type == "AFTER_SEGMENT_EVAL"
    schedule = Schedule(
        frequency=seed.frequency,
        trigger_type=seed.trigger_type,
        start=_day(seed.start, clock),
        end=None if once or seed.end is None else _day(seed.end, clock),
        start_time=None if chained else seed.start_time or "21:00",
    )
    mapped_ms = clock.ms() - int(seed.mapped_ago * 1000)
    return Mapping(audience, mapped_ms, seed.export_mode, seed.filename_template, schedule)


def _day(value: int | str, clock: Clock) -> date:
    return clock.today() + timedelta(days=value) if isinstance(value, int) else date.fromisoformat(value)
