"""What a campaign file says: the blocks and keys of ``include/campaigns/<name>.yaml``, validated.

:func:`read` gives either a campaign or all faults of the file, each with line, field and remedy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, create_model, model_validator

from adobe_experience_platform.aep import DEFAULT_CONN_ID, Pair, one_line, short_repr
from adobe_experience_platform.delivery import (
    MAX_PAIRS_PER_RUN,
    SETTINGS,
    Approval,
    CampaignDay,
    DeliverySettings,
    blocks,
    split,
    values,
)
from adobe_experience_platform.errors import AepInputError
from adobe_experience_platform.notifications import Notices

DAG_PREFIX = "aep_campaign_"
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"
KEYS_OF_RULES: dict[str, blocks.Path] = {"not_after": ("when", "not_after"), "due": ("deadline", "by")}
"""Rule of a campaign day → where the file says it, if not under the same key."""


def _audiences(value: object) -> object:
    """Read one audience, a list of them, or ids with labels."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        audiences: dict[Any, str | None] = {}
        for item in value:
            if isinstance(item, bool):
                raise ValueError(f"audience {item} is not text: put it in quotes")
            if not isinstance(item, str | int):
                raise ValueError(f"{short_repr(item)} is not an audience: list names or ids, or write 'id: label'")
            if str(item) in audiences:
                raise ValueError(f"audience {one_line(str(item), 60)} is listed twice: list it once")
            audiences[str(item)] = None
        value = audiences
    if not isinstance(value, dict):
        raise ValueError("this is not a list of audiences: list names or ids, or write each as 'id: label'")
    if not value:
        raise ValueError("there is no audience: list at least one, or remove the destination")
    return value


_AUDIENCES: dict[str, Any] = {
    "type": ["array", "string"],
    "minItems": 1,
    "minLength": 1,
    "uniqueItems": True,
    "items": {"type": ["string", "integer"]},
    "description": "Names or ids of audiences.",
}


class Destination(blocks.Block):
    """A destination flow and the audiences that go there."""

    flow: values.IdOrName = Field(
        description="Name or id of the destination flow, as AEP shows it: the DAG aep_catalog lists them."
    )
    label: values.Text | None = Field(None, description="How people call this destination.")
    audiences: Annotated[dict[values.IdOrName, values.Text | None], blocks.Short(_AUDIENCES, _audiences)] = Field(
        description="Names or ids of audiences, as AEP shows them; ids with labels for people: 'id: label'."
    )


def _deliver(value: object) -> object:
    """Read a list of destinations, or what aep_catalog prints: {flow: [audience, …]}."""
    if isinstance(value, dict):
        value = [{"flow": flow, "audiences": audiences} for flow, audiences in value.items()]
    if not isinstance(value, list) or not value:
        raise ValueError("there is nothing to deliver: list at least one destination with 'flow' and 'audiences'")
    flows = Counter(str(item.get("flow")) for item in value if isinstance(item, dict))
    if twice := [one_line(flow, 60) for flow, number in flows.items() if number > 1]:
        raise ValueError(f"flow {', '.join(twice[:5])} is listed twice: put all its audiences into one entry")
    return value


_DELIVER: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": _AUDIENCES,
    "description": "{flow: [audience]}, by name or id",
}


class When(blocks.Block):
    """What starts the campaign: exactly one of ``cron``, ``after_export`` and ``manual``."""

    cron: values.Cron | None = Field(None, description='Cron expression or preset, such as "0 7 * * 1" or "@daily".')
    after_export: bool = Field(False, description="Start when AEP's daily segment export has ended.")
    manual: bool = Field(False, description="Start by hand only.")
    not_before: values.TimeOfDay | None = Field(
        None, description="With after_export: deliver at this time of day or later."
    )
    not_after: values.TimeOfDay | None = Field(None, description="Do not begin a delivery later in the day than this.")

    @model_validator(mode="after")
    def _one(self) -> When:
        if (self.cron is not None) + self.after_export + self.manual != 1:
            raise ValueError("choose exactly one of cron, after_export and manual")
        if self.manual and (self.not_before or self.not_after):
            raise ValueError("not_before and not_after have no meaning with manual: remove them")
        if self.cron and self.not_before:
            raise ValueError("not_before has no meaning with cron: set the cron expression to a later time")
        return self


def _when(value: object) -> object:
    if value in ("after_export", "manual"):
        return {value: True}
    return {"cron": value} if isinstance(value, str) else value


NO_POLICIES = ("dry_run", "sandbox_name", "aep_conn_id", "api_version")
"""The settings of a delivery that a file says elsewhere, or not at all; all others stand in the block ``policies``."""


def _policy(name: str) -> tuple[Any, Any]:
    """Return a setting as a field of this file: the same type, limits, default and words."""
    field = DeliverySettings.model_fields[name]
    return field.rebuild_annotation(), Field(field.default, description=field.description or field.title)


if TYPE_CHECKING:
    Policies = DeliverySettings
else:
    Policies = create_model(
        "Policies",
        __base__=blocks.Block,
        __doc__="What to do when something is in the way, and limits: as the parameters of ``aep_adhoc_activation``.",
        **{name: _policy(name) for name in SETTINGS if name not in NO_POLICIES},
    )


class DeliveryDeadline(blocks.Block):
    """When the delivery has to be done: exactly one of ``by`` and ``within``."""

    by: values.TimeOfDay | None = Field(None, description="Time of day, in the campaign's time zone.")
    within: values.Duration | None = Field(None, description="Counted from the start of the run, such as 2h.")

    @model_validator(mode="after")
    def _one(self) -> DeliveryDeadline:
        if (self.by is None) == (self.within is None):
            raise ValueError('choose exactly one of by (such as "09:00") and within (such as 2h)')
        return self


