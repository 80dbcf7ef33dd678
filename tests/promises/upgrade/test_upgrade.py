"""A delivery that an older version of the package has begun is finished by this one, and nothing is sent twice.

``recorded/`` holds what older versions left behind in Airflow's database; `record.py` makes such files.
"""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.exceptions import TaskDeferred
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from adobe_experience_platform.delivery.record import VERSION, Record
from adobe_experience_platform.delivery.xcom import read_submissions
from adobe_experience_platform.errors import AepError
from adobe_experience_platform.triggers import base
from tests.promises.upgrade.record import RECORDED, activate, new_context, record, wait_for_export, watch
from tests.support.aep import LocalAep

FILES = sorted(RECORDED.glob("*.json"))
PAIRS = {("mail", "gold"), ("mail", "partner")}
TASKS = {"wait_for_segment_export": wait_for_export, "activate": activate, "wait_for_flow_runs": watch}

pytestmark = pytest.mark.usefixtures("quick")


class Recording:
    """A delivery in flight: what Airflow kept, moved from the day of its recording to today.

    Only times of our own are moved (deadlines): the rest is what the older version wrote.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = copy.deepcopy(data)
        self.deadline = (dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=30)).isoformat()
        for key, value in self.data["state"].items():
            if key.startswith("deadline_"):
                value["at"] = self.deadline

    def context(self) -> Any:
        context = new_context(self.data["task_id"], self.data["state"], self.data["xcoms"])
        context.ti.max_tries, context.ti.try_number = self.data["tries"]
        return context

    def trigger(self, **changes: Any) -> Any:
        path, kwargs = self.data["trigger"]
        return import_string(path)(**{**kwargs, "deadline": self.deadline, "poll_interval": 0.2, **changes})

    def resume(self, context: Any, event: Any) -> Any:
        return getattr(TASKS[self.data["task_id"]](), self.data["method"])(context, event)


def fire(trigger: Any) -> Any:
    """Run a trigger as ``dag.test`` does; return its event's payload, "success" where it ends the task itself."""

    async def first() -> TriggerEvent:
        stream = trigger.run()
        try:
            return await asyncio.wait_for(anext(stream), 20)
        finally:
            await stream.aclose()

    event = asyncio.run(first())
    return "success" if isinstance(event, TaskSuccessEvent) else event.payload


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def recordings(request: pytest.FixtureRequest) -> dict[str, Recording]:
    return {name: Recording(data) for name, data in json.loads(request.param.read_text()).items()}


def begun(aep: LocalAep, recording: Recording, **status: str) -> None:
    """Let AEP have the runs that the older version's POST began."""
    for _, key, value in recording.data["xcoms"]:
        for item in (value if isinstance(value, list) else [value]) if key == "submission" else []:
            for flow_id, audience_id, run_id, _ in item["orders"]:
                outcome = status.get(audience_id, "success")
                aep.start_run(flow_id, id=run_id, audience_ids=[audience_id], status=outcome, seconds=0, kind="adhoc")


def sent(aep: LocalAep) -> list[Any]:
    return [post["json"]["activationInfo"] for post in aep.posts()]


def runs_of(orders: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(item["flow_id"], item["audience_id"]) for item in orders}


def test_a_recording_has_every_situation(recordings: dict[str, Recording], aep: LocalAep) -> None:
    assert set(recordings) == set(record(aep))


def test_a_wait_for_the_export_goes_on(aep: LocalAep, recordings: dict[str, Recording]) -> None:
    recording = recordings["waits_for_the_export"]

    assert fire(recording.trigger()) == "success"
    recording.resume(recording.context(), recording.data["event"])


def test_what_waited_to_be_sent_is_sent_once(aep: LocalAep, recordings: dict[str, Recording]) -> None:
    recording = recordings["submits_after_the_export"]
    context = recording.context()

    orders = recording.resume(context, fire(recording.trigger()))

    assert runs_of(orders) == PAIRS
    activate().execute(context.retried())
    assert sent(aep) == [{"mail": ["gold", "partner"]}]


