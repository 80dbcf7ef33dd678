"""Who is told how a delivery ended, or that it is late: mail, Slack and others through Airflow's notifiers.

A delivery's notice is sent by the callbacks of its task ``report``. They run in the task's process on a worker,
so the report is at hand and what goes wrong is in that task's log, and they run once, after the state is decided:
a retry is not told, a repaired run is. Nothing in this module raises into a delivery.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from airflow.sdk import Context, conf
from airflow.sdk.definitions.callback import AsyncCallback
from pydantic import BaseModel, ConfigDict, Field, model_validator

from adobe_experience_platform.aep import names_secret, short_repr
from adobe_experience_platform.delivery import blocks, values
from adobe_experience_platform.errors import AepInputError

from .facts import known_of_late_run, known_of_run, reports_of
from .message import Notice, On, of_delivery, of_missed_deadline
from .notifiers import HTML, MAIL, SUBJECT, TEXT, anotify, argument_faults, class_fault, notify, said_by

log = logging.getLogger(__name__)

LONGEST = 15.0
"""Seconds that all notices of an event may take together on a worker, or three quarters of Airflow's
``[core] task_success_overtime`` if that is less: Airflow ends the task's process then."""
_TEMPLATE = re.compile(r"\{[{%#]")
_NOTICE = re.compile(r"\{\{\s?notice\.(subject|text|html)\s?\}\}")
_CREDENTIAL = re.compile(r"(?i)\b(bearer|basic)\s+\S|\b(?!https?:)[a-z][a-z0-9+.-]{1,30}://|://[^\s/?#]*@")

_SMTP_CONNECTION = "a connection id: enter that of an Airflow connection of type smtp"
SmtpConnection = Annotated[str, *values.matching(r"[\w.-]{1,250}", _SMTP_CONNECTION, minLength=1, maxLength=250)]
Event = Annotated[On, Field(strict=False)]


class Notifier(BaseModel):
    """One of Airflow's notifiers, and its arguments. Secrets belong into an Airflow connection, never here."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    path: values.ImportPath = Field(
        alias="class", description="Import path, such as airflow.providers.slack.notifications.slack.SlackNotifier."
    )

    @model_validator(mode="after")
    def _usable(self) -> Notifier:
        """Check it without importing it: the class is looked up when a notice is sent."""
        given = self.model_extra or {}
        faults = list(_secret_faults(given, ()))
        if fault := class_fault(self.path):
            faults.append((("class",), fault))
        else:
            told = {path[0] for path, _ in faults}
            faults += [((name,), why) for name, why in argument_faults(self.path, given) if name not in told]
        if faults:
            raise blocks.fault_at(faults)
        return self


def _secret_faults(value: object, path: blocks.Path) -> Iterator[tuple[blocks.Path, str]]:
    """Find what must not stand in a notifier's arguments, at any depth: secrets, and templates that read anything."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, str) and names_secret(key):
                yield (*path, key), BELONGS_INTO_A_CONNECTION
            else:
                yield from _secret_faults(inner, (*path, key))
    elif isinstance(value, str) and _CREDENTIAL.search(value):
        yield path, BELONGS_INTO_A_CONNECTION
    elif isinstance(value, str) and _TEMPLATE.search(_NOTICE.sub("", value)):
        yield (
            path,
            "this is a template: only {{ notice.subject }}, {{ notice.text }} and {{ notice.html }} are filled in",
        )


BELONGS_INTO_A_CONNECTION = (
    "this looks like a secret, which would be stored in readable form: put it into an Airflow connection and enter the "
    "connection's id"
)


