"""The record of a submission, as it is stored: versioned, ids and times only, a few KB for 80 pairs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from adobe_experience_platform.aep import Activation, FlowRun, Pair, by_flow
from adobe_experience_platform.errors import AepSubmissionError, Conflict

from .states import UNCERTAIN, Event, Reply, SubmissionState, after

T = TypeVar("T")
VERSION = 1
"""Of this form. Raise it when a field changes its meaning, and keep reading every version before it."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """What AEP listed of a flow just before a POST, by AEP's own clock.

    :param since: a little before the newest run was created, None if there was none (or it told no time).
    :param ids: the runs that were created since.
    """

    since: dt.datetime | None
    ids: tuple[str, ...]

    def is_newer(self, run: FlowRun) -> bool:
        """Whether the run was not there when the watermark was taken."""
        if run.id in self.ids:
            return False
        return run.created_at is None or self.since is None or run.created_at >= self.since

    def reached(self, runs: Sequence[FlowRun]) -> bool:
        """Whether a newest-first list has been read far enough."""
        last = runs[-1].created_at
        return self.since is not None and last is not None and last < self.since


@dataclass(frozen=True, slots=True)
class Answer:
    """How AEP answered a POST that did not give every pair a run; which run is in the way, where AEP named one."""

    reply: Reply
    text: str = ""
    conflict: Conflict | None = None


@dataclass(slots=True)
class Intent:
    """A POST whose outcome is not wholly known.

    :param id: of this POST alone: a wait settles the POST that it was begun for, never the next one.
    :param at: our own time, for people to read; it is never compared.
    :param marks: each pair that was sent, and what AEP listed before it was first sent.
    :param answer: AEP's answer, None while there is none.
    :param wait: seconds that AEP asked to wait.
    :param clears: how often the DAG run had been cleared (Airflow's ``clear_number``).
    """

    id: str
    at: str
    marks: dict[Pair, Watermark]
    answer: Answer | None = None
    wait: float = 0.0
    clears: int = 0

    def to_json(self) -> dict[str, object]:
        """Return the intent as JSON."""
        answer = None
        if self.answer is not None:
            conflict = self.answer.conflict  # a list: Airflow's store takes JSON values only, and a tuple is none
            answer = [self.answer.reply.value, self.answer.text, list(conflict) if conflict is not None else None]
        marks = _marks_to_json(self.marks)
        data = {"id": self.id, "at": self.at, "marks": marks, "answer": answer, "wait": self.wait}
        return {**data, "clears": self.clears}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Intent:
        """Read a stored intent; raises LookupError, TypeError or ValueError if it is damaged."""
        answer = None
        if data["answer"] is not None:
            reply, text, kept = _list(data["answer"])
            conflict = Conflict(*map(_text, _list(kept))) if kept is not None else None
            answer = Answer(Reply(_text(reply)), _text(text), conflict)
        marks = _marks_from_json(data["marks"])
        clears = round(_number(data["clears"]))
        return cls(_text(data["id"]), _text(data["at"]), marks, answer, _number(data["wait"]), clears)


@dataclass(slots=True)
class Record:
    """What is known of a submission.

    :param max_tries: ``ti.max_tries`` that this record has seen.
    :param orders: pair → its run, None while it has none.
    :param state: what is open, see :mod:`.states`; it changes by :meth:`move` only.
    :param intent: the POST that is open, None while none is.
    :param marks: each pair that may have a run that we do not know, and its first watermark; kept for good.
    :param not_ours: runs that count no more: they failed, are another delivery's, or a person decided so.
    :param doubtful: runs that may be ours and will never tell; a person's clear decides that they are not.
    :param lost: lost answers in a row.
    :param later: pairs whose run began after the DAG run was cleared, and how often it had been cleared by then.
    """

    max_tries: int
    orders: dict[Pair, Activation | None] = field(default_factory=dict)
    state: SubmissionState = SubmissionState.READY
    intent: Intent | None = None
    marks: dict[Pair, Watermark] = field(default_factory=dict)
    not_ours: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    lost: int = 0
    later: dict[Pair, int] = field(default_factory=dict)

    @property
    def missing(self) -> list[Pair]:
        """Pairs without a run."""
        return [pair for pair, order in self.orders.items() if order is None]

    @property
    def conflict(self) -> Conflict | None:
        """The run that is in the way of the open POST, where AEP named one."""
        return self.intent.answer.conflict if self.intent is not None and self.intent.answer is not None else None

    @property
    def sought(self) -> dict[Pair, Watermark]:
        """Each pair that AEP may have a run for that we do not know (or not for sure), and its watermark."""
        sent = self.intent.marks if self.intent is not None else {}
        open_to = {pair for pair in sent if self.state in UNCERTAIN and (order := self.orders[pair]) and order.adopted}
        return {pair: mark for pair, mark in {**sent, **self.marks}.items() if pair in open_to or not self.orders[pair]}

    def add(self, found: Iterable[Activation]) -> None:
        """Give pairs their runs: those that the open POST may have started."""
        clears = self.intent.clears if self.intent is not None else 0
        for item in found:
            self.orders[item.pair] = item
            if clears:
                self.later[item.pair] = clears

    def move(self, event: Reply | Event, intent: Intent | None = None) -> None:
        """Take a step of :data:`.states.TRANSITIONS`.

        :param intent: with ``intent``: the new one; with ``not_sent``: the earlier one that is open again.
        :raises ValueError: for a step that the table does not have.
        """
        left, self.state = self.state, after(self.state, event)
        if self.intent is not None and left in UNCERTAIN and event in (Event.FOUND, Event.ABSENT, Event.INTENT):
            # What AEP did not list in time, or another run was taken for, may still show up: it keeps its first mark.
            self.marks = {**self.intent.marks, **self.marks}
        if intent is not None:
            self.intent = intent
        if self.state is SubmissionState.READY:
            self.intent = None
        if event is Event.CLEARED:
            # The person has looked in AEP: the pairs are to be sent, and the doubtful runs are not ours.
            self.not_ours, self.doubtful = [*self.not_ours, *self.doubtful], []
            if self.intent is not None and self.state is not left:
                self.intent.answer = None

    def to_json(self) -> dict[str, object]:
        """Return the record as JSON."""
        orders: dict[str, dict[str, str | None]] = {}
        for pair, order in self.orders.items():
            orders.setdefault(pair.flow_id, {})[pair.audience_id] = order.run_id if order else None
        data: dict[str, object] = {
            "v": VERSION,
            "state": self.state.value,
            "orders": orders,
            "adopted": by_flow(pair for pair, order in self.orders.items() if order and order.adopted),
            "max_tries": self.max_tries,
            "marks": _marks_to_json(self.marks),
            "not_ours": self.not_ours,
            "doubtful": self.doubtful,
            "lost": self.lost,
            "later": [[*pair, clears] for pair, clears in self.later.items()],
        }
        if self.intent is not None:
            data["intent"] = self.intent.to_json()
        return data

    @classmethod
    def from_json(cls, data: object) -> Record:
        """Read a stored record; one that cannot be read whole is never read as empty: it may hide a POST.

        :raises AepSubmissionError: if a newer version of this package wrote it, or if it is damaged.
        """
        try:
            kept = _dict(data)
            check_version(kept.get("v"), VERSION, "record of this delivery")
            return cls._read(kept)
        except (LookupError, TypeError, ValueError, OverflowError, OSError):
            raise AepSubmissionError(
                "The record of this delivery is damaged: it may hide an activation that was sent. Check in AEP what "
                "was delivered and start a new run with the rest; nothing more was sent."
            ) from None

    @classmethod
    def _read(cls, data: Mapping[str, object]) -> Record:
        adopted = {
            Pair(flow_id, _text(audience_id))
            for flow_id, audiences in _dict(data["adopted"]).items()
            for audience_id in _list(audiences)
        }
        orders: dict[Pair, Activation | None] = {}
        for flow_id, audiences in _dict(data["orders"]).items():
            for audience_id, run_id in _dict(audiences).items():
                pair = Pair(flow_id, audience_id)
                orders[pair] = None if run_id is None else Activation(*pair, _text(run_id), pair in adopted)
                if run_id == "":
                    raise ValueError(pair)
        state = SubmissionState(_text(data["state"]))
        intent = Intent.from_json(_dict(data["intent"])) if "intent" in data else None
        marks = _marks_from_json(data["marks"])
        if not orders.keys() >= {*marks, *(intent.marks if intent is not None else ())}:
            raise ValueError(marks)
        if data["v"] != VERSION or (intent is None) != (state is SubmissionState.READY):
            raise ValueError(state)
        if intent is not None and (intent.answer is None) != (
            state in (SubmissionState.OPEN, SubmissionState.REOPENED)
        ):
            raise ValueError(state)
        return cls(
            max_tries=round(_number(data["max_tries"])),
            orders=orders,
            state=state,
            intent=intent,
            marks=marks,
            not_ours=list(map(_text, _list(data["not_ours"]))),
            doubtful=list(map(_text, _list(data["doubtful"]))),
            lost=round(_number(data["lost"])),
            later={
                Pair(*map(_text, pair)): round(_number(clears)) for *pair, clears in map(_list, _list(data["later"]))
            },
        )


def check_version(found: object, known: int, what: str) -> None:
    """Refuse what a newer version of this package has left behind: misread, it could be sent a second time.

    :raises AepSubmissionError: saying which versions these are.
    """
    if isinstance(found, int) and found > known:
        shown = found if found < 10**6 else "unknown"
        raise AepSubmissionError(
            f"The {what} was written by a newer version of this package (form {shown}, known up to {known}): deploy "
            "that version again on every worker and triggerer, then clear the failed tasks; nothing more was sent."
        )


def _marks_to_json(marks: Mapping[Pair, Watermark]) -> list[object]:
    """Return ``[[{flow id: [audience id, …]}, since, run id, …], …]``: what pairs share is said once."""
    alike: dict[Watermark, list[Pair]] = {}
    for pair, mark in marks.items():
        alike.setdefault(mark, []).append(pair)
    return [[by_flow(pairs), millis(mark.since), *mark.ids] for mark, pairs in alike.items()]


def _marks_from_json(data: object) -> dict[Pair, Watermark]:
    marks = {}
    for entry in _list(data):
        pairs, since, *ids = _list(entry)
        mark = Watermark(moment_of(since), tuple(map(_text, ids)))
        for flow_id, audiences in _dict(pairs).items():
            marks.update({Pair(flow_id, _text(audience_id)): mark for audience_id in _list(audiences)})
    return marks


def _checked(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise TypeError(value)
    return value


_dict, _list, _text = partial(_checked, dict), partial(_checked, list), partial(_checked, str)


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(value)
    return value


def millis(moment: dt.datetime | None) -> int | None:
    """Return a time as it is stored; :func:`moment_of` reads it."""
    return round(moment.timestamp() * 1000) if moment else None


def moment_of(value: object) -> dt.datetime | None:
    """Read a stored time; TypeError, ValueError or OverflowError for what is none."""
    return None if value is None else dt.datetime.fromtimestamp(_number(value) / 1000, tz=dt.UTC)
