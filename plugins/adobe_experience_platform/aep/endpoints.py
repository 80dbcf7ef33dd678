"""Each AEP call as a pure pair: build the request, read the answer. Nothing here sends anything.

The synchronous and the asynchronous hook drive the same generators, see :mod:`.calls`, so that reading is written once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from adobe_experience_platform.errors import AepNotFoundError, AepRequestError, AepTooLargeError, AepTransientError

from .calls import PAGE_SIZE, Call, Request, parsed, path_of, read_list, single, unread
from .export_jobs import ExportJob
from .flow_runs import FlowRun
from .flows import DestinationFlow, MappedAudience
from .json_values import as_dicts
from .orders import Activation, Pair, by_flow
from .segment_jobs import SegmentJob

Timed = TypeVar("Timed", ExportJob, FlowRun, SegmentJob)

EXPORT_JOBS = "/data/core/ups/export/jobs"
SEGMENT_JOBS = "/data/core/ups/segment/jobs"
ADHOC_RUN = "/data/core/activation/disflowprovider/adhocrun"
FLOWS = "/data/foundation/flowservice/flows"
RUNS = "/data/foundation/flowservice/runs"

ACCEPT_V2 = "application/vnd.adobe.adhoc.activation+json; version=2"

EVALUATIONS = 3
"""Segment jobs that are read: besides the daily one two may be made on demand a day, and each can be megabytes."""
MOST_RUNS = 300
"""Runs of all flows that are read in place of asking each flow."""


def shrunken_list(flow_id: str) -> AepTransientError:
    """Return the error that a flow's list lacks runs that AEP has listed before."""
    return unread("GET /runs", f"runs of flow {flow_id} that were in it before are missing")


def _newest_first(items: Iterable[Timed]) -> list[Timed]:
    epoch = dt.datetime.fromtimestamp(0, tz=dt.UTC)
    return sorted(items, key=lambda item: item.created_at or epoch, reverse=True)


def _is_older(item: ExportJob | FlowRun, since: dt.datetime) -> bool:
    return item.created_at is not None and item.created_at < since


def profile_export_jobs(since: dt.datetime, *, newest_succeeded: bool = False) -> Call[list[ExportJob]]:
    """List profile export jobs, newest first, at least back to ``since``.

    AEP documents no status filter for PROCESSING and no filter by schema, so both are done here.

    :param newest_succeeded: read on until a succeeded job is found that can be delivered.
    """

    def enough(jobs: list[ExportJob]) -> bool:
        ended = any(job.is_profile and job.is_snapshot for job in jobs)
        return _is_older(jobs[-1], since) and (ended or not newest_succeeded)

    request = Request("GET /export/jobs", "GET", EXPORT_JOBS, (("limit", str(PAGE_SIZE)),))
    jobs = yield from read_list(request, "records", ExportJob.from_json, enough)
    # An organization without exports is rare, a slip of AEP's is not; much is concluded from an empty list.
    jobs = jobs or (yield from read_list(request, "records", ExportJob.from_json, enough))
    return _newest_first(job for job in jobs if job.is_profile)


def evaluations() -> Call[list[SegmentJob]]:
    """List the newest evaluations of audiences that have succeeded, newest first: one page, which may be empty."""
    params = (("status", "SUCCEEDED"), ("sort", "creationTime:desc"), ("limit", str(EVALUATIONS)))
    jobs = yield from read_list(
        Request("GET /segment/jobs", "GET", SEGMENT_JOBS, params), "children", SegmentJob.from_json, bool
    )
    return _newest_first(job for job in jobs if job.is_done)


def flow(flow_id: str) -> Call[DestinationFlow]:
    """Read one flow; raises :class:`AepNotFoundError` for an unknown id."""
    request = Request("GET /flows/{id}", "GET", path_of(FLOWS, flow_id))
    response = yield request
    items = response.data.get("items")
    found = [DestinationFlow.from_json(item) for item in as_dicts(items)]
    if items == [] or any(flow.tells_audiences and not flow.audiences for flow in found):
        response = yield request  # it may be a slip, and the plan would call the flow or its audiences unknown
    return DestinationFlow.from_json(single(request, response, flow_id))