class Notices(blocks.Terms):
    """Who is told how it went.

    :param email: mail addresses, or one.
    :param smtp_conn_id: Airflow connection of type ``smtp`` for the mails; default ``smtp_default``.
    :param from_email: sender; None (default) takes extra ``from_email`` of that connection.
    :param notifiers: other notifiers: ``{"class": "import.path.of.a.Notifier", argument: value, …}``. Where no
        argument uses ``{{ notice.subject }}``, ``{{ notice.text }}`` or ``{{ notice.html }}``, the usual ones
        (``text``, ``message``, ``subject``, …) are filled with them.
    :param on: what to tell: any of ``success``, ``failure``, ``partial``, ``empty``, ``deadline``; default all.

    Raises :class:`~.errors.AepInputError` with every fault.
    """

    fault_intro: ClassVar[str] = "Invalid notices."

    email: Annotated[list[values.Address], blocks.ONE_OR_MORE] = Field([], description="Mail addresses, or one.")
    smtp_conn_id: SmtpConnection = Field("smtp_default", description="Airflow connection of type smtp, for the mails.")
    from_email: values.Address | None = Field(None, description="Sender; left out: that of the connection.")
    notifiers: list[Notifier] = Field([], description="Other ways: Slack, Teams, …")
    on: Annotated[list[Event], Field(min_length=1), blocks.ONE_OR_MORE] = Field(
        list(On), description="What to tell about."
    )

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            email: str | Iterable[str] = (),
            smtp_conn_id: str = ...,
            from_email: str | None = None,
            notifiers: Iterable[Mapping[str, Any]] = (),
            on: str | Iterable[str] = ...,
        ) -> None: ...

    @model_validator(mode="after")
    def _told(self) -> Notices:
        if not self.email and not self.notifiers:
            raise ValueError("there are no recipients: set email or notifiers")
        return self

    @classmethod
    def of(cls, value: Notices | Mapping[str, Any] | None) -> Notices | None:
        """Return notices from what a DAG's author wrote: the class itself, its arguments as a mapping, or None."""
        if value is None or isinstance(value, Notices):
            return value
        if not isinstance(value, Mapping):
            raise AepInputError(
                [f"{short_repr(value)} is not a description of notices: enter email, notifiers and on"],
                intro=cls.fault_intro,
            )
        # YAML 1.1 reads the bare word "on" as true.
        given: Mapping[Any, Any] = value
        return cls(**{"on" if key is True else str(key): item for key, item in given.items() if item is not None})

    def to_json(self) -> dict[str, Any]:
        """Return the settings as :meth:`of` reads them."""
        return self.model_dump(mode="json", by_alias=True)

    def on_success(self, context: Context) -> None:
        """Tell that the delivery is done; a callback of the task ``report``."""
        self._after(context, failed=False)

    def on_failure(self, context: Context) -> None:
        """Tell that the delivery has failed; a callback of the task ``report``."""
        self._after(context, failed=True)

    def on_run_failure(self, context: Context) -> None:
        """Tell of a run that ended without its ``report``, such as by ``dagrun_timeout``; a callback of the DAG."""
        if context.get("reason") != "task_failure":  # then the report has run, and told
            self._after(context, failed=True, why=f"Airflow ended the run: {context.get('reason')}")

    def deadline_callback(self, promise: str, *, group: str = "", zone: str = "UTC") -> AsyncCallback:
        """Return the callback of a ``DeadlineAlert``; it runs in the triggerer.

        :param promise: what was promised, such as ``delivered by 09:00 (Europe/Berlin)``.
        :param group: prefix of the tasks' ids, if the task group has one.
        :param zone: time zone for people.
        """
        kwargs = {"notices": self.to_json(), "promise": promise, "group": group, "zone": zone}
        return AsyncCallback(tell_missed_deadline, kwargs=kwargs)

    def send(self, notice: Notice, context: Mapping[str, Any]) -> None:
        """Send a notice to all that asked for it, at the same time and for a bounded time; never raises."""
        if notice.about.isdisjoint(self.on):
            log.info("Nobody asked for a notice about %s", " and ".join(sorted(notice.about)))
            return
        limit = min(LONGEST, 0.75 * conf.getfloat("core", "task_success_overtime", fallback=20.0))
        # Not a pool: its threads would be waited for when the process ends.
        threads = {
            threading.Thread(
                target=contextvars.copy_context().run, args=(notify, spec, notice, context), daemon=True
            ): spec["class"]
            for spec in self.specs
        }
        end = time.monotonic() + limit
        for thread in threads:
            thread.start()
        for thread, name in threads.items():
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                log.warning("The notice by %s was given up after %d s; the delivery is not affected", name, limit)

    def _after(self, context: Context, *, failed: bool, why: str = "") -> None:
        try:
            for report in reports_of(context):
                run = known_of_run(context, report, failed=failed, why=why)
                self.send(of_delivery(run), context)
        except Exception as error:  # noqa: BLE001 - see above
            _tell_fault("this delivery", error)

    @property
    def specs(self) -> list[dict[str, Any]]:
        """The notifiers, as :func:`.notifiers.make` takes them; mail is one of them."""
        notice = {"subject": SUBJECT, "html_content": HTML, "text_content": TEXT}
        mail = {"class": MAIL, "to": self.email, "from_email": self.from_email, "smtp_conn_id": self.smtp_conn_id}
        others = [item.model_dump(by_alias=True) for item in self.notifiers]
        return [{**mail, **notice}, *others] if self.email else others


def _tell_fault(what: str, error: Exception) -> None:
    log.error("The notice about %s could not be made; the delivery is not affected: %s", what, said_by(error))


async def tell_missed_deadline(
    notices: Mapping[str, Any],
    promise: str,
    group: str = "",
    zone: str = "UTC",
    context: Mapping[str, Any] | None = None,
) -> None:
    """Tell that a run is late; Airflow's triggerer calls this for a missed deadline, on its event loop."""
    settings = Notices.of(notices)
    if settings is None or On.DEADLINE not in settings.on:
        return
    try:
        run = await asyncio.to_thread(known_of_late_run, context or {}, group, zone)
        notice = of_missed_deadline(run, promise)
        await asyncio.gather(*(anotify(spec, notice, context or {}) for spec in settings.specs))
    except Exception as error:  # noqa: BLE001 - see above
        _tell_fault("a missed deadline", error)
