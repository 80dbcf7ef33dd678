"""What is printed, and written to docs/chaos.md."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from lab.chaos.arena import IMPATIENT, LANES, SETTLE_MARGIN, TIMEOUT
from lab.chaos.kills import KillResult
from lab.chaos.plan import AWAY
from lab.chaos.races import MODES, Finish, Kind
from lab.chaos.strikes import StrikeResult

KILLS_HEAD = ("#", "killed", "while", "pairs", "other runs", "DAG runs", "adopted", "recovered")
STRIKES_HEAD = ("#", "while", "what happens", "DAG", "jobs", "pairs", "ends", "adopted", "over after")
RACES_HEAD = ("who", "on_conflict", "races", "as promised", "DAG runs", "delivered", "adopted")


@dataclass(frozen=True, slots=True)
class ChaosFindings:
    """All that a run of the chaos has found out.

    :param model: what the exploration of the protocol said; empty if it was left out
    :param problems: everything that must not be, in sentences
    """

    kills: Sequence[KillResult]
    strikes: Sequence[StrikeResult]
    races: Sequence[Finish]
    model: str
    problems: Sequence[str]


def kill_line(result: KillResult) -> str:
    """Return a kill as one line of a table."""
    kill, (struck, *others) = result.kill, result.outcomes
    cells = (
        str(kill.number),
        kill.point.victim,
        kill.point.moment,
        struck.counts,
        " ".join(outcome.counts for outcome in others) or "-",
        " ".join(outcome.state for outcome in result.outcomes),
        str(sum(outcome.adopted for outcome in result.outcomes)),
        f"{result.seconds:.0f} s",
    )
    return _row(cells)


def strike_line(result: StrikeResult) -> str:
    """Return a strike as one line of a table."""
    strike, outcome = result.strike, result.outcome
    cells = (
        str(strike.number),
        strike.moment,
        strike.blow,
        f"`{strike.dag_id}`",
        "one an audience" if strike.jobs else "one",
        outcome.counts,
        " ".join(result.ends),
        str(outcome.adopted),
        f"{result.seconds:.0f} s",
    )
    return _row(cells)


def finish_line(finish: Finish) -> str:
    """Return a race as one line."""
    race = finish.race
    return _row(
        (str(race.number), race.kind, race.on_conflict, " ".join(finish.states), str(finish.count), str(finish.adopted))
    )


def document(command: str, seed: int, seconds: float, findings: ChaosFindings, database: str) -> str:
    """Return docs/chaos.md."""
    patience = "\n".join(f"* `{key}` = {value}" for key, value in sorted(IMPATIENT.items()) if "settle" not in key)
    pairs = sum(len(outcome.expected) for result in findings.kills for outcome in result.outcomes)
    pairs += sum(len(result.outcome.expected) for result in findings.strikes)
    struck = f"{len(findings.kills)} kills, {len(findings.strikes)} strikes"
    verdict = f"**{struck}, {pairs} deliveries, {len(findings.races)} races: "
    if findings.problems:
        verdict += "not all is well.**\n\n" + "\n".join(f"* {problem}" for problem in findings.problems)
    else:
        verdict += "nothing was delivered twice, nothing was lost, and no run said anything false.**"
    return f"""# Chaos

Written by `{command}`; do not edit.
{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, \
Airflow {version("apache-airflow")} (LocalExecutor, {database}), seed {seed}, {seconds / 60:.0f} minutes.

A real Airflow delivers to a simulated AEP while its parts are killed by SIGKILL. AEP itself (the simulator) counts how
often each pair of audience and destination was activated: it must be **1**, whatever died.

{verdict}

## Kills

*Pairs* are the deliveries that AEP counted for each pair of the run that was struck; *other runs* those of another run
that awaited its flow runs meanwhile. *Adopted* are pairs whose answer was lost and whose flow run was then found in
AEP instead of being sent again. *Recovered* is the time from the kill to the end of the last DAG run: it contains the
restart of what died, the settling of lost answers ({TIMEOUT + SETTLE_MARGIN:.0f} s here, 120 s by default) and up to
{max(AWAY):.0f} s for which components stayed away. Airflow's own patience with what has died, minutes by default, was
shortened:

{patience}

{_table(KILLS_HEAD, map(kill_line, findings.kills))}

## Strikes

What people press, stores that fail and machines that stand still. After a strike somebody does what the report advises
(and no more) until the run is green. *Ends* are its states on the way; at each of them the report was compared
with what AEP had delivered. *Pairs* are 2 only where AEP itself had failed the first run.

{_table(STRIKES_HEAD, map(strike_line, findings.strikes))}

## Races

Two DAG runs deliver one audience at the same time, {LANES} races at once. Each DAG run is a delivery of its own, so
with `wait` it is delivered twice, one after the other; with `adopt` once, and the second run takes it as its own;
with `fail` once, and the second run is red and says why. Where the first POST was lost, the other run's delivery must
not pass for it; where only its answer was, each run must know which of the two is its own.

{_table(RACES_HEAD, _race_lines(findings.races))}

## The protocol alone

{findings.model or "Left out."}
"""


def _race_lines(finishes: Sequence[Finish]) -> Iterable[str]:
    for kind in Kind:
        for mode in MODES:
            own = [finish for finish in finishes if (finish.race.kind, finish.race.on_conflict) == (kind, mode)]
            if own:
                yield _row(
                    (
                        kind,
                        f"`{mode}`",
                        str(len(own)),
                        str(sum(not finish.problems for finish in own)),
                        _each(" and ".join(sorted(finish.states)) for finish in own),
                        _each(str(finish.count) for finish in own),
                        _each(str(finish.adopted) for finish in own),
                    )
                )


def _each(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(head: Sequence[str], lines: Iterable[str]) -> str:
    return "\n".join([_row(head), _row("---" for _ in head), *lines])
