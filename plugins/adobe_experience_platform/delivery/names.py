"""From the ids and names that people give to the flows and audiences of AEP: each is looked up once.

An id counts before a name, and a name is what AEP shows, to the letter. Ids alone cost one list of their flows, and
one of flows that have such an id as their name; a name costs the list of all destination flows, which then answers all
else.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

from adobe_experience_platform.aep import Call, DestinationFlow, MappedAudience, Pair, by_flow, endpoints, quoted
from adobe_experience_platform.errors import AepCallError, AepNotFoundError, AepRequestError

from .findings import Finding, Findings, label_of
from .input import check_id, is_uuid, listed, may_be_id, shown

Run = Callable[[Call[Any]], Any]
"""Carries out a call, such as ``hook.call``."""
Named = TypeVar("Named", DestinationFlow, MappedAudience)

SEARCHES = 20
"""Faults for which similar names are looked for: a search among 250 names takes a twentieth of a second."""
SIMILAR = 0.75
MOST_IDS = 100
"""Ids that are asked for in one list; for more, all destination flows are read."""
LISTED = 10
"""Flows or audiences of one name that a fault lists."""
_COPY = "copy it from the aep_catalog DAG or from Destinations > Browse"
_MAP = "map it under Destinations > Browse > Activate audiences, or correct the id"


def resolve(asked: Sequence[Pair], run: Run, known: Mapping[Pair, Pair] | None = None) -> Findings:
    """Look up every flow and audience; what is neither an id nor a name is a fault.

    :param asked: (flow, audience), each an id or a name; without an audience the flow alone is looked up, without a
        flow the audience of any.
    :param known: what was asked for → its ids, as an earlier try of the run has found them.
    :raises AepCallError: if AEP cannot be reached at all.
    """
    findings = Findings()
    given = dict(zip([(known or {}).get(pair, pair) for pair in asked], asked, strict=True))
    look = _LookUp(run, list(dict.fromkeys(pair.flow_id for pair in given)), findings)
    for flow_text, audiences in by_flow(given).items():
        if (flow := look.flow(flow_text) if flow_text else look.any_flow(audiences)) is None:
            continue
        findings.flows[flow.id] = flow
        if flow.takes_none:
            label = label_of("flow", flow.id, flow.name)
            findings.faults.append(Finding(label, flow.takes_none, "choose one from the aep_catalog DAG"))
            continue
        for text in audiences:
            if (audience_id := look.audience(flow, text) if text else "") is None:
                continue
            pair, source = Pair(flow.id, audience_id), given[Pair(flow_text, text)]
            if pair in findings.given:
                where = f"{label_of('flow', flow.id, flow.name)}: audience {shown(source.audience_id)}"
                other = shown(findings.given[pair].audience_id)
                findings.faults.append(Finding(where, f"is listed twice, also as {other}", "list it once"))
                continue
            findings.pairs.append(pair)
            findings.given[pair] = source
    look.namesakes()
    return findings


class _LookUp:
    """Finds flows and audiences, and keeps what it has read."""

    def __init__(self, run: Run, flows: Sequence[str], findings: Findings) -> None:
        self._run = run
        self._findings = findings
        self._ids = flows[:MOST_IDS]
        self._with_comma = [text for text in flows if "," in text]
        self._all: list[DestinationFlow] | None = None
        self._by_id: Mapping[str, DestinationFlow] = {}
        self._unread: dict[str, str] = {}
        self._audiences: dict[str, list[MappedAudience]] = {}
        if len(flows) > MOST_IDS or not all(map(may_be_id, flows)):
            self._list()
        elif len(flows) > 1:
            self._read_together(flows)

    def _read_together(self, flow_ids: Sequence[str]) -> None:
        try:
            self._by_id = self._run(endpoints.flows_by_id(flow_ids))
        except (AepNotFoundError, AepRequestError) as error:
            if not isinstance(error, AepNotFoundError) and error.status != 400:
                raise
            self._list()  # AEP does not take the filter

    def _list(self) -> list[DestinationFlow]:
        if self._all is None:
            self._all = _sound(self._run(endpoints.catalog_flows(datasets=True)))
        return self._all

    def namesakes(self) -> None:
        """Warn of flows that have one of the ids as their name, where the list has not told."""
        if self._all is not None or not self._ids:
            return
        try:
            others = _sound(self._run(endpoints.flows_named(self._ids)))
        except AepCallError as error:  # a warning is not worth a delivery
            self._findings.warnings.append(f"whether one of the ids is also the name of a flow is not known ({error})")
            return
        for text in self._ids:
            self._warn(f"flow {text}", text, text, [item.id for item in _of_name(text, others)])

    def flow(self, text: str) -> DestinationFlow | None:
        """Return the flow of this id or name, None after a fault."""
        if self._all is None and (flow := self._read(text)):
            return flow
        known = self._list()
        flows = [item for item in known if not item.takes_none]
        same = [item if item.audiences else self._read(item.id) or item for item in _of_name(text, flows)]
        same = same or _of_name(text, known)
        flow = next((item for item in known if item.id == text), None)
        if flow is None and (not same or is_uuid(text)):
            flow = self._read(text)  # the list lacks sources
        if flow is None and not same:
            same = self._unlisted(text)
        if flow is None and len(same) == 1:
            return same[0]
        label = f"flow {shown(text)}"
        if flow is not None:
            self._warn(label, text, flow.id, [item.id for item in same])
        elif same:
            states = [f"{item.id} ({item.state or 'state unknown'})" for item in same]
            self._fault(label, f"is the name of {len(same)} flows", _choose(states))
        else:
            said = self._unread.get(text, "")
            what = "does not exist in this sandbox" + (f" (AEP: {said})" if said else "")
            self._fault(label, what, lambda: self._meant(text, flows))
        return flow

    def any_flow(self, audiences: Iterable[str]) -> DestinationFlow:
        """Return what stands for all destination flows: it has the audiences of each."""
        for _ in range(2):
            listed = [item for flow in self._list() if not flow.takes_none for item in flow.audiences]
            if all(
                any(text in (item.platform_id, item.exact_name, item.name) for item in listed) for text in audiences
            ):
                break
            self._all = None  # a list without an audience may be a slip, and it would be unknown
        return replace(DestinationFlow.from_json({}), audiences=tuple(listed), tells_audiences=True)

    def audience(self, flow: DestinationFlow, text: str) -> str | None:
        """Return the id of the flow's audience of this id or name, None after a fault."""
        label = label_of("flow", flow.id, flow.name)
        where = f"{label}: audience {shown(text)}" if flow.id else f"audience {shown(text)}"
        here = "this flow" if flow.id else "any destination flow of this sandbox"
        sound = self._audiences.get(flow.id) or self._audiences.setdefault(flow.id, _sound(flow.audiences))
        same = {item.platform_id: item for item in _of_name(text, sound)}
        found = flow.audience(text) if check_id(text, "") is None else None
        if found is not None:
            self._warn(where, text, found.platform_id, same)
        elif len(same) == 1:
            [found] = same.values()
        elif same:
            among = [f"{item.platform_id} ({item.schedule or 'no schedule'})" for item in same.values()]
            self._fault(where, f"is the name of {len(same)} audiences of {here}", _choose(among))
        elif external := next((item for item in flow.audiences if item.system_id and item.id == text), None):
            what = f"is the external id of the imported audience {external.name!r}"
            self._fault(where, what, f"use its system-generated id {external.system_id}")
        elif flow.tells_audiences:
            self._fault(where, f"is not mapped to {here}", lambda: _nearest(text, flow.audiences) or _MAP)
        elif check_id(text, "") is None:
            self._findings.warnings.append(f"{label} does not list the audiences mapped to it")
            return text
        else:
            self._fault(where, "cannot be looked up, as this flow does not list its audiences", "use its id")
        if found is None:
            return None
        if found.id and found.id != found.platform_id:
            self._findings.aliases[found.platform_id] = found.id
        return found.platform_id

    def _read(self, text: str) -> DestinationFlow | None:
        """Read a flow by its id, None if there is none; each is asked for once."""
        if not may_be_id(text) or text in self._unread:
            return None
        known = self._by_id.get(text)
        if known is not None and (known.audiences or not known.tells_audiences):
            return known  # a list of none may be a slip, and all its audiences would be unknown
        try:
            flow: DestinationFlow = self._run(endpoints.flow(text))
        except (AepNotFoundError, AepRequestError) as error:
            if not isinstance(error, AepNotFoundError) and error.status != 400:
                raise
            self._unread[text] = error.text
            return None
        return flow

    def _unlisted(self, text: str) -> list[DestinationFlow]:
        """Return the flows of this name that are not in the list, such as those of sources."""
        if len(self._findings.faults) >= SEARCHES:
            return []
        if text in self._with_comma:
            return _of_name(text, self._unlisted_with_comma)
        try:
            return _sound(self._run(endpoints.flows_named([text])))
        except AepRequestError:  # a filter that AEP does not take finds nothing
            return []

    @cached_property
    def _unlisted_with_comma(self) -> list[DestinationFlow]:
        """The same for all names with a comma at once: AEP has no filter for them, so all flows are read."""
        return _sound(self._run(endpoints.flows_named(self._with_comma)))

    def _meant(self, text: str, flows: Sequence[DestinationFlow]) -> str:
        if near := _nearest(text, flows):
            return near
        for flow in sorted(flows, key=lambda flow: flow.state.lower() != "enabled"):
            if flow.audience(text) or _of_name(text, flow.audiences):
                return f"it is an audience of {label_of('flow', flow.id, flow.name)}: list it under that flow"
        return _COPY

    def _warn(self, label: str, text: str, ident: str, same: Iterable[str]) -> None:
        if others := [other for other in same if other != ident]:
            what = f"{label} is an id here; {quoted(text)} is also the name of {', '.join(others[:LISTED])}"
            self._findings.warnings.append(f"{what}: the id counts")

    def _fault(self, where: str, what: str, remedy: str | Callable[[], str]) -> None:
        if callable(remedy):
            remedy = remedy() if len(self._findings.faults) < SEARCHES else _COPY
        self._findings.faults.append(Finding(where, what, remedy))


