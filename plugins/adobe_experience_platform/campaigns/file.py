"""What a campaign file says: the blocks and keys of ``include/campaigns/<name>.yaml``, validated.

:func:`read` gives either a campaign or all faults of the file, each with line, field and remedy.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from adobe_experience_platform.aep import DEFAULT_CONN_ID, Pair, short_repr
from adobe_experience_platform.delivery import MAX_PAIRS_PER_JOB, MAX_PAIRS_PER_RUN, split
from adobe_experience_platform.errors import AepInputError

from .values import (
    CRON_PRESETS,
    Address,
    ConnectionId,
    Cron,
    Date,
    Duration,
    Ident,
    ImportPath,
    Name,
    Paragraph,
    Text,
    TimeOfDay,
    Zone,
    once_a_day,
)

DAG_PREFIX = "aep_campaign_"
AT = "at_"
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"
NoticeEvent = Literal["success", "failure", "partial", "empty", "deadline"]


class Short:
    """An annotation: the block may also be written in a short form, which a function turns into the block."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = dict(schema)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Change nothing about validation."""
        return handler(source)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Offer both forms to editors."""
        return {"anyOf": [self._schema, handler(core)]}


class Block(BaseModel):
    """A block of keys: no others, and no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _audiences(value: object) -> object:
    """Read a list of ids, or ids with labels."""
    if isinstance(value, list):
        audiences: dict[Any, str | None] = {}
        for item in value:
            if not isinstance(item, str | int):
                raise ValueError(f"{short_repr(item)} is no audience id: list ids, or write each as 'id: label'")
            if str(item) in audiences:
                raise ValueError(f"audience {item} is listed twice: list it once")
            audiences[str(item)] = None
        value = audiences
    if not isinstance(value, dict):
        raise ValueError("this is no list of audiences: list ids, or write each as 'id: label'")
    if not value:
        raise ValueError("there is no audience: list at least one id, or remove the destination")
    return value


_LABELLED = BeforeValidator(_audiences)
_IDS: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {"type": ["string", "integer"]},
    "description": "Audience ids.",
}


class Destination(Block):
    """A destination flow and the audiences that go there."""

    flow: Ident = Field(description="Id of the destination flow: the DAG aep_catalog lists them.")
    label: Text | None = Field(None, description="How people call this destination.")
    audiences: Annotated[dict[Ident, Text | None], Short(_IDS), _LABELLED] = Field(
        description="Audience ids; with labels for people: 'id: label'."
    )


def _deliver(value: object) -> object:
    """Read a list of destinations, or what aep_catalog prints: {flow id: [audience id, …]}."""
    if isinstance(value, dict):
        value = [{"flow": flow, "audiences": audiences} for flow, audiences in value.items()]
    if not isinstance(value, list) or not value:
        raise ValueError("there is nothing to deliver: list at least one destination with 'flow' and 'audiences'")
    flows = [str(item.get("flow")) for item in value if isinstance(item, dict)]
    if twice := sorted({flow for flow in flows if flows.count(flow) > 1}):
        raise ValueError(f"flow {', '.join(twice)} is listed twice: put all its audiences into one entry")
    return value


def _deliver_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": _IDS,
        "description": "{flow id: [audience id]}",
    }


class When(Block):
    """What starts the campaign: exactly one of ``cron``, ``after_export`` and ``manual``."""

    cron: Cron | None = Field(None, description='Cron expression or preset, such as "0 7 * * 1" or "@daily".')
    after_export: bool = Field(False, description="Start when AEP's daily segment export has ended.")
    manual: bool = Field(False, description="Start by hand only.")
    not_before: TimeOfDay | None = Field(None, description="With after_export: deliver at this time of day or later.")
    not_after: TimeOfDay | None = Field(None, description="Do not begin a delivery later in the day than this.")

    @model_validator(mode="after")
    def _one(self) -> When:
        if (self.cron is not None) + self.after_export + self.manual != 1:
            raise ValueError("choose exactly one of cron, after_export and manual")
        if self.manual and (self.not_before or self.not_after):
            raise ValueError("not_before and not_after have no meaning with manual: remove them")
        if self.cron and self.not_before:
            raise ValueError("not_before has no meaning with cron: set the cron expression to a later time")
        if self.not_before and self.not_after and self.not_before >= self.not_after:
            raise ValueError(
                f"not_before {self.not_before:%H:%M} is not earlier than not_after {self.not_after:%H:%M}: correct one"
            )
        return self


