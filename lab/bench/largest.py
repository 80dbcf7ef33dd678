"""The largest run that there can be: what it takes until AEP has all of it, and what it leaves behind."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime

from lab.bench import delivery
from lab.bench.scene import ADHOC_RUN, seed_of
from lab.growth import TABLES, counted, grown

SIZES = (5_000,)
"""Pairs; 5,000 are the most that a run takes."""
PER_FLOW = 100
COUNTED = {**TABLES, "asset_state_store": ("value",)}


@dataclass(frozen=True, slots=True)
class Largest:
    """One run of many jobs."""

    pairs: int
    jobs: int
    last_post_s: float
    """From the start of the DAG run to the last activation that left."""
    wall_beyond_aep_s: float
    cpu_s: float
    peak_mb: float
    tokens: float
    requests: dict[str, float]
    airflow_calls: float
    rows: dict[str, int]
    """Of Airflow's tables, added by the run."""
    kilobytes: dict[str, int]
    """Of the columns that grow."""
    xcoms: dict[str, int]
    """The largest value of each XCom, in KB, of those over 10 KB."""
    failures: float


def measure(sizes: Sequence[int] = SIZES) -> list[Largest]:
    """Deliver each number of pairs once."""
    found = []
    with delivery.bench() as bench:
        bench.warm_up()
        bench.measure_idle()
        for pairs in sizes:
            bench.seed = seed_of(pairs, per_flow=PER_FLOW)
            found.append(_measure(bench, pairs))
            print(f"  {json.dumps(asdict(found[-1]))}", flush=True)
    return found


def _measure(bench: delivery.Bench, pairs: int) -> Largest:
    before = counted(bench.airflow, COUNTED)
    row = bench.deliver("project", pairs, case="largest")
    added = grown(before, counted(bench.airflow, COUNTED))
    dag_id, run_id = delivery.DAGS["project"], bench.last_run_id
    begun = datetime.fromisoformat(bench.airflow.client.run(dag_id, run_id)["queued_at"]).timestamp()
    posts = [item["at"] for item in bench.aep.requests() if item["path"] == ADHOC_RUN]
    return Largest(
        pairs=pairs,
        jobs=len(posts),
        last_post_s=round(max(posts, default=begun) - begun, 1),
        wall_beyond_aep_s=row.wall_beyond_aep_s,
        cpu_s=row.cpu_s,
        peak_mb=row.peak_mb,
        tokens=row.tokens,
        requests=row.requests,
        airflow_calls=row.airflow_calls,
        rows={name: rows for name, (rows, _) in added.items() if rows},
        kilobytes={name: round(octets / 1024) for name, (_, octets) in added.items() if octets},
        xcoms=_xcoms(bench, run_id),
        failures=row.failures,
    )


def _xcoms(bench: delivery.Bench, run_id: str) -> dict[str, int]:
    query = "select task_id || '.' || key, max(length(value)) from xcom where run_id = ? group by 1 order by 2 desc"
    with closing(sqlite3.connect(f"file:{bench.airflow.home / 'airflow.db'}?mode=ro", uri=True)) as database:
        return {name: round(size / 1024) for name, size in database.execute(query, (run_id,)) if size > 10 * 1024}
