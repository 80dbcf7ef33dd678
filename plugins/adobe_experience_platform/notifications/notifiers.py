"""Send a notice with one of Airflow's notifiers; its errors are logged and never reach the delivery."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow.sdk import BaseNotifier, conf

from adobe_experience_platform.aep import one_line, without_secrets

from .message import Notice

log = logging.getLogger(__name__)

MAIL = "adobe_experience_platform.notifications.mail.NoticeMail"
OPTION = ("adobe_experience_platform", "notifier_packages")
LONGEST_IN_TRIGGERER = 60.0
"""Seconds that one notifier may take in the triggerer."""
_USES_NOTICE = re.compile(r"\{[{%][^}]*\bnotice\b")
SUBJECT, TEXT, HTML = "{{ notice.subject }}", "{{ notice.text }}", "{{ notice.html }}"
_FILLED = {
    **dict.fromkeys(("subject", "title", "summary"), SUBJECT),
    **dict.fromkeys(("text", "message", "body", "content", "description"), TEXT),
    "html_content": HTML,
}
"""What a notifier's arguments of these names are, unless they are given. Templates, never the text itself: a name
in AEP that looks like a template must stay a name."""
_HARMLESS = re.compile(
    r"[a-z_]+_conn_id|subject|title|summary|text|message|body|content|description|html_content|text_content|to|cc|bcc"
    r"|from_email|mime_(subtype|charset)|custom_(headers|details)|channel|channel_id|chat_id|username|icon_(url|emoji)"
    r"|avatar_url|blocks|attachments|unfurl_(links|media)|parse_mode|tts|tag|notify_type|body_format|timeout|severity"
    r"|source|action|component|group|class_type|dedup_key|images|links"
)
"""What anybody may tell a notifier: words, people, looks. Others attach a file of the worker, or send a connection's
secret to another host (SmtpNotifier's ``files``, SlackNotifier's ``base_url``, HttpNotifier's ``extra_options``)."""


def class_fault(path: str) -> str | None:
    """Return why a notifier's class may not be used, None if it may; imports nothing.

    Whoever writes a campaign file may name what the installed providers declare as notifiers, and what lies in the
    packages of Airflow's option ``notifier_packages``.
    """
    if path == MAIL or _is_listed(path):
        return None
    # load time: few campaigns name a notifier
    from airflow.providers_manager import ProvidersManager

    known = {
        name for provider in ProvidersManager().providers.values() for name in provider.data.get("notifications", ())
    }
    if path in known:
        return None
    return (
        f"{one_line(path, 100)} is not a notifier of an installed provider: install its provider, correct the path, or "
        f"add its package to Airflow's option [{OPTION[0]}] {OPTION[1]}"
    )


def argument_faults(path: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each argument that a notifier does not take from just anybody, and why."""
    for name in names:
        if not _HARMLESS.fullmatch(name) and not _is_listed(path):
            why = (
                "this argument is not taken from notices, since it could send files or secrets of the worker: remove "
                f"it, or add the notifier's package to Airflow's option [{OPTION[0]}] {OPTION[1]}"
            )
            yield name, why


def _is_listed(path: str) -> bool:
    """Whether whoever runs Airflow trusts the authors of campaigns with all that a class can do."""
    packages = conf.get(*OPTION, fallback="").replace(",", " ").split()
    return any(path.startswith(f"{package}.") for package in packages)


def make(spec: Mapping[str, Any]) -> Any:
    """Make a notifier, its usual arguments filled with the notice."""
    if fault := class_fault(spec["class"]):
        raise TypeError(fault)
    module, _, name = spec["class"].rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    if not (isinstance(cls, type) and issubclass(cls, BaseNotifier)):
        raise TypeError("this is not a notifier: it has to be a subclass of airflow.sdk.BaseNotifier")
    given = {key: value for key, value in spec.items() if key != "class"}
    rendered = set(getattr(cls, "template_fields", ()))
    if not _USES_NOTICE.search(repr(given)):
        wanted = set(inspect.signature(cls).parameters) & rendered - set(given)
        filled = {key: _FILLED[key] for key in wanted if key in _FILLED}
        if not filled:
            raise TypeError("no argument says what to send: use {{ notice.text }} in one of them")
        given |= filled
    return cls(**given)


def _prepared(spec: Mapping[str, Any], notice: Notice, context: Mapping[str, Any]) -> tuple[Any, Any]:
    notifier = make(spec)
    # Each has a context of its own: notifiers put their arguments into it.
    own: Any = {**context, "notice": notice}
    own |= {name: getattr(notifier, name) for name in notifier.template_fields}
    # Without the DAG, whose native rendering would make numbers of the text "007".
    rendered: Any = {key: value for key, value in own.items() if key != "dag"}
    notifier.render_template_fields(rendered)
    return notifier, own


def notify(spec: Mapping[str, Any], notice: Notice, context: Mapping[str, Any]) -> None:
    """Send a notice by one notifier; never raises."""
    try:
        # Not by calling the notifier: it would log the whole text of an error, which may hold a webhook's address.
        notifier, own = _prepared(spec, notice, context)
        notifier.notify(own)
    except Exception as error:  # noqa: BLE001 - whatever a notifier does, the delivery is done
        _tell_failure(spec, error)
    else:
        log.info("Notice sent with %s: %s", spec["class"], notice.subject)


async def anotify(spec: Mapping[str, Any], notice: Notice, context: Mapping[str, Any]) -> None:
    """Send a notice by one notifier from the triggerer's event loop, for a bounded time; never raises."""
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
        log.info("Notice sent with %s: %s", spec["class"], notice.subject)


def said_by(error: Exception) -> str:
    """Return what an error says, without what looks like a secret."""
    return f"{type(error).__name__}: {without_secrets(str(error))}"


def _tell_failure(spec: Mapping[str, Any], error: Exception) -> None:
    log.warning("Sending the notice with %s failed; the delivery is not affected: %s", spec["class"], said_by(error))
