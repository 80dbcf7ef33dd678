"""What can be said of a delivery before it is sent: what arrived last, the audience's size, the name of the file.

Every figure is one that AEP gave. What it does not give is not known: nothing is concluded from other figures.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from adobe_experience_platform.aep import (
    PAGE_SIZE,
    DestinationFlow,
    FlowRun,
    MappedAudience,
    Pair,
    RunStatus,
    SegmentJob,
    count,
    endpoints,
    one_line,
)
from adobe_experience_platform.errors import AepCallError

from .findings import Findings
from .names import Run
from .run_news import EPOCH, began
from .search import names_of

T = TypeVar("T")

NOT_TOLD = "-"
"""Shown where AEP gives no figure."""
IS_ASKED = ": a person is asked"
"""Ends the warning about what the size guard lets a person decide."""
MOST_PAGES = 5
"""Pages of that list: what was delivered longer ago is not looked for."""
_DELIVERED = (RunStatus.SUCCESS, RunStatus.PARTIAL_SUCCESS)
_MACRO = re.compile(r"%([A-Z][A-Z_]*)(?:\([^()%]*\))?%", re.IGNORECASE)


class LastDelivery(NamedTuple):
    """The newest run of a pair that AEP calls a success, or a partial one.

    :param exported: records of this audience; None where the run does not say.
    :param left_out: records of it that were skipped or failed; None where the run does not say.
    :param read: records of it that AEP read: what it left out was in the audience, too; None where it does not say.
    :param audiences: how many audiences the run names; with none, it may have delivered any.
    :param of_run: records of the whole run; None where it does not say.
    """

    at: dt.datetime | None
    exported: int | None
    left_out: int | None
    read: int | None
    audiences: int
    of_run: int | None

    def __str__(self) -> str:
        if self.exported is not None:
            what = count(self.exported, "record") + (f", {self.left_out:,} left out" if self.left_out else "")
        elif self.of_run is not None and self.audiences != 1:
            whose = f"of {self.audiences:,} audiences together" if self.audiences else "by a run that names no audience"
            what = f"{count(self.of_run, 'record')} {whose}"
        else:
            what = "number of records not known"
        return f"{what}, {moment(self.at)}" if self.at else what


class Size(NamedTuple):
    """How large an audience was when it was last evaluated."""

    profiles: int
    at: dt.datetime | None

    def __str__(self) -> str:
        return f"{self.profiles:,} ({moment(self.at)})" if self.at else f"{self.profiles:,}"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of a pair before it is delivered.

    :param last: None where no delivery of it is known; ``without_last`` says why, with the cause after a colon.
    :param size: None where it is not known; ``without_size`` says why.
    :param file_name: what AEP will call the file, see :func:`file_name`.
    :param may_be_incremental: whether its last delivery may have held changes only, as scheduled exports can.
    """

    last: LastDelivery | None = None
    without_last: str = "not known"
    size: Size | None = None
    without_size: str = "not known"
    file_name: str = ""
    may_be_incremental: bool = False

    @property
    def cells(self) -> tuple[str, str, str]:
        """Return the last delivery, the audience's size and the file's name, as tables show them."""
        last = self.without_last.partition(":")[0] if self.last is None else str(self.last)
        return last, NOT_TOLD if self.size is None else str(self.size), self.file_name or NOT_TOLD


