"""What is printed, and written to docs/distributed.md."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from lab.distributed.cluster import Cluster
from lab.distributed.deliveries import Ended
from lab.distributed.storm import Felt
from lab.distributed.watchers import Told


@dataclass(frozen=True, slots=True)
class DistributedFindings:
    """Everything that a run has found out.

    :param checks: {service: whether its health check succeeded for all replicas}
    :param patience: {setting: value} shortened for the run
    :param problems: everything that must not happen, in sentences
    """

    ended: Sequence[Ended]
    felt: Sequence[Felt]
    told: Told
    checks: Mapping[str, bool]
    peaks: Mapping[str, int]
    restarts: Mapping[str, int]
    patience: Mapping[str, str]
    seconds: float
    problems: Sequence[str]


def document(command: str, cluster: Cluster, findings: DistributedFindings) -> str:
    """Return docs/distributed.md."""
    ended = sorted(findings.ended, key=lambda one: one.delivery.run_id)
    pairs = sum(len(one.delivery.pairs) for one in ended)
    if findings.problems:
        verdict = "not all is well.**\n\n" + "\n".join(f"* {problem}" for problem in findings.problems)
    else:
        verdict = "each was made once, none was lost, and no run said anything false.**"
    patience = "\n".join(f"* `{key}` = {value}" for key, value in sorted(findings.patience.items()))
    replicas = Counter(cluster.services[name].replicas for name in cluster.services)
    processes = sum(number * count for number, count in replicas.items())
    return f"""# More than one machine

Written by `{command}`; do not edit.
{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, \
Airflow {version("apache-airflow")} (CeleryExecutor, PostgreSQL, Redis), {findings.seconds / 60:.0f} minutes.

The services of `docker-compose.yaml` run as {processes} replicas on this machine, without Docker: commands,
environments, dependencies, health checks, restart policies and numbers of replicas are read from the file. All
deliveries are started at once. Meanwhile parts are killed by SIGKILL and stay down, Redis is restarted, and every
connection to PostgreSQL is cut. AEP itself (the simulator) counts how often each pair of audience and destination was
activated: it must be **1**, and 2 where two deliveries are of the same audience. The first POSTs to AEP are lost on
their way, or their answers are: what was lost is looked for, and another delivery of the same audience must not pass
for it.

**{len(ended)} deliveries, {pairs} pairs: {verdict}

## What happened when

*Running* are the deliveries that were under way, *ordered* the pairs that AEP had been asked for.

{_table(("time", "what", "running", "ordered"), map(_felt, findings.felt))}

{_restarted(findings.restarts)}

## Deliveries

*Ended* counts from the start of all. *Retries* are tries beyond the first, of all tasks of the run. *Adopted* are pairs
whose answer was lost and whose flow run was then found in AEP instead of being sent again.

{_table(("delivery", "pairs", "delivered", "DAG run", "ended", "retries", "adopted"), map(_ended, ended))}

## Watchers

Each destination has an asset watcher, in either triggerer. AEP has made {len(findings.told.ended)} flow runs; \
{len(findings.told.sure)} were told as new,
and {len(findings.told.repeats)} as what may have been told before, as where a triggerer died on its way.

## Services

The health check is that of the file, before the deliveries began. Memory is the most that one replica took, against
the limit of the file; {cluster.variables["AIRFLOW_WORKER_CONCURRENCY"]} tasks at once in each worker.

{_table(("service", "replicas", "health check", "memory", "limit"), _services(cluster, findings))}

Airflow's own patience with what has died, minutes by default, was shortened:

{patience}
"""


def felt_line(felt: Felt) -> str:
    """Return a blow as one line of a table."""
    return _row(_felt(felt))


def ended_line(ended: Ended) -> str:
    """Return a delivery as one line of a table."""
    return _row(_ended(ended))


def _felt(felt: Felt) -> tuple[str, ...]:
    return _clock(felt.seconds), felt.what, str(felt.running), str(felt.ordered)


def _ended(ended: Ended) -> tuple[str, ...]:
    outcome = ended.outcome
    delivered = Counter(outcome.counted.get(pair, 0) for pair in outcome.expected)
    return (
        ended.delivery.run_id,
        str(len(outcome.expected)),
        ", ".join(f"{number} {_times(times)}" for times, number in sorted(delivered.items())),
        outcome.state,
        _clock(ended.seconds),
        str(ended.retries),
        str(outcome.adopted),
    )


def _services(cluster: Cluster, findings: DistributedFindings) -> Iterable[tuple[str, ...]]:
    for name, service in cluster.services.items():
        peak = max((findings.peaks.get(replica, 0) for replica in cluster.replicas(name)), default=0)
        yield (
            name,
            str(service.replicas),
            {True: "good", False: "bad"}[findings.checks[name]] if name in findings.checks else "-",
            f"{peak / 2**20:.0f} MB" if peak else "-",
            f"{service.memory / 2**20:.0f} MB" if service.memory else "-",
        )


def _restarted(restarts: Mapping[str, int]) -> str:
    if not restarts:
        return "No other process ended."
    named = ", ".join(f"{replica} ({count})" for replica, count in sorted(restarts.items()))
    return f"Ended by themselves, and were started again as their restart policy says: {named}."


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join([_row(head), _row("---" for _ in head), *map(_row, rows)])
