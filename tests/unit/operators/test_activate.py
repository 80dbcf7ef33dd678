"""The operators by themselves: what AEP receives over tries, clears and lost answers."""

from __future__ import annotations

import time
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from adobe_experience_platform.aep.transport import ATTEMPTS
from adobe_experience_platform.delivery import SETTINGS
from adobe_experience_platform.delivery.results import NOT_SENT, UNKNOWN
from adobe_experience_platform.errors import (
    AepDeadlineError,
    AepDeliveryError,
    AepExportError,
    AepInputError,
    AepSubmissionError,
    AepTransientError,
)
from adobe_experience_platform.operators.activate import AdHocActivationOperator
from adobe_experience_platform.operators.latest_export import LatestSegmentExportOperator
from adobe_experience_platform.operators.links import DestinationLink
from adobe_experience_platform.operators.submit import settle_seconds
from adobe_experience_platform.operators.wait_for_runs import DeliveryOperator
from adobe_experience_platform.triggers.base import EVENT_VERSION
from tests.support.aep import ADHOC, SEED, LocalAep
from tests.support.dagtest import captured

INFO = {"mail": ["gold", "silver"]}
PAIRS = {("mail", "gold"): 1, ("mail", "silver"): 1}
DONE = {"v": EVENT_VERSION, "status": "done", "message": ""}
TIMEOUT = {**DONE, "status": "timeout"}
POST = {"method": "POST", "path": ADHOC}


def activation(**arguments: Any) -> AdHocActivationOperator:
    return AdHocActivationOperator(task_id="task", **{"activation_info": INFO, "poll_interval": 1, **arguments})


