"""The size guard: how large a delivery may be, and what happens if it would be larger, smaller, or nobody knows.

It compares the audience's size at its last evaluation: with fixed limits, and with the records that AEP read for the
audience's last delivery. Those that were skipped or failed then count too: they were in the audience, and the size of
today does not leave them out either.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from adobe_experience_platform.aep import Pair, count, one_line, quoted

from .blocks import Block
from .findings import Findings
from .outlook import IS_ASKED, LastDelivery, Outlook, Size, moment

ASKED = 20
"""Breaches that a person is shown; the plan keeps them, and a value of its store has 64 KB."""
LIMITS = ("min_records", "max_records", "max_change_percent")
_RECORDS = Field(ge=0, le=10**12)


class Ruling(NamedTuple):
    """What the guard says of a delivery: reasons to send nothing, warnings, and what a person has to decide on."""

    faults: list[str]
    warnings: list[str]
    asks: list[str]


class SizeGuard(Block):
    """Limits for the number of records of each audience, checked before anything is sent."""

    min_records: Annotated[int, _RECORDS] | None = Field(
        None, title="Smallest size", description="The audience's size at its last evaluation must not be below this."
    )
    max_records: Annotated[int, _RECORDS] | None = Field(
        None, title="Largest size", description="The audience's size at its last evaluation must not be above this."
    )
    max_change_percent: Annotated[float, Field(ge=0, le=1_000_000)] | None = Field(
        None,
        title="Largest change (%)",
        description="How far the audience's size may be from the records of its last delivery, either way.",
    )
    on_breach: Literal["refuse", "ask"] = Field(
        "refuse",
        title="Outside of these limits",
        description="To ask needs an approval step, which campaigns and your own DAGs can have.",
        json_schema_extra={"values_display": {"refuse": "send nothing", "ask": "ask a person (needs an approval)"}},
    )
    on_unknown: Literal["send", "refuse"] = Field(
        "send",
        title="If AEP does not say",
        description="AEP does not give a number that a limit needs.",
        json_schema_extra={"values_display": {"send": "deliver, with a warning", "refuse": "send nothing"}},
    )

    @model_validator(mode="after")
    def _limits(self) -> SizeGuard:
        if all(getattr(self, name) is None for name in LIMITS):
            raise ValueError(f"there is no limit: set at least one of {', '.join(LIMITS)}")
        if self.min_records is not None and self.max_records is not None and self.min_records > self.max_records:
            raise ValueError(f"min_records {self.min_records:,} is above max_records {self.max_records:,}: correct one")
        return self

    def faults_without_approval(self) -> list[str]:
        """Return what is wrong with these limits where nobody can be asked."""
        what = "size_guard.on_breach is ask, and this delivery has no approval step: choose refuse, or add approval"
        return [what] if self.on_breach == "ask" else []

    def judge(self, findings: Findings, outlooks: Mapping[Pair, Outlook]) -> Ruling:
        """Compare every pair, and say what follows."""
        breaches: list[str] = []
        unknown: list[str] = []
        for pair in findings.pairs:
            flow = findings.flows[pair.flow_id]
            audience = flow.audience(pair.audience_id)
            what, where = _label(pair.audience_id, audience.name if audience else ""), _label(flow.id, flow.name)
            self._compare(f"audience {what} of flow {where}", outlooks[pair], breaches, unknown)
        faults, warnings = [], []
        if self.on_unknown == "refuse":
            remedy = "clear this task to look again, or set size_guard's on_unknown to send"
            faults = [f"{each}, and size_guard refuses what is not known: {remedy}" for each in unknown]
        else:
            warnings = [f"{each}: it is sent unchecked, as size_guard's on_unknown is send" for each in unknown]
        if self.on_breach == "ask" and not faults:
            warnings += [f"{each}{IS_ASKED}" for each in breaches]
            asks, more = [one_line(each) for each in breaches[:ASKED]], len(breaches) - ASKED
            return Ruling([], warnings, [*asks, *[f"and {more:,} more: see the log of plan_jobs"] * (more > 0)])
        remedy = "see in AEP why, and change size_guard if this is right"
        return Ruling([*(f"{each}: {remedy}" for each in breaches), *faults], warnings, [])

    def _compare(self, label: str, outlook: Outlook, breaches: list[str], unknown: list[str]) -> None:
        size = outlook.size
        if size is None:
            unknown.append(f"{label}: its size is not known ({outlook.without_size})")
            return
        what = f"{label} has {_size(size)}"
        if self.min_records is not None and size.profiles < self.min_records:
            breaches.append(f"{what}, less than min_records, {self.min_records:,}")
        if self.max_records is not None and size.profiles > self.max_records:
            breaches.append(f"{what}, more than max_records, {self.max_records:,}")
        if self.max_change_percent is None:
            return
        last = outlook.last
        if outlook.may_be_incremental:
            why = "its scheduled exports hold changes only, so its last delivery may not have held all of it"
            unknown.append(f"{label}: how much its size has changed is not known ({why})")
        elif last is None or last.read is None:
            why = f"last delivery: {last or outlook.without_last}"
            unknown.append(f"{label}: how much its size has changed is not known ({why})")
        elif abs(size.profiles - last.read) * 100 > Decimal(str(self.max_change_percent)) * last.read:
            way = "more" if size.profiles > last.read else "less"
            limit = f"max_change_percent is {self.max_change_percent:g}"
            share = _share(size.profiles, last.read, self.max_change_percent)
            breaches.append(f"{what}, {share}{way} than {_base(last, last.read)}; {limit}")


def _label(ident: str, name: str) -> str:
    return f"{quoted(name, 60)} ({ident})" if name else ident


def _size(size: Size) -> str:
    return f"{count(size.profiles, 'profile')} at its last evaluation" + (f", {moment(size.at)}" if size.at else "")


def _share(now: int, before: int, limit: float) -> str:
    """Return how much that is more or less, with as many decimals as show that it is beyond the limit."""
    share = abs(now - before) * 100 / before if before else 0.0
    decimals = next((number for number in (1, 3, 6) if round(share, number) > limit), 9)
    return f"{share:,.{decimals}f}% " if before else ""


def _base(last: LastDelivery, read: int) -> str:
    exported = f" ({last.exported:,} exported)" if last.exported not in (None, read) else ""
    at = f", {moment(last.at)}" if last.at else ""
    return f"the {count(read, 'record')}{exported} of its last delivery{at}"
