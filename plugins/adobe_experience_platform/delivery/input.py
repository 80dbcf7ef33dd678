"""What a user asked for: ids and ``activation_info``, checked with all faults at once. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence

from adobe_experience_platform.aep import Pair, short_repr
from adobe_experience_platform.errors import AepInputError

MAX_PAIRS_PER_RUN = 5_000
MAX_FAULTS_SHOWN = 50
# No id has what Airflow's log page takes for a fold.
_ID = re.compile(r"(?!(?i:.*::(?:end)?group))[A-Za-z0-9][A-Za-z0-9._:~@+-]{0,254}\Z")
_EXAMPLE = '{"<flow id>": ["<audience id>", "<audience id>"]}'


def check_id(value: object, what: str) -> str | None:
    """Return what is wrong with an id, None if nothing: only characters that ids in AEP have."""
    if not isinstance(value, str):
        return f"{what} {short_repr(value)} is not text: put it in quotes"
    if not value:
        return f"{what} is empty"
    if not _ID.match(value):
        return f"{what} {short_repr(value, 80)} is not a valid AEP id: copy it again, without spaces or punctuation"
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
