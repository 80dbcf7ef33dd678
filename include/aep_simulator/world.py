"""The state of the simulated AEP, and what happens to it over time.

Nothing runs in the background: every status follows from the clock when somebody asks.
"""

from __future__ import annotations

import dataclasses
import random
import uuid
from collections.abc import Iterable, Mapping

from . import builders
from .clock import Clock
from .entities import (
    EXPORT_RUNNING,
    PROFILE_SCHEMA,
    Audience,
    Flow,
    Json,
    Run,
    RunOutcome,
    Sandbox,
    SimulatedExportJob,
    SimulatedSegmentJob,
    phase_of,
)
from .runs import RunStore
from .seed import ExportJobSeed, OutcomeSeed, RunSeed, SeedDocument
from .settings import Settings
from .tokens import TokenBook

DAY_MS = 86_400_000


class World:
    """Everything AEP knows.

    :param seed: a complete seed document (see :meth:`SeedDocument.over`).
    :param clock: AEP's clock.
    """

    def __init__(self, seed: SeedDocument, clock: Clock) -> None:
        self.clock = clock
        self.settings = Settings.model_validate(seed.settings)
        clock.skew = self.settings.clock_skew_seconds
        self.org_id = seed.org_id or ""
        self.tenant = seed.tenant or ""
        self.tokens = TokenBook(seed.credentials or [])
        self.sandboxes: dict[str, Sandbox] = {
            s.name: builders.build_sandbox(s, self.org_id) for s in seed.sandboxes or []
        }
        self.audiences: dict[tuple[str, str], Audience] = {}
        self.flows: dict[str, Flow] = {}
        self.runs = RunStore()
        self.outcomes: list[OutcomeSeed] = [o.model_copy() for o in seed.outcomes]
        self.deliveries: dict[tuple[str, str], list[Run]] = {}
        self._omissions = [o.model_copy() for o in self.settings.omit_from_order]
        self._jobs: list[SimulatedExportJob] = []
        self._random = random.Random(self.settings.random_seed)  # noqa: S311 - variation, no secret
        for audience in seed.audiences or []:
            self.audiences[audience.sandbox, audience.id] = builders.build_audience(audience)
        for flow in seed.flows or []:
            built = builders.build_flow(flow, self.audiences, self.sandboxes, self.org_id, clock)
            self.flows[flow.id] = built
        for run in seed.runs or []:
            self.seed_run(run)
        for job in seed.export_jobs or []:
            self.seed_export_job(job)
        self._evaluations = [
            builders.build_segment_job(each, number, self.audiences.values(), clock)
            for number, each in enumerate(seed.segment_jobs or [])
        ]

    # ------------------------------------------------------------------------------ settings

    def change_settings(self, changes: dict[str, object]) -> None:
        """Change settings; runs that exist keep the times they were given."""
        self.settings = self.settings.changed(changes)
        self.clock.skew = self.settings.clock_skew_seconds
        if "omit_from_order" in changes:
            self._omissions = [o.model_copy() for o in self.settings.omit_from_order]

    def _real_ms(self, nominal_seconds: float) -> int:
        return int(self.settings.real(nominal_seconds) * 1000)

    # -------------------------------------------------------------------------------- flows

    def flows_of(self, sandbox: str) -> list[Flow]:
        """Return a sandbox's flows, newest first."""
        flows = [flow for flow in self.flows.values() if flow.sandbox == sandbox]
        return sorted(flows, key=lambda flow: (flow.created_ms, flow.id), reverse=True)

    # --------------------------------------------------------------------------- export jobs

    def export_jobs(self, sandbox: str) -> list[SimulatedExportJob]:
        """Return a sandbox's export jobs, newest first."""
        self._start_daily_exports(sandbox)
        jobs = [job for job in self._jobs if job.sandbox == sandbox]
        return sorted(jobs, key=lambda job: (job.created_ms, str(job.id)), reverse=True)

    def export_job(self, job_id: str, sandbox: str | None = None) -> SimulatedExportJob | None:
        """Return an export job by the text of its id."""
        jobs = (job for job in self._jobs if sandbox in {None, job.sandbox})
        return next((job for job in jobs if str(job.id) == job_id), None)

    def export_in_progress(self, sandbox: str) -> SimulatedExportJob | None:
        """Return the newest scheduled profile export that has not finished."""
        now = self.clock.ms()
        return next(
            (
                job
                for job in self.export_jobs(sandbox)
                if job.schema == PROFILE_SCHEMA and job.scheduled and job.status(now) in EXPORT_RUNNING
            ),
            None,
        )

    def seed_export_job(self, seed: ExportJobSeed) -> SimulatedExportJob:
        """Add a back-dated export job."""
        now = self.clock.ms()
        created = now - int(seed.age * 1000)
        if seed.status in EXPORT_RUNNING:
            ends = None if seed.duration is None else now + self._real_ms(seed.duration)
            return self._add_job(seed, created, ends, seed.end_status)
        took = self.settings.export_seconds if seed.duration is None else seed.duration
        return self._add_job(seed, created, min(now, created + int(took * 1000)), seed.status)

    def start_export_job(self, seed: ExportJobSeed, seconds: float | None) -> SimulatedExportJob:
        """Add an export job that begins now and takes real seconds."""
        now = self.clock.ms()
        if seed.status not in EXPORT_RUNNING:
            return self._add_job(seed, now, now, seed.status)
        real = self.settings.real(self.settings.export_seconds) if seconds is None else seconds
        return self._add_job(seed, now, now + int(real * 1000), seed.end_status)

    def end_export_job(self, job: SimulatedExportJob, status: str) -> None:
        """Put an export job into a status now; a running one stays so until changed again."""
        job.first_status = job.end_status = status
        job.ends_ms = None if status in EXPORT_RUNNING else self.clock.ms()

    def _add_job(self, seed: ExportJobSeed, created_ms: int, ends_ms: int | None, end: str) -> SimulatedExportJob:
        numbers = [job.id for job in self._jobs if isinstance(job.id, int)]
        job_id = max(numbers, default=24000) + 1 if seed.id is None else seed.id
        if self.export_job(str(job_id)) is not None:
            raise ValueError(f"there is an export job {job_id} already")
        first = seed.status if seed.status in EXPORT_RUNNING else "PROCESSING"
        segments = tuple(seed.segments)
        job = SimulatedExportJob(
            job_id, seed.sandbox, seed.schema_name, created_ms, ends_ms, first, end, segments, seed.raw
        )
        self._jobs.append(job)
        return job

    def _start_daily_exports(self, sandbox: str) -> None:
        """Start the scheduled exports that have become due, one a day, as AEP's scheduler does."""
        if not self.settings.daily_export:
            return
        scheduled = [
            job for job in self._jobs if job.sandbox == sandbox and job.schema == PROFILE_SCHEMA and job.scheduled
        ]
        due = max((job.created_ms for job in scheduled), default=self.clock.ms()) + DAY_MS
        while due <= self.clock.ms():
            ends = due + self._real_ms(self.settings.export_seconds)
            self._add_job(ExportJobSeed(sandbox=sandbox, status="PROCESSING"), due, ends, "SUCCEEDED")
            due += DAY_MS

    def segment_jobs(self, sandbox: str) -> list[SimulatedSegmentJob]:
        """Return a sandbox's evaluations of audiences, newest first."""
        jobs = [job for job in self._evaluations if job.sandbox == sandbox]
        return sorted(jobs, key=lambda job: (job.created_ms, job.id), reverse=True)

    # ---------------------------------------------------------------------------------- runs

    def seed_run(self, seed: RunSeed) -> Run:
        """Add a back-dated run."""
        now = self.clock.ms()
        created = now - int(seed.age * 1000)
        outcome = builders.outcome_of(seed)
        if phase_of(seed.status) == "running":
            ends = None if seed.seconds is None else now + self._real_ms(seed.seconds)
            outcome = outcome if ends is None else builders.outcome_of(seed, seed.then)
        else:
            took = self.settings.run_seconds if seed.seconds is None else seed.seconds
            ends = min(now, created + int(took * 1000))
        return self._add_run(seed, created, ends, outcome)

    def start_run(self, seed: RunSeed, seconds: float | None) -> Run:
        """Add a run that begins now and takes real seconds."""
        now = self.clock.ms()
        if phase_of(seed.status) == "running":
            ends = None if seconds is None else now + int(seconds * 1000)
            outcome = builders.outcome_of(seed) if ends is None else builders.outcome_of(seed, seed.then)
            return self._add_run(seed, now, ends, outcome)
        real = self._run_seconds() if seconds is None else seconds
        return self._add_run(seed, now, now + int(real * 1000), builders.outcome_of(seed))

    def change_run(self, run: Run, changes: Mapping[str, object], raw: Json) -> None:
        """Change a run's outcome and JSON; a status takes hold now, a running one until changed again."""
        run.outcome = dataclasses.replace(run.outcome, **changes)  # type: ignore[arg-type]
        if "status" in changes:
            status = run.outcome.status
            stays = status is not None and phase_of(status) == "running"
            run.ends_ms = None if stays else self.clock.ms()
        run.raw = {**run.raw, **raw}  # not merged: a null in it is an order to remove
        self.runs.reopened(run)

    def activate(self, flow: Flow, audiences: Iterable[Audience]) -> Run:
        """Start an ad-hoc run and count it as a delivery of each of its audiences."""
        chosen = list(audiences)
        ordered = next((o for a in chosen if (o := self._ordered_outcome(flow, a)) is not None), None)
        seconds = ordered.seconds if ordered is not None and ordered.seconds is not None else None
        real = self._run_seconds() if seconds is None else seconds
        seed = RunSeed(flow_id=flow.id, audience_ids=[a.id for a in chosen], kind="adhoc")
        now = self.clock.ms()
        outcome = RunOutcome() if ordered is None else builders.outcome_of(ordered)
        run = self._add_run(seed, now, now + int(real * 1000), outcome)
        for audience in chosen:
            self.deliveries.setdefault((flow.id, audience.id), []).append(run)
        return run

    def omitted(self, flow: Flow, audience: Audience) -> bool | None:
        """Return None for a pair that is to be answered, else whether its run is created all the same."""
        for omission in self._omissions:
            if omission.times == 0:
                continue
            if omission.flow_id in {None, flow.id} and omission.audience_id in {None, audience.id}:
                omission.times = None if omission.times is None else omission.times - 1
                return omission.run
        return None

    def _ordered_outcome(self, flow: Flow, audience: Audience) -> OutcomeSeed | None:
        for outcome in self.outcomes:
            if outcome.times == 0:
                continue
            if outcome.flow_id in {None, flow.id} and outcome.audience_id in {None, audience.id}:
                outcome.times = None if outcome.times is None else outcome.times - 1
                return outcome
        return None

    def _run_seconds(self) -> float:
        spread = self.settings.run_variation
        return self.settings.real(self.settings.run_seconds * self._random.uniform(1 - spread, 1 + spread))

    def _add_run(self, seed: RunSeed, created_ms: int, ends_ms: int | None, outcome: RunOutcome) -> Run:
        flow = self.flows.get(seed.flow_id)
        if flow is None:
            raise ValueError(f"there is no flow {seed.flow_id}")
        wanted = list(flow.mappings) if seed.audience_ids is None else seed.audience_ids
        if unknown := [i for i in wanted if (flow.sandbox, i) not in self.audiences]:
            raise ValueError(f"there is no audience {', '.join(unknown)} in sandbox {flow.sandbox}")
        run = Run(
            id=seed.id or str(uuid.uuid4()),
            number=len(self.runs) + 1,
            flow=flow,
            audiences=tuple(self.audiences[flow.sandbox, i] for i in wanted),
            kind=seed.kind,
            created_ms=created_ms,
            young_until_ms=created_ms + self._real_ms(self.settings.young_seconds),
            found_from_ms=created_ms + self._real_ms(self.settings.run_404_seconds),
            listed_from_ms=created_ms + self._real_ms(self.settings.list_lag_seconds),
            ends_ms=ends_ms,
            outcome=outcome,
            raw=seed.raw,
        )
        self.runs.add(run)
        return run
