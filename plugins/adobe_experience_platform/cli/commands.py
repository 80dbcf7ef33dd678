"""The commands. Each ends with ``SystemExit`` where its exit code is not 0: Airflow ignores what a command returns."""

from __future__ import annotations

import secrets
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from airflow.utils.cli import action_cli, suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from adobe_experience_platform.aep import count, endpoints
from adobe_experience_platform.campaigns import campaigns_folder, load
from adobe_experience_platform.delivery import (
    Findings,
    Result,
    explanations,
    look,
    losses_of,
    message_of,
    preflight,
    shorten,
    split,
    task_ids,
    title_of,
    xcom,
)
from adobe_experience_platform.errors import AepError, AepInputError
from adobe_experience_platform.operators import HEAD, NUMBERS, describe, now, row_of

from . import DELIVERY_DAG, runs
from .asked import Asked, delivery_of, hook_of
from .doctor import CheckState, examine
from .screen import messages, show, tell, tell_all

FAILED, WRONG_ARGUMENTS, INTERRUPTED = 1, 2, 130
FOR_PEOPLE = ("table", "plain")


def _command(function: Callable[[Namespace], None]) -> Callable[[Namespace], None]:
    """Make a function a command of Airflow's: it knows the providers' options, is noted in the audit log, and is quiet.

    Without ``--verbose`` no log line comes between the results, which other programs may read.
    """
    run: Callable[[Namespace], None] = suppress_logs_and_warning(action_cli(providers_configuration_loaded(function)))
    return run


@_command
def doctor(args: Namespace) -> None:
    """Show how the connection is, and end with 1 if a check fails."""
    checks = list(examine(hook_of(args), now()))
    show([{"check": check.what, "result": check.state.value, "details": check.said} for check in checks], args.output)
    if any(check.state is CheckState.FAILED for check in checks):
        raise SystemExit(FAILED)


@_command
def catalog(args: Namespace) -> None:
    """Show what can be delivered where."""
    try:
        flows = hook_of(args).call(endpoints.catalog_flows())
    except AepError as error:
        _fail(error)
    moment = now()
    show(
        [
            {
                "destination": flow["name"],
                "audience": audience["name"],
                "ready": audience["ready"],
                "why_not": audience["reason"].removeprefix("no, it "),
                "schedule": audience["schedule"],
                "flow_id": flow["flow_id"],
                "audience_id": audience["audience_id"],
            }
            for flow in (describe(flow, moment) for flow in sorted(flows, key=lambda flow: flow.name.lower()))
            for audience in flow["audiences"]
        ],
        args.output,
    )


@_command
def plan(args: Namespace) -> None:
    """Check a delivery against AEP and show its jobs; end with 1 if it would be refused."""
    asked, hook = _asked(args), hook_of(args)
    guard = asked.settings.size_guard
    if guard and (faults := guard.faults_without_approval()):
        _fail(AepInputError(faults), WRONG_ARGUMENTS)
    try:
        findings = preflight.inspect(asked.pairs, hook.call, now())
        if findings.faults:
            raise AepInputError(shorten([str(fault) for fault in findings.faults]))
        groups = split(findings.pairs, asked.settings.max_audiences_per_job)
        outlooks = look(findings, hook.call)
        if guard:
            ruling = guard.judge(findings, outlooks)
            findings.warnings += ruling.warnings
            if ruling.faults:
                _tell_warnings(findings)
                raise AepInputError(shorten(ruling.faults))
    except AepError as error:
        _fail(error)
    names = findings.names(findings.pairs)
    show(
        [
            {
                "job": number,
                "destination": names.get(pair.flow_id, ""),
                "audience": names.get(pair.audience_id, ""),
                **dict(zip(("last_delivery", "audience_size", "file_name"), outlooks[pair].cells, strict=True)),
                "flow_id": pair.flow_id,
                "audience_id": pair.audience_id,
            }
            for number, group in enumerate(groups, start=1)
            for pair in group
        ],
        args.output,
    )
    _tell_warnings(findings)
    pairs, jobs = count(len(findings.pairs), "audience"), count(len(groups), "job")
    tell(f"Would deliver {pairs} in {jobs}; nothing was sent.")


def _tell_warnings(findings: Findings) -> None:
    tell_all((f"Warning: {warning}" for warning in shorten(findings.warnings)), "yellow")


@_command
def deliver(args: Namespace) -> None:
    """Start a run of the DAG that delivers, and follow it."""
    asked = _asked(args)
    run_id = args.run_id or f"cli__{now():%Y-%m-%dT%H:%M:%S}_{secrets.token_hex(4)}"
    try:
        runs.start(args.dag_id, run_id, {"activation_info": asked.info, **asked.given})
    except runs.RunError as error:
        _fail(error)
    tell(f"Started {run_id} of {args.dag_id}")
    if args.detach:
        tell(_how_to_follow(run_id, args.dag_id))
        return
    _follow(args.dag_id, run_id, args.output)


