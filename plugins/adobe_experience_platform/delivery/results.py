"""The outcome of each pair, as it travels in XComs (``progress``, ``report``) and is shown to people."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NotRequired, TypedDict

from adobe_experience_platform.aep import Activation, FlowRun, Pair, RunStatus, count, named
from adobe_experience_platform.errors import AepError

from .run_figures import REASONS_SHOWN, ReasonNote, RunFigures, figures_of, loss_in, reasons_text
from .search import may_deliver, names_of

NOT_SENT = "not_sent"
UNKNOWN = "unknown"
LOST, MAY_LACK = "RECORDS LOST", "RECORDS MAY BE MISSING"
"""What is said of a success: that AEP says how many of its records failed, or only that not all is well."""


class Result(TypedDict):
    """One pair's outcome; times are ISO 8601 in UTC, counts None where AEP does not say.

    ``records_exported_in_run`` and ``records_failed_in_run`` are the whole run's where AEP does not say whose they are;
    ``loss`` says, in words, why a success may lack records although AEP counts none that failed. ``figures`` are those
    of its run, once it has ended.
    """

    flow_id: str
    audience_id: str
    run_id: str | None
    status: str
    records_exported: int | None
    records_skipped: int | None
    records_failed: int | None
    records_exported_in_run: NotRequired[int]
    records_failed_in_run: NotRequired[int]
    loss: NotRequired[str]
    started_at: str | None
    completed_at: str | None
    error_code: str
    error: str
    adopted: bool
    figures: NotRequired[RunFigures]


def result_of(
    delivery: Activation, run: FlowRun | AepError | None, aliases: Mapping[str, str], *, alone: bool
) -> Result:
    """Describe one pair's outcome: of its run, of the error of reading it, or None when it was not read yet.

    :param alone: whether the run delivers this pair only.
    """
    if not isinstance(run, FlowRun):
        status = UNKNOWN if isinstance(run, AepError) else RunStatus.IN_PROGRESS.value
        return _result(delivery, status, error=str(run) if run else "")
    if not delivery.pair.flow_id:
        # Only the run's id was given: the run itself says what it delivers.
        delivery = delivery._replace(flow_id=run.flow_id, audience_id=next(iter(run.audiences), ""))
    if run.status.is_terminal and not may_deliver(run, delivery.pair, aliases):
        return _result(delivery, UNKNOWN, error="AEP gave this run to the pair, but it says that it delivers others")
    counts = run.counts_for(names_of(delivery.pair, aliases), alone=alone)
    result = _result(delivery, run.status.value, error=run.error_text, code=run.error_code)
    if run.status is RunStatus.IN_PROGRESS:
        counts = counts._replace(failed=None)
    result["records_exported"], result["records_skipped"], result["records_failed"] = counts[:3]
    if run.status.is_terminal and counts.exported is None and run.total.exported is not None:
        result["records_exported_in_run"] = run.total.exported
    if run.status.is_terminal and counts.failed is None and run.fails_beyond and run.total.failed:
        result["records_failed_in_run"] = run.total.failed
    if not lost_in(result) and (loss := loss_in(run, counts)):
        result["loss"] = loss
    result["started_at"] = _iso(run.started_at or run.created_at)
    result["completed_at"] = _iso(run.completed_at) if run.status.is_terminal else None
    return result


def submitted_only(delivery: Activation) -> Result:
    """Describe a pair whose run nobody watched."""
    return _result(delivery, UNKNOWN, error="submitted, but its run was not watched to its end")


def without_run(pair: Pair, status: str, error: str) -> Result:
    """Describe a pair that no run is known for."""
    return _result(Activation(*pair, ""), status, error=error)


def results_of(
    deliveries: Sequence[Activation], runs: Mapping[str, FlowRun | AepError], aliases: Mapping[str, str]
) -> list[Result]:
    """Describe all pairs of a wait."""
    own_ids = {other: own for own, other in aliases.items()}
    shared: dict[str, set[str]] = {}
    for item in deliveries:
        run = runs.get(item.run_id)
        # A run that was found in AEP may hold audiences that we did not ask for.
        named_by_run = [own_ids.get(name, name) for name in run.audiences] if isinstance(run, FlowRun) else []
        shared.setdefault(item.run_id, set()).update(filter(None, (item.audience_id, *named_by_run)))
    results = []
    for item in deliveries:
        run, audiences = runs.get(item.run_id), max(len(shared[item.run_id]), 1)
        result = result_of(item, run, aliases, alone=audiences == 1)
        if isinstance(run, FlowRun) and is_terminal(result):
            result["figures"] = figures_of(run, audiences)
        results.append(result)
    return results


def is_terminal(result: Result) -> bool:
    """Whether the pair's delivery has ended."""
    return result["status"] in (RunStatus.SUCCESS, RunStatus.PARTIAL_SUCCESS, RunStatus.FAILED)


