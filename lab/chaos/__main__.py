"""`make chaos`: kills, strikes, races and the model; writes docs/chaos.md.

Exits with 0 only if no pair was delivered twice, none was lost, and nothing false was said.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from lab.chaos import blows, kills, paper, plan, races, strikes
from lab.chaos.arena import FLOWS, MissedError, arena
from lab.chaos.model import ModelExploration
from tools.airflow_client import AirflowClientError
from tools.airflow_settings import REPOSITORY
from tools.local_airflow import LocalAirflowError
from tools.simulator_process import SimulatorError

_printing = threading.Lock()


def main() -> int:
    """Run the chaos and return the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, _exit)
    began = time.monotonic()
    counts = f"{options.kills} kills, {options.strikes} strikes, {options.races} races of each kind"
    _say(f"Chaos with seed {options.seed}: {counts}")
    try:
        findings = _play(options)
    except (AirflowClientError, LocalAirflowError, MissedError, SimulatorError) as error:
        _say(f"The chaos could not be played: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    database = "PostgreSQL" if options.postgres else "SQLite"
    text = paper.document(_command(options), options.seed, time.monotonic() - began, findings, database)
    options.output.write_text(text)
    _say(f"\n{text}\nWritten to {options.output}")
    return 1 if findings.problems else 0


def _play(options: argparse.Namespace) -> paper.ChaosFindings:
    with ModelExploration(options.examples, options.seed) as model:
        with arena(postgres=options.postgres) as place:
            drawn = plan.draw(options.seed, options.kills, FLOWS)
            results = kills.carry_out(
                place, drawn, lambda result: _say("\n".join([paper.kill_line(result), *result.problems]))
            )
            struck = strikes.carry_out(
                place,
                blows.draw(options.seed, options.strikes),
                lambda result: _say("\n".join([paper.strike_line(result), *result.problems])),
            )
            finishes = races.run_all(
                place, options.races, lambda finish: _say("\n".join([paper.finish_line(finish), *finish.problems]))
            )
            played: list[kills.KillResult | strikes.StrikeResult | races.Finish] = [*results, *struck, *finishes]
            if any(found.problems for found in played):
                place.airflow.keep_home = True
                _say(f"Airflow's logs: {place.airflow.logs}")
        said, problems = model.finish()
    return paper.ChaosFindings(
        kills=results,
        strikes=struck,
        races=finishes,
        model=said,
        problems=[
            *(problem for result in results for problem in result.problems),
            *(problem for result in struck for problem in result.problems),
            *(problem for finish in finishes for problem in finish.problems),
            *problems,
        ],
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="draws the kills; the same seed draws the same ones")
    parser.add_argument("--kills", type=int, default=25, help="number of kills")
    parser.add_argument(
        "--strikes", type=int, default=72, help="number of strikes by people, stores and frozen machines"
    )
    parser.add_argument("--postgres", action="store_true", help="Airflow's database is a PostgreSQL, not SQLite")
    parser.add_argument("--races", type=int, default=10, help="number of races of each kind")
    parser.add_argument("--examples", type=int, default=20_000, help="histories that the model explores")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "chaos.md", help="file to write")
    return parser.parse_args()


def _command(options: argparse.Namespace) -> str:
    numbers = f"KILLS={options.kills} STRIKES={options.strikes} RACES={options.races} EXAMPLES={options.examples}"
    return f"make chaos SEED={options.seed} {numbers}{' POSTGRES=1' if options.postgres else ''}"


def _say(text: str) -> None:
    with _printing:
        print(text, flush=True)


def _exit(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
