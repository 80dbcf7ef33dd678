"""Who is told how a delivery ended, or that it is late: mail, Slack and others through Airflow's notifiers.

A delivery's notice is sent by the callbacks of its task ``report``. They run in the task's process on a worker,
so the report is at hand and what goes wrong is in that task's log, and they run once, after the state is decided:
a retry is not told, a repaired run is. Nothing in this module raises into a delivery.
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import importlib.util
import inspect
import logging
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk import conf

from .errors import AepInputError, one_line, shown
from .notice import Delivered, Notice, On, of_delivery, of_missed_deadline, without_secrets
from .report import DeliveryReportOperator
from .tasks import XCOM_PLACE, XCOM_REASON

if TYPE_CHECKING:
    from airflow.sdk import AsyncCallback, Context

log = logging.getLogger(__name__)

MAIL = "adobe_experience_platform.mail.NoticeMail"
LONGEST = 15.0
"""Seconds that all notices of an event may take together on a worker, or three quarters of Airflow's
``[core] task_success_overtime`` if that is less: Airflow ends the task's process then."""
LONGEST_IN_TRIGGERER = 60.0
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_MAIL_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")
_SECRET = re.compile(r"(?i)(password|passwd|secret|token|api_?key|private_key|integration_key|webhook_url)$")
_USES_NOTICE = re.compile(r"\{[{%][^}]*\bnotice\b")
SUBJECT, TEXT, HTML = "{{ notice.subject }}", "{{ notice.text }}", "{{ notice.html }}"
_FILLED = {
    **dict.fromkeys(("subject", "title", "summary"), SUBJECT),
    **dict.fromkeys(("text", "message", "body", "content", "description"), TEXT),
    "html_content": HTML,
}
"""What a notifier's arguments of these names are, unless they are given. Templates, never the text itself: a name
in AEP that looks like a template must stay a name."""


