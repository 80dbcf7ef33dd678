"""The pages read the XComs that the tasks write: web/static/js/xcom.js says the same as delivery/xcom.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from adobe_experience_platform import web
from adobe_experience_platform.aep import Activation
from adobe_experience_platform.delivery import run_figures, task_ids, xcom
from adobe_experience_platform.delivery.verdict import VerdictState

SCRIPTS = Path(web.__file__).parent / "static" / "js"
SHAPES: dict[str, Any] = {
    name: getattr(xcom if hasattr(xcom, name) else run_figures, name)
    for name in (
        *("Briefing", "SubmissionNote", "ProgressNote", "Report"),
        *("Result", "RunFigures", "ReasonNote", "Verdict"),
    )
}


def source(name: str = "xcom.js") -> str:
    return (SCRIPTS / name).read_text()


def constants(name: str) -> dict[str, str]:
    """Return what a frozen object of xcom.js holds."""
    [body] = re.findall(rf"export const {name} = Object\.freeze\(\{{(.*?)\}}\)", source(), re.DOTALL)
    return dict(re.findall(r'(\w+): "(\w+)"', body))


def fields(shape: str) -> set[str]:
    """Return the properties that a typedef of xcom.js names."""
    [body] = re.findall(rf"@typedef {{object}} {shape}\b(.*?)\*/", source(), re.DOTALL)
    return set(re.findall(r"@property {[^}]*} (\w+)", body))


def test_keys_and_task_ids_are_the_same_on_both_sides() -> None:
    assert len(constants("KEYS")) >= 6
    assert {name: getattr(xcom, name, None) for name in constants("KEYS")} == constants("KEYS")
    assert {name: getattr(task_ids, name, None) for name in constants("TASK_IDS")} == constants("TASK_IDS")


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_have_the_same_fields_on_both_sides(shape: str) -> None:
    assert fields(shape) == set(SHAPES[shape].__annotations__)


def test_the_parts_of_an_activation_stand_in_the_same_order_on_both_sides() -> None:
    [listed] = re.findall(r"export const ORDER_FIELDS = Object\.freeze\(\[(.*?)\]\)", source())
    assert tuple(re.findall(r'"(\w+)"', listed)) == Activation._fields


def test_every_shape_that_the_pages_know_is_compared() -> None:
    assert set(re.findall(r"@typedef {object} (\w+)", source())) == set(SHAPES)


def test_the_pages_look_of_a_verdict_is_one_of_a_state_that_there_is() -> None:
    [body] = re.findall(r"const VERDICTS = new Map\(\[(.*?)\]\);", source("headline.js"), re.DOTALL)
    assert set(re.findall(r'\["(\w+)"', body)) <= {state.value for state in VerdictState}
    green = {state.value for state in VerdictState if not state.is_red}
    assert green <= set(re.findall(r'\["(\w+)"', body)), "what is not named there is shown as a failure"


def test_no_other_script_spells_a_key() -> None:
    spelt = {
        (path.name, key)
        for path in SCRIPTS.glob("*.js")
        if path.name != "xcom.js"
        for key in constants("KEYS").values()
        if f'"{key}"' in path.read_text()
    }
    assert spelt == set()
