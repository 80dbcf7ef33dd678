"""The record of a submission, as it is stored: versioned, ids and times only, a few KB for 80 pairs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adobe_experience_platform.aep import Activation, FlowRun, Pair, as_dict, short_repr
from adobe_experience_platform.errors import AepSubmissionError

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


@dataclass(slots=True)
class Answer:
    """How AEP answered when not every pair got a run: ``incomplete``, ``conflict`` or ``refused``."""

    kind: str
    text: str


@dataclass(slots=True)
class Intent:
    """A POST that may be under way; ``answer`` is None until AEP has answered.

    :param at: our own time, for people to read; it is never compared.
    """

    at: str
    watermarks: dict[str, Watermark]
    answer: Answer | None = None


@dataclass(slots=True)
class Record:
    """What is known of a submission.

    :param orders: pair → its run, None while it has none.
    :param intent: set while a POST's outcome is not wholly known.
    :param max_tries: ``ti.max_tries`` that this record has seen.
    :param failed_runs: runs that count no more: they failed, or a person decided that they are not ours.
    :param doubtful: runs that may be ours and will never tell; a person's clear decides that they are not.
    :param lost: lost answers in a row.
    :param unsure: whether an earlier POST of ours may have started runs that we do not know.
    """

    max_tries: int
    orders: dict[Pair, Activation | None] = field(default_factory=dict)
    intent: Intent | None = None
    failed_runs: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    lost: int = 0
    unsure: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the record as JSON."""
        orders: dict[str, dict[str, str | None]] = {}
        adopted: dict[str, list[str]] = {}
        for pair, order in self.orders.items():
            orders.setdefault(pair.flow_id, {})[pair.audience_id] = order.run_id if order else None
            if order and order.adopted:
                adopted.setdefault(pair.flow_id, []).append(pair.audience_id)
        data: dict[str, object] = {
            "v": VERSION,
            "orders": orders,
            "adopted": adopted,
            "max_tries": self.max_tries,
            "failed_runs": self.failed_runs,
            "doubtful": self.doubtful,
            "lost": self.lost,
        }
        if self.unsure:
            data["unsure"] = True
        if self.intent is not None:
            data["intent"] = {
                "at": self.intent.at,
                "watermarks": {
                    flow_id: [_millis(mark.newest), *mark.ids] for flow_id, mark in self.intent.watermarks.items()
                },
                "answer": [self.intent.answer.kind, self.intent.answer.text] if self.intent.answer else None,
            }
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Record:
        """Read a stored record.

        :raises AepSubmissionError: if a newer version of this package wrote it, or if it is damaged.
        """
        check_version(data.get("v"), VERSION, "record of this delivery")
        if data.get("v") != VERSION or not isinstance(data.get("intent"), dict | None):
            raise AepSubmissionError(
                "The record of this delivery is damaged: it may hide an activation that was sent. Look in AEP what was "
                "delivered and start a new run with the rest; nothing was sent."
            )
        adopted = as_dict(data.get("adopted"))
        orders: dict[Pair, Activation | None] = {}
        for flow_id, audiences in as_dict(data.get("orders")).items():
            marked = adopted.get(flow_id)
            for audience_id, run_id in as_dict(audiences).items():
                is_adopted = isinstance(marked, list) and audience_id in marked
                pair = Pair(flow_id, audience_id)
                orders[pair] = Activation(*pair, _text(run_id), is_adopted) if run_id else None
        tries, lost = data.get("max_tries"), data.get("lost")
        return cls(
            max_tries=tries if isinstance(tries, int) else 0,
            orders=orders,
            intent=_intent(as_dict(data.get("intent"))),
            failed_runs=_texts(data.get("failed_runs")),
            doubtful=_texts(data.get("doubtful")),
            lost=lost if isinstance(lost, int) else 0,
            unsure=bool(data.get("unsure")),
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


def _intent(data: Mapping[str, object]) -> Intent | None:
    if not data:
        return None
    marks = {
        flow_id: Watermark(_moment(mark[0]), tuple(map(_text, mark[1:])))
        for flow_id, mark in as_dict(data.get("watermarks")).items()
        if isinstance(mark, list) and mark
    }
    answer = data.get("answer")
    known = Answer(_text(answer[0]), _text(answer[1])) if isinstance(answer, list) and len(answer) == 2 else None
    return Intent(_text(data.get("at")), marks, known)


def _text(value: object) -> str:
    return value if isinstance(value, str) else short_repr(value)


def _texts(value: object) -> list[str]:
    return list(map(_text, value)) if isinstance(value, list) else []


def _millis(moment: dt.datetime | None) -> int | None:
    return round(moment.timestamp() * 1000) if moment else None


def _moment(value: object) -> dt.datetime | None:
    try:
        return dt.datetime.fromtimestamp(value / 1000, tz=dt.UTC) if isinstance(value, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None
