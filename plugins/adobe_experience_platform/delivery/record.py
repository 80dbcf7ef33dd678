"""The record of a submission, as it is stored: versioned, ids and times only, a few KB for 80 pairs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adobe_experience_platform.aep import Activation, FlowRun, Pair, by_flow
from adobe_experience_platform.errors import AepSubmissionError, Conflict

from .states import UNCERTAIN, Event, Reply, SubmissionState, after

VERSION = 1
"""Of this form. Raise it when a field changes its meaning, and keep reading every version before it."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest runs of a flow just before a POST, by AEP's own clock.

    :param newest: creation time of the newest run, None if there was none (or it told no time).
    :param ids: the runs of that moment.
    """

    newest: dt.datetime | None
    ids: tuple[str, ...]

    def is_newer(self, run: FlowRun) -> bool:
        """Whether the run was created after the watermark was taken."""
        if run.id in self.ids:
            return False
        return run.created_at is None or self.newest is None or run.created_at >= self.newest

    def reached(self, runs: Sequence[FlowRun]) -> bool:
        """Whether a newest-first list has been read far enough."""
        last = runs[-1].created_at
        return self.newest is not None and last is not None and last < self.newest


@dataclass(frozen=True, slots=True)
class Answer:
    """How AEP answered a POST that did not give every pair a run.

    :param conflict: the run in the way, where AEP named one.
    """

    reply: Reply
    text: str = ""
    conflict: Conflict | None = None


@dataclass(slots=True)
class Intent:
    """A POST whose outcome is not wholly known.

    :param at: our own time, for people to read; it is never compared.
    :param answer: AEP's answer, None while there is none.
    :param doubtful: runs that may be ours and will never tell; a person's clear decides that they are not.
    :param wait: seconds that AEP asked to wait.
    """

    at: str
    watermarks: dict[str, Watermark]
    answer: Answer | None = None
    doubtful: tuple[str, ...] = ()
    wait: float = 0.0

    def to_json(self) -> dict[str, object]:
        """Return the intent as JSON."""
        marks = {flow_id: [_millis(mark.newest), *mark.ids] for flow_id, mark in self.watermarks.items()}
        answer = None
        if self.answer is not None:
            conflict = self.answer.conflict
            # A list: Airflow's store takes JSON values only, and a tuple is none.
            answer = [self.answer.reply.value, self.answer.text, list(conflict) if conflict is not None else None]
        return {
            "at": self.at,
            "watermarks": marks,
            "answer": answer,
            "doubtful": list(self.doubtful),
            "wait": self.wait,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Intent:
        """Read a stored intent; raises LookupError, TypeError or ValueError if it is damaged."""
        marks = {}
        for flow_id, mark in _dict(data["watermarks"]).items():
            newest, *ids = _list(mark)
            marks[flow_id] = Watermark(_moment(newest), tuple(map(_text, ids)))
        answer = None
        if data["answer"] is not None:
            reply, text, conflict = _list(data["answer"])
            answer = Answer(
                Reply(_text(reply)),
                _text(text),
                Conflict(*map(_text, _list(conflict))) if conflict is not None else None,
            )
        doubtful = tuple(map(_text, _list(data["doubtful"])))
        return cls(_text(data["at"]), marks, answer, doubtful, _number(data["wait"]))


@dataclass(slots=True)
class Record:
    """What is known of a submission.

    :param max_tries: ``ti.max_tries`` that this record has seen.
    :param orders: pair → its run, None while it has none.
    :param state: what is open, see :mod:`.states`; it changes by :meth:`move` only.
    :param intent: the POST that is open, None while none is.
    :param failed_runs: runs that count no more: they failed, or a person decided that they are not ours.
    :param lost: lost answers in a row.
    :param unsure: whether an earlier POST, now closed, may have started runs that we do not know.
    """

    max_tries: int
    orders: dict[Pair, Activation | None] = field(default_factory=dict)
    state: SubmissionState = SubmissionState.READY
    intent: Intent | None = None
    failed_runs: list[str] = field(default_factory=list)
    lost: int = 0
    unsure: bool = False

    def move(self, event: Reply | Event, intent: Intent | None = None) -> None:
        """Take a step of :data:`.states.TRANSITIONS`.

        :param intent: with ``intent``: the new one; with ``not_sent``: the earlier one that is open again.
        :raises ValueError: for a step that the table does not have.
        """
        left, self.state = self.state, after(self.state, event)
        # What was given up as absent, though AEP may have started it, can still be the run in the way of the next POST.
        self.unsure |= left in UNCERTAIN and event in (Event.ABSENT, Event.INTENT)
        if intent is not None:
            self.intent = intent
        if self.state is SubmissionState.READY:
            self.intent = None
        elif event is Event.CLEARED and self.intent is not None:
            # The person has looked in AEP: the pairs are to be sent, and the nameless runs are not ours.
            self.failed_runs += self.intent.doubtful
            self.intent.answer, self.intent.doubtful = None, ()

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
            "failed_runs": self.failed_runs,
            "lost": self.lost,
            "unsure": self.unsure,
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
                "The record of this delivery is damaged: it may hide an activation that was sent. Look in AEP what was "
                "delivered and start a new run with the rest; nothing was sent."
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
        state = SubmissionState(_text(data["state"]))
        intent = Intent.from_json(_dict(data["intent"])) if "intent" in data else None
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
            failed_runs=list(map(_text, _list(data["failed_runs"]))),
            lost=round(_number(data["lost"])),
            unsure=bool(data["unsure"]),
        )


def check_version(found: object, known: int, what: str) -> None:
    """Refuse what a newer version of this package has left behind: misread, it could be sent a second time.

    :raises AepSubmissionError: saying which versions these are.
    """
    if isinstance(found, int) and found > known:
        shown = found if found < 10**6 else "unknown"
        raise AepSubmissionError(
            f"The {what} was written by a newer version of this package (form {shown}, known up to {known}): deploy "
            "that version again on every worker and triggerer, then clear the failed tasks; nothing was sent."
        )


def _dict(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(value)
    return value


def _millis(moment: dt.datetime | None) -> int | None:
    return round(moment.timestamp() * 1000) if moment else None


def _moment(value: object) -> dt.datetime | None:
    return None if value is None else dt.datetime.fromtimestamp(_number(value) / 1000, tz=dt.UTC)
