"""Whose a flow run is: what a DAG run has started is noted where all DAG runs can read it.

A job of a plan has one note for all that AEP has answered. Nobody can list notes, so the plan registers them with the
asset event of its success, and whoever has lost an answer lists these events. All others have a note for each flow run.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adobe_experience_platform.aep import Activation, Pair, by_flow
from adobe_experience_platform.triggers import submissions_asset

from .base import clears_of, now

if TYPE_CHECKING:
    from airflow.sdk import Context

REGISTERED_FOR = dt.timedelta(hours=6)
"""For how long after its plan a job may note its flow runs together; later, each has a note of its own."""
MARGIN = dt.timedelta(hours=1)
"""How far the clocks of AEP, workers and Airflow's database may be apart."""
EVENTS_READ = 200
"""Of those since its own DAG run began, a job looks for its plan's event among the first."""


def dag_run_of(context: Context) -> str:
    """Return what tells a DAG run from all others, also from a deleted one of the same id."""
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}/{getattr(context['dag_run'], 'run_after', '')}"


def name_of(*parts: object) -> str:
    """Return the name of a note."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def register(context: Context, jobs: Iterable[Sequence[Pair]]) -> None:
    """Tell all DAG runs, with the event of this task's success, where the flow runs of these jobs will be noted."""
    dag_run = dag_run_of(context)
    flows: dict[str, Any] = {}
    for pairs in jobs:
        for flow_id in by_flow(pairs):
            flows.setdefault(flow_id, []).append(_job_note(dag_run, pairs))
    context["outlet_events"][submissions_asset()].extra = {"dag_run": dag_run, "flows": flows}


class Owners:
    """Notes for all DAG runs whose a flow run is.

    :param notes: the state store of the submissions' asset.
    :param pairs: what the job delivers.
    :param is_planned: whether a plan may have registered the job.
    """

    def __init__(self, context: Context, notes: Any, pairs: Sequence[Pair], *, is_planned: bool) -> None:
        self._context = context
        self._notes = notes
        self._dag_run = dag_run_of(context)
        self._answered = _job_note(self._dag_run, pairs)
        # Of a job's note one try is the only writer: a frozen process of an older try would undo a newer one's.
        self._is_first = is_planned and context["ti"].try_number == 1 and not clears_of(context)
        self._of_others: set[str] = set()
        self._of_its_own: set[str] = set()

    @property
    def expected(self) -> list[str]:
        """Notes that will follow."""
        return [self._answered] if self._is_first else []

    def claim(self, activations: Iterable[Activation], keep: Callable[[list[str]], None]) -> None:
        """Note that these flow runs are this DAG run's; AEP's answer outweighs what was found.

        What two tasks write into one note at once, one of them loses: so what was found has a note for each flow run.

        :param keep: told the names of all notes before they are made.
        """
        items = list(activations)
        answered = [item.run_id for item in items if not item.adopted]
        if answered and self._is_registered():
            keep([self._answered])
            known = self._runs_in([self._answered])
            self._notes.set(self._answered, {"run": self._dag_run, "runs": sorted(known.union(answered))})
            items = [item for item in items if item.adopted]
        claimed = {_flow_run_note(item.flow_id, item.run_id): item for item in items}
        if claimed:
            keep(list(claimed))
        for name, item in claimed.items():
            if not item.adopted or self._note(name) is None:
                self._notes.set(name, {"run": self._dag_run})

    def read(self, flow_ids: Iterable[str]) -> None:
        """Read anew what AEP has answered to other DAG runs for these flows."""
        wanted = set(flow_ids)
        names: dict[bool, set[str]] = {True: set(), False: set()}
        for dag_run, flows in self._registered(self._run_after() - REGISTERED_FOR - MARGIN):
            names[dag_run == self._dag_run].update(name for flow in wanted & flows.keys() for name in flows[flow])
        self._of_others = self._runs_in(names[False])
        self._of_its_own = self._runs_in(names[True])

    def is_anothers(self, flow_id: str, run_id: str) -> bool:
        """Return whether a flow run is another DAG run's, as far as was read and is noted by now."""
        if run_id in self._of_others or run_id in self._of_its_own:
            return run_id in self._of_others
        owner = self._note(_flow_run_note(flow_id, run_id))
        return owner is not None and owner.get("run") != self._dag_run

    def _is_registered(self) -> bool:
        """Whether everybody who looks for these flow runs will find this job's note."""
        if not self._is_first:
            return False
        since = max(now() - REGISTERED_FOR, self._run_after())
        registered = self._registered(since, EVENTS_READ)
        return any(self._answered in names for _, flows in registered for names in flows.values())

    def _registered(self, since: dt.datetime, most: int | None = None) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Yield (DAG run, flow id → notes of its jobs) of the plans that have succeeded since."""
        events = self._context["inlet_events"][submissions_asset()].after(since.isoformat())
        for event in events.limit(most) if most is not None else events:
            told = event.extra or {}
            if isinstance(flows := told.get("flows"), Mapping):
                yield str(told.get("dag_run")), flows

    def _run_after(self) -> dt.datetime:
        moment = getattr(self._context["dag_run"], "run_after", None)
        return moment if moment is not None else dt.datetime.fromtimestamp(0, tz=dt.UTC)

    def _runs_in(self, names: Iterable[str]) -> set[str]:
        return {run_id for name in sorted(names) for run_id in (self._note(name) or {}).get("runs", ())}

    def _note(self, name: str) -> Mapping[str, Any] | None:
        found = self._notes.get(name)
        return found if isinstance(found, Mapping) else None


def _job_note(dag_run: str, pairs: Iterable[Pair]) -> str:
    return name_of("answered", dag_run, *sorted(map(list, pairs)))


def _flow_run_note(flow_id: str, run_id: str) -> str:
    return name_of("owner", flow_id, run_id)
