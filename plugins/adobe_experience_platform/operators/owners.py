"""Whose a flow run is: what a DAG run has started is noted where all DAG runs can read it.

A job of a plan has one note for all that AEP has answered. Nobody can list notes, so the plan registers them with the
asset event of its success, and whoever has lost an answer lists these events. All others have a note for each flow run.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
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
PAGE = 50
"""Events that are read at once: Airflow's API server has 5 seconds for an answer, and an event may list 5,000 flows."""
EVENTS_READ = 200
"""Of those since its own DAG run began, a job looks for its plan's event among the first."""
NAME = re.compile(r"[0-9a-f]{24}")


def dag_run_of(context: Context) -> str:
    """Return what tells a DAG run from all others, also from a deleted one of the same id."""
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}/{getattr(context['dag_run'], 'run_after', '')}"


def name_of(*parts: object) -> str:
    """Return the name of a note, a :data:`NAME`."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def note_in(notes: Any, name: str) -> Mapping[str, Any] | None:
    """Return a note of a store, None if there is none."""
    found = notes.get(name)
    return found if isinstance(found, Mapping) else None


def register(context: Context, jobs: Iterable[Sequence[Pair]]) -> None:
    """Tell all DAG runs, with the event of this task's success, where the flow runs of these jobs will be noted."""
    flows: dict[str, Any] = {}
    for pairs in jobs:
        name = _job_note(dag_run_of(context), pairs)
        for flow_id in by_flow(pairs):
            flows.setdefault(flow_id, []).append(name)
    context["outlet_events"][submissions_asset()].extra = {"flows": flows}


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
        self._flow_ids = list(by_flow(pairs))
        self._answered = _job_note(self._dag_run, pairs)
        # Of a job's note one try is the only writer: a frozen process of an older try would undo a newer one's.
        self._is_first = is_planned and context["ti"].try_number == 1 and not clears_of(context)
        self._told: dict[str, set[object]] = {}

    def expected(self) -> list[str]:
        """Return which notes will follow; what must be read for a claim is read now, before anything is sent."""
        return [self._answered] if self._registered_at is not None else []

    def claim(self, activations: Iterable[Activation], keep: Callable[[list[str]], None]) -> None:
        """Note that these flow runs are this DAG run's; AEP's answer outweighs what was found.

        What two tasks write into one note at once, one of them loses: so what was found has a note for each flow run.

        :param keep: told the names of all notes before they are made.
        """
        items = list(activations)
        answered = [item.run_id for item in items if not item.adopted]
        if answered and (told := self._registered_at) is not None and now() - told <= REGISTERED_FOR:
            keep([self._answered])
            known = (note_in(self._notes, self._answered) or {}).get("runs", ())
            self._notes.set(self._answered, {"run": self._dag_run, "runs": sorted({*known, *answered})})
            items = [item for item in items if item.adopted]
        claimed = {_flow_run_note(item.flow_id, item.run_id): item for item in items}
        if claimed:
            keep(list(claimed))
        for name, item in claimed.items():
            if not item.adopted or note_in(self._notes, name) is None:
                self._notes.set(name, {"run": self._dag_run})

    def read(self, flow_ids: Iterable[str]) -> None:
        """Read anew what AEP has answered to other DAG runs for these flows."""
        wanted = set(flow_ids)
        # Only ``dag.test`` runs what is not due yet.
        began = min(self._run_after(), now())
        registered = self._registered(began - REGISTERED_FOR - MARGIN)
        names = {name for _, flows in registered for flow in wanted & flows.keys() for name in _names_in(flows[flow])}
        self._told = {}
        for name in sorted(names):
            note = note_in(self._notes, name) or {}
            for run_id in note.get("runs", ()):
                self._told.setdefault(run_id, set()).add(note.get("run"))

    def is_anothers(self, flow_id: str, run_id: str) -> bool:
        """Return whether a flow run is another DAG run's, as far as was read and is noted by now."""
        if told := self._told.get(run_id):
            return told != {self._dag_run}
        owner = note_in(self._notes, _flow_run_note(flow_id, run_id))
        return owner is not None and owner.get("run") != self._dag_run

    @cached_property
    def _registered_at(self) -> dt.datetime | None:
        """When all DAG runs were told where this job's note is; None: they were not, or it is not for this try."""
        if not self._is_first:
            return None
        registered = self._registered(max(now() - REGISTERED_FOR, self._run_after()))
        for at, flows in islice(registered, EVENTS_READ):
            if all(self._answered in _names_in(flows.get(flow_id)) for flow_id in self._flow_ids):
                return at
        return None

    def _registered(self, since: dt.datetime) -> Iterator[tuple[dt.datetime, Mapping[str, object]]]:
        """Yield (when, flow id → notes of its jobs) of the events since, which anybody may have made; some twice."""
        size = PAGE
        while True:
            page = list(self._context["inlet_events"][submissions_asset()].after(since.isoformat()).limit(size))
            for event in page:
                flows = (event.extra or {}).get("flows")
                yield event.timestamp, flows if isinstance(flows, Mapping) else {}
            if len(page) < size:
                return
            last = page[-1].timestamp
            if last == since:
                size *= 2  # more of one moment than a page holds
            since = last

    def _run_after(self) -> dt.datetime:
        moment = getattr(self._context["dag_run"], "run_after", None)
        return moment if moment is not None else dt.datetime.fromtimestamp(0, tz=dt.UTC)


def _job_note(dag_run: str, pairs: Iterable[Pair]) -> str:
    return name_of("answered", dag_run, *sorted(map(list, pairs)))


def _names_in(told: object) -> list[str]:
    return [name for name in told if isinstance(name, str) and NAME.fullmatch(name)] if isinstance(told, list) else []


def _flow_run_note(flow_id: str, run_id: str) -> str:
    return name_of("owner", flow_id, run_id)