def test_a_lost_answer_is_settled(aep: LocalAep, recordings: dict[str, Recording]) -> None:
    recording = recordings["lost_an_answer_to_what_began"]
    for name in ("gold", "partner"):
        aep.start_run("mail", audience_ids=[name], status="success", seconds=0, kind="adhoc")

    orders = recording.resume(recording.context(), fire(recording.trigger(settle_seconds=0)))

    assert runs_of(orders) == PAIRS
    assert all(item["adopted"] for item in orders)
    assert sent(aep) == []


def test_a_lost_activation_that_never_began_is_sent_once(aep: LocalAep, recordings: dict[str, Recording]) -> None:
    recording = recordings["lost_an_answer_to_nothing"]
    context = recording.context()

    orders = recording.resume(context, fire(recording.trigger(settle_seconds=0.5)))

    assert runs_of(orders) == PAIRS
    activate().execute(context.retried())
    assert sent(aep) == [{"mail": ["gold", "partner"]}]


def test_a_try_that_died_after_its_intent_looks_before_it_sends(
    aep: LocalAep, recordings: dict[str, Recording]
) -> None:
    """There is no trigger and no event: the new version begins with the record alone."""
    recording = recordings["lost_an_answer_to_what_began"]
    for name in ("gold", "partner"):
        aep.start_run("mail", audience_ids=[name], status="success", seconds=0, kind="adhoc")

    context = recording.context().retried()
    with pytest.raises(TaskDeferred) as wait:
        activate().execute(context)
    path, kwargs = wait.value.trigger.serialize()
    orders = activate().execute_complete(context, fire(import_string(path)(**{**kwargs, "settle_seconds": 0})))

    assert runs_of(orders) == PAIRS
    assert sent(aep) == []


@pytest.mark.parametrize("next_try", ["retried", "cleared"])
def test_what_was_submitted_is_not_sent_again(aep: LocalAep, recordings: dict[str, Recording], next_try: str) -> None:
    recording = recordings["has_submitted"]
    begun(aep, recording)

    orders = activate().execute(getattr(recording.context(), next_try)())

    assert runs_of(orders) == PAIRS
    assert sent(aep) == []


def test_runs_are_watched_to_their_end(aep: LocalAep, recordings: dict[str, Recording]) -> None:
    recording = recordings["watches"]
    begun(aep, recording)

    counts = fire(recording.trigger(ends_task=False))["counts"]
    assert (counts["pairs"], counts["success"]) == (2, 2)
    assert recording.resume(recording.context(), recording.data["event"])["summary"]["success"] == 2


def test_a_clear_after_the_upgrade_sends_what_failed(aep: LocalAep, recordings: dict[str, Recording]) -> None:
    recording = recordings["watches"]
    begun(aep, recording, gold="failed")
    context = recording.context()
    with pytest.raises(AepError, match="1 of 2 deliveries did not succeed"):
        recording.resume(context, recording.data["event"])
    assert sent(aep) == []

    aep.add_outcomes({"audience_id": "gold", "seconds": 60})
    with pytest.raises(TaskDeferred):
        watch().execute(context.cleared())
    assert sent(aep) == [{"mail": ["gold"]}]


def test_a_lost_answer_of_a_repair_is_settled(aep: LocalAep, recordings: dict[str, Recording]) -> None:
    recording = recordings["lost_an_answer_of_a_repair"]
    begun(aep, recording, gold="failed")
    context = recording.context()
    aep.start_run("mail", audience_ids=["gold"], status="success", seconds=0, kind="adhoc")

    result = recording.resume(context, fire(recording.trigger(settle_seconds=0)))

    assert (result["summary"]["success"], result["summary"]["adopted"]) == (2, 1)
    assert sent(aep) == []


# ---------------------------------------------------------------------------------- back to an older one


