"""What the commands print: every form of the rows, and foreign text as text."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from adobe_experience_platform.cli import screen

HOSTILE = "[red]VIP[/red] [link=http://elsewhere] \x1b[31m [/] 007\nsecond"
ROWS: list[dict[str, Any]] = [
    {"audience": "Gold", "ready": True, "id": "007", "records": 1},
    {"audience": HOSTILE, "ready": False, "id": "1e5", "records": None},
]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_get_the_values_as_they_are(capsys: pytest.CaptureFixture[str], output: str) -> None:
    screen.show(ROWS, output)

    text = capsys.readouterr().out
    assert (json.loads(text) if output == "json" else yaml.safe_load(text)) == ROWS


@pytest.mark.parametrize("output", ["table", "plain"])
def test_people_get_lines_that_can_be_copied(capsys: pytest.CaptureFixture[str], output: str) -> None:
    screen.show([*ROWS, {**ROWS[0], "audience": "x" * 300}], output)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["audience", "ready", "id", "records"]
    [gold] = [line.split() for line in lines if line.startswith("Gold")]
    assert gold == ["Gold", "yes", "007", "1"]
    [hostile] = [line for line in lines if "VIP" in line]
    assert "[red]VIP[/red] [link=http://elsewhere]" in hostile
    assert "\x1b" not in hostile
    assert hostile.split()[-3:] == ["no", "1e5", "-"]
    assert any("x" * 300 in line for line in lines)


@pytest.mark.parametrize(("output", "said"), [("json", "[]"), ("yaml", "[]"), ("table", "No data found")])
def test_no_rows_are_said_to_be_none(capsys: pytest.CaptureFixture[str], output: str, said: str) -> None:
    screen.show([], output)

    assert capsys.readouterr().out == f"{said}\n"


def test_what_is_no_result_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    screen.tell(f"Warning: {HOSTILE.splitlines()[0]}", "yellow")

    out, err = capsys.readouterr()
    assert out == ""
    assert "[red]VIP[/red]" in err
