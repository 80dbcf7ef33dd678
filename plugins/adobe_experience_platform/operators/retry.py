"""When Airflow retries a failed task: as the task says, after the pause that AEP asks for, or not at all."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Context, RetryDecision, RetryPolicy

from adobe_experience_platform.aep import LONGEST_PAUSE
from adobe_experience_platform.errors import AepError


class AepRetryPolicy(RetryPolicy):
    """Fail at once on permanent errors, wait as AEP asks on 429 and 503, otherwise use the task's settings.

    The default of every operator and sensor of this package; another ``retry_policy``, as an argument or in
    ``default_args``, replaces it.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide from the error's type, see :mod:`.errors`."""
        if not isinstance(exception, AepError):
            return RetryDecision.default()
        if not exception.retriable:
            return RetryDecision.fail(reason=str(exception)[:500])
        if exception.retry_after:
            delay = timedelta(seconds=min(exception.retry_after, LONGEST_PAUSE))
            return RetryDecision.retry(delay=delay, reason=f"AEP asked to wait {delay.total_seconds():g} s")
        return RetryDecision.default()


AEP_RETRY_POLICY = AepRetryPolicy()
"""A default in a signature: only there does Airflow find it for a mapped task, and only a named argument is taken from
a DAG's ``default_args``."""
