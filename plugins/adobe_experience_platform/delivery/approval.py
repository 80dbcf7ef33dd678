"""Who has to agree to a delivery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from .blocks import ONE_OR_MORE, Terms
from .values import Duration, Text


class Approval(Terms):
    """A person has to agree before anything is sent.

    :param by: ids of the Airflow users who may answer; none (default): whoever may answer in Airflow.
    :param within: no answer by then is a no: a timedelta, or text such as ``"4h"`` (default) or ``"1h 30m"``.
    :param only_on_breach: ask only where the size guard, with ``on_breach: ask``, has found something; default False.

    Raises :class:`~.errors.AepInputError` with every fault.
    """

    fault_intro: ClassVar[str] = "Invalid approval."

    by: Annotated[list[Text], ONE_OR_MORE] = Field(
        [], description="Airflow users who may answer; left out: whoever may answer in Airflow."
    )
    within: Duration = Field(
        dt.timedelta(hours=4), description="No answer by then is a no. Default 4h.", json_schema_extra={"default": "4h"}
    )

    only_on_breach: bool = Field(
        False, description="Ask only about what the size guard has found; needs its on_breach: ask."
    )

    if TYPE_CHECKING:

        def __init__(
            self, *, by: str | Iterable[str] = (), within: str | dt.timedelta = ..., only_on_breach: bool = False
        ) -> None: ...
