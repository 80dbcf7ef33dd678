"""What belongs to the pairs of a DAG run, wherever they stand, and outlives a clear: copies of the records.

Task state is bound to a task's position, and Airflow may one day discard it at a clear. The state store of an asset is
neither: it is kept for as long as any DAG names the asset. It also says which DAG run a flow run belongs to, see
:mod:`.owners`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adobe_experience_platform.aep import Activation, Call, Pair
from adobe_experience_platform.delivery import KEY, Record, ids_of, resolve, shorten, titles_of
from adobe_experience_platform.errors import AepInputError, AepSubmissionError
from adobe_experience_platform.triggers import submissions_asset

from .base import TaskStore, clears_of, now
from .owners import Owners, dag_run_of, name_of, note_in

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk._shared.logging.types import Logger

RUNS_KEPT = 20
"""DAG runs of which a task (each map index) keeps notes, however old they are."""
KEPT_FOR = dt.timedelta(days=1)
"""How long it keeps those of all others: many may begin at once, and one whose answer was lost must tell them apart."""
MOST_KEPT = 1000
"""No more than so many, however young: a value of a store has 64 KB."""
FORGOTTEN_AT_ONCE = 2
"""A task has something else to do; one begins, two are forgotten."""
ATTEMPT = "attempt"
"""Store key: the task has begun in this DAG run."""
OTHERS = "others"
"""Store key: which pairs another place of this DAG run held, for when the notes that say so are gone."""
OTHERS_KEPT = 1000
"""One is enough to be refused as a whole; a value of a store has 64 KB."""


def note_attempt(context: Context) -> None:
    """Note that the task has begun, before anything that can fail: without this, lost records look like none."""
    if not (clears_of(context) and context["ti"].try_number > 1):
        TaskStore(context).set(ATTEMPT, {"max_tries": context["ti"].max_tries})


def resolve_once(
    context: Context, asked: Sequence[Pair], run: Callable[[Call[Any]], Any], log: Logger, *, resumed: bool = False
) -> tuple[tuple[Pair, ...], dict[str, str]]:
    """Return the pairs that ids and names stand for, and their audiences' other ids, for a task without a plan.

    They are looked up once in this DAG run: a name that AEP has given to something else meanwhile changes nothing.
    """
    movable = context["ti"].map_index != -1
    store = NotedStore(context, asked, movable=movable, resumed=resumed)

    def look_up() -> dict[str, Any]:
        findings = resolve(asked, run)
        # What is no longer in AEP may have been sent by its id: the record says so.
        if findings.faults and store.get(KEY) is None:
            intro = "This attempt sent nothing." if clears_of(context) else "Nothing was sent."
            raise AepInputError(shorten([str(fault) for fault in findings.faults]), intro=intro)
        for warning in shorten(findings.warnings):
            log.warning("%s", warning)
        return {"given": findings.named(), "aliases": findings.aliases, "is_whole": not findings.faults}

    # AEP may name an imported audience by its external id only: in its answer, a conflict, or a run that was lost.
    found = store.looked_up("names", look_up)
    ids = ids_of(found["given"])
    return tuple(ids.get(pair, pair) for pair in asked), found["aliases"]


class NotedStore:
    """Keeps records in the task's own store, and a copy for these pairs of this task and DAG run.

    :param pairs: what the task delivers; none where its records are not about pairs.
    :param movable: whether the pairs of a map index may change while the DAG run exists, as those of a user's list do.
    :param exclusive: whether no other task or map index of this DAG run may deliver one of these pairs.
    :param resumed: whether the task goes on after a wait, so that it has run before even in its first try.
    :param planned: whether a plan of this DAG run has made the job.
    """

    def __init__(
        self,
        context: Context,
        pairs: Iterable[Pair],
        after_set: Callable[[str, dict[str, object]], None] | None = None,
        *,
        movable: bool = False,
        exclusive: bool = False,
        resumed: bool = False,
        planned: bool = False,
    ) -> None:
        self._own = TaskStore(context, after_set)
        self._pairs = sorted(pairs)
        self._movable = movable
        self._exclusive = exclusive
        self._listed: set[str] = set()
        self._kept: set[str] | None = None
        self._before: list[object] = []
        self._clears = clears_of(context)
        self._is_cleared = self._clears > 0
        ti = context["ti"]
        self._resumed = resumed
        self._ran_before = ti.try_number > 1 or resumed
        # What never ran has sent nothing, unless pairs have moved to it; a note may be of a deleted run of the same id.
        self._looks_back = self._ran_before or (movable and self._is_cleared)
        self._dag_run = dag_run_of(context)
        self._task = ti.task_id
        self._place = [ti.task_id, ti.map_index]
        self._index = name_of("index", ti.dag_id, ti.task_id, ti.map_index)
        self._list = name_of("names", self._index, self._dag_run)
        try:
            self._notes: Any = context["asset_state_store"][submissions_asset()]
        except KeyError:
            self._notes = None
        has_notes = self._notes is not None
        self._owners = Owners(context, self._notes, self._pairs, is_planned=planned) if has_notes else None

    def get(self, key: str) -> object:
        """Return the record of these pairs: the task's own, or the note; None if nothing was sent.

        :raises AepSubmissionError: where it is not certain that nothing was sent.
        """
        own = self._own.get(key)
        known = sorted(Record.from_json(own).orders) if own is not None and self._movable else self._pairs
        if own is not None and (known == self._pairs or self._notes is None):
            self._listed.add(key)
            return own
        self._before = self._noted(key) if self._exclusive else []
        if own is None and not self._looks_back:
            return None
        if (note := self._note(self._name(key, self._pairs))) is not None:
            return note.get("record", "")
        if own is not None and self._note(self._name(key, known)) is None:
            return own  # about other pairs, and the notes of this DAG run are gone: it is refused
        may_forget = self._resumed or (self._is_cleared and self._ran_before)
        forgot = own is None and may_forget and not self._remembers()
        if forgot or (self._movable and (self._notes is None or any(map(self._note, self._pair_names(key))))):
            raise AepSubmissionError(
                "This task has run before, and has no record of what it sent. Check in AEP whether it delivered "
                f"{titles_of(self._pairs, {})}; start a new run for what it did not. Nothing more was sent."
            )
        return None

    def kept(self, key: str) -> object:
        """Return what proves nothing where it is missing: the task's own record, or the note."""
        own = self._own.get(key)
        if own is None and self._looks_back and (note := self._note(self._name(key, self._pairs))) is not None:
            return note.get("record", "")
        return own

    def note_run(self) -> None:
        """Note this DAG run before any of its tasks can send: while that is there, a missing copy proves something.

        A task that dies, or is cleared, before it has noted anything itself has sent nothing.
        """
        if self._notes is not None and not self._is_cleared:
            self._notes.set(_run_note(self._dag_run), {"run": self._dag_run})

    def _remembers(self) -> bool:
        """Whether this task's first steps would be known: it has noted that it began, or its run was noted before."""
        return self._own.get(ATTEMPT) is not None or self._note(_run_note(self._dag_run)) is not None

    def set(self, key: str, value: dict[str, object]) -> None:
        """Store a record in both places, the copy first."""
        if self._notes is not None:
            name = self._name(key, self._pairs)
            if key not in self._listed:
                pairs = self._pair_names(key) if self._movable or self._exclusive else []
                self._keep([name, *pairs, *(self._owners.expected() if self._owners is not None else ())])
                if self._exclusive:
                    self.hold(self._pairs)
                    if self._noted(key) != self._before:  # another place was at work when this one took its pairs
                        self._refuse(self._pairs)
                for each in pairs:
                    self._notes.set(each, {"run": self._dag_run})
                self.require_held(self._pairs)
            self._notes.set(name, {"run": self._dag_run, "record": value})
        self._listed.add(key)
        self._own.set(key, value)

    def looked_up(self, key: str, look_up: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the ids of what was asked for: names are looked up once in this DAG run, whatever is cleared."""
        name = self._name(key, self._pairs)
        if (own := self._own.get(name)) is not None:
            return dict(own)  # type: ignore[call-overload, no-any-return]
        note = self._note(name) if self._looks_back else None
        kept: dict[str, Any] = note["record"] if note is not None else look_up()
        if kept["given"] and note is None and self._notes is not None:
            self._keep([name])
            self._notes.set(name, {"run": self._dag_run, "record": kept})
        if kept["given"] or kept.get("is_whole"):  # ids alone need no note: whoever looks them up again finds the same
            self._own.set(name, kept)
        return kept

    def hold(self, pairs: Sequence[Pair]) -> None:
        """Take these pairs for this place of the DAG run, before anything is sent.

        A store without compare-and-set lets two tasks at once both take a pair; the turns of :meth:`_wins` do not.
        A clear begins new turns: a pair may stand elsewhere in the list afterwards.

        :raises AepSubmissionError: naming the pairs that another task or map index of this DAG run delivers.
        """
        if self._notes is None:
            return
        mine = {"run": self._dag_run, "place": self._place, "clears": self._clears}
        self._keep([name for pair in pairs for name in (self._holder(pair), *self._turns(pair))])
        others = self._own.get(OTHERS)
        known = set(others["holders"]) if isinstance(others, dict) else set()
        taken = []
        for pair in pairs:
            holder = self._note(name := self._holder(pair)) or {}
            if holder == mine:
                continue
            has_moved = holder.get("clears", -1) < self._clears and holder.get("place", self._place)[0] == self._task
            if has_moved and (holder or name not in known) and self._wins(pair):
                self._notes.set(name, mine)
                continue
            taken.append(pair)
            known |= {name} if holder else set()
        if known:
            self._own.set(OTHERS, {"holders": sorted(known)[:OTHERS_KEPT]})
        self._refuse(taken)

    def holds(self, pairs: Iterable[Pair]) -> bool:
        """Whether no other task or map index has taken any of these pairs since, after a clear of its own."""
        return not self._lost(pairs)

    def require_held(self, pairs: Iterable[Pair]) -> None:
        """Refuse to send what this place no longer holds."""
        self._refuse(self._lost(pairs))

    def _lost(self, pairs: Iterable[Pair]) -> list[Pair]:
        if not self._exclusive or self._notes is None:
            return []
        return [pair for pair in pairs if (self._note(self._holder(pair)) or {}).get("place") != self._place]

    def _holder(self, pair: Pair) -> str:
        return name_of("holder", self._dag_run, *pair)

    @staticmethod
    def _refuse(taken: Sequence[Pair]) -> None:
        if taken:
            raise AepSubmissionError(
                "One DAG run delivers a pair once, and another task or map index of this run also lists "
                f"{titles_of(taken, {})}. List each pair once, in one task, and start a new run for what was not "
                "delivered. Nothing more was sent."
            )

    def _wins(self, pair: Pair) -> bool:
        """Whether this place alone takes the pair: of any number at once, at most one does (Lamport's splitter).

        Where a try has died on its way, its next one finds its own turn.
        """
        last, door = self._turns(pair)
        mine = {"run": self._dag_run, "place": self._place}
        if self._note(door) is None:
            self._notes.set(last, mine)
            if self._note(door) is not None:
                return False
            self._notes.set(door, mine)
        return self._note(door) == mine == self._note(last)

    def _turns(self, pair: Pair) -> tuple[str, str]:
        turns = [name_of(name, self._dag_run, self._clears, *pair) for name in ("last", "door")]
        return turns[0], turns[1]

    def claim(self, activations: Iterable[Activation]) -> None:
        """Note for all DAG runs that these flow runs are this DAG run's."""
        if self._owners is not None:
            self._owners.claim(activations, self._keep)

    def read_others(self, flow_ids: Iterable[str]) -> None:
        """Read anew which flow runs of these flows are of other DAG runs."""
        if self._owners is not None:
            self._owners.read(flow_ids)

    def is_anothers(self, flow_id: str, run_id: str) -> bool | None:
        """Return whether a flow run is another DAG run's; None where nobody could have noted it.

        :raises AepSubmissionError: where this DAG run is so old that the notes of others may be deleted.
        """
        if self._owners is None:
            return None
        if self._owners.is_anothers(flow_id, run_id):
            return True
        if self._note(self._list) is None:
            raise AepSubmissionError(
                f"This run is too old to tell whose AEP's run {run_id} is: {RUNS_KEPT} newer ones have begun since. "
                f"Check in AEP whether {titles_of(self._pairs, {})} was delivered for this run, and start a new run "
                "for what was not. Nothing more was sent."
            )
        return False

    def _note(self, name: str) -> Mapping[str, Any] | None:
        return note_in(self._notes, name) if self._notes is not None else None

    def _name(self, key: str, pairs: Iterable[Pair]) -> str:
        return name_of("record", self._dag_run, self._task, key, *map(list, pairs))

    def _noted(self, key: str) -> list[object]:
        return [self._note(name) for name in (self._name(key, self._pairs), *self._pair_names(key))]

    def _pair_names(self, key: str) -> list[str]:
        return [name_of("pair", self._dag_run, self._task, key, *pair) for pair in self._pairs]

    def announce(self, keys: Iterable[str]) -> None:
        """Note once which records will follow, instead of each as it comes."""
        if self._notes is not None:
            self._keep([self._name(key, self._pairs) for key in keys])

    def _keep(self, names: Iterable[str]) -> None:
        """Note what this DAG run has noted, and delete the notes of old ones."""
        has_list = self._kept is not None or self._forget_old_runs() or self._ran_before
        self._kept = self._kept or set()
        if new := set(names) - self._kept:
            self._kept |= new
            kept = (has_list and self._note(self._list)) or {"names": ()}
            self._notes.set(self._list, {"run": _run_note(self._dag_run), "names": sorted({*kept["names"], *new})})

    def _forget_old_runs(self) -> bool:
        """Note this DAG run, and forget old ones; return whether it was noted: before that, it has no list."""
        kept, at = self._note(self._index) or {"runs": ()}, now()
        runs = [*(each for each in kept["runs"] if each[0] != self._list), [self._list, int(at.timestamp())]]
        aged = [name for name, begun in runs[:-RUNS_KEPT] if begun <= (at - KEPT_FOR).timestamp()]
        old = (aged or [name for name, _ in runs[:-MOST_KEPT]])[:FORGOTTEN_AT_ONCE]
        for name in old:
            listed = self._note(name) or {"run": name, "names": ()}
            # The run's note first: without it a missing copy proves nothing any more.
            for each in (listed["run"], *listed["names"], name):
                self._notes.delete(each)
        self._notes.set(self._index, {"runs": [each for each in runs if each[0] not in old]})
        return any(each[0] == self._list for each in kept["runs"])


def _run_note(dag_run: str) -> str:
    return name_of("run", dag_run)