def flows_by_id(flow_ids: Sequence[str]) -> Call[dict[str, DestinationFlow]]:
    """Read up to 100 flows of any kind as a list; flows that AEP leaves out are missing in the result."""
    wanted, params = set(flow_ids), (("property", "id==" + ",".join(flow_ids)), ("limit", str(PAGE_SIZE)))
    request = Request("GET /flows", "GET", FLOWS, params)
    flows = yield from read_list(
        request, "items", DestinationFlow.from_json, lambda found: wanted <= {item.id for item in found}
    )
    return {item.id: item for item in flows if item.id in wanted}


def destination_flows(*, datasets: bool = False) -> Call[list[DestinationFlow]]:
    """List the sandbox's destination flows, at will with those of datasets; the filter is checked here too."""
    is_destination = ("property", "inheritedAttributes.properties.isDestinationFlow==true")
    request = Request("GET /flows", "GET", FLOWS, (is_destination, ("limit", str(PAGE_SIZE))))
    flows = yield from read_list(request, "items", DestinationFlow.from_json, lambda _: False)
    return [item for item in flows if datasets or not item.takes_none]


def catalog_flows(*, datasets: bool = False) -> Call[list[DestinationFlow]]:
    """List the destination flows for what goes by the whole of them: a list that is empty is read twice."""
    return (yield from destination_flows(datasets=datasets)) or (yield from destination_flows(datasets=datasets))


def flows_with(audience_ids: Sequence[str]) -> Call[dict[str, MappedAudience]]:
    """List the destination flows that an audience is mapped to: flow id → the audience there.

    AEP documents a filter for this; where it is refused or finds none, all destination flows are read.

    :param audience_ids: the audience's own id, and its external one.
    """
    ids = ",".join(ident for ident in audience_ids if "," not in ident)
    params = (("property", f"{_OF_AUDIENCES}=={ids}"), ("limit", str(PAGE_SIZE)))
    flows: list[DestinationFlow] = []
    try:
        request = Request("GET /flows", "GET", FLOWS, params)
        flows = yield from read_list(request, "items", DestinationFlow.from_json, lambda _: False)
    except (AepRequestError, AepNotFoundError):
        pass  # a filter that AEP does not take
    return _mapped(flows, audience_ids) or _mapped((yield from catalog_flows()), audience_ids)


_OF_AUDIENCES = "transformations[].params.segmentSelectors.selectors[].value.id"


def _mapped(flows: Iterable[DestinationFlow], audience_ids: Sequence[str]) -> dict[str, MappedAudience]:
    found = ((flow.id, flow.audience(ident)) for flow in flows for ident in audience_ids)
    return {flow_id: audience for flow_id, audience in found if audience is not None}


def flows_named(names: Sequence[str]) -> Call[list[DestinationFlow]]:
    """List the flows of any kind, also sources, that have one of up to 100 names.

    AEP reads a comma as "or": for a name with one, all flows are read.
    """
    has_comma = any("," in name for name in names)
    condition = () if has_comma else (("property", "name==" + ",".join(names)),)
    request = Request("GET /flows", "GET", FLOWS, (*condition, ("limit", str(PAGE_SIZE))))
    flows = yield from read_list(request, "items", DestinationFlow.from_json, lambda _: False)
    return [item for item in flows if item.exact_name in names]


def run(run_id: str) -> Call[FlowRun]:
    """Read one flow run; raises :class:`AepNotFoundError` while AEP does not know it (yet)."""
    request = Request("GET /runs/{id}", "GET", path_of(RUNS, run_id))
    response = yield request
    return FlowRun.from_json(single(request, response, run_id))


def runs_by_id(run_ids: Sequence[str]) -> Call[dict[str, FlowRun]]:
    """Read up to 100 runs in one request; runs that AEP leaves out are missing in the result."""
    wanted = set(run_ids)
    request = Request("GET /runs", "GET", RUNS, (("property", "id==" + ",".join(run_ids)), ("limit", str(PAGE_SIZE))))
    try:
        response = yield request
    except AepTooLargeError:
        if len(run_ids) == 1:
            raise
        half = len(run_ids) // 2
        return (yield from runs_by_id(run_ids[:half])) | (yield from runs_by_id(run_ids[half:]))
    runs = parsed(request, response, "items", FlowRun.from_json)
    return {item.id: item for item in runs if item.id in wanted}


def runs_of_flow(
    flow_id: str, enough: Callable[[list[FlowRun]], bool], *, limit: int = PAGE_SIZE
) -> Call[list[FlowRun]]:
    """List the runs of a flow, newest first, until ``enough``; filter and order are checked here too."""
    runs = yield from _runs(enough, f"flowId=={flow_id}", limit=limit)
    return _newest_first(item for item in runs if item.flow_id in (flow_id, ""))