def moment(at: dt.datetime) -> str:
    """Write a time for people."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def look(findings: Findings, run: Run) -> dict[Pair, Outlook]:
    """Ask AEP what is known of each pair: one list of runs for all flows, and one of evaluations.

    What cannot be read becomes a warning of the findings, never an error.
    """
    runs = _told(findings, "what was delivered last is not known", lambda: _runs_of(findings, run))
    jobs = _told(findings, "audience sizes are not known", lambda: run(endpoints.evaluations()))
    return {pair: _outlook(pair, findings, runs, jobs) for pair in findings.pairs}


def _told(findings: Findings, what: str, ask: Callable[[], T]) -> T | str:
    """Return an answer, or in a few words why there is none; a warning says it in full."""
    try:
        return ask()
    except AepCallError as error:
        findings.warnings.append(f"{what}: {error}")
        return f"{error.call} failed" + (f" with HTTP {error.status}" if error.status else "")


def _outlook(pair: Pair, findings: Findings, runs: Mapping[str, _Runs] | str, jobs: list[SegmentJob] | str) -> Outlook:
    flow = findings.flows[pair.flow_id]
    audience = flow.audience(pair.audience_id)
    found = _Runs((), is_whole=False) if isinstance(runs, str) else runs[pair.flow_id]
    evaluations = () if isinstance(jobs, str) else jobs
    job = next((job for job in evaluations if pair.audience_id in job.sizes), None)
    # A list that is empty although the flow says that it ran is no answer.
    without_last = "not known" if flow.last_run_at and not found.runs else found.without
    return Outlook(
        last=last_delivery(pair, findings.aliases, found.runs),
        without_last=f"not known: {runs}" if isinstance(runs, str) else without_last,
        size=Size(job.sizes[pair.audience_id], job.finished_at) if job else None,
        without_size=jobs if isinstance(jobs, str) else "AEP's last evaluations do not give it",
        file_name=file_name(flow, audience) if audience else "",
        may_be_incremental=audience is not None and "INCREMENTAL" in audience.export_mode.upper(),
    )


class _Runs(NamedTuple):
    """Runs of a flow, newest first, and whether AEP has listed all of them."""

    runs: Sequence[FlowRun]
    is_whole: bool

    @property
    def without(self) -> str:
        """Say what it means that none of them delivered a pair."""
        if self.runs:
            return (
                f"none among the flow's last {len(self.runs):,} runs" if self.runs[1:] else "not in the flow's last run"
            )
        return "none yet" if self.is_whole else "none lately"


def _runs_of(findings: Findings, run: Run) -> dict[str, _Runs]:
    """Return the newest runs of each flow: as many as tell of every pair, or as is worth asking for."""
    flows = list(dict.fromkeys(pair.flow_id for pair in findings.pairs))
    found: dict[str, _Runs] = {}
    for start in range(0, len(flows), PAGE_SIZE):
        some = flows[start : start + PAGE_SIZE]
        enough = _Enough([pair for pair in findings.pairs if pair.flow_id in set(some)], findings.aliases, len(some))
        listed = run(endpoints.runs_of_flows(some, enough)) if len(some) > 1 else None
        for flow_id in some:
            if listed is None:
                enough = _Enough([pair for pair in findings.pairs if pair.flow_id == flow_id], findings.aliases, 1)
            runs = run(endpoints.runs_of_flow(flow_id, enough)) if listed is None else listed[flow_id]
            # Some runs say when they began, but not when they were created.
            newest_first = sorted(runs, key=lambda run: began(run) or EPOCH, reverse=True)
            found[flow_id] = _Runs(newest_first, is_whole=not enough.has_ended_it)
    return found


def last_delivery(pair: Pair, aliases: Mapping[str, str], runs: Iterable[FlowRun]) -> LastDelivery | None:
    """Return how AEP last delivered a pair, None if none of these runs (of any flows, newest first) did."""
    ids = names_of(pair, aliases)
    for run in runs:
        if run.flow_id not in (pair.flow_id, "") or run.status not in _DELIVERED:
            continue
        at = run.completed_at or began(run)
        if run.names(ids):
            audiences = len(set(run.audiences) - {aliases.get(name) for name in run.audiences})
            counts = run.counts_for(ids, alone=audiences == 1)
            left_out, read = run.left_out(counts), counts.read
            if read is None and counts.exported is not None and left_out is not None:
                read = counts.exported + left_out
            return LastDelivery(at, counts.exported, left_out, read, audiences, run.total.exported)
        if not run.audiences and run.total.exported != 0:
            # This may be the pair's last delivery, so that of an older run is not.
            return LastDelivery(at, None, None, None, 0, run.total.exported)
    return None


class _Enough:
    """Ends a list of runs that tells of every pair, or that is long enough."""

    def __init__(self, pairs: Sequence[Pair], aliases: Mapping[str, str], flows: int) -> None:
        self._missing = set(pairs)
        self._aliases = aliases
        self._pages = min(MOST_PAGES, flows + len(pairs) // PAGE_SIZE)
        self._seen = 0
        self.has_ended_it = False

    def __call__(self, found: Sequence[FlowRun]) -> bool:
        new, self._seen, self._pages = found[self._seen :], len(found), self._pages - 1
        by_flow: dict[str, list[FlowRun]] = {}
        for item in new:
            by_flow.setdefault(item.flow_id, []).append(item)
        for pair in list(self._missing):
            if last_delivery(pair, self._aliases, [*by_flow.get(pair.flow_id, ()), *by_flow.get("", ())]):
                self._missing.remove(pair)
        self.has_ended_it = not self._missing or self._pages <= 0
        return self.has_ended_it


def file_name(flow: DestinationFlow, audience: MappedAudience) -> str:
    """Return what AEP will call the file, "" where the flow does not say.

    What only AEP knows stays as AEP writes it: the time, the destination's name in its catalog, and which of its ids
    an imported audience has there.
    """
    known = {
        "SEGMENT_ID": "" if audience.system_id else audience.id,
        "SEGMENT_NAME": audience.name,
        "DESTINATION_INSTANCE_ID": flow.id,
        "DESTINATION_INSTANCE_NAME": flow.name,
    }
    return one_line(_MACRO.sub(lambda found: known.get(found[1].upper()) or found[0], audience.filename_template))


def overwrites(audience: MappedAudience) -> bool:
    """Whether each delivery of the audience overwrites the last file: its template has neither date nor time."""
    template = audience.filename_template
    macros = [name.upper() for name in _MACRO.findall(template)]
    return bool(template) and not any("DATE" in name or "TIME" in name for name in macros)
