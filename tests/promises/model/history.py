"""Histories: what may happen in a world, drawn by a seed, played, and made short when they break a promise."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from adobe_experience_platform.aep import Pair

from .airflow import HEARTBEAT_TIMEOUT, DeliveryAep, Row, Run, Tasks, World
from .invariant import Invariant
from .surroundings import SURROUNDED, Fault

SETTLE = 120.0
"""Seconds: the settling time of the connection that the worlds use."""
POSTS = (
    *("broken_before", "broken_after", "500", "500_after", "429", "full", "html_after", "cut_after", "late", "refused"),
    *("401", "403", "404", "not_ready", "omit_order", "empty_order", "repeated"),
)
LOOKS = ("empty", "stale", "cut", "503")
INFOS = ({"f1": ["a"]}, {"f1": ["a", "b"]}, {"f1": ["a"], "f2": ["a"]}, {"f1": ["a", "b"], "f2": ["a"]})
ELSEWHERE = (("f1", "a"), ("f1", "b"), ("f2", "a"), ("f3", "a"), ("f1", "z"), ("f1", "a", "b"))
FAULTS = ("crash", "crash", "freeze", "freeze", "kill", "write_fails", "write_unheard", "trigger_crash", "no_triggerer")
QUIRKS = (
    *("lag", "late", "young", "run_seconds", "scope", "tick"),
    *("partial_400", "shared_runs", "one_by_one", "skew"),
)
Action = tuple[Any, ...]


@dataclass
class History:
    """A world's setup and what happened in it; both are plain values, so that a history can be written down."""

    setup: dict[str, Any]
    actions: list[Action] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([f"{self.setup}", *(f"  {action}," for action in self.actions)])


def draw_setup(rng: random.Random) -> dict[str, Any]:
    lag, late = rng.choice([(0.0, 30.0), (5.0, 100.0), (55.0, 50.0)])
    return {
        "info": rng.choice(INFOS),
        "per_job": rng.choice([1, 80]),
        "on_conflict": rng.choice(["wait", "wait", "adopt", "fail"]),
        "accept": rng.random() < 0.2,
        "approval": rng.random() < 0.15,
        "campaign": rng.random() < 0.15,
        "lag": lag,
        "late": late,
        "young": rng.choice([0.0, 0.0, 20.0, 400.0]),
        "run_seconds": rng.choice([None, 10.0, 200.0]),
        "scope": rng.choice(["audience", "pair", "nothing"]),
        "tick": rng.choice([0.001, 1.0, 60.0]),
        "partial_400": rng.random() < 0.5,
        "shared_runs": rng.random() < 0.3,
        "one_by_one": rng.choice([0.0, 0.0, 30.0]),
        "skew": rng.choice([0.0, 0.0, 1.0]),
        "clock": rng.choice([0.0, 0.0, -900.0, 900.0]),
        "old_runs": rng.randrange(3),
    }


@functools.cache
def _tasks(info: str, per_job: int, on_conflict: str, accept: bool, approval: bool, campaign: bool) -> Tasks:
    flows = {part.split(":")[0]: part.split(":")[1].split(",") for part in info.split(";")}
    arguments = {
        "activation_info": flows,
        "max_audiences_per_job": per_job,
        "on_conflict": on_conflict,
        "on_partial_success": "accept" if accept else "fail",
        "approval": approval,
        "export_timeout_minutes": 30,
        "activation_timeout_minutes": 20,
    }
    return Tasks(arguments, campaign=campaign)