def test_a_newer_record_is_not_guessed_at(aep: LocalAep, recordings: dict[str, Recording]) -> None:
    for name in ("lost_an_answer_to_nothing", "has_submitted"):
        recording = recordings[name]
        recording.data["state"]["submission"] = {"v": VERSION + 1, "runs": {"mail/gold": "elsewhere"}}
        for next_try in ("retried", "cleared"):
            with pytest.raises(AepError, match="written by a newer version of this package") as refused:
                activate().execute(getattr(recording.context(), next_try)())
            assert not refused.value.retriable
    assert sent(aep) == []


@pytest.mark.parametrize("damage", [None, "1", 0, -1, [], {}])
def test_a_record_without_a_version_is_not_guessed_at(damage: Any) -> None:
    with pytest.raises(AepError, match="is damaged"):
        Record.from_json({"v": damage, "orders": {"mail": {"gold": None}}})


def test_a_newer_repair_or_note_of_what_was_sent_is_not_guessed_at(
    aep: LocalAep, recordings: dict[str, Recording]
) -> None:
    recording = recordings["lost_an_answer_of_a_repair"]
    recording.data["state"]["repair_1"]["v"] = VERSION + 1
    with pytest.raises(AepError, match="written by a newer version"):
        recording.resume(recording.context(), recording.data["event"])
    with pytest.raises(AepError, match="XCom 'submission' was written by a newer version"):
        read_submissions({"v": 99, "runs": []})
    assert sent(aep) == []


WAITS = ["waits_for_the_export", "submits_after_the_export", "lost_an_answer_to_nothing", "watches"]


@pytest.mark.parametrize("name", WAITS)
def test_a_newer_wait_ends_at_once_and_nothing_is_sent(
    aep: LocalAep, recordings: dict[str, Recording], name: str
) -> None:
    recording = recordings[name]
    trigger = recording.trigger(v=base.ARGUMENTS_VERSION + 1, hurry=True)
    assert trigger.serialize()[1]["hurry"] is True, "the triggerer may store it again"

    event = fire(trigger)

    assert "a newer version of this package began this wait" in event["message"]
    with pytest.raises(AepError, match="deploy the same version on every worker and triggerer"):
        recording.resume(recording.context(), event)
    assert sent(aep) == []


def test_a_newer_record_inside_a_wait_ends_it_at_once(aep: LocalAep, recordings: dict[str, Recording]) -> None:
    recording = recordings["lost_an_answer_to_nothing"]

    event = fire(recording.trigger(record={"v": VERSION + 1}))

    assert (event["status"], event["retriable"]) == ("error", False)
    assert "written by a newer version of this package" in event["message"]


def test_a_misspelt_argument_is_an_error_all_the_same(recordings: dict[str, Recording]) -> None:
    with pytest.raises(TypeError, match="no argument 'hury'"):
        recordings["watches"].trigger(hury=True)


@pytest.mark.parametrize("name", WAITS)
def test_a_newer_event_neither_sends_nor_succeeds(aep: LocalAep, recordings: dict[str, Recording], name: str) -> None:
    recording = recordings[name]
    with pytest.raises(AepError, match="workers and triggerer need the same version of this package"):
        recording.resume(recording.context(), {**recording.data["event"], "v": 99})
    assert sent(aep) == []


def test_the_newest_recording_has_the_present_form(aep: LocalAep) -> None:
    """If this fails, the form has changed: `python -m tests.promises.upgrade.record NAME`, then commit the new file."""
    forms = [shape(json.loads(path.read_text())) for path in FILES]
    assert shape(record(aep)) in forms


def shape(value: Any) -> Any:
    """Return what of a recording is form: keys and types, without ids, times and texts."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        kinds = [shape(item) for item in value]  # how many runs share a moment is chance
        return [kind for number, kind in enumerate(kinds) if kind not in kinds[:number]]
    return value if isinstance(value, str) and value.startswith("adobe_experience_platform.") else type(value).__name__


def test_recordings_hold_no_secret(aep: LocalAep) -> None:
    assert FILES
    for path in FILES:
        assert aep.connection()["password"] not in Path(path).read_text()
