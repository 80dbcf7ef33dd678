"""What must hold in every world: what AEP was sent, and what the package says of it."""

from __future__ import annotations

import json
import re
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.delivery import KEY, Record
from adobe_experience_platform.errors import AepError
from adobe_experience_platform.operators.owners import name_of
from tests.support.memory_aep import FakeRun

from .airflow import Run, TaskProcess, World

STATUSES = {"success": "success", "failed": "failed", "partial_success": "partialSuccess"}
UNTRUE_ADVICE = re.compile("nothing was sent(?! by this)", re.IGNORECASE)


class Invariant:
    """Judges deliveries, reports and errors; :attr:`problems` are ``(kind, text)``.

    :param pairs: what each DAG run is to deliver.
    :param adopts: whether a DAG run may take somebody else's flow run for its delivery.
    """

    def __init__(self, world: World, pairs: tuple[Pair, ...], *, accept_partial: bool, adopts: bool) -> None:
        self.world, self.pairs, self.accept_partial, self.adopts = world, pairs, accept_partial, adopts
        self.problems: list[tuple[str, str]] = []
        self.last: dict[str, Any] = {}
        world.reports, world.errors = self.report, self.error

    def _problem(self, kind: str, text: str) -> None:
        self.problems.append((kind, text))

    def breaches(self) -> None:
        """No pair is sent twice, unless its run failed and a person cleared since it began."""
        for text in self.world.aep.breaches:
            run = next(found for found in self.world.aep.runs if f" {found.id} " in text)
            if not self._is_taken_by_another(run):
                self._problem("twice", text)
        self.world.aep.breaches.clear()

    def _is_taken_by_another(self, run: FakeRun) -> bool:
        """Whether another DAG run, whose answer was lost, took it for its own: then each has had its delivery.

        Who dies before it has recorded that has noted it: it does not know what became of its delivery, and says so.
        """
        others = [other for other in self.world.runs if other.run_id != run.sender]
        owner = name_of("owner", run.flow_id, run.id)
        noted = [text for notes in self.world.assets.values() for name, text in notes.items() if name == owner]
        return any(
            f'"{run.id}"' in text for other in others for row in other.rows.values() for text in row.store.values()
        ) or any(f"/{other.run_id}/" in text for other in others for text in noted)

    def error(self, process: TaskProcess, error: BaseException) -> None:
        """A task fails for reasons that are meant for people, who look in AEP where it says so."""
        if "if they did not, clear" in str(error):
            process.run.doubted |= set(re.findall(r"(?:ours|foreign)-\d+", str(error)))
        if "First check in AEP what became of the unknown deliveries" in str(error):
            for pair in self.pairs:
                if re.search(rf"\({pair.audience_id}\) → .*\({pair.flow_id}\): unknown", str(error)):
                    process.run.doubted |= {found.id for found in self.world.aep.ours(pair, process.run.run_id)}
        if not isinstance(error, AepError | AirflowException | AirflowRuntimeError):
            self._problem("internal", f"{process.row.name}: {type(error).__name__}: {error}")

    def report(self, run: Run, report: Any) -> None:
        """Each line is true when it is written."""
        self.last[run.run_id] = report
        known = {(item["flow_id"], item["audience_id"]) for item in report["results"]}
        for item in report["results"]:
            pair = Pair(item["flow_id"], item["audience_id"])
            if text := self._lie(run, pair, item):
                self._problem("untrue", f"{run.run_id}'s report calls {pair} {item['status']}: {text}")
            if not self.adopts and item["status"] in STATUSES and (other := self._told_of(run, pair, item["run_id"])):
                self._problem("shared", f"{item['run_id']} is the delivery of {run.run_id}, and AEP told {other} of it")
        headline = report["verdict"]["headline"]
        if UNTRUE_ADVICE.search(headline) and (live := [r.id for pair in self.pairs for r in self._live(run, pair)]):
            self._problem("headline", f"{run.run_id} says {headline!r}, but AEP runs {live}")
        if known and report["verdict"]["state"] in ("delivered", "empty", "partly"):
            for pair in self.pairs:
                if pair not in known:
                    self._problem("left out", f"{run.run_id}'s report does not say what became of {pair}")

    def over(self, run: Run) -> None:
        """A green run has delivered every pair."""
        if not run.is_over or not run.is_green or "report" in run.touched:
            return
        if all(row.state == "skipped" for row in run.of("activate")):
            return
        results = {(i["flow_id"], i["audience_id"]): i for i in self.last.get(run.run_id, {}).get("results", [])}
        for pair in self.pairs:
            status = results.get(pair, {}).get("status")
            if status != "success" and not (status == "partial_success" and self.accept_partial):
                self._problem("green", f"{run.run_id} is green, and {pair} is {status}")

    def _lie(self, run: Run, pair: Pair, item: dict[str, Any]) -> str:
        status, aep = item["status"], self.world.aep
        named = next((found for found in aep.runs if found.id == item["run_id"]), None)
        live = self._live(run, pair)
        if status in STATUSES:
            if named is None:
                return "it names no run"
            if not named.has(pair):
                return f"its run {named.id} delivers something else"
            if not named.ended(aep.now) or named.ending != STATUSES[status]:
                return f"its run {named.id} is {named.ending if named.ended(aep.now) else 'in progress'}"
        if status in ("failed", "not_sent") and live:
            return f"AEP runs {[found.id for found in live]}"
        if status in ("failed", "not_sent") and any(pair in due[1] and due[2] == run.run_id for due in aep.due):
            return "a POST is under way"
        return ""

    def _told_of(self, run: Run, pair: Pair, run_id: str) -> str:
        """Return the other DAG run to which AEP has answered this flow run: two deliveries are never one flow run."""
        for other in self.world.runs:
            for row in other.of("activate") if other is not run else ():
                order = Record.from_json(json.loads(row.store[KEY])).orders.get(pair) if KEY in row.store else None
                if order is not None and order.run_id == run_id and not order.adopted:
                    return other.run_id
        return ""

    def must_not_clear(self, run: Run) -> bool:
        """Whether a person who has looked in AEP, as the run says, finds that what is unknown was delivered."""
        aep = self.world.aep
        doubted = [found for found in aep.runs if found.id in run.doubted and found.sender == run.run_id]
        return any(not (found.ended(aep.now) and found.ending == "failed") for found in doubted)

    def _live(self, run: Run, pair: Pair) -> list[FakeRun]:
        """Return our runs of a pair that have not failed, and that no other DAG run has taken for its own."""
        aep = self.world.aep
        return [
            found
            for found in aep.ours(pair, run.run_id)
            if not (found.ended(aep.now) and found.ending == "failed") and not self._is_taken_by_another(found)
        ]
