"""``approve``: a person sees what will be delivered, and nothing is sent before they agree."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException

from adobe_experience_platform.aep import count, for_markdown, one_line
from adobe_experience_platform.delivery import Approval, Job, xcom

from .base import clears_of, now
from .retry import AEP_RETRY_POLICY
from .tables import markdown, table
from .templates import TypedTemplates

if TYPE_CHECKING:
    from airflow.providers.standard.triggers.hitl import HITLTriggerEventSuccessPayload
    from airflow.sdk import Context, RetryPolicy

APPROVE, REJECT = "Approve", "Reject"
HEAD = ("Destination", "Audience", "Last delivery", "Audience size", "File name")
UNKNOWN = ("not known", "-", "-")


class ApproveDeliveryOperator(TypedTemplates, HITLOperator):
    """Show what will be delivered and wait for a person, without holding a worker or the triggerer.

    A rejected delivery, and one that nobody answers in time, is a failed task: the run is red, because it has not
    delivered what it was started for. Clearing the failed tasks asks again.

    :param jobs: what ``plan_jobs`` returned. (templated)
    :param plan_task_id: id of the task that planned; it says what is known of the delivery, see
        :class:`~.xcom.OutlookNote`.
    :param briefing: its XCom ``briefing``. (templated)
    :param title: what people call this delivery.
    :param approval: who may answer, and until when.

    Returns ``{"approved": true, "by": user, "at": ISO time}``; the XCom ``approval`` holds the same, also after a no.
    """

    template_fields: Sequence[str] = ("subject", "body", "jobs", "briefing")

    def __init__(
        self,
        *,
        jobs: Any,
        plan_task_id: str,
        briefing: Any = None,
        title: str = "",
        approval: Approval | None = None,
        retry_policy: RetryPolicy | None = AEP_RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        terms = approval or Approval()
        super().__init__(
            subject="Deliver these audiences now?",
            options=[APPROVE, REJECT],
            assigned_users=[{"id": user, "name": user} for user in terms.by] or None,
            response_timeout=terms.within,
            retry_policy=retry_policy,
            **kwargs,
        )
        # While a task waits for an answer Airflow does not look at this limit.
        self._within = min(terms.within, self.execution_timeout or terms.within)
        self.response_timeout = self._within
        self.only_on_breach = terms.only_on_breach
        self.jobs = jobs
        self.plan_task_id = plan_task_id
        self.briefing = briefing
        self.title = title

    def execute(self, context: Context) -> Any:
        """Ask."""
        jobs = [Job.from_json(item) for item in self.given("jobs") or []]
        outlook = context["ti"].xcom_pull(task_ids=self.plan_task_id, key=xcom.OUTLOOK) or {}
        if self.only_on_breach and outlook.get("asks") == []:
            self.log.info("The size guard has found nothing: nobody is asked")
            return self._decide(context, "the size guard")
        self.body = self._question(jobs, outlook)
        if self.title:  # not sooner: both are templates, and a title that looks like one is a title
            self.subject = f"Deliver {one_line(self.title, 250)} now?"
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer."""
        if event.get("error_type") == "timeout":
            limit = " (the task's execution_timeout)" if self._within == self.execution_timeout else ""
            why = f"nobody approved this delivery within {_span(self._within)}{limit}"
            self._refuse(context, "nobody", why)
        answer: HITLTriggerEventSuccessPayload = super().execute_complete(context, event)
        user: Mapping[str, Any] = answer["responded_by_user"] or {}
        who = one_line(str(user.get("name") or user.get("id") or ""), 100) or "somebody"
        if answer["chosen_options"] != [APPROVE]:
            self._refuse(context, who, f"{who} has rejected this delivery")
        self.log.info("Approved by %s", who)
        return self._decide(context, who)

    def _refuse(self, context: Context, who: str, why: str) -> NoReturn:
        self._decide(context, who, why)
        raise AirflowFailException(
            f"{'This attempt sent nothing' if clears_of(context) else 'Nothing was sent'}: {why}. To be asked again, "
            "clear the failed tasks of this run; otherwise there is nothing to do."
        )

    @staticmethod
    def _decide(context: Context, who: str, why: str = "") -> xcom.Decision:
        """Keep the answer, which is a no where there is a reason."""
        decision = xcom.Decision(approved=not why, by=who, at=now().isoformat(timespec="seconds"))
        if why:
            decision["why"] = why
        context["ti"].xcom_push(key=xcom.APPROVAL, value=decision)
        return decision

    def _question(self, jobs: Sequence[Job], outlook: Mapping[str, Any]) -> str:
        """Say in Markdown what will be delivered, with names, what is known before, what the guard found, warnings."""
        briefing = self.given("briefing") or {}
        sandbox = str((briefing.get("place") or {}).get("sandbox_name", ""))
        pairs = [pair for job in jobs for pair in job.pairs]
        names = briefing.get("names") or {}
        flow_names = _shown(names, (pair.flow_id for pair in pairs))
        audience_names = _shown(names, (pair.audience_id for pair in pairs))
        known = {(flow_id, audience_id): cells for flow_id, audience_id, *cells in outlook.get("pairs", ())}
        rows = [
            (flow_names[pair.flow_id], audience_names[pair.audience_id], *known.get(pair, UNKNOWN))
            for pair in pairs[: xcom.OUTLOOK_ROWS]
        ]
        if (more := len(pairs) - xcom.OUTLOOK_ROWS) > 0:
            rows.append(("…", f"and {more:,} more: see the log of {self.plan_task_id}", "", "", ""))
        what = f"{count(len(pairs), 'audience')} to {count(len(flow_names), 'destination')}"
        first = f"Will deliver {what}, from sandbox"
        asks = [str(item) for item in outlook.get("asks") or ()]
        why = "The size guard lets a person decide, because this is outside of its limits:"
        warnings, until = [str(item) for item in outlook.get("warnings") or ()], now() + self._within
        last = [
            f"Nothing is sent unless somebody approves within {_span(self._within)}, until {until:%Y-%m-%d %H:%M} UTC.",
            "A no, or no answer, ends this run without a delivery; the run is then shown as failed.",
        ]
        # The log shows text as it is: without the signs that Markdown needs.
        for line in (f"{first} {sandbox}.", *([why] if asks else ()), *asks, *table(HEAD, rows), *warnings, *last):
            self.log.info("%s", line)
        breaches, others = _listed(why, asks), _listed("Warnings:", warnings)
        parts = [f"{first} {for_markdown(sandbox)}.", "", *breaches, *markdown(HEAD, rows), "", *others, *last]
        return "\n".join(parts)


def _shown(names: Mapping[str, str], idents: Iterable[str]) -> dict[str, str]:
    """Return id → what people are shown: its name, with the id where that alone tells two apart."""
    found = {ident: str(names.get(ident) or "") for ident in idents}
    often = Counter(found.values())
    return {
        ident: ident if not name else name if often[name] == 1 else f"{name} ({ident})" for ident, name in found.items()
    }


def _listed(head: str, items: Sequence[str]) -> list[str]:
    """Return a list under its head in Markdown, nothing for no items."""
    return [f"**{head}**", "", *(f"* {for_markdown(item)}" for item in items), ""] if items else []


def _span(length: dt.timedelta) -> str:
    hours, minutes = divmod(int(length.total_seconds()) // 60, 60)
    parts = [count(hours, "hour")] * bool(hours) + [count(minutes, "minute")] * bool(minutes)
    return " ".join(parts) or f"{length.total_seconds():.0f} s"
