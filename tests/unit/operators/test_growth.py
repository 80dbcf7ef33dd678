"""What a delivery writes grows with its pairs only, as docs/operations.md says: counted, at the most a job can hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from adobe_experience_platform.delivery import checked_settings
from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.operators.wait_for_runs import DeliveryOperator
from tests.support.aep import CROWD, LocalAep

FULL = {"north": CROWD[:60], "south": CROWD[40:60]}
"""80 pairs, the most that AEP takes in one job."""
BYTES_PER_PAIR = 160


def size(value: Any) -> int:
    return len(json.dumps(value))


def activation() -> AdHocActivationOperator:
    return AdHocActivationOperator(task_id="task", activation_info=FULL, poll_interval=1)


def test_a_full_job_writes_a_bounded_record(aep: LocalAep, context: Any) -> None:
    activation().execute(context)

    [looked_up] = set(context["task_state_store"]) - {"attempt", "submission"}
    assert size(context["task_state_store"][looked_up]) < 100, "ids that were asked for need not be kept"
    assert size(context["task_state_store"]) < 80 * BYTES_PER_PAIR
    assert {key for _, key in context.ti.xcoms} == {"submission"}
    assert size(list(context.ti.xcoms.values())) < 80 * BYTES_PER_PAIR


def test_tries_and_clears_write_over_what_is_there(aep: LocalAep, context: Any) -> None:
    activation().execute(context)
    before = size(context["task_state_store"]), len(context.ti.xcoms)

    for _ in range(5):
        activation().execute(context.retried())
    activation().execute(context.cleared())

    assert (size(context["task_state_store"]), len(context.ti.xcoms)) == before


def test_what_is_known_already_is_not_pushed_again(aep: LocalAep, context: Any, monkeypatch: Any) -> None:
    pushed = []
    monkeypatch.setattr(
        context.ti, "xcom_push", lambda key, value: pushed.append(value["missing_is"]) if key == "submission" else None
    )

    activation().execute(context)

    assert pushed == ["not_sent", "unknown", "not_sent"], "begun; about to send; sent"


def test_waits_before_sending_add_a_few_short_notes(aep: LocalAep, context: Any) -> None:
    aep.start_export_job()
    for _ in range(3):
        with pytest.raises(TaskDeferred):
            activation().execute(context.retried())

    assert {"attempt", "deadline_submit", "phase", "submission"} < set(context["task_state_store"])
    assert len(context["task_state_store"]) == 5
    assert size(context["task_state_store"]) < 80 * BYTES_PER_PAIR


def test_a_task_that_only_begins_to_wait_needs_no_http_client(aep: LocalAep, context: Any, monkeypatch: Any) -> None:
    job = {"job": 1, "of": 1, "activation_info": {"north": CROWD[:2]}, "aliases": {}}
    note = {"v": 1, "job": 1, "orders": [["north", CROWD[0], "run-1", False], ["north", CROWD[1], "run-2", False]]}
    context.ti.xcoms["activate", "submission"] = note
    briefing = {"settings": checked_settings({}).to_json()}
    wait = DeliveryOperator(task_id="task", jobs=[job], submit_task_id="activate", briefing=briefing)
    monkeypatch.setattr(DeliveryOperator, "hook", property(lambda _: pytest.fail("its loading takes CPU for nothing")))

    with pytest.raises(TaskDeferred):
        wait.execute(context)