def _when(value: object) -> object:
    if value in ("after_export", "manual"):
        return {value: True}
    return {"cron": value} if isinstance(value, str) else value


class Policies(Block):
    """What to do when something is in the way, and limits: as the parameters of ``aep_adhoc_activation``."""

    on_conflict: Literal["wait", "adopt", "fail"] = Field(
        "wait", description="What to do if the audience is already being delivered."
    )
    on_partial_success: Literal["fail", "accept"] = Field("fail", description="What to do if AEP delivers only part.")
    max_export_age_hours: Annotated[float, Field(ge=0, le=8760)] | None = Field(
        36, description="Refuse to deliver a snapshot older than this; null: any age."
    )
    max_audiences_per_job: Annotated[int, Field(ge=1, le=MAX_PAIRS_PER_JOB)] = Field(
        MAX_PAIRS_PER_JOB, description="AEP takes 80 at most."
    )
    poll_interval: Annotated[float, Field(ge=1, le=3600)] = Field(
        30, description="Longest pause between two looks at AEP, in seconds."
    )
    export_timeout_minutes: Annotated[float, Field(ge=0, le=10080)] = Field(
        240, description="How long to wait for AEP's segment export."
    )
    activation_timeout_minutes: Annotated[float, Field(ge=0, le=10080)] = Field(
        180, description="How long to wait for the delivery."
    )


class Notifier(BaseModel):
    """One of Airflow's notifiers, and its arguments. Secrets belong into an Airflow connection, never here."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    path: ImportPath = Field(
        alias="class", description="Import path, such as airflow.providers.slack.notifications.slack.SlackNotifier."
    )


class Approval(Block):
    """A person has to agree before anything is sent."""

    by: list[Text] = Field([], description="Airflow users who may answer; left out: whoever may answer in Airflow.")
    within: Duration = Field(
        dt.timedelta(hours=4), description="No answer by then is a no. Default 4h.", json_schema_extra={"default": "4h"}
    )


class Deadline(Block):
    """When the delivery has to be done: exactly one of ``by`` and ``within``."""

    by: TimeOfDay | None = Field(None, description="Time of day, in the campaign's time zone.")
    within: Duration | None = Field(None, description="Counted from the start of the run, such as 2h.")

    @model_validator(mode="after")
    def _one(self) -> Deadline:
        if (self.by is None) == (self.within is None):
            raise ValueError('choose exactly one of by (such as "09:00") and within (such as 2h)')
        return self


def _texts(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Notices(Block):
    """Who is told how it went."""

    email: Annotated[list[Address], Short({"type": "string"}), BeforeValidator(_texts)] = Field(
        [], description="Mail addresses, or one."
    )
    smtp_conn_id: Text = Field("smtp_default", description="Airflow connection of type smtp, for the mails.")
    from_email: Address | None = Field(None, description="Sender; left out: that of the connection.")
    notifiers: list[Notifier] = Field([], description="Other ways: Slack, Teams, …")
    on: list[NoticeEvent] = Field(
        ["success", "failure", "partial", "empty", "deadline"], min_length=1, description="What to tell about."
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of :class:`~.notices.Notices`."""
        return self.model_dump(by_alias=True)

    @model_validator(mode="after")
    def _sound(self) -> Notices:
        from adobe_experience_platform.notifications import Notices as Told

        try:
            Told(**self.arguments)
        except AepInputError as error:
            raise ValueError("; ".join(error.faults)) from None
        return self


def _at(key: str, what: str) -> PydanticCustomError:
    """Make an error of the whole file point at the key where it is repaired."""
    return PydanticCustomError(AT + key, "{what}", {"what": what})


def _policies() -> Policies:
    return Policies.model_validate({})


def _approval(value: object) -> object:
    return {} if value is True else None if value is False else value