def _approval(value: object) -> object:
    return {} if value is True else None if value is False else value


class Campaign(blocks.Block):
    """A recurring campaign: what is delivered where, when, and under which conditions."""

    name: values.Name = Field(
        "", description="Name of the campaign, by default that of the file; the DAG is aep_campaign_<name>."
    )
    title: values.Text | None = Field(None, description="What people see in the list of DAGs.")
    description: values.Paragraph | None = Field(None, description="What the campaign is for.")
    owner: values.Text = Field("marketing-operations", description="Who looks after it.")
    tags: list[values.Tag] = Field([], max_length=50, description="Tags of the DAG, besides aep-activation.")
    deliver: Annotated[list[Destination], blocks.Short(_DELIVER, _deliver), Field(min_length=1)] = Field(
        description="Destination flows and their audiences."
    )
    when: Annotated[
        When,
        blocks.Short(
            {
                "type": "string",
                "minLength": 1,
                "examples": ["after_export", "manual", "0 7 * * 1", *values.CRON_PRESETS],
            },
            _when,
        ),
    ] = Field(description="What starts it: after_export, manual, or a cron expression or preset.")
    timezone: values.Zone = Field("UTC", description="Time zone of all times and dates in this file.")
    start: values.Date | None = Field(None, description="First day of the campaign.")
    end: values.Date | None = Field(None, description="Last day of the campaign.")
    paused: bool | None = Field(
        None,
        description="true: nothing starts by itself. false: begins at once. Left out: the switch in Airflow decides.",
    )
    connection: values.ConnectionId = Field(
        DEFAULT_CONN_ID, description="Airflow connection of type Adobe Experience Platform."
    )
    sandbox: values.Ident | None = Field(None, description="Sandbox; left out: the connection's.")
    api_version: Literal["v2", "v1"] = Field("v2", description="Version of the activation API.")
    policies: Policies = Field(
        default_factory=lambda: Policies.model_validate({}),
        description="What to do when something is in the way, and limits.",
    )
    approval: Annotated[Approval | None, blocks.Short({"type": "boolean"}, _approval)] = Field(
        None, description="A person has to agree before anything is sent."
    )
    deadline: DeliveryDeadline | None = Field(None, description="When the delivery has to be done.")
    notices: Notices | None = Field(None, description="Who is told how it went.")

    @property
    def dag_id(self) -> str:
        """Id of the campaign's DAG."""
        return DAG_PREFIX + self.name

    @property
    def is_daily_at_most(self) -> bool:
        """Whether a day brings one scheduled run at most, so that the rules of a campaign day make sense."""
        return self.when.cron is None or values.once_a_day(self.when.cron)

    @property
    def activation_info(self) -> dict[str, list[str]]:
        """What is delivered: {flow: [audience, …]}, by id or by name."""
        return {item.flow: list(item.audiences) for item in self.deliver}

    @property
    def labels(self) -> dict[str, str]:
        """Flow or audience id → how people call it."""
        labels = {item.flow: item.label for item in self.deliver if item.label}
        for item in self.deliver:
            labels |= {audience: label for audience, label in item.audiences.items() if label}
        return labels

    @property
    def rules(self) -> dict[str, Any]:
        """What the file says of its days, as the arguments of :class:`~.CampaignDay`."""
        return {
            "timezone": self.timezone,
            "not_before": self.when.not_before,
            "not_after": self.when.not_after,
            "start": self.start,
            "end": self.end,
            "due": self.deadline.by if self.deadline and self.when.after_export else None,
        }

    @property
    def day(self) -> CampaignDay | None:
        """The rules of the campaign's days; a schedule of several runs a day has none."""
        return CampaignDay(**self.rules) if self.is_daily_at_most else None

    @model_validator(mode="after")
    def _fits(self) -> Campaign:
        if faults := [*self._day_faults(), *self._delivery_faults()]:
            raise blocks.fault_at(faults)
        return self

    def _day_faults(self) -> Iterator[tuple[blocks.Path, str]]:
        try:
            CampaignDay.model_validate(self.rules)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                rule = str(fault["loc"][0])
                yield KEYS_OF_RULES.get(rule, (rule,)), fault["msg"]
        if self.when.not_after and not self.is_daily_at_most:
            yield KEYS_OF_RULES["not_after"], "this needs a schedule that comes once a day at most: remove it"

    def _delivery_faults(self) -> Iterator[tuple[blocks.Path, str]]:
        guard = self.policies.size_guard
        asks = guard is not None and guard.on_breach == "ask"
        if self.approval and self.approval.only_on_breach and not asks:
            yield ("approval", "only_on_breach"), "no size guard asks: set on_breach to ask there, or remove this"
        if asks and not self.approval:
            yield (
                ("policies", "size_guard", "on_breach"),
                "nobody is asked without the block approval: add it, or refuse",
            )
        pairs = [Pair(item.flow, audience) for item in self.deliver for audience in item.audiences]
        if len(pairs) > MAX_PAIRS_PER_RUN:
            what = (
                f"deliver has {len(pairs):,} audiences, one run takes {MAX_PAIRS_PER_RUN:,} (an audience counts once "
                f"for each destination): split them over {-(-len(pairs) // MAX_PAIRS_PER_RUN)} files"
            )
            yield ("deliver",), what
            return
        try:
            split(pairs, self.policies.max_audiences_per_job)
        except AepInputError as error:
            yield ("deliver",), "; ".join(error.faults[:5])


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a campaign file, for editors."""
    schema = Campaign.model_json_schema(by_alias=True)
    schema["$schema"] = SCHEMA_ID
    schema["title"] = "AEP campaign"
    schema["properties"]["name"].pop("default", None)
    return schema
