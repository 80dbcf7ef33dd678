"""The outcome of each pair, as it travels in XComs (``progress``, ``report``) and is shown to people."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NotRequired, TypedDict

from adobe_experience_platform.aep import Activation, Counts, FlowRun, Pair, RunStatus, count, named
from adobe_experience_platform.errors import AepError

from .run_figures import REASONS_SHOWN, ReasonNote, RunFigures, figures_of, reasons_text, size_text
from .search import may_deliver, names_of

NOT_SENT = "not_sent"
UNKNOWN = "unknown"


class Result(TypedDict):
    """One pair's outcome; times are ISO 8601 in UTC, counts None where AEP does not say.

    ``records_exported_in_run`` and ``records_failed_in_run`` are the whole run's where AEP does not say whose they are;
    ``loss`` says, in words, what a success lost that is not counted in records. ``figures`` are those of its run, once
    it has ended.
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
    if run.status.is_terminal and counts.failed is None and run.total.failed:
        result["records_failed_in_run"] = run.total.failed
    if run.status is RunStatus.SUCCESS and not lost_in(result):
        if run.files_failed:
            result["loss"] = f"{count(run.files_failed, 'file')} failed in its run"
        elif run.bytes_failed:
            result["loss"] = f"{size_text(run.bytes_failed)} failed in its run"
        elif counts.failed is None and (run.error_code or run.error_text):
            result["loss"] = "AEP lists errors, but not how many records failed"
        elif missing := _missing(run, counts):
            result["loss"] = missing
    result["started_at"] = _iso(run.started_at or run.created_at)
    result["completed_at"] = _iso(run.completed_at) if run.status.is_terminal else None
    return result


def _missing(run: FlowRun, counts: Counts) -> str:
    """Say of how many records that AEP has read it does not say that they were exported, skipped or failed."""
    read, exported, left_out = counts.read, counts.exported, run.left_out(counts)
    if read is None or exported is None or left_out is None or read <= exported + left_out:
        return ""
    said = f"AEP read {count(read, 'record')}, exported {exported:,}, skipped or failed {left_out:,}"
    return f"{said}, and does not say what became of {read - exported - left_out:,}"


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
    return result["status"] == RunStatus.SUCCESS and (accept_loss or not is_lossy(result))


def lost_in(result: Result) -> int:
    """Return how many records failed of a delivery that AEP calls a success."""
    failed = result["records_failed"] or result.get("records_failed_in_run") or 0
    return failed if result["status"] == RunStatus.SUCCESS else 0


def is_lossy(result: Result) -> bool:
    """Whether AEP calls a delivery a success although something of it failed."""
    return lost_in(result) > 0 or bool(result.get("loss"))


def deliveries(number: int) -> str:
    """Return ``1 delivery`` or ``2 deliveries``."""
    return f"{number:,} deliver{'y' if number == 1 else 'ies'}"


def all_succeeded(results: Sequence[Result]) -> str:
    """Return the last line of a wait."""
    number, lossy = len(results), sum(map(is_lossy, results))
    said = "The delivery succeeded" if number == 1 else f"All {deliveries(number)} succeeded"
    return f"{said}, but {'it' if number == 1 else f'{lossy:,} of them'} lost records" if lossy else said


def losses_of(results: Iterable[Result], names: Mapping[str, str]) -> list[str]:
    """Return a line about each delivery that AEP calls a success although records of it failed."""
    lines = [line_of(item, names) for item in results if is_lossy(item)]
    return [f"RECORDS LOST, although AEP calls it a success: {line}" for line in lines]


def records_text(results: Iterable[Result]) -> str:
    """Return ``134,767 records``, as far as AEP says how many."""
    counts = [item["records_exported"] for item in results if item["records_exported"] is not None or is_sent(item)]
    known = [number for number in counts if number is not None]
    if counts and not known:
        return "an unknown number of records"
    return ("at least " if len(known) < len(counts) else "") + count(sum(known), "record")


def summarize(results: Sequence[Result]) -> dict[str, int]:
    """Count pairs by status and add up their records."""
    counts = {"pairs": 0, **{status.value: 0 for status in RunStatus}, NOT_SENT: 0, UNKNOWN: 0, "adopted": 0}
    counts |= {"records_exported": 0, "records_failed": failed_records(results)}
    for result in results:
        counts["pairs"] += 1
        counts[result["status"]] = counts.get(result["status"], 0) + 1
        counts["adopted"] += result["adopted"]
        counts["records_exported"] += result["records_exported"] or 0
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
    told = {item["run_id"] for item in results if is_lossy(item)}
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