class Notices:
    """Who is told what.

    :param email: mail addresses, or one.
    :param smtp_conn_id: Airflow connection of type ``smtp`` for the mails; default ``smtp_default``.
    :param from_email: sender; None (default) takes extra ``from_email`` of that connection.
    :param notifiers: other notifiers: ``{"class": "import.path.of.a.Notifier", argument: value, …}``. Where no
        argument uses ``{{ notice.subject }}``, ``{{ notice.text }}`` or ``{{ notice.html }}``, the usual ones
        (``text``, ``message``, ``subject``, …) are filled with them.
    :param on: what to tell: any of ``success``, ``failure``, ``partial``, ``empty``, ``deadline``; default all.

    Raises :class:`~.errors.AepInputError` with every fault.
    """

    def __init__(
        self,
        *,
        email: str | Sequence[str] = (),
        smtp_conn_id: str = "smtp_default",
        from_email: str | None = None,
        notifiers: Sequence[Mapping[str, Any]] = (),
        on: Sequence[str] = tuple(On),
    ) -> None:
        faults: list[str] = []
        self.email = _texts(email, "email", faults)
        self.on = frozenset(On(word) for word in _texts(on, "on", faults) if _known(word, faults))
        self.smtp_conn_id, self.from_email = smtp_conn_id, from_email
        self.notifiers = [dict(item) for item in notifiers if isinstance(item, Mapping)] if _is_list(notifiers) else []
        if not _is_list(notifiers) or len(self.notifiers) != len(notifiers):
            faults.append("notifiers: enter a list of {class: import.path.of.a.Notifier, argument: value, …}")
        for address in (*self.email, *([from_email] if from_email is not None else [])):
            if not isinstance(address, str) or not _MAIL_ADDRESS.fullmatch(address):
                faults.append(f"{shown(address)} is no mail address: enter one such as team@example.com")
        if not isinstance(smtp_conn_id, str) or not smtp_conn_id.strip():
            faults.append("smtp_conn_id: enter the id of an Airflow connection of type smtp")
        for item in self.notifiers:
            faults += _spec_faults(item)
        if not faults and not self.email and not self.notifiers:
            faults.append("nobody would be told: enter email or notifiers")
        if not faults and not self.on:
            faults.append(f"on is empty: choose from {', '.join(On)}, or leave it out for all of them")
        if faults:
            raise AepInputError(faults, intro="The notices cannot be sent as they are described.")

    @classmethod
    def of(cls, value: Notices | Mapping[str, Any] | None) -> Notices | None:
        """Return notices from what a DAG's author wrote: the class itself, its arguments as a mapping, or None.

        :raises AepInputError: with every fault.
        """
        if value is None or isinstance(value, Notices):
            return value
        if not isinstance(value, Mapping):
            raise AepInputError(
                [f"{shown(value)} is not understood: enter email, notifiers and on"],
                intro="The notices cannot be sent as they are described.",
            )
        # YAML 1.1 reads the bare word "on" as true.
        data = {"on" if key is True else key: item for key, item in value.items()}
        known = ("email", "smtp_conn_id", "from_email", "notifiers", "on")
        if unknown := [key for key in data if key not in known]:
            raise AepInputError(
                [f"{shown(key)} is unknown: correct or remove it (known: {', '.join(known)})" for key in unknown],
                intro="The notices cannot be sent as they are described.",
            )
        return cls(**{key: item for key, item in data.items() if item is not None})

    def to_json(self) -> dict[str, Any]:
        """Return the settings as :meth:`of` reads them."""
        return {
            "email": list(self.email),
            "smtp_conn_id": self.smtp_conn_id,
            "from_email": self.from_email,
            "notifiers": self.notifiers,
            "on": sorted(self.on),
        }

    def check(self) -> list[str]:
        """Return what is wrong with the notifiers' classes and arguments; this imports them."""
        faults = []
        for spec in self._specs():
            try:
                _notifier(spec)
            except Exception as error:  # noqa: BLE001 - a foreign class is imported and made
                faults.append(f"notifier {spec['class']}: {type(error).__name__}: {without_secrets(str(error))}")
        return faults

    def on_success(self, context: Context) -> None:
        """Tell that the delivery is done; a callback of the task ``report``."""
        self._after(context, failed=False)

    def on_failure(self, context: Context) -> None:
        """Tell that the delivery has failed; a callback of the task ``report``."""
        self._after(context, failed=True)

    def on_run_failure(self, context: Context) -> None:
        """Tell of a run that ended without its ``report``, such as by ``dagrun_timeout``; a callback of the DAG."""
        if context.get("reason") != "task_failure":  # then the report has run, and told
            self._after(context, failed=True, why=f"the run was ended by Airflow: {context.get('reason')}")

    def deadline_callback(self, promise: str, *, group: str = "", zone: str = "UTC") -> AsyncCallback:
        """Return the callback of a ``DeadlineAlert``; it runs in the triggerer.

        :param promise: what was promised, such as ``delivered by 09:00 (Europe/Berlin)``.
        :param group: prefix of the tasks' ids, if the task group has one.
        :param zone: time zone for people.
        """
        from airflow.sdk import AsyncCallback

        kwargs = {"notices": self.to_json(), "promise": promise, "group": group, "zone": zone}
        return AsyncCallback(tell_missed_deadline, kwargs=kwargs)

    async def async_notify(self, context: Mapping[str, Any], *, promise: str, group: str = "", zone: str = "") -> None:
        """Tell that a run is late, from the triggerer's event loop."""
        if On.DEADLINE not in self.on:
            return
        try:
            run = await asyncio.to_thread(_known_of_late_run, context, group, zone)
            await self._send_async(of_missed_deadline(run, promise), context)
        except Exception:
            log.exception("The notice about a missed deadline could not be made")

    def tell_overdue(self, context: Context, *, dag_id: str, title: str, promise: str, why: str) -> None:
        """Tell that a delivery is late whose run has not even begun, from a task that looks for such.

        :param dag_id: the DAG that should have run.
        :param title: of the campaign, as people call it.
        :param promise: what was promised.
        :param why: why there is no run.
        """
        self.send(of_missed_deadline(Delivered(title, dag_id, "", airflow_url=_airflow_url()), promise, why=why), context)

    def send(self, notice: Notice, context: Mapping[str, Any]) -> None:
        """Send a notice to all that asked for it, at the same time and for a bounded time; never raises."""
        if not notice.about & self.on:
            log.info("Nobody asked for a notice about %s", " and ".join(sorted(notice.about)))
            return
        limit = min(LONGEST, 0.75 * conf.getfloat("core", "task_success_overtime", fallback=20.0))
        # Not a pool: its threads would be waited for when the process ends.
        threads = [
            (
                spec["class"],
                threading.Thread(
                    target=contextvars.copy_context().run, args=(_notify, spec, notice, context), daemon=True
                ),
            )
            for spec in self._specs()
        ]
        end = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=limit)
        for _, thread in threads:
            thread.start()
        for name, thread in threads:
            thread.join(max(0.0, (end - dt.datetime.now(tz=dt.UTC)).total_seconds()))
            if thread.is_alive():
                log.warning("The notice by %s was given up after %d s; the delivery is not affected", name, limit)

    async def _send_async(self, notice: Notice, context: Mapping[str, Any]) -> None:
        await asyncio.gather(*(_anotify(spec, notice, context) for spec in self._specs()))

    def _after(self, context: Context, *, failed: bool, why: str = "") -> None:
        try:
            for report in _reports(context):
                run = _known_of_run(context, report, failed=failed, why=why)
                self.send(of_delivery(run), context)
        except Exception:
            log.exception("The notice about this delivery could not be made; the delivery is not affected")

    def _specs(self) -> list[dict[str, Any]]:
        mail: list[dict[str, Any]] = []
        if self.email:
            mail = [
                {
                    "class": MAIL,
                    "to": list(self.email),
                    "from_email": self.from_email,
                    "smtp_conn_id": self.smtp_conn_id,
                    "subject": SUBJECT,
                    "html_content": HTML,
                    "text_content": TEXT,
                }
            ]
        return [*mail, *self.notifiers]


