"""The settings of a delivery: every one is a field here, with its default, its limits and its words for people.

``plan_jobs`` reads them once (:func:`read_settings`) and hands them on as one value. The trigger form, the task group,
the campaign files and the operators take their names, limits and texts from these fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from adobe_experience_platform.aep import DEFAULT_CONN_ID, conn_id_fault, one_line, short_repr
from adobe_experience_platform.errors import AepInputError

from .blocks import describe, dotted
from .given import given_collection, given_truth, is_given
from .input import check_id
from .jobs import MAX_PAIRS_PER_JOB
from .size_guard import SizeGuard
from .values import ConnectionId

PLACE = "Connection"
POLICIES = "Conflicts and stale exports"
LIMITS = "Limits and waiting"
"""Sections of the trigger form."""


def _sandbox(value: str) -> str:
    if fault := check_id(value, "sandbox_name"):
        raise ValueError(fault)
    return value


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("enter a number, without quotes")  # Python counts True as 1
    return value


def _true_or_false(value: object) -> bool:
    try:
        return given_truth(value, "", default=False)
    except AepInputError:
        raise ValueError from None


YesNo = Annotated[bool, BeforeValidator(_true_or_false)]
NoBool = BeforeValidator(_no_bool)
Minutes = Annotated[float, Field(ge=0, le=7 * 24 * 60), NoBool]


def _setting(default: Any, title: str, text: str = "", section: str = "", **shown: str) -> Any:
    """Describe a setting.

    :param text: a sentence for the form and the campaign files' schema.
    :param section: of the form, "" is the first.
    :param shown: a choice → how the form shows it.
    """
    extra = {"section": section, "values_display": shown}
    given: dict[str, Any] = {key: value for key, value in extra.items() if value}
    return Field(default, title=title, description=text or None, json_schema_extra=given)


class DeliverySettings(BaseModel):
    """How a delivery is made; checked, the same for all of its tasks.

    Raises :class:`~.errors.AepInputError` through :func:`read_settings` only; built directly, pydantic's own error.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    dry_run: YesNo = _setting(False, "Dry run", "Check everything and show the plan, but send nothing.")
    sandbox_name: Annotated[str, AfterValidator(_sandbox)] | None = _setting(
        None, "Sandbox", "Leave empty for the connection's sandbox.", PLACE
    )
    aep_conn_id: ConnectionId = _setting(
        DEFAULT_CONN_ID, "Airflow connection", "A connection of type Adobe Experience Platform.", PLACE
    )
    on_conflict: Literal["wait", "adopt", "fail"] = _setting(
        "wait",
        "If the audience is already being delivered",
        "Another on-demand delivery of the same audience is in progress.",
        POLICIES,
        wait="wait until it has ended, then deliver",
        adopt="take it as this delivery",
        fail="stop, send nothing",
    )
    on_partial_success: Literal["fail", "accept"] = _setting(
        "fail",
        "If AEP delivers only part",
        "AEP reports partial success: some records did not arrive.",
        POLICIES,
        fail="the run fails",
        accept="accept it",
    )
    on_failed_records: Literal["warn", "fail"] = _setting(
        "warn",
        "If records are lost in a success",
        "AEP calls the delivery a success, but records of it failed, or may be missing.",
        POLICIES,
        warn="warn loudly; the run is green",
        fail="the run fails, after the delivery",
    )
    size_guard: SizeGuard | None = _setting(
        None,
        "Size guard",
        "Limits for the size of each audience, checked before anything is sent: min_records, max_records, "
        "max_change_percent (against the last delivery), on_breach (refuse or ask), on_unknown (send or refuse).",
        POLICIES,
    )
    max_export_age_hours: Annotated[float, Field(ge=0, le=24 * 365), NoBool] | None = _setting(
        36,
        "Oldest snapshot (hours)",
        "Refuse to deliver a daily snapshot older than this. Leave it empty (null) for any age.",
        POLICIES,
    )
    api_version: Literal["v2", "v1"] = _setting(
        "v2",
        "Version of the activation API",
        "",
        LIMITS,
        v2="v2 (recommended by Adobe)",
        v1="v1 (sends the export job's id)",
    )
    max_audiences_per_job: Annotated[int, Field(ge=1, le=MAX_PAIRS_PER_JOB), NoBool] = _setting(
        MAX_PAIRS_PER_JOB,
        "Audiences per job",
        "At most 80; an audience counts once per destination. Larger deliveries become several jobs.",
        LIMITS,
    )
    poll_interval: Annotated[float, Field(ge=1, le=3600), NoBool] = _setting(
        30, "Longest pause between two polls (seconds)", "", LIMITS
    )
    export_timeout_minutes: Minutes = _setting(240, "Wait for the daily export (minutes)", "", LIMITS)
    activation_timeout_minutes: Minutes = _setting(180, "Wait for the delivery (minutes)", "", LIMITS)

    @property
    def accepted(self) -> dict[str, bool]:
        """What counts as delivered, as :func:`~.results.is_delivered` takes it."""
        return {"accept_partial": self.on_partial_success == "accept", "accept_loss": self.on_failed_records == "warn"}

    def to_json(self) -> dict[str, Any]:
        """Return the settings as they travel in the XCom ``briefing``."""
        return self.model_dump(mode="json")


