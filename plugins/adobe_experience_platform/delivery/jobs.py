"""Split a delivery into jobs that AEP accepts. No I/O.

A job has at most 80 pairs (Adobe's guardrail, read the strict way: per pair). AEP refuses two jobs for one audience
at the same time, so all pairs of an audience share a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adobe_experience_platform.aep import Pair, by_flow, count, named
from adobe_experience_platform.errors import AepInputError

from .given import given_info
from .input import listed, parse_activation_info, shorten

MAX_PAIRS_PER_JOB = 80


@dataclass(frozen=True, slots=True)
class Job:
    """What one ``POST /adhocrun`` delivers: job ``number`` (from 1) of so many of the run.

    :param aliases: for imported audiences: audience id → the external id that AEP may answer with.
    """

    number: int
    of: int
    pairs: tuple[Pair, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the job as it travels in XComs."""
        info = by_flow(self.pairs)
        return {"job": self.number, "of": self.of, "activation_info": info, "aliases": dict(self.aliases)}

    @classmethod
    def from_json(cls, data: object, *, names: bool = False) -> Job:
        """Read a job from an XCom or from a user's own DAG; only ``activation_info`` is required.

        :param names: whether names may stand for ids; the pairs then hold what was given.
        :raises AepInputError: if it is malformed.
        """
        form = AepInputError(["a job must have the form {'activation_info': {…}, 'aliases': {…}, 'job': 1, 'of': 1}"])
        if not isinstance(data, Mapping):
            raise form
        pairs = parse_activation_info(given_info(data.get("activation_info")), names=names)
        aliases = data.get("aliases") or {}
        number, of = data.get("job", 1), data.get("of", 1)
        if not isinstance(aliases, Mapping) or not isinstance(number, int) or not isinstance(of, int):
            raise form
        if not all(isinstance(text, str) for item in aliases.items() for text in item):
            raise form
        return cls(number, of, pairs, dict(aliases))

    @property
    def title(self) -> str:
        """Short label for logs and the grid."""
        return f"job {self.number} of {self.of} ({count(len(self.pairs), 'audience')})"


def title_of(pair: Pair, names: Mapping[str, str]) -> str:
    """Return a pair with its names beside its ids."""
    return f"audience {named(pair.audience_id, names)} → flow {named(pair.flow_id, names)}"


def titles_of(pairs: Iterable[Pair], names: Mapping[str, str], limit: int = 20) -> str:
    """Return pairs with their names beside their ids, at most ``limit`` of them."""
    return listed([title_of(pair, names) for pair in pairs], limit, "; ")


def split(pairs: Iterable[Pair], limit: int) -> list[tuple[Pair, ...]]:
    """Split pairs into jobs of at most ``limit``, all pairs of one audience in one job, else an AepInputError."""
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
