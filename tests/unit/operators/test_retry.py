"""When Airflow runs a failed task again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adobe_experience_platform import errors
from adobe_experience_platform.aep import LONGEST_PAUSE
from adobe_experience_platform.operators.retry import AepRetryPolicy

CONFLICT = errors.Conflict("f", "a", "r")


def decide(error):
    return AepRetryPolicy().evaluate(error, try_number=1, max_tries=3)


@pytest.mark.parametrize(
    "error",
    [
        errors.AepInputError(["x"]),
        errors.AepConnectionConfigError("x"),
        errors.AepAuthError("c", status=403),
        errors.AepNotFoundError("c", status=404),
        errors.AepRequestError("c", status=400),
        errors.AepConflictError("c", CONFLICT, status=400),
        errors.AepSubmissionError("x"),
        errors.AepDeliveryError("x"),
        errors.AepExportError("x"),
        errors.AepDeadlineError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_heal_is_not_tried_again(error):
    decision = decide(error)
    assert decision.action.name == "FAIL"
    assert decision.reason


@pytest.mark.parametrize(
    "error",
    [errors.AepTransientError("c", status=503), errors.AepLostAnswerError("c"), errors.AepNotReadyError("c")],
    ids=lambda error: type(error).__name__,
)
def test_what_may_heal_is_left_to_the_tasks_own_settings(error):
    assert decide(error).action.name == "DEFAULT"


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), KeyboardInterrupt()])
def test_other_peoples_errors_are_not_judged(error):
    assert decide(error).action.name == "DEFAULT"


@pytest.mark.parametrize(
    ("asked", "delay"), [(7, 7), (600, 600), (LONGEST_PAUSE + 1, LONGEST_PAUSE), (float("inf"), LONGEST_PAUSE)]
)
def test_the_pause_that_aep_asks_for_is_kept_within_bounds(asked, delay):
    decision = decide(errors.AepTransientError("c", status=429, retry_after=asked))
    assert decision.action.name == "RETRY"
    assert decision.retry_delay == timedelta(seconds=delay)


def test_a_reason_fits_the_database():
    assert len(decide(errors.AepSubmissionError("x" * 5000)).reason) <= 500
