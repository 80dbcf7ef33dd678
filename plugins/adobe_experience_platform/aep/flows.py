"""Destination flows and the audiences mapped to them (Flow Service), parsed once, tolerantly."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from .flow_runs import RunStatus
from .json_values import as_date, as_dict, as_dicts, as_id, as_text, as_time
from .text import one_line

NAME_LIMIT = 255


def _exact(name: object) -> str:
    return (name if isinstance(name, str) else as_text(name))[: NAME_LIMIT + 1]


@dataclass(frozen=True, slots=True)
class MappedAudience:
    """An audience mapped to a destination flow: one selector of ``segmentSelectors``.

    Times and days are in UTC, None if unknown; a schedule without ``end_date`` is open-ended.

    :param id: the selector's ``id``; for imported audiences this is the *external* id.
    :param system_id: ``systemSegmentId`` of an imported audience, else "".
    :param is_file_export: whether the selector has what only file exports have.
    :param exact_name: ``name`` before it was made fit for one line.
    :param export_mode: ``DAILY_FULL_EXPORT`` or ``FIRST_FULL_THEN_INCREMENTAL``, "" if unknown.
    :param filename_template: what AEP makes the file's name of, such as ``%SEGMENT_ID%_%DATETIME(YYYYMMdd)%``.
    """

    id: str
    system_id: str
    name: str
    frequency: str
    start_date: dt.date | None
    end_date: dt.date | None
    mapped_at: dt.datetime | None
    is_file_export: bool
    exact_name: str = ""
    export_mode: str = ""
    filename_template: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> MappedAudience:
        """Parse ``segmentSelectors.selectors[].value``."""
        schedule = as_dict(data.get("schedule"))
        templates = (data.get(key) for key in ("filenameTemplate", "fileNameTemplate"))
        return cls(
            id=as_id(data.get("id")),
            system_id=as_id(data.get("systemSegmentId")),
            name=one_line(as_text(data.get("name")), NAME_LIMIT),
            frequency=one_line(as_text(schedule.get("frequency")), 40),
            start_date=as_date(schedule.get("startDate")),
            end_date=as_date(schedule.get("endDate")),
            mapped_at=as_time(data.get("createTime")),
            is_file_export=any(key in data for key in ("filenameTemplate", "fileNameTemplate", "exportMode")),
            exact_name=_exact(data.get("name")),
            export_mode=one_line(as_text(data.get("exportMode")), 40),
            filename_template=one_line(next(filter(None, map(as_text, templates)), ""), NAME_LIMIT),
        )

    @property
    def platform_id(self) -> str:
        """The id that the activation API takes: Platform's own, never the external one."""
        return self.system_id or self.id

    @property
    def schedule(self) -> str:
        """How often it is delivered, and until when; "" if it has no schedule."""
        until = f" until {self.end_date}" if self.end_date else ""
        return f"{self.frequency.lower().replace('_', ' ')}{until}".strip()


@dataclass(frozen=True, slots=True)
class DestinationFlow:
    """A destination dataflow (``GET /flows/{id}``) and the audiences mapped to it.

    :param tells_audiences: whether the flow has a list of audiences at all (it may be empty).
    :param takes_none: why it takes no audiences (it exports datasets, or is no destination's), "" if it may.
    :param last_run_state: ``lastRunDetails.state`` as words (``partial success``), "" if it never ran.
    :param exact_name: ``name`` before it was made fit for one line.
    """

    id: str
    name: str
    state: str
    is_destination: bool | None
    audiences: tuple[MappedAudience, ...]
    tells_audiences: bool
    takes_none: str
    last_run_state: str
    last_run_at: dt.datetime | None
    exact_name: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> DestinationFlow:
        """Parse a flow of the Flow Service."""
        properties = as_dict(as_dict(data.get("inheritedAttributes")).get("properties"))
        flag = properties.get("isDestinationFlow")
        last = as_dict(data.get("lastRunDetails"))
        params = [as_dict(item.get("params")) for item in as_dicts(data.get("transformations"))]
        lists = [as_dict(each.get("segmentSelectors")).get("selectors") for each in params]
        tells, takes_none = any(isinstance(each, list) for each in lists), ""
        if flag is False or (not flag and properties.get("isSourceFlow") is True):
            takes_none = "is not a destination flow"
        elif not tells and any("mappingId" in each for each in params):
            takes_none = "brings data in from a source"
        elif not tells and (data.get("transformations") == [] or as_dict(data.get("scheduleParams"))):
            # Adobe: "for dataset dataflows, the transformations list will always be empty"; flows of audiences have
            # a schedule per audience, never one of their own.
            takes_none = "exports datasets, not audiences"
        state = as_text(last.get("state"))
        run_status = RunStatus.fold(state)
        audiences = [
            MappedAudience.from_json(as_dict(selector.get("value"))) for each in lists for selector in as_dicts(each)
        ]
        return cls(
            id=as_id(data.get("id")),
            name=one_line(as_text(data.get("name")), NAME_LIMIT),
            state=one_line(as_text(data.get("state")), 40),
            is_destination=flag if isinstance(flag, bool) else None,
            audiences=tuple(audience for audience in audiences if audience.platform_id),
            tells_audiences=tells,
            takes_none=takes_none,
            last_run_state=run_status.value.replace("_", " ") if run_status.is_terminal else one_line(state, 40),
            last_run_at=as_time(last.get("completedAtUTC")) or as_time(last.get("startedAtUTC")),
            exact_name=_exact(data.get("name")),
        )

    def audience(self, audience_id: str) -> MappedAudience | None:
        """Return the mapped audience with this Platform id, None if it is not mapped."""
        return next((item for item in self.audiences if item.platform_id == audience_id), None)


def destination_url(tenant: str, sandbox_name: str, flow_id: str) -> str:
    """Return the address of a flow's page in AEP, "" without the *tenant* in it, which no API used here returns."""
    if not tenant or not flow_id:
        return ""
    tenant, sandbox_name, flow_id = (quote(part, safe="") for part in (tenant, sandbox_name, flow_id))
    place = f"@{tenant}/sname:{sandbox_name}"
    return f"https://experience.adobe.com/#/{place}/platform/destination/browse/{flow_id}"
