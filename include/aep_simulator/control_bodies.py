"""Bodies of the control calls. Durations in them are real seconds."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import Field

from .entities import PROFILE_SCHEMA, Json
from .seed import Ending, ExportJobSeed, RunSeed
from .settings import Model

ModelT = TypeVar("ModelT", bound=Model)


def one_or_many(model: type[ModelT], body: object) -> list[ModelT]:
    """Read one object or a list of them."""
    entries: list[Any] = body if isinstance(body, list) else [body]
    return [model.model_validate(entry) for entry in entries]


class NewExportJob(Model):
    """An export job that starts now; it runs for ``duration`` and ends as ``end_status``."""

    id: int | str | None = None
    sandbox: str = "prod"
    status: str = "PROCESSING"
    end_status: str = "SUCCEEDED"
    schema_name: str = Field(default=PROFILE_SCHEMA, alias="schema")
    duration: float | None = Field(default=None, ge=0)
    segments: list[str] = Field(default_factory=list)
    raw: Json = Field(default_factory=dict)

    def as_seed(self) -> ExportJobSeed:
        """Return the seed entry for the job."""
        return ExportJobSeed.model_validate(self.model_dump(by_alias=True))


class ExportJobChange(Model):
    """A status for an export job."""

    status: str


class NewRun(Ending):
    """A run that starts now, ends as ``status`` after ``seconds``; a running status without an end hangs."""

    id: str | None = None
    flow_id: str
    audience_ids: list[str] | None = None
    kind: Literal["adhoc", "foreign", "scheduled"] = "foreign"
    then: str = "success"
    seconds: float | None = Field(default=None, ge=0)
    raw: Json = Field(default_factory=dict)

    def as_seed(self) -> RunSeed:
        """Return the seed entry for the run."""
        return RunSeed.model_validate(self.model_dump())


class RunChange(Ending):
    """What changes in a run: a status ends it now, or keeps it running if the status means that."""

    raw: Json = Field(default_factory=dict)


class Release(Model):
    """Which held requests to release (null = all), and how."""

    fault_id: int | None = None
    then: Literal["continue", "drop"] = "continue"
