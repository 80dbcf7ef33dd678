"""Histories that broke a promise, as the explorers found them; those with a reason still do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .history import Action, History

QUIET: dict[str, Any] = {
    "info": {"f1": ["a"]}, "per_job": 80, "on_conflict": "wait", "accept": False, "approval": False, "campaign": False,
    "lag": 0.0, "late": 30.0, "young": 0.0, "run_seconds": 200.0, "scope": "pair", "tick": 0.001,
    "partial_400": True, "shared_runs": False, "one_by_one": 0.0, "skew": 0.0, "clock": 0.0, "old_runs": 0,
}  # fmt: skip
"""A world that gives no trouble by itself."""


@dataclass(frozen=True)
class Found:
    """A history by name.

    :param reason: why it is still broken; "" for what is mended.
    :param kinds: with ``needs`` and ``says``: which problems of random histories are this one again.
    :param needs: words of its actions.
    :param says: a part of the problem's text.
    """

    name: str
    setup: dict[str, Any]
    actions: tuple[Action, ...]
    reason: str = ""
    kinds: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    says: str = ""

    @property
    def history(self) -> History:
        return History({**QUIET, **self.setup}, list(self.actions))

    def covers(self, history: History, kind: str, text: str) -> bool:
        words = {word for action in history.actions for word in action if isinstance(word, str)}
        return bool(self.reason) and kind in self.kinds and words.issuperset(self.needs) and self.says in text


def go(n: int = 0, fault: str = "", at: int = 0, then: int = 0) -> Action:
    return "go", 0, n, fault, at, then


FOUND = (
    Found(
        "a gateway repeats our POST and the list lags",
        {"lag": 5.0, "run_seconds": 10.0},
        (go(), ("post", "repeated"), go(), go(), go()),
    ),
    Found(
        "a gateway repeats a POST of two pairs, and somebody else delivers one of them",
        {
            "info": {"f1": ["a", "b"]}, "lag": 55.0, "late": 50.0, "young": 20.0, "scope": "audience",
            "one_by_one": 30.0, "old_runs": 1,
        },
        (go(), go(), go(), ("post", "repeated"), ("foreign", 1, 5.0, 0.0), go()),
        kinds=("twice", "untrue"),
        needs=("repeated",),
    ),
    Found(
        "an answer names no run, and somebody else's is listed before ours",
        {"info": {"f1": ["a", "b"], "f2": ["a"]}, "lag": 5.0, "run_seconds": 10.0, "scope": "nothing", "old_runs": 2},
        (
            *(go(), ("post", "empty_order"), go(), go(), ("look", "stale"), ("foreign", 0, 600.0, 0.0)),
            *(go(), ("end", 0, "failed")),
        ),
        kinds=("twice", "untrue"),
        needs=("foreign", "empty_order"),
    ),
    Found(
        "a run that a cleared activate has just begun fails before wait_for_flow_runs looks",
        {"info": {"f1": ["a", "b"]}, "per_job": 1, "on_conflict": "fail", "scope": "audience", "young": 400.0},
        (
            *(go(), go(), go(), ("foreign", 2, 600.0, 0.0), go(622), go(), go(), go()),
            *(("clear", 0, 208, "failed", False), ("end", 505, "success"), go(728), ("end", 421, "failed")),
        ),
        kinds=("twice",),
        says="the clear came before it began",
    ),
    Found(
        "while a lost answer settles, somebody else's run of the audience fails, and ours goes on for long",
        {
            "info": {"f1": ["a", "b"]}, "on_conflict": "fail", "run_seconds": None, "scope": "audience",
            "partial_400": False, "shared_runs": True, "old_runs": 2,
        },
        (
            *(("go", 0, 828, "", 6, 6), ("post", "late"), ("look", "cut"), ("go", 0, 452, "", 21, 0)),
            *(("foreign", 1, 600.0, 50.0), ("go", 0, 56, "", 0, 0), ("go", 0, 30, "", 14, 4)),
            *(("go", 0, 560, "", 1, 4), ("end", 802, "failed"), ("go", 0, 109, "", 0, 0), ("go", 0, 627, "", 23, 2)),
        ),
    ),
    Found(
        "another DAG run is told of its flow run while a lost answer for the same pair settles",
        {"scope": "nothing"},
        (
            *(("begin",), *[("go", run, 0, "", 0, 0) for run in (0, 0, 0, 1, 1, 1)]),
            *(("post", "broken_before"), ("go", 0, 0, "", 0, 0), ("go", 1, 0, "", 0, 0)),
        ),
    ),
    Found(
        "somebody else's run fails while a lost answer settles, and ours names nobody yet",
        {
            "young": 400.0, "run_seconds": None, "scope": "nothing", "tick": 1.0, "partial_400": False,
            "shared_runs": True, "one_by_one": 30.0, "skew": 1.0, "clock": -900.0,
        },
        (
            *(("foreign", 0, None, 50.0), ("go", 0, 640, "", 25, 1), ("post", "late"), ("end", 318, "failed")),
            *(("go", 0, 826, "", 8, 5), ("go", 0, 692, "", 14, 6), ("go", 0, 723, "", 8, 5)),
            *(("go", 0, 330, "", 17, 6), ("go", 0, 682, "", 17, 2)),
        ),
    ),
    Found(
        "a DAG run dies when it has noted another's flow run, whose answer was lost, for its own",
        {
            "per_job": 1, "on_conflict": "fail", "lag": 55.0, "late": 50.0, "young": 20.0, "scope": "audience",
            "tick": 1.0, "partial_400": False, "skew": 1.0, "clock": -900.0, "old_runs": 2,
        },
        (
            *(("begin",), ("go", 1, 230, "", 0, 0), ("post", "not_ready"), ("clear", 1, 540, "down", False)),
            *(("go", 0, 847, "", 13, 1), ("go", 1, 9, "", 2, 0), ("post", "not_ready"), ("go", 0, 350, "", 0, 0)),
            *(("go", 1, 859, "", 7, 3), ("go", 0, 976, "", 0, 0), ("go", 1, 481, "", 10, 0)),
            *(("go", 1, 299, "crash", 22, 3), ("go", 0, 668, "", 1, 3), ("post", "500_after")),
            *(("go", 1, 379, "", 4, 2), ("go", 1, 701, "write_unheard", 4, 5), ("go", 1, 81, "", 3, 5)),
            ("go", 0, 66, "", 9, 5),
            ("go", 1, 922, "crash", 8, 0),
        ),
    ),
    Found(
        "a repair that is not known to have begun is cleared although people are told to look in AEP first",
        {
            "campaign": True, "lag": 5.0, "late": 100.0, "young": 400.0, "run_seconds": 10.0, "scope": "audience",
            "tick": 1.0, "partial_400": False, "shared_runs": True, "skew": 1.0, "clock": -900.0, "old_runs": 2,
        },
        (
            *(go(), go(), go(), go(), ("post", "repeated"), go(), ("end", 788, "failed")),
            *(("clear", 0, 8, "down", False), go(), go(), ("clear", 0, 806, "failed", False)),
        ),
    ),
    Found(
        "wait_for_flow_runs is marked success before activate has run",
        {},
        (go(), ("mark", 0, 3, "success")),
    ),
)  # fmt: skip