def deferred(work: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        work()
    return caught.value


def settled(context: Any, key: str = "submission") -> dict[str, Any]:
    """Return the event of a wait that has settled the open POST and found nothing."""
    return {**DONE, "intent": context["task_state_store"][key]["intent"]["id"], "settled": True, "found": []}


def until_ended(aep: LocalAep) -> None:
    while not all(item["successful"] for item in aep.deliveries()):
        time.sleep(0.1)


# -------------------------------------------------------------------------------- the newest export


def test_the_newest_export_that_succeeded_is_found(aep: LocalAep, context: Any) -> None:
    aep.start_export_job(id=800, status="FAILED")
    aep.start_export_job(id=801, status="SUCCEEDED", schema="_xdm.context.account")

    assert LatestSegmentExportOperator(task_id="task").execute(context) == "722"


def test_an_export_that_is_too_old_or_missing_is_refused(aep: LocalAep, context: Any) -> None:
    with pytest.raises(AepExportError, match="older than max_export_age_hours = 2"):
        LatestSegmentExportOperator(task_id="task", max_export_age_hours=2).execute(context)
    assert LatestSegmentExportOperator(task_id="task", max_export_age_hours=None).execute(context) == "722"
    aep.reset({**SEED, "export_jobs": []})
    with pytest.raises(AepExportError, match="no successful profile segment export"):
        LatestSegmentExportOperator(task_id="task").execute(context)


# --------------------------------------------------------------------------------- one activation


def test_it_answers_with_a_run_for_each_pair(aep: LocalAep, context: Any) -> None:
    orders = (task := activation()).execute(context)

    runs = {(item["flow_id"], item["audience_id"]): item["run_ids"] for item in aep.deliveries()}
    assert {(item["flow_id"], item["audience_id"]): [item["run_id"]] for item in orders} == runs
    assert {item["adopted"] for item in orders} == {False}
    assert DestinationLink().get_link(task, ti_key=context.ti) == (
        "https://experience.adobe.com/#/@lunarmarkt/sname:prod/platform/destination/browse/mail"
    )
    submission = context.ti.xcom_pull("task", "submission")
    assert (len(submission["orders"]), submission["missing"]) == (2, [])


def test_a_second_try_sends_nothing_again(aep: LocalAep, context: Any) -> None:
    first = activation().execute(context)

    assert activation().execute(context.retried()) == first
    assert activation().execute(context.cleared()) == first
    assert aep.delivered() == PAIRS
    assert len(aep.posts()) == 1


def test_a_second_try_asks_nothing_that_its_record_tells(aep: LocalAep, context: Any) -> None:
    activation().execute(context)
    asked = len(aep.requests())

    assert len(activation().execute(context.retried())) == 2
    assert len(aep.requests()) == asked


def test_only_a_persons_clear_sends_again_what_failed(aep: LocalAep, context: Any) -> None:
    aep.add_outcomes({"audience_id": "gold", "status": "failed", "seconds": 0}, {"seconds": 0})
    activation().execute(context)

    activation().execute(context.retried())
    assert aep.delivered() == PAIRS
    activation(resend_failed=False).execute(context)
    assert aep.delivered() == PAIRS

    activation().execute(context.cleared())
    assert aep.delivered() == {**PAIRS, ("mail", "gold"): 2}


def test_an_export_in_progress_is_waited_for(aep: LocalAep, context: Any) -> None:
    job = aep.start_export_job()

    wait = deferred(lambda: activation().execute(context))
    assert type(wait.trigger).__name__ == "SegmentExportTrigger"
    assert wait.trigger.serialize()[1]["ends_task"] is False
    assert aep.posts() == []

    aep.end_export_job(job["id"])
    activation().execute_complete(context, DONE)
    assert aep.delivered() == PAIRS


def test_an_export_that_lasts_too_long_is_named(aep: LocalAep, context: Any) -> None:
    job = aep.start_export_job()

    with pytest.raises(AepDeadlineError, match=f"segment export job {job['id']}"):
        activation(export_timeout_minutes=0).execute(context)
    assert aep.posts() == []


def test_a_lost_answer_is_settled_before_anything_is_sent_again(aep: LocalAep, context: Any) -> None:
    aep.add_faults({"kind": "close_after", **POST})
    aep.change_settings(list_lag_seconds=600)  # AEP lists the runs a second late

    wait = deferred(lambda: activation().execute(context))
    assert type(wait.trigger).__name__ == "LostSubmissionTrigger"
    assert wait.trigger.serialize()[1]["settle_seconds"] == settle_seconds(3.0) == 3.0
    assert context.ti.xcom_pull("task", "submission")["missing_is"] == UNKNOWN

    time.sleep(1.1)
    orders = activation().execute_complete(context, settled(context))
    assert {item["adopted"] for item in orders} == {True}
    assert aep.delivered() == PAIRS


def test_a_lost_post_that_aep_does_not_know_is_sent_once_more(aep: LocalAep, context: Any) -> None:
    aep.add_faults({"kind": "close_before", **POST})
    deferred(lambda: activation().execute(context))
    deferred(lambda: activation().execute_complete(context, DONE))
    assert len(aep.posts()) == 1, "this event settles nothing"

    activation().execute_complete(context, settled(context))

    assert aep.delivered() == PAIRS
    assert len(aep.posts()) == 2


@pytest.mark.usefixtures("quick")
def test_without_a_triggerer_a_lost_answer_is_settled_all_the_same(aep: LocalAep, context: Any) -> None:
    aep.add_faults({"kind": "close_after", **POST})

    orders = activation(deferrable=False).execute(context)

    assert {item["adopted"] for item in orders} == {True}
    assert aep.delivered() == PAIRS


def test_a_refusal_is_for_a_person_to_decide(aep: LocalAep, context: Any) -> None:
    refusal = {"message": "Invalid parameter: come on", "statusCode": 400}
    aep.add_faults({"kind": "status", "status": 400, "body": refusal, **POST})
    wait = deferred(lambda: activation().execute(context))
    assert type(wait.trigger).__name__ == "LostSubmissionTrigger", "a part may have started all the same"

    with pytest.raises(AepSubmissionError, match="come on") as refused:
        activation().execute_complete(context, settled(context))

    assert not refused.value.retriable
    assert context.ti.xcom_pull("task", "submission")["missing_is"] == NOT_SENT
    assert aep.delivered() == {}
    activation().execute(context.cleared())
    assert aep.delivered() == PAIRS


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"activation_info": {}}, "activation_info is empty"),
        ({"activation_info": None}, "activation_info is missing"),
        ({"activation_info": {"mail": ["gold", "gold"]}}, "listed twice"),
        ({"activation_info": {"mail": [f"a{n}" for n in range(81)]}}, "81 pairs are more than the 80"),
        ({"api_version": "v3"}, "api_version is 'v3': choose v2 or v1"),
        ({"on_conflict": "shrug"}, "on_conflict is 'shrug': choose wait or adopt or fail"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(aep: LocalAep, context: Any, arguments: Any, fault: str) -> None:
    with pytest.raises(AepInputError, match=fault):
        activation(**arguments).execute(context)
    assert aep.requests() == []


def test_a_store_that_forgets_is_refused(aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", "True")

    with pytest.raises(AepInputError, match="clear_on_success is on"):
        activation().execute(context)
    assert aep.requests() == []


# --------------------------------------------------------------------- an activation and its end


def test_it_can_wait_for_the_end_too(aep: LocalAep, context: Any) -> None:
    wait = deferred(lambda: activation(wait_for_completion=True).execute(context))
    assert type(wait.trigger).__name__ == "FlowRunTrigger"
    assert [order[:2] for order in wait.trigger.serialize()[1]["orders"]] == [["mail", "gold"], ["mail", "silver"]]

    until_ended(aep)
    result = activation(wait_for_completion=True).execute_complete(context, DONE)
    assert result["summary"]["success"] == 2
    assert aep.delivered() == PAIRS


@pytest.mark.usefixtures("quick")
def test_it_can_do_all_that_without_a_triggerer(aep: LocalAep, context: Any) -> None:
    with captured() as lines:
        result = activation(wait_for_completion=True, deferrable=False, poll_interval=1).execute(context)

    assert result["summary"]["success"] == 2
    assert len(aep.requests(path="*/runs*")) > 2
    assert sum("succeeded" in line for line in lines) == 1


def test_a_failed_run_is_named(aep: LocalAep, context: Any) -> None:
    aep.add_outcomes({"audience_id": "gold", "status": "failed", "seconds": 0, "code": "X-1", "message": "Full."})
    deferred(lambda: activation(wait_for_completion=True).execute(context))

    with pytest.raises(AepDeliveryError, match=r"(?s)gold.*\[X-1\] Full\."):
        activation(wait_for_completion=True).execute_complete(context, TIMEOUT)
    assert aep.delivered() == PAIRS


@pytest.mark.parametrize("event", [None, {}, {"v": 1, "status": "hm"}, {**DONE, "v": 2}])
def test_an_unknown_event_neither_sends_nor_succeeds(aep: LocalAep, context: Any, event: Any) -> None:
    job = aep.start_export_job()
    deferred(lambda: activation().execute(context))
    aep.end_export_job(job["id"])

    with pytest.raises(Exception, match="the trigger sent an unknown"):
        activation().execute_complete(context, event)
    assert aep.posts() == []


# ------------------------------------------------------------------- the watcher of a whole delivery


JOBS = [
    {"job": 1, "of": 2, "activation_info": {"mail": ["gold"]}},
    {"job": 2, "of": 2, "activation_info": {"mail": ["silver"]}},
]


def watcher(**arguments: Any) -> DeliveryOperator:
    settings = {name: arguments.pop(name) for name in SETTINGS if name in arguments}
    briefing = {"settings": {"poll_interval": 1, **settings}}
    return DeliveryOperator(task_id="task", jobs=JOBS, submit_task_id="activate", briefing=briefing, **arguments)


def submitted(context: Any, aep: LocalAep, **outcomes: Any) -> None:
    """Let ``activate`` have sent what has an outcome; None: it was refused, or its answer is unknown."""
    pushed: list[dict[str, Any]] = []
    for number, name in enumerate(("gold", "silver"), start=1):
        outcome = outcomes.get(name, "success")
        if outcome in (NOT_SENT, UNKNOWN):
            pushed.append({"job": number, "orders": [], "missing": [["mail", name]], "missing_is": outcome})
        else:
            run = aep.start_run("mail", audience_ids=[name], status=outcome, seconds=0)
            pushed.append({"job": number, "orders": [["mail", name, run["id"], False]], "missing": []})
    context.ti.xcoms["activate", "submission"] = pushed


def watched(context: Any) -> dict[str, str]:
    results = context.ti.xcom_pull("task", "progress")["results"]
    return {item["audience_id"]: item["status"] for item in results}


def test_every_planned_pair_has_a_verdict(aep: LocalAep, context: Any) -> None:
    submitted(context, aep, silver=NOT_SENT)
    wait = deferred(lambda: watcher().execute(context))
    assert wait.trigger.serialize()[1]["ends_task"] is False, "a pair that was not sent must turn the task red"

    with pytest.raises(AepDeliveryError, match=r"(?s)1 of 2 .*silver.*not sent"):
        watcher().execute_complete(context, DONE)
    assert watched(context) == {"gold": "success", "silver": "not_sent"}


def test_a_watch_that_begins_asks_its_store_only_whether_it_has_begun_before(aep: LocalAep, context: Any) -> None:
    submitted(context, aep)
    deferred(lambda: watcher().execute(context))
    calls = context["task_state_store"].calls
    assert calls == ["get attempt", "set attempt", "set deadline_watch"]

    watcher().execute(context.retried())
    assert "get deadline_watch" in calls[3:]
    assert "set deadline_watch" not in calls[3:]


def test_what_is_unknown_is_said_to_be_unknown(aep: LocalAep, context: Any) -> None:
    submitted(context, aep, silver=UNKNOWN)
    deferred(lambda: watcher().execute(context))

    with pytest.raises(AepDeliveryError, match=r"(?s)silver.*it is not known.*check in AEP what became"):
        watcher().execute_complete(context, DONE)


def test_a_delivery_without_any_run_fails_at_once(aep: LocalAep, context: Any) -> None:
    submitted(context, aep, gold=NOT_SENT, silver=NOT_SENT)

    with pytest.raises(AepDeliveryError, match="2 of 2"):
        watcher().execute(context)


def test_a_clear_sends_exactly_what_failed_and_a_retry_nothing(aep: LocalAep, context: Any) -> None:
    submitted(context, aep, gold="failed")
    deferred(lambda: watcher().execute(context))
    with pytest.raises(AepDeliveryError):
        watcher().execute_complete(context, DONE)

    with pytest.raises(AepDeliveryError):
        watcher().execute(context.retried())
    assert aep.posts() == []

    deferred(lambda: watcher().execute(context.cleared()))
    assert [post["json"] for post in aep.posts()] == [{"activationInfo": {"mail": ["gold"]}}]
    until_ended(aep)
    assert watcher().execute_complete(context, DONE)["summary"]["success"] == 2
    assert watcher().execute(context.retried())["summary"]["success"] == 2
    assert len(aep.posts()) == 1


@pytest.mark.usefixtures("quick")
def test_a_repair_begins_only_when_every_run_could_be_read(aep: LocalAep, context: Any) -> None:
    submitted(context, aep, gold="failed")
    deferred(lambda: watcher().execute(context))
    failed = context.ti.xcoms["activate", "submission"][0]["orders"][0][2]
    aep.change_settings(bulk_refused=True)
    aep.add_faults({"kind": "status", "status": 503, "path": f"*/runs/{failed}", "times": ATTEMPTS})

    with pytest.raises(AepTransientError, match="503"):
        watcher().execute(context.cleared())
    assert aep.posts() == []

    deferred(lambda: watcher().execute(context.retried()))
    assert [post["json"] for post in aep.posts()] == [{"activationInfo": {"mail": ["gold"]}}]


def test_what_fails_again_is_sent_again_by_the_next_clear(aep: LocalAep, context: Any) -> None:
    submitted(context, aep, gold="failed")
    aep.add_outcomes({"audience_id": "gold", "status": "failed", "seconds": 0})
    deferred(lambda: watcher().execute(context))

    with pytest.raises(AepDeliveryError, match="gold"):
        watcher().execute(context.cleared())
    assert aep.delivered() == {("mail", "gold"): 1}

    deferred(lambda: watcher().execute(context.cleared()))
    assert aep.delivered() == {("mail", "gold"): 2}
    time.sleep(1)
    assert watcher().execute_complete(context, DONE)["summary"]["success"] == 2


def test_a_crash_between_the_repair_and_its_end_sends_nothing_twice(aep: LocalAep, context: Any) -> None:
    submitted(context, aep, gold="failed")
    deferred(lambda: watcher().execute(context))
    aep.add_faults({"kind": "close_after", **POST})

    wait = deferred(lambda: watcher().execute(context.cleared()))
    assert type(wait.trigger).__name__ == "LostSubmissionTrigger"
    deferred(lambda: watcher().execute(context.retried()))
    until_ended(aep)
    assert watcher().execute_complete(context, settled(context, "repair_1"))["summary"]["adopted"] == 1
    assert aep.delivered() == {("mail", "gold"): 1}
