"""Faults a test orders: what to do to which requests, and how often."""

from __future__ import annotations

import asyncio
import fnmatch
import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, field_validator

from .settings import Model

FaultKind = Literal[
    "status",
    "delay",
    "close_before",
    "close_after",
    "truncate",
    "html",
    "empty",
    "body",
    "redirect",
    "expired_token",
    "wait_release",
]
# Kinds for which the request is carried out unless ``effect`` says otherwise.
_EFFECTIVE = frozenset({"close_after", "truncate"})


class FaultSpec(Model):
    """One fault.

    ``method`` and ``path`` (glob, or regular expression after ``re:``) select requests; the first ``skip``
    of them pass, the next ``times`` (null = all) are hit. ``effect`` true carries the request out before
    the fault shows. ``if_gone`` says what becomes of a request that is held or delayed before it took
    effect when its client hangs up meanwhile; by default a delayed one is still carried out (it was on its
    way) and a held one is dropped.
    """

    kind: FaultKind
    method: str | None = None
    path: str = "*"
    times: int | None = 1
    skip: int = 0
    status: int | None = Field(default=None, ge=100, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    delay: float = Field(default=0.0, ge=0)
    location: str | None = None
    effect: bool | None = None
    if_gone: Literal["carry_out", "drop"] | None = None

    @field_validator("path")
    @classmethod
    def _pattern_compiles(cls, value: str) -> str:
        if value.startswith("re:"):
            try:
                re.compile(value[3:])
            except re.error as exc:
                raise ValueError(f"not a regular expression: {exc}") from exc
        return value

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out before the fault shows."""
        return self.kind in _EFFECTIVE if self.effect is None else self.effect

    @property
    def drops_if_gone(self) -> bool:
        """Whether a request whose client hung up while it was held is dropped."""
        return self.if_gone == "drop" if self.if_gone else self.kind == "wait_release"

    def matches(self, method: str, path: str) -> bool:
        """Say whether the fault concerns a request."""
        if self.method is not None and self.method.upper() != method.upper():
            return False
        if self.path.startswith("re:"):
            return re.search(self.path[3:], path) is not None
        return fnmatch.fnmatchcase(path, self.path)


@dataclass(slots=True)
class Fault:
    """An armed fault: ``seen`` matching requests so far, of which ``hits`` were hit."""

    id: int
    spec: FaultSpec
    seen: int = 0
    hits: int = 0

    def take(self, method: str, path: str) -> bool:
        """Count a request and say whether the fault hits it."""
        if not self.spec.matches(method, path):
            return False
        if self.spec.times is not None and self.hits >= self.spec.times:
            return False
        self.seen += 1
        if self.seen <= self.spec.skip:
            return False
        self.hits += 1
        return True

    def report(self) -> dict[str, Any]:
        """Return the fault as the control API shows it."""
        spec = self.spec.model_dump(exclude_defaults=True)
        return {"id": self.id, **spec, "times": self.spec.times, "seen": self.seen, "hits": self.hits}


class FaultBook:
    """All armed faults, and the requests they hold."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._held: dict[asyncio.Future[bool], int] = {}
        self._count = 0

    def add(self, spec: FaultSpec) -> Fault:
        """Arm a fault."""
        self._count += 1
        fault = Fault(self._count, spec)
        self._faults.append(fault)
        return fault

    def all(self) -> list[Fault]:
        """Return the faults in the order they were armed."""
        return list(self._faults)

    def remove(self, fault_id: int | None = None) -> int:
        """Disarm one fault, or all; held requests stay held until released."""
        before = len(self._faults)
        self._faults = [f for f in self._faults if fault_id is not None and f.id != fault_id]
        return before - len(self._faults)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault that hits a request."""
        return next((fault for fault in self._faults if fault.take(method, path)), None)

    @property
    def held(self) -> int:
        """The number of requests held now."""
        return len(self._held)

    async def hold(self, fault: Fault) -> bool:
        """Wait for a release; return False when the request is to be dropped instead."""
        gate: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._held[gate] = fault.id
        try:
            return await gate
        finally:
            self._held.pop(gate, None)

    def release(self, *, fault_id: int | None = None, carry_on: bool = True) -> int:
        """Let held requests go on, or drop them; return how many."""
        gates = [gate for gate, owner in self._held.items() if fault_id in {None, owner} and not gate.done()]
        for gate in gates:
            gate.set_result(carry_on)
        return len(gates)