class Play:
    """A world in which a history happens.

    :param setup: what :func:`draw_setup` gives.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        info = setup["info"]
        self.setup = setup
        quirks = {name: setup[name] for name in QUIRKS}
        self.aep = DeliveryAep(**quirks, mapped={"f1": ("a", "b"), "f2": ("a",)})
        text = ";".join(f"{flow}:{','.join(audiences)}" for flow, audiences in info.items())
        tasks = _tasks(text, *(setup[key] for key in ["per_job", "on_conflict", "accept", "approval", "campaign"]))
        self.world = World(self.aep, tasks)
        self.world.skew = setup["clock"]
        pairs = tuple(Pair(flow, audience) for flow, audiences in info.items() for audience in audiences)
        adopts = setup["on_conflict"] == "adopt"
        self.invariant = Invariant(self.world, pairs, accept_partial=setup["accept"], adopts=adopts)
        for pair in pairs[: setup["old_runs"]]:
            self.aep.end(self.aep.foreign(pair.flow_id, pair.audience_id), "failed")
            self.aep.advance(3600.0)
        SURROUNDED.world = self.world
        self.world.begin("asset_triggered" if setup["campaign"] else "manual")

    # -- drawing

    def draw(self, rng: random.Random) -> Action:
        """Draw what happens next, as an action that can be played again."""
        n = rng.randrange(1000)
        run = rng.randrange(len(self.world.runs))
        kind = rng.choices(
            [
                "go",
                "clear",
                "mark",
                "thaw",
                "lose",
                "post",
                "look",
                "foreign",
                "end",
                "pass",
                "world",
                "begin",
                "answer",
            ],
            [60, 8, 2, 9, 5, 7, 6, 5, 7, 5, 2, 1.5, 4],
        )[0]
        match kind:
            case "go":
                fault = rng.choice(FAULTS) if rng.random() < 0.35 else ""
                at = 1 if fault == "no_triggerer" else rng.choice([rng.randint(1, 9), rng.randint(1, 26)])
                return "go", run, n, fault, at, rng.randint(0, 6)
            case "clear":
                return "clear", run, n, rng.choice(["all", "failed", "failed", "one", "down"]), rng.random() < 0.15
            case "mark":
                return "mark", run, n, rng.choice(["success", "failed"])
            case "thaw":
                return "thaw", n, rng.choice(["", "", "kill"]), rng.randint(1, 8), rng.randint(0, 4)
            case "lose":
                return "lose", n
            case "post":
                return "post", rng.choice(POSTS)
            case "look":
                return "look", rng.choice(LOOKS)
            case "foreign":
                return "foreign", rng.randrange(len(ELSEWHERE)), rng.choice([None, 5.0, 600.0]), rng.choice([0.0, 50.0])
            case "end":
                return "end", n, rng.choice(["success", "failed", "failed", "partialSuccess", "nameless"])
            case "pass":
                return "pass", rng.choice([1.0, 15.0, 60.0, 400.0])
            case "world":
                return "world", rng.choice(["export", "bad"])
            case "begin":
                return ("begin",)
            case _:
                return "answer", run, rng.choice(["yes", "yes", "no", "nobody"])

    # -- playing

    def play(self, action: Action) -> None:
        """Let an action happen, if it can."""
        self.world.trail.append(f"{self.aep.now:.0f} {action}")
        kind, *arguments = action
        getattr(self, f"_{kind}")(*arguments)
        self.invariant.breaches()
        for run in self.world.runs:
            self.invariant.over(run)

    def _run(self, number: int) -> Run:
        return self.world.runs[number % len(self.world.runs)]

    def _go(self, run: int, n: int, fault: str, at: int, then: int) -> None:
        rows = [row for row in self._run(run).ready() if not self._asks(row)]
        if rows:
            self._run(run).go(rows[n % len(rows)], Fault(fault, at, then))

    @staticmethod
    def _asks(row: Row) -> bool:
        return row.state == "deferred" and row.trigger is not None and row.trigger[0] == "" and row.event is None

    def _answer(self, run: int, answer: str) -> None:
        for row in self._run(run).rows.values():
            if self._asks(row):
                who = {"id": "ann", "name": "Ann"}
                event: dict[str, Any] = {
                    "chosen_options": ["Approve" if answer == "yes" else "Reject"],
                    "params_input": {},
                }
                event |= {"responded_by_user": who, "responded_at": self.aep.clock(), "timedout": False}
                row.event = {"event": {"error": "x", "error_type": "timeout"} if answer == "nobody" else event}

    def _clear(self, run: int, n: int, kind: str, forget: bool) -> None:
        here = self._run(run)
        rows = [row for row in here.rows.values() if row.state is not None]
        if not rows or self.invariant.must_not_clear(here):
            return
        if kind == "failed":
            rows = [row for row in rows if row.state in ("failed", "upstream_failed")]
        elif kind in ("one", "down"):
            first = rows[n % len(rows)]
            below = {first.task} | {
                task for task in here.world.tasks.order if here.world.tasks.is_below(task, first.task)
            }
            rows = [row for row in rows if row is first or (kind == "down" and row.task in below - {first.task})]
        if rows:
            here.clear(rows)
        if forget:
            for row in rows:
                row.store.clear()

    def _mark(self, run: int, n: int, state: str) -> None:
        rows = [row for row in self._run(run).rows.values() if row.task != "report"]
        self._run(run).mark(rows[n % len(rows)], state)

    def _thaw(self, n: int, fault: str, at: int, then: int) -> None:
        if self.world.frozen:
            process = self.world.frozen[n % len(self.world.frozen)]
            process.run.thaw(process, Fault(fault, at, then))

    def _lose(self, n: int) -> None:
        if self.world.frozen:
            process = self.world.frozen[n % len(self.world.frozen)]
            self.aep.advance(max(0.0, process.since + HEARTBEAT_TIMEOUT - self.aep.now))
            process.run.lose(process)

    def _post(self, meets: str) -> None:
        if meets == "repeated" and self.setup["scope"] == "nothing":
            return  # AEP itself would deliver twice
        if len(self.aep.posts) < 3:
            self.aep.posts.append(meets)

    def _look(self, meets: str) -> None:
        if len(self.aep.looks) < 2:
            self.aep.looks.append(meets)

    def _foreign(self, where: int, seconds: float | None, lag: float) -> None:
        if len(self.aep.runs) < 12:
            flow, *audiences = ELSEWHERE[where]
            self.aep.foreign(flow, *audiences, seconds=seconds, lag=lag)

    def _end(self, n: int, ending: str) -> None:
        running = [run for run in self.aep.runs if not run.ended(self.aep.now)]
        if ending == "nameless":
            running = [run for run in running if self.aep.now < run.named_at]
        if running:
            how = "failed" if ending == "nameless" else ending
            self.aep.end(running[n % len(running)], how, nameless=ending == "nameless")

    def _pass(self, seconds: float) -> None:
        self.aep.advance(seconds)

    def _world(self, what: str) -> None:
        if what == "export":
            self.aep.exporting = not self.aep.exporting
        else:
            self.aep.bad ^= {"b"}

    def _begin(self) -> None:
        if len(self.world.runs) < 2:
            self.world.begin("asset_triggered" if self.setup["campaign"] else "manual")

    # -- the end

    def finish(self) -> None:
        """When all trouble is over and people follow the advice, each run ends green, or says that it cannot."""
        self.aep.posts.clear()
        self.aep.looks.clear()
        self.aep.bad.clear()
        self.aep.exporting = False
        for process in list(self.world.frozen):
            process.run.lose(process)
        self.world.frozen.clear()
        for _ in range(8):
            self.aep.advance(1000.0)
            for run in self.aep.runs:
                if not run.ended(self.aep.now):
                    self.aep.end(run)
            if all(run.is_over and (run.is_green or self._is_final(run)) for run in self.world.runs):
                return
            for run in self.world.runs:
                self._to_its_end(run)
        for run in self.world.runs:
            if not run.is_green and not self._is_final(run):
                report = self.invariant.last.get(run.run_id)
                text = f"{run.run_id} never ends green: {report and report['verdict']}"
                self.invariant.problems.append(("stuck", text))

    def _to_its_end(self, run: Run) -> None:
        if run.is_over and not run.is_green and not self._is_final(run):
            self.play(("clear", self.world.runs.index(run), 0, "failed", False))
        for _ in range(30):
            self.play(("answer", self.world.runs.index(run), "yes"))
            if not run.ready():
                return
            self.play(("go", self.world.runs.index(run), 0, "", 0, 0))

    def _is_final(self, run: Run) -> bool:
        """Whether a red run has said that it cannot go on, or a person has painted it."""
        return (
            bool(run.touched)
            or self.invariant.must_not_clear(run)
            or any("start a new run" in line.lower() for line in self.world.trail)
        )


def explore(seed: int, steps: int) -> tuple[History, list[tuple[str, str]]]:
    """Play a history that a seed draws; return it and its problems."""
    rng = random.Random(seed)
    history = History(draw_setup(rng))
    play = Play(history.setup)
    for _ in range(steps):
        action = play.draw(rng)
        history.actions.append(action)
        play.play(action)
        if play.invariant.problems:
            return history, play.invariant.problems
    play.finish()
    return history, play.invariant.problems


def replay(history: History) -> Play:
    """Play a history that is written down."""
    play = Play(history.setup)
    for action in history.actions:
        play.play(action)
        if play.invariant.problems:
            return play
    play.finish()
    return play


def shorten(history: History, kind: str) -> History:
    """Leave out of a history whatever its problem does not need."""

    def breaks(actions: Sequence[Action]) -> bool:
        return any(found == kind for found, _ in replay(History(history.setup, list(actions))).invariant.problems)

    actions, size = list(history.actions), max(1, len(history.actions) // 2)
    while size:
        start = 0
        while start < len(actions):
            fewer = [*actions[:start], *actions[start + size :]]
            if breaks(fewer):
                actions = fewer
            else:
                start += size
        size //= 2
    for number, action in enumerate(actions):
        if action[0] == "go" and action[3]:
            plain = [*actions[:number], (*action[:3], "", 0, 0), *actions[number + 1 :]]
            actions = plain if breaks(plain) else actions
    return History(history.setup, actions)