async def tell_missed_deadline(
    notices: Mapping[str, Any],
    promise: str,
    group: str = "",
    zone: str = "UTC",
    context: Mapping[str, Any] | None = None,
) -> None:
    """Tell that a run is late; Airflow's triggerer calls this for a missed deadline."""
    settings = Notices.of(notices)
    if settings is not None:
        await settings.async_notify(context or {}, promise=promise, group=group, zone=zone)


# ------------------------------------------------------------------------------------- one notifier


def _notifier(spec: Mapping[str, Any]) -> Any:
    """Make a notifier, its usual arguments filled with the notice."""
    module, _, name = spec["class"].rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    given = {key: value for key, value in spec.items() if key != "class"}
    rendered = set(getattr(cls, "template_fields", ()))
    if not _USES_NOTICE.search(repr(given)):
        wanted = set(inspect.signature(cls).parameters) & rendered - set(given)
        filled = {key: _FILLED[key] for key in wanted if key in _FILLED}
        if not filled:
            raise TypeError("no argument says what to send: put {{ notice.text }} into one of them")
        given |= filled
    return cls(**given)


def _prepared(spec: Mapping[str, Any], notice: Notice, context: Mapping[str, Any]) -> tuple[Any, Any]:
    notifier = _notifier(spec)
    # Each has a context of its own: notifiers put their arguments into it.
    own: Any = {**context, "notice": notice}
    own |= {name: getattr(notifier, name) for name in notifier.template_fields}
    notifier.render_template_fields(own)
    return notifier, own


def _notify(spec: Mapping[str, Any], notice: Notice, context: Mapping[str, Any]) -> None:
    try:
        # Not by calling the notifier: it would log the whole text of an error, which may hold a webhook's address.
        notifier, own = _prepared(spec, notice, context)
        notifier.notify(own)
    except Exception as error:  # noqa: BLE001 - whatever a notifier does, the delivery is done
        _tell_failure(spec, error)
    else:
        log.info("Notice sent by %s: %s", spec["class"], notice.subject)


async def _anotify(spec: Mapping[str, Any], notice: Notice, context: Mapping[str, Any]) -> None:
    try:
        async with asyncio.timeout(LONGEST_IN_TRIGGERER):
            notifier, own = await asyncio.to_thread(_prepared, spec, notice, context)
            try:
                await notifier.async_notify(own)
            except NotImplementedError:
                await asyncio.to_thread(notifier.notify, own)
    except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from being sent
        _tell_failure(spec, error)
    else:
        log.info("Notice sent by %s: %s", spec["class"], notice.subject)


def _tell_failure(spec: Mapping[str, Any], error: Exception) -> None:
    log.warning(
        "The notice by %s could not be sent, the delivery is not affected: %s: %s",
        spec["class"],
        type(error).__name__,
        without_secrets(str(error)),
    )


# ------------------------------------------------------------------------------- what a run has left


def _reports(context: Context) -> list[DeliveryReportOperator]:
    """Return the report that the callback belongs to, or all of the DAG."""
    task = context.get("task")
    if isinstance(task, DeliveryReportOperator) and "reason" not in context:
        return [task]
    return [task for task in context["dag"].tasks if isinstance(task, DeliveryReportOperator)]


