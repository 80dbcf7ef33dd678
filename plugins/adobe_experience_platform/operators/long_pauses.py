"""A pause of more than a minute that AEP asks for: a task spends it in the triggerer, and its try goes on then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator, get_current_context

from adobe_experience_platform.aep import LONGEST_PAUSE, transport
from adobe_experience_platform.errors import AepTransientError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from adobe_experience_platform.hooks import WorkerHook


class LongPauses(BaseOperator):
    """What a task does when AEP asks for a long pause: it defers, and what was interrupted begins anew.

    That is safe where a retry is: what was sent is in the task's record. Without deferral the call waits on the worker.
    """

    pauses: bool = True
    """Whether it does; what polls anyway looks again later."""
    deferrable: bool

    _resumed: tuple[str, dict[str, Any]] = "", {}

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Note what is resumed, should a pause interrupt it."""
        self._resumed = next_method, next_kwargs or {}
        return super().resume_execution(next_method, next_kwargs, context)

    def execute_after_pause(self, context: Context, method: str, kwargs: dict[str, Any], event: object = None) -> Any:
        """Go on after a pause with what it had interrupted: a method that was resumed, or ("") ``execute``."""
        if method:
            return self.resume_execution(method, kwargs, context)
        self._resumed = "", {}
        return self.execute(context)

    def _be_patient(self, hook: WorkerHook) -> None:
        if not self.pauses:
            return
        if self.deferrable:
            hook.on_long_pause = self._pause_for
        else:
            hook.patience = LONGEST_PAUSE

    @contextmanager
    def _patiently(self) -> Iterator[None]:
        """Do the same for what is asked in the way of the triggers."""
        try:
            yield
        except AepTransientError as error:
            if self.pauses and self.deferrable and (error.retry_after or 0.0) > transport.LONGEST_SLEEP:
                self._pause_for(error.retry_after or 0.0)
            raise

    def _pause_for(self, seconds: float) -> None:
        """Defer; where ``execution_timeout`` ends this try before, it fails with AEP's words, and is retried then."""
        until = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=min(seconds, LONGEST_PAUSE))
        ends = self._try_ends(get_current_context())
        if ends is not None and ends < until:
            return
        self.log.warning("AEP has asked not to be asked until %s UTC; this task goes on then.", f"{until:%H:%M:%S}")
        method, kwargs = self._resumed
        self.defer(
            trigger=DateTimeTrigger(moment=until),
            method_name="execute_after_pause",
            kwargs={"method": method, "kwargs": kwargs},
        )

    def _try_ends(self, context: Context) -> dt.datetime | None:
        raise NotImplementedError
