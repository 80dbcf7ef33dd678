"""What a notice about a delivery says: a short text for people, as plain text and as HTML. No I/O."""

from __future__ import annotations

import datetime as dt
import enum
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from adobe_experience_platform.aep import RunStatus, count, destination_url, for_mail
from adobe_experience_platform.delivery import (
    Outcomes,
    RedRun,
    Result,
    Verdict,
    VerdictState,
    delivered_text,
    deliveries,
    error_of,
    failed_for,
    is_sent,
    judge,
    loss_label,
    lost_in,
    reasons_text,
)

LINES_SHOWN = 50
LINKS_SHOWN = 20
SUBJECT_LIMIT = 180


class On(enum.StrEnum):
    """What a notice may be about; each notice is about one or more of these."""

    SUCCESS = "success"
    FAILURE = "failure"
    PARTIAL = "partial"
    EMPTY = "empty"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Notice:
    """A finished notice, as plain text and as a small HTML page without scripts, images or styles from elsewhere.

    :param about: the events that it tells of; who asked for any of them gets it.
    """

    about: frozenset[On]
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is known of a run and its delivery; "" where something is not known.

    :param title: of the campaign, as people call it.
    :param tenant: for links into AEP.
    :param names: flow or audience id → name.
    :param results: of every planned pair; empty if there was no plan.
    :param reasons: (task id, why it failed) in the order of the tasks.
    :param verdict: the report's; None where the run has no report (yet).
    """

    title: str
    dag_id: str
    run_id: str
    airflow_url: str = ""
    sandbox_name: str = ""
    tenant: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    results: Sequence[Result] = ()
    reasons: Sequence[tuple[str, str]] = ()
    failed: bool = False
    verdict: Verdict | None = None
    started_at: dt.datetime | None = None
    zone: dt.tzinfo = dt.UTC


def of_delivery(run: Delivered) -> Notice:
    """Tell how a delivery ended, in the words of its report."""
    found = Outcomes(run.results)
    verdict = run.verdict
    if verdict and run.failed and not VerdictState(verdict["state"]).is_red:
        verdict = judge(run.results, RedRun())  # the report itself failed after it had judged
    page = _Page(_subject(run, verdict), run)
    if run.reasons:
        page.part("Why", (f"{for_mail(task)}: {for_mail(text)}" for task, text in run.reasons))
    page.part("Not delivered", (_line(item, run.names) for item in found.bad))
    page.part("Delivered only partly", (_line(item, run.names) for item in found.partly))
    for label in sorted(set(map(loss_label, found.lossy))):
        lossy = (_line(item, run.names) for item in found.lossy if loss_label(item) == label)
        page.part(f"{label}, although AEP calls it a success", lossy)
    page.part("Delivered", (_line(item, run.names) for item in found.good if not loss_label(item)))
    page.part("What to do", map(for_mail, verdict["advice"] if verdict else []))
    return page.notice(_events(run, found, verdict))


def _subject(run: Delivered, verdict: Verdict | None) -> str:
    if verdict:
        return f"{verdict['label']}: {run.title}: {for_mail(verdict['headline'])}"
    return f"{'FAILED' if run.failed else 'Finished'}: {run.title}: the run ended without a report"


def _events(run: Delivered, found: Outcomes, verdict: Verdict | None) -> set[On]:
    about = {On.FAILURE if run.failed else On.SUCCESS}
    if found.partly or found.lossy or (found.bad and found.good):
        about.add(On.PARTIAL)
    if found.empty:
        about.add(On.EMPTY)
    if verdict and verdict["state"] == VerdictState.LATE:
        about.add(On.DEADLINE)
    return about


def of_missed_deadline(run: Delivered, promise: str) -> Notice:
    """Tell that a delivery is late; the promise is such as ``delivered by 09:00 (Europe/Berlin)``."""
    found = Outcomes(run.results)
    open_ones = [item for item in found.bad if item["status"] == RunStatus.IN_PROGRESS]
    page = _Page(f"LATE: {run.title}: not {for_mail(promise)}" if promise else f"LATE: {run.title}", run)
    if run.results:
        done = len(found.good) + len(found.partly)
        page.part("So far", [f"{done} of {deliveries(len(run.results))} delivered"])
        page.part("Not delivered yet", (_line(item, run.names) for item in found.bad))
    elif run.run_id:
        page.part("So far", ["Nothing was delivered yet, as far as this run knows."])
    goes_on = "The run goes on and tells when it has ended. Its task in progress says in its log what it waits for."
    cannot = "AEP cannot cancel what it has begun to deliver: do not start a second run for the same audiences."
    page.part("What to do", [goes_on] * bool(run.run_id) + [cannot] * bool(open_ones))
    return page.notice({On.DEADLINE})


class _Page:
    """Collects the parts of a notice and writes them twice."""

    def __init__(self, subject: str, run: Delivered) -> None:
        self.subject = for_mail(subject, SUBJECT_LIMIT)
        self.run = run
        self.parts: list[tuple[str, list[str]]] = []

    def part(self, head: str, lines: Iterable[str]) -> None:
        """Add a part; one without lines is left out, a long one cut."""
        found = list(lines)
        if len(found) > LINES_SHOWN:
            found[LINES_SHOWN:] = [f"… and {len(found) - LINES_SHOWN:,} more, see the log of report"]
        if found:
            self.parts.append((head, found))

    def notice(self, about: Iterable[On]) -> Notice:
        """Return the notice."""
        links = _links(self.run)
        facts = _facts(self.run)
        text = [self.subject, "", *facts]
        page = [f"<p><strong>{html.escape(self.subject)}</strong></p>"]
        page.append("<p>" + "<br>".join(map(html.escape, facts)) + "</p>")
        for head, lines in self.parts:
            text += ["", f"{head}:", *(f"- {line}" for line in lines)]
            items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
            page.append(f"<p>{html.escape(head)}:</p><ul>{items}</ul>")
        if links:
            text += ["", *(f"{label}: {url}" for label, url in links)]
            anchors = (f'<a href="{html.escape(url)}">{html.escape(label)}</a>' for label, url in links)
            page.append("<p>" + "<br>".join(anchors) + "</p>")
        return Notice(frozenset(about), self.subject, "\n".join(text) + "\n", "\n".join(page) + "\n")


def _facts(run: Delivered) -> list[str]:
    facts = [f"DAG {run.dag_id}" + (f", run {run.run_id}" if run.run_id else "")]
    if run.sandbox_name:
        facts.append(f"AEP sandbox {run.sandbox_name}")
    if run.started_at:
        facts.append(f"Started {run.started_at.astimezone(run.zone):%Y-%m-%d %H:%M %Z}")
    return [for_mail(fact) for fact in facts]


def _links(run: Delivered) -> list[tuple[str, str]]:
    """Return (label, address) of the run in Airflow and of the destinations in AEP."""
    links = []
    base = run.airflow_url.rstrip("/")
    if base.startswith(("http://", "https://")):
        page = f"{base}/dags/{quote(run.dag_id, safe='')}"
        if run.run_id:
            links.append(("The run in Airflow", f"{page}/runs/{quote(run.run_id, safe='')}"))
        else:
            links.append(("The DAG in Airflow", page))
    flow_ids = list(dict.fromkeys(item["flow_id"] for item in run.results))[:LINKS_SHOWN]
    pages = ((flow_id, destination_url(run.tenant, run.sandbox_name, flow_id)) for flow_id in flow_ids)
    return links + [(f"{for_mail(run.names.get(ident) or ident, 100)} in AEP", url) for ident, url in pages if url]


def _line(item: Result, names: Mapping[str, str]) -> str:
    """Return one pair: names, state, counts with AEP's reasons, files, what AEP says. No run id: the report has it."""
    ids = (item["audience_id"], item["flow_id"])
    audience, flow = (for_mail(names.get(ident) or ident, 100) for ident in ids)
    said = []
    figures = item.get("figures", {})
    if not is_sent(item):
        said.append(item["status"].replace("_", " "))
    if item["records_exported"] is not None and item["status"] != RunStatus.IN_PROGRESS:
        is_empty = item["records_exported"] == 0 and not item["records_failed"] and not loss_label(item)
        said.append("EMPTY, 0 records" if is_empty else count(item["records_exported"], "record"))
    elif (exported := item.get("records_exported_in_run")) is not None:
        said.append(f"{count(exported, 'record')} in its run")
    if failed := item["records_failed"] or lost_in(item):
        said.append(f"{count(failed, 'record')} failed{'' if item['records_failed'] else ' in its run'}")
    why = reasons_text(figures.get("skipped", [])) if item["records_skipped"] != 0 else ""
    skipped = f"{item['records_skipped']:,} skipped" if item["records_skipped"] else "skipped" if why else ""
    told = [item.get("loss"), reasons_text(failed_for(item)), error_of(item), ": ".join(filter(None, (skipped, why)))]
    said += [for_mail(text) for text in [*told, *(delivered_text(figures) if figures else [])] if text]
    if item["adopted"]:
        said.append("by a run found in AEP (adopted)")
    return f"{audience} → {flow}: {', '.join(said) or 'delivered'}"
