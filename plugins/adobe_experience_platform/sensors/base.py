"""What the sensors share: Airflow's own arguments of a sensor stand for the settings of the wait."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from adobe_experience_platform.delivery import DeliverySettings, checked_settings, form_field
from adobe_experience_platform.errors import AepConnectionConfigError, AepError, AepInputError, AepTransientError
from adobe_experience_platform.operators import AepTask


class AepSensor(AepTask, BaseSensorOperator):
    """A sensor whose ``timeout`` and ``poke_interval``, also from ``default_args``, are honoured however it waits.

    :param timeout: seconds or a timedelta; stands for the setting that ends the wait. With what ``plan_jobs`` has
        checked the shorter of the two holds.
    :param poke_interval: seconds or a timedelta; stands for ``poll_interval``.
    """

    pauses = False
    limited_by: ClassVar[str]
    """The setting that ends the wait, minutes."""

    # Only what a signature names is taken from default_args; None leaves Airflow's own default in place.
    def __init__(
        self,
        *,
        timeout: float | dt.timedelta | None = None,
        poke_interval: float | dt.timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        given: dict[str, Any] = {"timeout": timeout, "poke_interval": poke_interval}
        super().__init__(**{name: value for name, value in given.items() if value is not None}, **kwargs)
        self._minutes = None if timeout is None else self.timeout / 60
        self._seconds = None if poke_interval is None else self.poke_interval

    def execute(self, context: Context) -> Any:
        """Look at once, and wait."""
        with self._softly():
            return self._begin(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a wait; what is asked then is the last look, and is kept for after a pause that AEP asks for."""
        self.pauses = True
        with self._softly():
            return super().resume_execution(next_method, next_kwargs, context)

    def _begin(self, context: Context) -> Any:
        raise NotImplementedError

    def _poke_on(self, context: Context) -> Any:
        """Wait as Airflow's ``mode`` says.

        Airflow's time-out is but a backstop behind the deadline that ``poke`` knows: it is counted from the first look
        of all, also after a reschedule, so it must not shrink with the time that is left.
        """
        self.poke_interval = float(self.options.poll_interval)
        self.timeout = getattr(self.options, self.limited_by) * 60 + 2 * self.poke_interval
        return BaseSensorOperator.execute(self, context)

    _trouble = ""
    """The call that failed at the last look."""

    def _note_trouble(self, error: AepTransientError) -> None:
        """Warn of a look that failed, once where the same call fails again and again."""
        if error.call != self._trouble:
            self.log.warning("%s", error)
        self._trouble = error.call

    @contextmanager
    def _softly(self) -> Iterator[None]:
        """Skip where the task may fail softly: Airflow's sensors turn only Airflow's own errors into a skip."""
        try:
            yield
        except AepError as error:
            # What a person must correct is no failure to be soft about, as in Airflow's own sensors.
            soft = self.soft_fail and not isinstance(error, AepInputError | AepConnectionConfigError)
            if soft or self.never_fail:
                raise AirflowSkipException(f"Skipped, as soft_fail or never_fail says: {error}") from error
            raise

    def _limited(self, options: DeliverySettings) -> DeliverySettings:
        limits: dict[str, float] = {}
        if self._minutes is not None:
            planned = [getattr(options, self.limited_by)] if self.given("briefing") is not None else []
            limits[self.limited_by] = min([self._minutes, *planned])
        if self._seconds is not None:
            limits["poll_interval"] = self._seconds
        # Meant for sensors of any kind, in default_args perhaps: what goes beyond a setting is that setting's limit.
        ranges = {name: form_field(name) for name in limits}
        within = {name: min(max(limits[name], ranges[name]["minimum"]), ranges[name]["maximum"]) for name in limits}
        return checked_settings({**options.to_json(), **within}) if within else options