@_command
def follow(args: Namespace) -> None:
    """Follow a run that was started before, by a command, a page or a schedule."""
    _follow(args.dag_id, args.run_id, args.output)


@_command
def check(args: Namespace) -> None:
    """Print every fault of the campaign files; end with 1 if there is any."""
    folder = Path(args.folder).resolve() if args.folder else campaigns_folder(Path("include/campaigns").resolve())
    if not folder.is_dir():
        tell(f"There is no folder {folder}: name one, or set the option campaigns_folder.", "red")
        raise SystemExit(WRONG_ARGUMENTS)
    found = load(folder)
    tell_all(map(str, found.faults), "red")
    tell(f"{count(len(found.found), 'campaign')} without faults, {count(len(found.faults), 'fault')} in {folder}")
    if found.faults:
        raise SystemExit(FAILED)


def _follow(dag_id: str, run_id: str, output: str) -> None:
    """Show how a run goes on, then its table and result; end with 1 if it is red."""
    try:
        ended = _watch(runs.views(dag_id, run_id))
    except runs.RunError as error:
        _fail(error)
    except KeyboardInterrupt:
        tell(f"The run goes on. {_how_to_follow(run_id, dag_id)}")
        raise SystemExit(INTERRUPTED) from None
    _show_end(ended, output)
    if ended.state == "failed":
        raise SystemExit(FAILED)


def _show_end(ended: runs.RunView, output: str) -> None:
    """Print a run's table and verdict, as its report has made them, and why its tasks failed."""
    colour = "green" if ended.state == "success" else "red"
    briefing: Any = ended.note(task_ids.PLAN, xcom.BRIEFING) or {}
    names: Mapping[str, str] = briefing.get("names") or {}
    report: Any = ended.note(task_ids.REPORT, xcom.RETURN_VALUE)
    if isinstance(report, dict):
        results, verdict = report["results"], report["verdict"]
        if results or output not in FOR_PEOPLE:
            show([_row(result, names, output) for result in results], output, NUMBERS)
        tell_all(explanations(results, names))
        tell_all(losses_of(results, names), "yellow")
        tell(message_of(verdict) if ended.state == "failed" else title_of(verdict), colour)
        tell_all(verdict["advice"] if ended.state == "success" else (), "yellow")
    elif ended.state == "success":
        is_dry = (briefing.get("settings") or {}).get("dry_run")
        why = "it was a dry run, and the plan is valid" if is_dry else "the log of plan_jobs says why"
        tell(f"Nothing was delivered: {why}.", colour)
    else:
        tell("The run has failed before its report: the logs of its tasks say why.", colour)
    for task, note in ended.notes.items() if ended.state == "failed" else ():
        if xcom.REASON in note and task != task_ids.REPORT:
            tell(f"{task}: {note[xcom.REASON]}", colour)


def _row(result: Result, names: Mapping[str, str], output: str) -> Mapping[str, Any]:
    """Return one pair's result: for programs as the report has it, for people as its table shows it."""
    if output not in FOR_PEOPLE:
        known = {"destination": result["flow_id"], "audience": result["audience_id"]}
        return {**{key: names.get(ident, "") for key, ident in known.items()}, **result}
    return dict(zip(HEAD, row_of(result, names), strict=True))


def _watch(seen: Iterable[runs.RunView]) -> runs.RunView:
    """Show a run until it ends: as a bar on a terminal, else as a line for each change."""
    console = messages()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    last = runs.RunView("queued")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        line = bar.add_task("queued", total=None, told="")
        said = ""
        for last in seen:
            ended, of = last.progress or (0, None)
            told = f"{ended} of {of} deliveries ended" if of is not None else ""
            doing = _doing(last)
            bar.update(line, description=doing, completed=ended, total=of, told=told)
            if not console.is_terminal and said != (said := ", ".join(filter(None, (doing, told)))):
                tell(said)
    return last


def _doing(seen: runs.RunView) -> str:
    """Say what a run does now: the task that works or waits, else the run's own state."""
    busy = [task for task, state in seen.tasks.items() if state in ("running", "deferred", "awaiting_input")]
    busy += [f"{task} (will be tried again)" for task, state in seen.tasks.items() if state == "up_for_retry"]
    return ", ".join(sorted(busy)[:3]) or seen.state


def _how_to_follow(run_id: str, dag_id: str) -> str:
    other = "" if dag_id == DELIVERY_DAG else f" --dag-id {shlex.quote(dag_id)}"
    return f"Follow it: airflow aep follow {shlex.quote(run_id)}{other}"


def _asked(args: Namespace) -> Asked:
    try:
        return delivery_of(args)
    except AepInputError as error:
        _fail(error, WRONG_ARGUMENTS)


def _fail(error: Exception, code: int = FAILED) -> NoReturn:
    tell(str(error), "red")
    raise SystemExit(code) from None