SETTINGS = tuple(DeliverySettings.model_fields)
"""The names of all settings, in the order of the trigger form."""


def read_settings(given: Mapping[str, Any]) -> tuple[DeliverySettings, list[str]]:
    """Read settings: a template's text becomes the value that it says, by the setting's declared type.

    :param given: name → value; what is left out has its default.

    Returns (settings, faults); a setting with a fault has its default.
    """
    values = {name: _from_text(name, value) for name, value in given.items()}
    faults = []
    try:
        return DeliverySettings(**values), []
    except ValidationError as error:
        for found in error.errors(include_url=False):
            name = str(found["loc"][0])
            fault = _fault(name, given[name], found)
            if fault not in faults:
                faults.append(fault)
            values.pop(name, None)
    return DeliverySettings(**values), faults


def checked_settings(given: Mapping[str, Any]) -> DeliverySettings:
    """Return checked settings; an :class:`AepInputError` has every fault."""
    settings, faults = read_settings(given)
    if faults:
        raise AepInputError(faults)
    return settings


@cache
def _schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every setting, without references; ``type`` is a list, null last."""
    whole = DeliverySettings.model_json_schema(ref_template="{model}")
    return {name: _flat(schema, whole["$defs"]) for name, schema in whole["properties"].items()}


def _flat(schema: Mapping[str, Any], blocks: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema in one piece, whether it allows null or is a block with schemas of its own."""
    parts = [blocks[part["$ref"]] if "$ref" in part else part for part in schema.get("anyOf", [schema])]
    flat = {key: value for part in (*parts, schema) for key, value in part.items() if key != "anyOf"}
    inner = {name: _flat(each, blocks) for name, each in flat.get("properties", {}).items()}
    return {**flat, "type": [part["type"] for part in parts], **({"properties": inner} if inner else {})}


def form_field(name: str) -> dict[str, Any]:
    """Return what Airflow's ``Param`` of a setting takes: its default, its JSON Schema, its words for people."""
    schema = _schemas()[name]
    kinds = schema["type"]
    return {**schema, "type": kinds[0] if len(kinds) == 1 else kinds}


def _from_text(name: str, value: Any) -> Any:
    """Read text as a value where the setting is none; ids and names stay as they are."""
    if name not in SETTINGS:
        return value
    schema = _schemas()[name]
    kinds = schema["type"]
    is_text = "string" in kinds and "enum" not in schema
    if "object" in kinds:
        return given_collection(value)
    if not is_given(value) or (value == "null" and not is_text):
        return None if "null" in kinds else DeliverySettings.model_fields[name].default
    return value.strip() if isinstance(value, str) and not is_text else value


def _fault(name: str, value: Any, found: Any) -> str:
    """Say what is wrong with a setting and what to enter."""
    if name not in SETTINGS:
        return f"{one_line(name, 60)} is unknown: correct or remove it (known: {', '.join(SETTINGS)})"
    schema = _schemas()[name]
    if found["type"] == "model_type":
        return (
            f'{name} is {short_repr(value)}: enter a JSON object such as {{"{next(iter(schema["properties"]))}": 1000}}'
        )
    if "object" in schema["type"]:
        return f"{dotted(tuple(found['loc']))}: {describe(found, DeliverySettings)}"
    said = str(found["msg"]).removeprefix("Value error, ")
    if name == "aep_conn_id":
        return f"{name} {conn_id_fault(value)}"
    if choices := schema.get("enum"):
        return f"{name} is {short_repr(value)}: choose {' or '.join(choices)}"
    if "boolean" in schema["type"]:
        return f"{name} is {short_repr(value)}: choose true or false"
    if "maximum" not in schema:
        return check_id(value, name) or f"{name} is {short_repr(value)}: {said}"
    if found["type"] in ("int_from_float", "int_parsing"):
        return f"{name} is {short_repr(value)}: enter a whole number"
    return f"{name} is {short_repr(value)}: enter a number from {schema['minimum']:g} to {schema['maximum']:g}"