def is_sent(result: Result) -> bool:
    """Whether something of the pair was delivered, all of it or a part."""
    return result["status"] in (RunStatus.SUCCESS, RunStatus.PARTIAL_SUCCESS)


def is_delivered(result: Result, *, accept_partial: bool, accept_loss: bool = True) -> bool:
    """Whether the pair was delivered, as far as a partial success, or one that lost records, is accepted as such."""
    if result["status"] == RunStatus.PARTIAL_SUCCESS:
        return accept_partial
    return result["status"] == RunStatus.SUCCESS and (accept_loss or not loss_label(result))


def lost_in(result: Result) -> int:
    """Return how many records failed of a delivery that AEP calls a success."""
    failed = result["records_failed"] or result.get("records_failed_in_run") or 0
    return failed if result["status"] == RunStatus.SUCCESS else 0


def loss_label(result: Result) -> str:
    """Return :data:`LOST` or :data:`MAY_LACK` of what AEP calls a success all the same, "" of any other delivery."""
    return LOST if lost_in(result) else MAY_LACK if result.get("loss") else ""


def what_failed(results: Sequence[Result]) -> str:
    """Return what is said of these deliveries together: ``did not succeed``, ``lost records``, ``may lack records``."""
    labels = set(map(loss_label, results))
    return "lost records" if labels == {LOST} else "did not succeed" if "" in labels else "may lack records"


def deliveries(number: int) -> str:
    """Return ``1 delivery`` or ``2 deliveries``."""
    return f"{number:,} deliver{'y' if number == 1 else 'ies'}"


def all_succeeded(results: Sequence[Result]) -> str:
    """Return the last line of a wait."""
    number, lossy = len(results), list(filter(loss_label, results))
    said = "The delivery succeeded" if number == 1 else f"All {deliveries(number)} succeeded"
    return f"{said}, but {'it' if number == 1 else f'{len(lossy):,} of them'} {what_failed(lossy)}" if lossy else said


def losses_of(results: Iterable[Result], names: Mapping[str, str]) -> list[str]:
    """Return a line about each delivery that AEP calls a success although records of it failed, or may be missing."""
    found = [(label, item) for item in results if (label := loss_label(item))]
    return [f"{label}, although AEP calls it a success: {line_of(item, names)}" for label, item in found]


def records_text(results: Iterable[Result]) -> str:
    """Return ``134,767 records``, as far as AEP says how many."""
    counts = exported_counts(results)
    known = [number for number in counts if number is not None]
    if counts and not known:
        return "an unknown number of records"
    return ("at least " if len(known) < len(counts) else "") + count(sum(known), "record")


def exported_counts(results: Iterable[Result]) -> list[int | None]:
    """Return how many records were exported, None where AEP does not say, in numbers that may be added up.

    What AEP counts for a whole run only is one of them if the run delivers nothing else.
    """
    runs: dict[str | None, list[Result]] = defaultdict(list)
    for item in results:
        if item["records_exported"] is not None or is_sent(item):
            runs[item["run_id"]].append(item)
    counts: list[int | None] = []
    for own in runs.values():
        told = [item["records_exported"] for item in own]
        whole = [item["records_exported_in_run"] for item in own if "records_exported_in_run" in item]
        counts += whole[:1] if whole and own[0].get("figures", {}).get("audiences") == len(own) else told
    return counts


def summarize(results: Sequence[Result]) -> dict[str, int]:
    """Count pairs by status and add up their records."""
    counts = {"pairs": 0, **{status.value: 0 for status in RunStatus}, NOT_SENT: 0, UNKNOWN: 0, "adopted": 0}
    counts |= {"records_exported": sum(filter(None, exported_counts(results)))}
    counts |= {"records_failed": failed_records(results)}
    for result in results:
        counts["pairs"] += 1
        counts[result["status"]] = counts.get(result["status"], 0) + 1
        counts["adopted"] += result["adopted"]
    return counts