def _of_name(text: str, items: Sequence[Named]) -> list[Named]:
    """Return what has exactly this name, else what is shown so in one line."""
    return [item for item in items if item.exact_name == text] or [item for item in items if item.name == text]


def unambiguous(items: Iterable[Named]) -> dict[str, str]:
    """Return id → name, of those that a name finds."""
    sound = _sound(items)
    often, ids = Counter(item.name for item in sound), set(map(_id_of, sound))
    return {_id_of(item): item.name for item in sound if item.name and often[item.name] == 1 and item.name not in ids}


def _id_of(item: DestinationFlow | MappedAudience) -> str:
    return item.id if isinstance(item, DestinationFlow) else item.platform_id


def _sound(items: Iterable[Named]) -> list[Named]:
    """Return what has an id that can be sent on: an id becomes a part of requests."""
    return [item for item in items if check_id(_id_of(item), "") is None]


def _choose(among: Sequence[str]) -> str:
    return f"write the id of the one that you mean: {listed(among, LISTED)}"


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _nearest(text: str, items: Iterable[Named]) -> str:
    """Ask whether one of up to three similar names was meant, "" if none is similar."""
    names: dict[str, dict[str, Named]] = {}
    for item in items:
        names.setdefault(_plain(item.name), {})[_id_of(item)] = item
    alike, found = "", difflib.get_close_matches(_plain(text), [name for name in names if name], 3, SIMILAR)
    if _plain(text) in found:
        alike, found = " (names count to the letter: capitals, blanks, accents)", [_plain(text)]
    near = [f"{quoted(item.exact_name or item.name)} ({key})" for name in found for key, item in names[name].items()]
    return f"did you mean {' or '.join(near[:3])}?{alike}" if near else ""
