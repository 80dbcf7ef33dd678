"""A task that watches flow runs to their end, and its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Context

from adobe_experience_platform.aep import Activation, RunStatus, count
from adobe_experience_platform.delivery import (
    Result,
    advice_for,
    all_succeeded,
    is_delivered,
    is_terminal,
    line_of,
    losses_of,
    results_of,
    summarize,
    what_failed,
    xcom,
)
from adobe_experience_platform.errors import (
    AepDeliveryError,
    AepError,
    AepNotFoundError,
    AepTransientError,
)
from adobe_experience_platform.hooks import metrics
from adobe_experience_platform.triggers import FlowRunTrigger, polling

from .base import AepTask, Deadline, read_event

LINES_SHOWN = 50


class WatchingTask(AepTask):
    """A task that watches flow runs to their end."""

    def _watch_ends(self, context: Context, *, is_new: bool = False) -> Deadline:
        return self._deadline(context, "watch", self.options.activation_timeout_minutes, is_new=is_new)

    def _watch(
        self,
        context: Context,
        deliveries: Sequence[Activation],
        aliases: Mapping[str, str],
        *,
        look_first: bool,
        ends_task: bool = True,
    ) -> list[Result]:
        """Return the results of runs that have ended, waiting until they have.

        :param look_first: ask AEP before waiting: after a retry or a clear all may be over. Without, nothing was
            watched before.
        :param ends_task: whether the task is over when these runs delivered.
        """
        deadline = self._watch_ends(context, is_new=not look_first).at
        if not deliveries:
            return []
        if look_first:
            try:
                results = self._read_results(deliveries, aliases)
            except AepTransientError as error:
                self.log.warning("%s", error)
            else:
                if all(map(is_terminal, results)):
                    return results
        idents = {ident for item in deliveries for ident in item.pair}
        trigger = FlowRunTrigger(
            orders=[list(item) for item in deliveries],
            aliases=aliases,
            names={ident: name for ident, name in self.known_names.items() if ident in idents},
            ends_task=ends_task and self.deferrable,
            **self.options.accepted,
            **self._trigger_arguments(deadline),
        )
        runs = len({item.run_id for item in deliveries})
        self.log.info("Waiting for %s to end, until %s UTC", count(runs, "flow run"), f"{deadline:%Y-%m-%d %H:%M}")
        return self._watched(context, deliveries, aliases, self._wait(context, trigger, deadline))

    def _read_results(self, deliveries: Sequence[Activation], aliases: Mapping[str, str]) -> list[Result]:
        """Ask AEP once; where any run could not be read, fail: no verdict or repair may go by a part of the truth."""
        run_ids = list(dict.fromkeys(item.run_id for item in deliveries))
        metrics.count(metrics.POLLS, {"poll": "runs", **self._tags()})
        try:
            runs = self._ask(lambda hook: polling.read_runs(hook, run_ids, polling.Bulk())).runs
            for run in runs.values():
                if isinstance(run, AepError) and not isinstance(run, AepNotFoundError):
                    raise run
        except AepError:
            metrics.count(metrics.POLLS_FAILED, {"poll": "runs", **self._tags()})
            raise
        return results_of(deliveries, runs, aliases)

    def _watched(
        self, context: Context, deliveries: Sequence[Activation], aliases: Mapping[str, str], event: object
    ) -> list[Result]:
        """Return the results after a wait: those that the trigger has kept, or AEP's word where it could not."""
        status, _ = read_event(event)
        ti = context["ti"]
        kept = ti.xcom_pull(task_ids=ti.task_id, key=xcom.PROGRESS, map_indexes=ti.map_index)
        results: list[Result] = kept.get("results", []) if isinstance(kept, dict) else []
        known = {item["run_id"] for item in results if is_terminal(item)}
        if status == "done" and known >= {item.run_id for item in deliveries}:
            return results
        return self._read_results(deliveries, aliases)

    def _verdict(self, context: Context, results: Sequence[Result]) -> dict[str, Any]:
        """Keep the results where later tasks find them, then fail naming every pair that was not delivered."""
        summary = summarize(results)
        context["ti"].xcom_push(key=xcom.PROGRESS, value=xcom.progress_note(results))
        bad = [item for item in results if not is_delivered(item, **self.options.accepted)]
        for line in losses_of(results, self.known_names):
            self.log.warning("%s", line)
        if bad:
            lines = [line_of(item, self.known_names) for item in bad[:LINES_SHOWN]]
            lines += [f"and {len(bad) - LINES_SHOWN:,} more"] if len(bad) > LINES_SHOWN else []
            listed = "\n".join(f"  - {line}" for line in lines)
            if any(item["status"] == RunStatus.IN_PROGRESS for item in bad):
                self._watch_ends(context).require(f"{len(bad)} of {len(results)} deliveries:\n{listed}\n")
            raise AepDeliveryError(
                f"{len(bad)} of {len(results)} deliveries {what_failed(bad)}:\n{listed}\n" + " ".join(advice_for(bad))
            )
        self.log.info("%s", all_succeeded(results))
        return {"summary": summary, "results": list(results)}
