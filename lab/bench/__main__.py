"""``make bench``: measure, write ``results.json``, ``scale.json``, the plots, and the tables in the documents."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from lab.bench import delivery, largest, latency, outputs, parsing, watching
from lab.bench.scene import SIDES
from tools.airflow_settings import REPOSITORY

CASES = ("latency", "parsing", "delivery", "largest", "watching")
QUICK_CASES = CASES[:3]
"""What is measured when nothing else is asked for: `watching` takes half an hour of its own, `largest` 10 minutes."""


def main() -> int:
    """Measure what was asked for."""
    options = _options()
    began = time.monotonic()
    scale = outputs.read(outputs.SCALE, {})
    failures = 0.0
    if "latency" in options.cases:
        _say("Latency: how often a run is asked for, how late its end is noticed (counted, not timed)")
        scale["latency"] = [asdict(item) for item in latency.latencies()]
    if "parsing" in options.cases:
        _say("Campaign files: CPU seconds to read them")
        scale["parsing"] = [asdict(item) for item in parsing.parse()]
    if "delivery" in options.cases:
        failures, idle = _delivery(options.sizes, options.sides, options.repeats)
        scale["machine"] = _machine(idle)
    outputs.write(outputs.SCALE, scale)
    if "largest" in options.cases:
        _say("The largest run")
        scale["largest"] = [asdict(item) for item in largest.measure()]
        failures += sum(item["failures"] for item in scale["largest"])
        outputs.write(outputs.SCALE, scale)
    if "watching" in options.cases:
        _say("Triggerers that watch flow runs")
        fresh = [asdict(item) for item in watching.watch(options.watched)]
        failures += sum(item["not_succeeded"] for item in fresh)
        known = {
            (item["runs"], item["tasks"], item.get("triggerers", 1)): item
            for item in [*scale.get("watching", []), *fresh]
        }
        scale["watching"] = [known[case] for case in sorted(known)]
        outputs.write(outputs.SCALE, scale)
    for path in outputs.publish():
        print(f"wrote {path.relative_to(REPOSITORY)}")
    print(f"\n{outputs.delivery_table(outputs.read(outputs.RESULTS, []), outputs.README_SIZE)}\n")
    print(f"{(time.monotonic() - began) / 60:.0f} min; failures of this project: {failures:.0f}")
    return 1 if failures else 0


def _delivery(sizes: Sequence[int], sides: Sequence[str], repeats: int) -> tuple[float, float]:
    """Measure deliveries, sizes and sides in turn; return (failures of this project, idle CPU seconds a second)."""
    _say(f"Deliveries of {', '.join(map(str, sizes))} audiences, {repeats} times")
    found: dict[tuple[int, str], list[delivery.Row]] = defaultdict(list)
    with delivery.bench() as bench:
        bench.warm_up()
        idle: list[float] = []
        for _ in range(repeats):
            idle.append(bench.measure_idle())  # anew each time: it differs by a tenth from one to the next
            for n in sizes:
                for row in bench.deliver_all(n, sides):
                    found[n, row.side].append(row)
                    print(f"  {json.dumps(row.to_json())} {row.note}", flush=True)
                medians = [delivery.median_of(rows) for rows in found.values()]
                outputs.merge(outputs.RESULTS, [row.to_json() for row in medians], ("case", "n", "side"))
    return sum(row.failures for row in medians if row.side == "project"), statistics.mean(idle)


def _machine(idle: float) -> str:
    version = platform.python_version()
    return (
        f"Measured on {datetime.now(tz=UTC):%Y-%m-%d} with {os.cpu_count()} cores, Python {version}, "
        f"{platform.system()}.\n"
        f"While idle, this Airflow uses {idle:.3f} CPU seconds a second, which are subtracted."
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.bench", description=__doc__)
    parser.add_argument("--cases", type=_words, default=QUICK_CASES, help="of: " + ",".join(CASES))
    parser.add_argument("--sizes", type=_numbers, default=delivery.SIZES, help="numbers of audiences")
    parser.add_argument("--sides", type=_words, default=SIDES, help="of: " + ",".join(SIDES))
    parser.add_argument("--repeats", type=int, default=2, help="of the deliveries")
    parser.add_argument(
        "--watched", type=_watched, default=watching.CASES, help="flow runs by tasks by triggerers: 10000x500x1"
    )
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def _watched(text: str) -> list[tuple[int, int, int]]:
    return [
        (int(runs), int(tasks), int(triggerers))
        for runs, tasks, triggerers in (word.split("x") for word in _words(text))
    ]


def _say(text: str) -> None:
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
