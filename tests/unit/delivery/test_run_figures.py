"""How the figures of a flow run are kept and written."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from adobe_experience_platform.aep import FlowRun, Reason, RunStatus
from adobe_experience_platform.delivery.run_figures import (
    ReasonNote,
    delivered_text,
    duration_text,
    figures_of,
    reasons_text,
    size_text,
)
from tests.support.parts import NOW


def run(**changes: Any) -> FlowRun:
    return FlowRun("r", "f", RunStatus.SUCCESS, "success", NOW, NOW, NOW + dt.timedelta(minutes=7), **changes)


def test_what_aep_does_not_say_is_left_out_and_zero_is_kept() -> None:
    assert figures_of(run(), 1) == {"audiences": 1, "seconds": 420}
    assert figures_of(run(files=0, size=0), 2) == {"audiences": 2, "seconds": 420, "files": 0, "bytes": 0}


def test_reasons_and_names_of_files_are_kept() -> None:
    found = figures_of(run(skipped_for=(Reason("S", "a", 3),), failed_for=(Reason("F", "b", None),)), 1)
    assert found["skipped"] == [{"code": "S", "text": "a", "records": 3}]
    assert found["failed"] == [{"code": "F", "text": "b", "records": None}]
    assert figures_of(run(file_names=("gold.csv",)), 1)["file_names"] == ["gold.csv"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (855_202_780, "855.2 MB"),
        (2**62, "4.6 EB"),
    ],
)
def test_a_size(number: int, text: str) -> None:
    assert size_text(number) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (400, "6:40"), (5906, "1:38:26"), (90000, "25:00:00")])
def test_a_duration(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


def test_reasons_in_a_line() -> None:
    reasons = [ReasonNote(code=f"C-{number}", text="Why.", records=number) for number in (1500, 2, 1, 1, 1)]
    assert reasons_text(reasons) == (
        "[C-1500] Why. (1,500 records); [C-2] Why. (2 records); [C-1] Why. (1 record); and 2 more reasons"
    )
    assert reasons_text([{"code": "", "text": "", "records": 5}]) == "no reason given (5 records)"
    assert reasons_text([]) == ""


def test_what_was_delivered() -> None:
    assert delivered_text({"audiences": 1, "seconds": 400, "files": 1, "bytes": 7}) == ["1 file", "7 B", "took 6:40"]
    assert delivered_text({"audiences": 2, "files": 2}) == ["2 files in its run"]
    assert delivered_text({"audiences": 1}) == []