def runs_of_flows(
    flow_ids: Sequence[str], enough: Callable[[list[FlowRun]], bool], *, succeeded: bool = False
) -> Call[dict[str, list[FlowRun]] | None]:
    """List the runs of up to 100 flows together, until ``enough``.

    :param succeeded: only those that have succeeded; AEP may list others all the same.
    :return: flow id → its runs, newest first; None if AEP does not tell them so: each flow is then to be asked for.
    """
    try:
        runs = yield from _runs(enough, *([_SUCCEEDED] if succeeded else []), f"flowId=={','.join(flow_ids)}")
    except (AepRequestError, AepNotFoundError):
        return None  # a filter that AEP does not take
    if not all(item.flow_id for item in runs):
        return None
    return {flow_id: _newest_first(item for item in runs if item.flow_id == flow_id) for flow_id in flow_ids}


def _runs(enough: Callable[[list[FlowRun]], bool], *conditions: str, limit: int = PAGE_SIZE) -> Call[list[FlowRun]]:
    properties = [("property", condition) for condition in conditions]
    params = (*properties, ("orderby", "-createdAt"), ("limit", str(limit)))
    return (yield from read_list(Request("GET /runs", "GET", RUNS, params), "items", FlowRun.from_json, enough))


_SUCCEEDED = "metrics.statusSummary.status==success"


def recent_runs(flow_ids: Iterable[str], since: dt.datetime) -> Call[dict[str, list[FlowRun]]]:
    """List the runs of flows that were created after ``since`` (aware time): flow id → its runs, newest first."""
    found = yield from runs_of_each(flow_ids, lambda runs: _is_older(runs[-1], since))
    return {flow_id: [item for item in runs if not _is_older(item, since)] for flow_id, runs in found.items()}


def runs_of_each(flow_ids: Iterable[str], enough: Callable[[list[FlowRun]], bool]) -> Call[dict[str, list[FlowRun]]]:
    """List the runs of flows, until ``enough``, with as few requests as AEP lets: flow id → its runs, newest first."""
    found: dict[str, list[FlowRun]] = {}
    ids = list(dict.fromkeys(flow_ids))
    for start in range(0, len(ids), PAGE_SIZE):
        chunk = ids[start : start + PAGE_SIZE]
        together = (yield from runs_of_flows(chunk, enough)) if len(chunk) > 1 else None
        if together is not None and not any(together.values()):
            # None of them has any, or AEP has not understood the filter: the list of all runs tells.
            listed = yield from all_runs(enough)
            together = (
                None if listed is None else {each: [run for run in listed if run.flow_id == each] for each in chunk}
            )
        for flow_id in chunk:
            found[flow_id] = together[flow_id] if together is not None else (yield from runs_of_flow(flow_id, enough))
    return found


def all_runs(enough: Callable[[list[FlowRun]], bool] = lambda _: False) -> Call[list[FlowRun] | None]:
    """List the runs of all flows, newest first, until ``enough``; None where they are too many, or not listed so."""
    is_cut = False

    def stop(runs: list[FlowRun]) -> bool:
        nonlocal is_cut
        is_cut = not (is_enough := enough(runs)) and len(runs) >= MOST_RUNS
        return is_enough or is_cut

    try:
        runs = yield from _runs(stop)
    except (AepRequestError, AepNotFoundError):
        return None
    return None if is_cut or not all(item.flow_id for item in runs) else _newest_first(runs)


def activate(
    pairs: Iterable[Pair], *, export_id: str | None, before_bytes: Callable[[], None] | None = None
) -> Call[list[Activation]]:
    """Send an ad-hoc activation of at most 80 pairs and read which runs it started.

    :param export_id: version 1: id of the segment export; None: version 2, which needs none.
    """
    body: dict[str, object] = {"activationInfo": by_flow(pairs)}
    # Without an Accept header version 1 applies; HTTP clients add one by default, hence "*/*" as curl sends.
    headers = {"Accept": ACCEPT_V2 if export_id is None else "*/*"}
    if export_id is not None:
        body["exportIds"] = [export_id]
    response = yield Request("POST /adhocrun", "POST", ADHOC_RUN, (), headers, body, True, before_bytes)
    entries = as_dicts(response.data.get("order"))
    return [activation for entry in entries if (activation := Activation.from_json(entry)) is not None]
