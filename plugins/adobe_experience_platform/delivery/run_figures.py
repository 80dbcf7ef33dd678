"""What AEP says of a whole flow run: files, bytes, duration, why records were skipped or failed; and how it is written.

A run may deliver several audiences, and AEP does not say which file, byte or reason is whose. So these belong to the
run, and nothing divides them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict, cast

from adobe_experience_platform.aep import Counts, FlowRun, Reason, RunStatus, count

REASONS_SHOWN = 3
OF_RUN = "*"
"""Marks a figure in a table that belongs to a run of several audiences."""


class ReasonNote(TypedDict):
    """Why records were skipped or failed, in AEP's words; ``records`` is None where AEP does not say how many."""

    code: str
    text: str
    records: int | None


class RunFigures(TypedDict, total=False):
    """The figures of an ended run; what AEP does not say is left out.

    ``audiences`` is how many the run is known to deliver; of reasons and names of files, the first ten are kept.
    """

    audiences: int
    seconds: int
    files: int
    bytes: int
    file_names: list[str]
    skipped: list[ReasonNote]
    failed: list[ReasonNote]


def figures_of(run: FlowRun, audiences: int) -> RunFigures:
    """Return the figures of a run that has ended."""
    numbers = {"audiences": audiences, "seconds": run.seconds, "files": run.files, "bytes": run.size}
    lists = {"file_names": list(run.file_names), "skipped": _notes(run.skipped_for), "failed": _notes(run.failed_for)}
    told = {name: number for name, number in numbers.items() if number is not None}
    return cast("RunFigures", told | {name: items for name, items in lists.items() if items})


def _notes(reasons: Iterable[Reason]) -> list[ReasonNote]:
    return [ReasonNote(code=code, text=text, records=records) for code, text, records in reasons]


def loss_in(run: FlowRun, counts: Counts) -> str:
    """Say why a success may lack records of an audience with these counters, none of which failed; "" if it may not."""
    if run.status is not RunStatus.SUCCESS or counts.failed:
        return ""
    if counts.failed is None and run.fails_beyond and run.total.failed:
        return f"{count(run.total.failed, 'record')} failed in its run"
    if run.files_failed:
        return f"{count(run.files_failed, 'file')} failed in its run"
    if run.bytes_failed:
        return f"{size_text(run.bytes_failed)} failed in its run"
    if counts.failed is None and (run.error_code or run.error_text):
        return "AEP lists errors, but not how many records failed"
    return _missing(run, counts)


def _missing(run: FlowRun, counts: Counts) -> str:
    """Say of how many records that AEP has read it does not say that they were exported, skipped or failed."""
    own, total = ((each.read, each.exported, run.left_out(each)) for each in (counts, run.total))
    read, exported, left_out = total if None in own else own
    if read is None or exported is None or left_out is None or read <= exported + left_out:
        return ""
    said = f"AEP read {count(read, 'record')}, exported {exported:,}, skipped or failed {left_out:,}"
    return f"{said}, and does not say what became of {read - exported - left_out:,}{' in its run' * (None in own)}"


def size_text(number: int) -> str:
    """Return ``999 B`` or ``855.2 MB``: in powers of 1,000, with one decimal."""
    if number < 1000:
        return f"{number} B"
    value = number / 1000
    units = ["kB", "MB", "GB", "TB", "PB", "EB"]
    while value >= 999.95 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.1f} {units[0]}"


def duration_text(seconds: int) -> str:
    """Return ``6:40`` or ``1:38:26``."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def reasons_text(reasons: Sequence[ReasonNote]) -> str:
    """Return reasons in one line: ``[CODE] AEP's words (400 records); …``."""
    lines = [_reason(item) for item in reasons[:REASONS_SHOWN]]
    more = len(reasons) - REASONS_SHOWN
    return "; ".join(lines + [f"and {count(more, 'more reason')}"] * (more > 0))


def _reason(reason: ReasonNote) -> str:
    words = " ".join(filter(None, (reason["code"] and f"[{reason['code']}]", reason["text"]))) or "no reason given"
    return words if reason["records"] is None else f"{words} ({count(reason['records'], 'record')})"


def delivered_text(figures: RunFigures) -> list[str]:
    """Return what a run wrote, for a list: ``2 files``, ``855.2 MB``, ``in 6:40``, and the names of the files."""
    of_run = " in its run" if figures["audiences"] > 1 else ""
    said = []
    if "files" in figures:
        said.append(count(figures["files"], "file") + of_run)
    if "bytes" in figures:
        said.append(size_text(figures["bytes"]) + of_run)
    if "seconds" in figures:
        said.append(f"took {duration_text(figures['seconds'])}")
    return said + figures.get("file_names", [])