def failed_records(results: Sequence[Result]) -> int:
    """Return how many records failed, as far as AEP says; what it counts for a whole run only, once a run."""
    own: dict[str | None, int] = defaultdict(int)
    whole: dict[str | None, int] = defaultdict(int)
    for item in results:
        own[item["run_id"]] += item["records_failed"] or 0
        whole[item["run_id"]] = item.get("records_failed_in_run", whole[item["run_id"]])
    return sum(max(own[run_id], whole[run_id]) for run_id in own)


def _result(delivery: Activation, status: str, *, error: str = "", code: str = "") -> Result:
    return Result(
        flow_id=delivery.flow_id,
        audience_id=delivery.audience_id,
        run_id=delivery.run_id or None,
        status=status,
        records_exported=None,
        records_skipped=None,
        records_failed=None,
        started_at=None,
        completed_at=None,
        error_code=code,
        error=error,
        adopted=delivery.adopted,
    )


def _iso(moment: dt.datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def failed_for(result: Result) -> list[ReasonNote]:
    """Return why records failed, as AEP says of the pair's run; nothing where none of the pair's own did."""
    return [] if result["records_failed"] == 0 else _failed_in_run(result)


def _failed_in_run(result: Result) -> list[ReasonNote]:
    """Return why records of a run failed, without what the pair's error says already."""
    error = (result["error_code"], result["error"])
    reasons = result.get("figures", {}).get("failed", [])
    return [item for item in reasons if item["records"] is not None or (item["code"], item["text"]) != error]


def error_of(result: Result) -> str:
    """Return AEP's first error with its code; "" where the reasons of what failed say the same, with numbers."""
    code, text = result["error_code"], result["error"]
    if any((item["code"], item["text"]) == (code, text) for item in failed_for(result)[:REASONS_SHOWN]):
        return ""
    return f"[{code}] {text}" if code else text


def line_of(result: Result, names: Mapping[str, str]) -> str:
    """Return one log line about a pair: names beside ids, status, records, why some failed, error."""
    flow = named(result["flow_id"], names)
    audience = named(result["audience_id"], names)
    parts = [f"{audience} → {flow}: {result['status'].replace('_', ' ')}"]
    if result["records_exported"] is not None and result["status"] != RunStatus.IN_PROGRESS:
        parts.append(count(result["records_exported"], "record"))
    elif (exported := result.get("records_exported_in_run")) is not None:
        parts.append(f"{count(exported, 'record')} in its run")
    if result["records_failed"]:
        parts.append(f"{result['records_failed']:,} failed")
    elif lost := lost_in(result):
        parts.append(f"{lost:,} failed in its run")
    parts += filter(None, [result.get("loss"), reasons_text(failed_for(result)), error_of(result)])
    if result["run_id"]:
        parts.append(f"run {result['run_id']}" + (" (adopted)" if result["adopted"] else ""))
    return ", ".join(parts)


def explanations(results: Sequence[Result], names: Mapping[str, str]) -> list[str]:
    """Return a line about each run whose files AEP names or whose records were skipped or failed, with AEP's reasons.

    What failed of a success is left out: see :func:`losses_of`.
    """
    told = {item["run_id"] for item in results if loss_label(item)}
    lines: list[str] = []
    for item in {result["run_id"]: result for result in reversed(results) if "figures" in result}.values():
        figures = item["figures"]
        said = []
        if skipped := figures.get("skipped"):
            said.append(f"skipped: {reasons_text(skipped)}")
        if item["run_id"] not in told and (failed := _failed_in_run(item)):
            said.append(f"failed: {reasons_text(failed)}")
        if files := figures.get("file_names"):
            said.append(f"files: {', '.join(files)}")
        if said:
            audience, flow = (names.get(ident) or ident for ident in (item["audience_id"], item["flow_id"]))
            audience += f" and {figures['audiences'] - 1} more" if figures["audiences"] > 1 else ""
            lines.insert(0, f"{audience} → {flow}: {'; '.join(said)}")
    return lines
