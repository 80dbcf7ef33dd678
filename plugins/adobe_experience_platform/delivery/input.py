"""What a user asked for: ids, names and ``activation_info``, checked with all faults at once. No I/O."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from adobe_experience_platform.aep import Pair, quoted, short_repr
from adobe_experience_platform.errors import AepInputError

MAX_PAIRS_PER_RUN = 5_000
MAX_FAULTS_SHOWN = 50
# No id has what Airflow's log page takes for a fold.
_ID = re.compile(r"(?!(?i:.*::(?:end)?group))[A-Za-z0-9][A-Za-z0-9._:~@+-]{0,254}\Z")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_EXAMPLE = '{"<flow id>": ["<audience id>", "<audience id>"]}'
LONGEST_NAME = 255


def check_id(value: object, what: str) -> str | None:
    """Return what is wrong with an id, None if nothing: only characters that ids in AEP have."""
    if not isinstance(value, str):
        return f"{what} {short_repr(value)} is not text: put it in quotes"
    if not value:
        return f"{what} is empty"
    if not _ID.match(value):
        return f"{what} {short_repr(value, 80)} is not a valid AEP id: copy it again, without spaces or punctuation"
    return None


def is_uuid(text: str) -> bool:
    """Whether a text has the form of AEP's own ids, so that it need not be looked up to know what it is."""
    return _UUID.match(text) is not None


def may_be_id(text: object) -> bool:
    """Whether a text may be an id of AEP, which have no capitals; it may also be a name of one word."""
    return check_id(text, "") is None and str(text) == str(text).lower()


def check_name(value: object, what: str) -> str | None:
    """Return what is wrong with an id or a name, None if nothing: a name is one line of text."""
    if not isinstance(value, str) or not value:
        return check_id(value, what)
    # Joiners are parts of letters and of emoji; other invisible characters only make two names look the same.
    bad = any(
        unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in "\u200c\u200d" for char in value
    )
    if bad or len(value) > LONGEST_NAME or not value.strip():
        return (
            f"{what} {short_repr(value, 80)} is neither an id nor a name: copy it again, as one line of at most "
            f"{LONGEST_NAME} characters"
        )
    return None


def read_activation_info(value: object, *, names: bool = False) -> tuple[list[Pair], list[str]]:
    """Return (pairs, faults) of an ``activation_info``; pairs that are sound come back in any case.

    :param names: whether names may stand for ids; the pairs then hold what was given, see :mod:`.names`.
    """
    check, kind = (check_name, "") if names else (check_id, " id")
    if isinstance(value, str):
        return [], [f"activation_info is text: enter a JSON object such as {_EXAMPLE}"]
    if not isinstance(value, dict):
        found = "missing" if value is None else f"a {type(value).__name__}"
        return [], [f"activation_info is {found}: enter a JSON object such as {_EXAMPLE}"]
    if not value:
        return [], [f"activation_info is empty: enter at least one flow with one audience, such as {_EXAMPLE}"]
    pairs: list[Pair] = []
    faults: list[str] = []
    for flow, audiences in value.items():
        if fault := check(flow, f"flow{kind}"):
            faults.append(fault)
            continue
        label = f"flow {shown(flow)}"
        if not isinstance(audiences, list):
            faults.append(f'{label}: give its audiences as a list, such as ["<audience id>"]')
            continue
        if not audiences:
            faults.append(f"{label}: its list of audiences is empty")
        seen: set[str] = set()
        for audience in audiences:
            if fault := check(audience, f"{label}: audience{kind}"):
                faults.append(fault)
            elif audience in seen:
                faults.append(f"{label}: audience {shown(audience)} is listed twice; list it once")
            else:
                seen.add(audience)
                pairs.append(Pair(flow, audience))
    if len(pairs) > MAX_PAIRS_PER_RUN:
        faults.append(
            f"{len(pairs):,} audiences are more than one run takes ({MAX_PAIRS_PER_RUN:,}): split them over "
            f"{-(-len(pairs) // MAX_PAIRS_PER_RUN)} runs"
        )
    return pairs, faults


def shown(text: str) -> str:
    """Return an id as it is and a name in quotes, fit for one line."""
    return text if check_id(text, "") is None else quoted(text)


def parse_activation_info(value: object, *, names: bool = False) -> tuple[Pair, ...]:
    """Do as :func:`read_activation_info`; an :class:`AepInputError` has every fault."""
    pairs, faults = read_activation_info(value, names=names)
    if faults:
        raise AepInputError(shorten(faults))
    return tuple(pairs)


def shorten(faults: Sequence[str]) -> list[str]:
    """Return the faults without repeats, at most 50 of them plus the number of the others."""
    unique = list(dict.fromkeys(faults))
    rest = len(unique) - MAX_FAULTS_SHOWN
    return unique[:MAX_FAULTS_SHOWN] + ([f"… and {rest:,} more"] if rest > 0 else [])


def listed(items: Sequence[str], limit: int, separator: str = ", ") -> str:
    """Return items in one line: at most ``limit`` of them, and how many more there are."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return separator.join(items[:limit]) + more
