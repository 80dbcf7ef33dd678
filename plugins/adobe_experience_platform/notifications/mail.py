"""The mail notifier: that of Airflow's SMTP provider, with a plain-text part beside the HTML."""

from __future__ import annotations

from collections.abc import Sequence
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from functools import cached_property
from typing import Any

from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.providers.smtp.notifications.smtp import SmtpNotifier


class _TwoPartHook(SmtpHook):
    """Puts the text before the HTML, as RFC 2046 asks of alternatives."""

    text_content = ""

    def _build_mime_message(self, *args: Any, **kwargs: Any) -> tuple[MIMEMultipart, list[str]]:
        # The provider has no argument for a text part. Should it rename this method, mails are HTML alone.
        message, recipients = super()._build_mime_message(*args, **kwargs)
        parts = message.get_payload()
        if self.text_content and isinstance(parts, list):
            message.set_payload([MIMEText(self.text_content, "plain", "utf-8"), *parts])
        return message, recipients


class NoticeMail(SmtpNotifier):
    """Send a notice by mail, as text and as HTML.

    :param text_content: the plain text. (templated)

    The other arguments are those of ``airflow.providers.smtp.notifications.smtp.SmtpNotifier``.
    """

    template_fields: Sequence[str] = (*SmtpNotifier.template_fields, "text_content")  # type: ignore[assignment]

    def __init__(self, *, text_content: str = "", **kwargs: Any) -> None:
        headers = {"Auto-Submitted": "auto-generated", **(kwargs.pop("custom_headers", None) or {})}
        super().__init__(mime_subtype="alternative", custom_headers=headers, **kwargs)
        self.text_content = text_content

    @cached_property
    def hook(self) -> SmtpHook:
        """The hook of the connection."""
        hook = _TwoPartHook(smtp_conn_id=self.smtp_conn_id, auth_type=self.auth_type)
        hook.text_content = self.text_content
        return hook
