"""What is found out about a delivery before anything is sent: reasons not to send, warnings, names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from adobe_experience_platform.aep import DestinationFlow, Pair


class Finding(NamedTuple):
    """A reason not to send: where, what, and what to do about it."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where} {self.what}: {self.remedy}"


@dataclass(slots=True)
class Findings:
    """Result of looking up, and of the preflight.

    :param pairs: what is to be delivered, by ids.
    :param given: pair → the ids or names that stand for it in the input.
    :param flows: flow id → flow, for the flows that exist.
    :param aliases: audience id → external id, for imported audiences.
    """

    pairs: list[Pair] = field(default_factory=list)
    given: dict[Pair, Pair] = field(default_factory=dict)
    flows: dict[str, DestinationFlow] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)

    def named(self, pairs: Iterable[Pair] | None = None) -> list[list[str]]:
        """Return ``[flow, audience, flow id, audience id]`` where a name stood for an id, as it is stored."""
        chosen = self.pairs if pairs is None else pairs
        return [[*self.given[pair], *pair] for pair in chosen if self.given[pair] != pair]

    def names(self, pairs: Iterable[Pair]) -> dict[str, str]:
        """Return id → name of the flows and audiences in ``pairs``, where AEP has a name."""
        names: dict[str, str] = {}
        for pair in pairs:
            flow = self.flows.get(pair.flow_id)
            audience = flow.audience(pair.audience_id) if flow else None
            if flow and flow.name:
                names[pair.flow_id] = flow.name
            if audience and audience.name:
                names[pair.audience_id] = audience.name
        return names


def ids_of(named: Iterable[Sequence[str]]) -> dict[Pair, Pair]:
    """Read what :meth:`Findings.named` returned: what was asked for → its ids."""
    return {Pair(*given[:2]): Pair(*given[2:]) for given in named}


def label_of(what: str, ident: str, name: str) -> str:
    """Return ``flow 'Name' (id)``, or without a name ``flow id``."""
    return f"{what} {name!r} ({ident})" if name else f"{what} {ident}"


def labelled(names: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """Return id → name; where a label differs from AEP's name both show, so that a wrong label cannot hide anything."""
    both = {ident: f"{label} (AEP: {names[ident]})" for ident, label in labels.items() if ident in names}
    return {**labels, **names, **{ident: text for ident, text in both.items() if names[ident] != labels[ident]}}