def _known_of_run(context: Context, report: DeliveryReportOperator, *, failed: bool, why: str) -> Delivered:
    """Collect what the tasks of a run have left; what cannot be read is left out."""
    dag = context["dag"]
    dag_run = context.get("dag_run")
    run_id = str(context.get("run_id") or getattr(dag_run, "run_id", ""))

    def pull(task_id: str, key: str = "return_value") -> Any:
        return _pull(dag.dag_id, run_id, task_id, key)

    result = pull(report.task_id)
    progress = pull(report.watch_task_id, "progress")
    kept = result if isinstance(result, Mapping) else progress if isinstance(progress, Mapping) else {}
    reasons = []
    if failed:
        for task_id in report.delivery_task_ids:
            found = _pull(dag.dag_id, run_id, task_id, XCOM_REASON, all_of_them=True)
            reasons += [(task_id, one_line(str(text), 1000)) for text in dict.fromkeys(found or [])][:5]
        if report.watch_task_id in dict(reasons) and kept.get("results"):
            # It repeats what the report says of each pair.
            reasons = [item for item in reasons if item[0] != report.watch_task_id]
    place = pull(report.plan_task_id, XCOM_PLACE)
    prefix = report.task_id.rpartition(".")[0]
    title = getattr(dag, "dag_display_name", "") or dag.dag_id
    return Delivered(
        title=one_line(f"{title} ({prefix})" if prefix else title, 100),
        dag_id=dag.dag_id,
        run_id=run_id,
        airflow_url=_airflow_url(),
        **_place(place),
        names=_names(pull(report.plan_task_id, "names")),
        results=kept.get("results") or [],
        reasons=[*reasons, *([("Airflow", why)] if why else [])],
        failed=failed,
        started_at=getattr(dag_run, "start_date", None),
        zone=getattr(dag, "timezone", None) or dt.UTC,
    )


def _known_of_late_run(context: Mapping[str, Any], group: str, zone: str) -> Delivered:
    """Collect what is known of a run in the triggerer, where there is no DAG."""
    dag_run = context.get("dag_run") or {}
    dag_id, run_id = str(dag_run.get("dag_id", "")), str(dag_run.get("dag_run_id") or dag_run.get("run_id") or "")
    prefix = f"{group}." if group else ""
    progress = _pull(dag_id, run_id, f"{prefix}wait_for_flow_runs", "progress")
    place = _pull(dag_id, run_id, f"{prefix}plan_jobs", XCOM_PLACE)
    started = dag_run.get("start_date")
    title = str(dag_run.get("dag_display_name") or dag_id)
    return Delivered(
        title=one_line(f"{title} ({group})" if group else title, 100),
        dag_id=dag_id,
        run_id=run_id,
        airflow_url=_airflow_url(),
        **_place(place),
        names=_names(_pull(dag_id, run_id, f"{prefix}plan_jobs", "names")),
        results=(progress.get("results") or []) if isinstance(progress, Mapping) else [],
        started_at=dt.datetime.fromisoformat(started) if isinstance(started, str) else started,
        zone=ZoneInfo(zone) if zone else dt.UTC,
    )


def _pull(dag_id: str, run_id: str, task_id: str, key: str, *, all_of_them: bool = False) -> Any:
    """Read an XCom, also outside of the task's own process; None where it is not there or cannot be read."""
    from airflow.sdk.execution_time.xcom import XCom

    place = {"key": key, "dag_id": dag_id, "task_id": task_id, "run_id": run_id}
    read: Callable[..., Any] = XCom.get_all if all_of_them else XCom.get_one
    try:
        return read(**place)
    except Exception as error:  # noqa: BLE001 - a notice that knows less is better than none
        log.warning("The XCom %s of %s could not be read for the notice: %s", key, task_id, type(error).__name__)
        return None


def _place(value: object) -> dict[str, str]:
    data = value if isinstance(value, Mapping) else {}
    return {key: str(data.get(key) or "") for key in ("sandbox_name", "tenant")}


def _names(value: object) -> dict[str, str]:
    return {str(key): str(name) for key, name in value.items() if name} if isinstance(value, Mapping) else {}


def _airflow_url() -> str:
    return str(conf.get("api", "base_url", fallback="") or "")


# ----------------------------------------------------------------------------------------- checking


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _texts(value: object, name: str, faults: list[str]) -> list[Any]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        return list(value)
    faults.append(f"{name} is {shown(value)}: enter a list")
    return []


def _known(word: object, faults: list[str]) -> bool:
    if isinstance(word, str) and word in list(On):
        return True
    faults.append(f"on: {shown(word)} is unknown: choose from {', '.join(On)}")
    return False


def _spec_faults(spec: Mapping[str, Any]) -> list[str]:
    """Check a notifier as far as that goes without importing it, which DAG files should not pay for."""
    path = spec.get("class")
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        return [f"notifiers: class is {shown(path)}: enter the import path of a notifier, module and class"]
    faults = [
        f"notifier {path}: {key} looks like a secret, which would be stored in readable form: put it into an Airflow "
        "connection and enter the connection's id"
        for key in spec
        if isinstance(key, str) and _SECRET.search(key)
    ]
    faults += [f"notifier {path}: argument {shown(key)} is no name" for key in spec if not isinstance(key, str)]
    module = path.rpartition(".")[0]
    try:
        found = importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        faults.append(f"notifier {path}: there is no module {module}: install its provider or correct the path")
    return faults
