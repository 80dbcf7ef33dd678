"""The doctor's table: each trouble is told at the step where it lies, with what to do."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from adobe_experience_platform.cli.asked import TerminalHook
from adobe_experience_platform.cli.doctor import Check, CheckState, examine
from tests.support.aep import FLOWS, JOBS, RUNS, SEED, LocalAep

STEPS = ["connection", "token", "destinations", "audiences", "segment exports", "flow runs", "delivering"]


def checks() -> dict[str, Check]:
    found = list(examine(TerminalHook(), dt.datetime.now(tz=dt.UTC)))
    assert [check.what for check in found] == STEPS
    return {check.what: check for check in found}


def states(found: dict[str, Check]) -> list[str]:
    return [found[step].state.value for step in STEPS[:-1]]


def test_a_sound_connection(aep: LocalAep) -> None:
    found = checks()

    assert states(found) == ["ok"] * 6
    assert found["destinations"].said == "5 destination flows"
    assert found["segment exports"].said == "the newest that has ended is 722"
    assert found["delivering"].state is CheckState.NOT_CHECKED
    assert aep.posts() == []


@pytest.mark.parametrize(
    ("changes", "step", "said"),
    [
        ({"password": "wrong"}, "token", "The client secret is wrong"),
        ({"login": "wrong"}, "token", "Adobe does not recognize this client id"),
        ({"extra": {"sandbox_name": "nowhere"}}, "destinations", "There is no sandbox 'nowhere'"),
        ({"extra": {"org_id": ""}}, "connection", "org_id"),
        ({"conn_type": "http"}, "connection", "adobe_experience_platform"),
    ],
)
def test_what_comes_after_a_fault_is_not_checked(
    aep: LocalAep, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], step: str, said: str
) -> None:
    connection = aep.connection()
    extra = {**connection["extra"], **changes.pop("extra", {})}
    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", json.dumps({**connection, **changes, "extra": extra}))

    found = checks()

    place = STEPS.index(step)
    assert states(found) == ["ok"] * place + ["failed"] + ["not checked"] * (5 - place)
    assert said in found[step].said
    assert connection["password"] not in str(found)


def test_no_connection() -> None:
    found = list(examine(TerminalHook("nowhere"), dt.datetime.now(tz=dt.UTC)))

    assert found[0].state is CheckState.FAILED
    assert "There is no connection 'nowhere'" in found[0].said


@pytest.mark.parametrize(("path", "step"), [(FLOWS, "destinations"), (JOBS, "segment exports"), (RUNS, "flow runs")])
def test_a_missing_permission_is_told_at_its_step(aep: LocalAep, path: str, step: str) -> None:
    aep.add_faults({"kind": "status", "status": 403, "path": path, "times": None})

    found = checks()

    assert found[step].state is CheckState.FAILED
    assert "View Destinations, Activate Destinations, View Profiles and View Segments" in found[step].said


def test_a_sandbox_in_which_nothing_can_be_delivered(aep: LocalAep) -> None:
    aep.reset({**SEED, "flows": [], "export_jobs": []})
    found = checks()
    assert [found[step].state.value for step in STEPS[2:6]] == ["warning", "warning", "warning", "not checked"]

    aep.reset({**SEED, "flows": [SEED["flows"][-1]]})
    assert checks()["audiences"].said == "0 of 1 audience can be delivered now: airflow aep catalog says why"