class Campaign(Block):
    """A recurring campaign: what is delivered where, when, and under which conditions."""

    name: Name = Field(
        "", description="Name of the campaign, by default that of the file; the DAG is aep_campaign_<name>."
    )
    title: Text | None = Field(None, description="What people see in the list of DAGs.")
    description: Paragraph | None = Field(None, description="What the campaign is for.")
    owner: Text = Field("marketing-operations", description="Who looks after it.")
    tags: list[Text] = Field([], description="Tags of the DAG, besides aep-activation.")
    deliver: Annotated[list[Destination], Short(_deliver_schema()), BeforeValidator(_deliver), Field(min_length=1)] = (
        Field(description="Destination flows and their audiences.")
    )
    when: Annotated[
        When,
        Short({"type": "string", "minLength": 1, "examples": ["after_export", "manual", "0 7 * * 1", *CRON_PRESETS]}),
        BeforeValidator(_when),
    ] = Field(description="What starts it: after_export, manual, or a cron expression or preset.")
    timezone: Zone = Field("UTC", description="Time zone of all times and dates in this file.")
    start: Date | None = Field(None, description="First day of the campaign.")
    end: Date | None = Field(None, description="Last day of the campaign.")
    paused: bool | None = Field(
        None,
        description="true: nothing starts by itself. false: begins at once. Left out: the switch in Airflow decides.",
    )
    connection: ConnectionId = Field(
        DEFAULT_CONN_ID, description="Airflow connection of type Adobe Experience Platform."
    )
    sandbox: Ident | None = Field(None, description="Sandbox; left out: the connection's.")
    api_version: Literal["v2", "v1"] = Field("v2", description="Version of the activation API.")
    policies: Policies = Field(
        default_factory=_policies, description="What to do when something is in the way, and limits."
    )
    approval: Annotated[Approval | None, Short({"type": "boolean"}), BeforeValidator(_approval)] = Field(
        None, description="A person has to agree before anything is sent."
    )
    deadline: Deadline | None = Field(None, description="When the delivery has to be done.")
    notices: Notices | None = Field(None, description="Who is told how it went.")

    @property
    def dag_id(self) -> str:
        """Id of the campaign's DAG."""
        return DAG_PREFIX + self.name

    @property
    def is_daily_at_most(self) -> bool:
        """Whether a day brings one scheduled run at most, so that the rules of a campaign day make sense."""
        return self.when.cron is None or once_a_day(self.when.cron)

    @property
    def activation_info(self) -> dict[str, list[str]]:
        """What is delivered: {flow id: [audience id, …]}."""
        return {item.flow: list(item.audiences) for item in self.deliver}

    @property
    def labels(self) -> dict[str, str]:
        """Flow or audience id → how people call it."""
        labels = {item.flow: item.label for item in self.deliver if item.label}
        for item in self.deliver:
            labels |= {audience: label for audience, label in item.audiences.items() if label}
        return labels

    @model_validator(mode="after")
    def _fits(self) -> Campaign:
        if self.start and self.end and self.end < self.start:
            raise _at("end", f"end {self.end} is before start {self.start}: correct one")
        if self.when.not_before and self.deadline and self.deadline.by and self.deadline.by <= self.when.not_before:
            raise _at(
                "deadline",
                f"the deadline {self.deadline.by:%H:%M} is not later than not_before {self.when.not_before:%H:%M}: "
                "no delivery could be in time",
            )
        if self.when.not_after and self.when.cron and not self.is_daily_at_most:
            raise _at("when", "not_after needs a schedule that comes once a day at most: remove it")
        pairs = [Pair(item.flow, audience) for item in self.deliver for audience in item.audiences]
        if len(pairs) > MAX_PAIRS_PER_RUN:
            raise _at(
                "deliver",
                f"deliver has {len(pairs):,} audiences, one run takes {MAX_PAIRS_PER_RUN:,} (an audience counts once "
                f"for each destination): split them over {-(-len(pairs) // MAX_PAIRS_PER_RUN)} files",
            )
        try:
            split(pairs, self.policies.max_audiences_per_job)
        except AepInputError as error:
            raise _at("deliver", "; ".join(error.faults[:5])) from None
        return self


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a campaign file, for editors."""
    schema = Campaign.model_json_schema(by_alias=True)
    schema["$schema"] = SCHEMA_ID
    schema["title"] = "AEP campaign"
    schema["properties"]["name"].pop("default", None)
    return schema
