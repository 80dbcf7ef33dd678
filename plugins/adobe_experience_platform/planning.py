"""From what a user asked for to jobs that AEP takes: validation and splitting, no I/O.

The rules are those of Adobe's guardrails: at most 80 audiences a job (counted as pairs, the safe
reading) and never two jobs at once for one audience, so all pairs of an audience share a job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .errors import AepInputError, shown
from .models import Pair

MAX_PAIRS_PER_JOB = 80
MAX_PAIRS_PER_RUN = 5_000
MAX_FAULTS_SHOWN = 50
API_VERSIONS = ("v2", "v1")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~@+-]{0,254}\Z")
_EXAMPLE = '{"<flow id>": ["<audience id>", "<audience id>"]}'


@dataclass(frozen=True, slots=True)
class Job:
    """What one ``POST /adhocrun`` delivers.

    :param number: 1-based number of the job.
    :param of: number of jobs of the run.
    :param pairs: the (flow, audience) pairs.
    :param aliases: for imported audiences: audience id → the external id that AEP may answer with.
    """

    number: int
    of: int
    pairs: tuple[Pair, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the job as it travels in XComs."""
        info: dict[str, list[str]] = {}
        for pair in self.pairs:
            info.setdefault(pair.flow_id, []).append(pair.audience_id)
        return {"job": self.number, "of": self.of, "activation_info": info, "aliases": dict(self.aliases)}

    @classmethod
    def from_json(cls, data: object) -> Job:
        """Read a job from an XCom or from a user's own DAG; only ``activation_info`` is required.

        :raises AepInputError: if it is malformed.
        """
        form = AepInputError(["a job needs the form {'activation_info': {…}, 'aliases': {…}, 'job': 1, 'of': 1}"])
        if not isinstance(data, Mapping):
            raise form
        pairs = parse_activation_info(data.get("activation_info"))
        aliases = data.get("aliases") or {}
        number, of = data.get("job", 1), data.get("of", 1)
        if not isinstance(aliases, dict) or not isinstance(number, int) or not isinstance(of, int):
            raise form
        if not all(isinstance(text, str) for item in aliases.items() for text in item):
            raise form
        return cls(number, of, pairs, dict(aliases))

    @property
    def title(self) -> str:
        """Short label for logs and the grid."""
        return f"job {self.number} of {self.of} ({count(len(self.pairs), 'audience')})"


def count(number: int, noun: str) -> str:
    """Return ``1 audience`` or ``2 audiences``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def named(ident: str, names: Mapping[str, str]) -> str:
    """Return ``'Name' (id)``, or the id alone."""
    return f"{names[ident]!r} ({ident})" if names.get(ident) else ident


def check_id(value: object, what: str) -> str | None:
    """Return what is wrong with an id, None if nothing: only characters that ids in AEP have."""
    if not isinstance(value, str):
        return f"{what} {shown(value)} is not text: put it in quotes"
    if not value:
        return f"{what} is empty"
    if not _ID.match(value):
        return f"{what} {shown(value, 80)} is no id of AEP: copy it again, without spaces or punctuation"
    return None


def read_activation_info(value: object) -> tuple[list[Pair], list[str]]:
    """Return (pairs, faults) of an ``activation_info``; pairs that are sound come back in any case."""
    if isinstance(value, str):
        return [], [f"activation_info is text: enter a JSON object such as {_EXAMPLE}"]
    if not isinstance(value, dict):
        kind = "missing" if value is None else f"a {type(value).__name__}"
        return [], [f"activation_info is {kind}: enter a JSON object such as {_EXAMPLE}"]
    if not value:
        return [], [f"activation_info is empty: enter at least one flow with one audience, such as {_EXAMPLE}"]
    pairs: list[Pair] = []
    faults: list[str] = []
    for flow_id, audiences in value.items():
        if fault := check_id(flow_id, "flow id"):
            faults.append(fault)
            continue
        if not isinstance(audiences, list):
            faults.append(f'flow {flow_id}: give its audiences as a list, such as ["<audience id>"]')
            continue
        if not audiences:
            faults.append(f"flow {flow_id}: its list of audiences is empty")
        seen: set[str] = set()
        for audience in audiences:
            if fault := check_id(audience, f"flow {flow_id}: audience id"):
                faults.append(fault)
            elif audience in seen:
                faults.append(f"flow {flow_id}: audience {audience} is listed twice; list it once")
            else:
                seen.add(audience)
                pairs.append(Pair(flow_id, audience))
    if len(pairs) > MAX_PAIRS_PER_RUN:
        faults.append(
            f"{len(pairs):,} audiences are more than one run takes ({MAX_PAIRS_PER_RUN:,}): split them over "
            f"{-(-len(pairs) // MAX_PAIRS_PER_RUN)} runs"
        )
    return pairs, faults


def parse_activation_info(value: object) -> tuple[Pair, ...]:
    """Return the pairs of an ``activation_info``.

    :raises AepInputError: naming every fault at once.
    """
    pairs, faults = read_activation_info(value)
    if faults:
        raise AepInputError(shorten(faults))
    return tuple(pairs)


def shorten(faults: Sequence[str]) -> list[str]:
    """Return the faults without repeats, at most 50 of them plus the number of the others."""
    unique = list(dict.fromkeys(faults))
    rest = len(unique) - MAX_FAULTS_SHOWN
    return unique[:MAX_FAULTS_SHOWN] + ([f"… and {rest:,} more"] if rest > 0 else [])


def split(pairs: Iterable[Pair], limit: int) -> list[tuple[Pair, ...]]:
    """Split pairs into jobs of at most ``limit``, all pairs of one audience in one job.

    :raises AepInputError: if one audience alone has more pairs than a job takes.
    """
    by_audience: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_audience.setdefault(pair.audience_id, []).append(pair)
    faults = [
        f"audience {audience} goes to {len(group)} flows, but one job takes {limit} and an audience must not be in "
        f"two jobs at once: raise max_audiences_per_job to {len(group)}"
        + ("" if len(group) <= MAX_PAIRS_PER_JOB else f" (AEP allows {MAX_PAIRS_PER_JOB}), or use several runs")
        for audience, group in by_audience.items()
        if len(group) > limit
    ]
    if faults:
        raise AepInputError(shorten(faults))
    jobs: list[list[Pair]] = []
    # First fit, largest first, fills jobs well; sorting is stable, so the user's order shows in the plan.
    for group in sorted(by_audience.values(), key=len, reverse=True):
        target = next((job for job in jobs if len(job) + len(group) <= limit), None)
        if target is None:
            jobs.append(target := [])
        target.extend(group)
    return [tuple(job) for job in jobs]
