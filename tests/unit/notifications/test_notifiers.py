"""Notifiers of other providers: classes with the arguments and template fields of theirs are told what to say.

The signatures are those of apache-airflow-providers-slack 9.11 and apache-airflow-providers-apprise 2.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from airflow.sdk import DAG, BaseNotifier

from adobe_experience_platform.notifications.message import Notice, On
from adobe_experience_platform.notifications.notices import Notices, tell_missed_deadline

HERE = __name__
SAID: list[dict[str, Any]] = []
NAME = "{{ 7 * 7 }} customers"
"""A name in AEP that looks like a template must stay a name."""
NOTICE = Notice(frozenset({On.FAILURE}), f"FAILED: {NAME}", f"1 of 2 did not succeed: {NAME}", f"<p>{NAME}</p>")


class _Told(BaseNotifier):
    def notify(self, context: Any) -> None:
        SAID.append({"how": "worker", **{field: getattr(self, field) for field in self.template_fields}})

    async def async_notify(self, context: Any) -> None:
        SAID.append({"how": "triggerer", **{field: getattr(self, field) for field in self.template_fields}})


class Slack(_Told):
    template_fields = ("text", "channel", "username", "attachments", "blocks", "slack_conn_id")

    def __init__(
        self,
        *,
        slack_conn_id: str = "slack_api_default",
        text: str = "This is a default message",
        channel: str = "#general",
        username: str = "Airflow",
        icon_url: str = "https://example.com/icon.png",
        attachments: Sequence[Any] = (),
        blocks: Sequence[Any] = (),
        base_url: str | None = None,
        proxy: str | None = None,
        timeout: int | None = None,
        retry_handlers: list[Any] | None = None,
        unfurl_links: bool = True,
        unfurl_media: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.slack_conn_id, self.text, self.channel, self.username = slack_conn_id, text, channel, username
        self.attachments, self.blocks = attachments, blocks


class SlackWebhook(_Told):
    template_fields = ("slack_webhook_conn_id", "text", "attachments", "blocks", "proxy", "timeout")

    def __init__(
        self,
        *,
        slack_webhook_conn_id: str = "slack_default",
        text: str,
        blocks: list[Any] | None = None,
        attachments: list[Any] | None = None,
        proxy: str | None = None,
        timeout: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.slack_webhook_conn_id, self.text, self.blocks = slack_webhook_conn_id, text, blocks
        self.attachments, self.proxy, self.timeout = attachments, proxy, timeout


class Apprise(_Told):
    template_fields = ("body", "title", "tag", "attach", "apprise_conn_id")

    def __init__(
        self,
        *,
        body: str,
        title: str | None = None,
        notify_type: str = "info",
        body_format: str = "text",
        tag: str = "all",
        attach: str | None = None,
        config: Any = None,
        apprise_conn_id: str = "apprise_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.body, self.title, self.tag, self.attach = body, title, tag, attach
        self.apprise_conn_id = apprise_conn_id


class Failing(Slack):
    def notify(self, context: Any) -> None:
        raise RuntimeError("The server responded with: {'ok': False, 'error': 'channel_not_found'}")

    async def async_notify(self, context: Any) -> None:
        raise RuntimeError("The server responded with: {'ok': False, 'error': 'channel_not_found'}")


class WorkerOnly(Slack):
    """An older notifier, without an asynchronous way."""

    async def async_notify(self, context: Any) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def said() -> list[dict[str, Any]]:
    SAID.clear()
    return SAID


def notices(cls: str, **arguments: Any) -> Notices:
    return Notices(notifiers=[{"class": f"{HERE}.{cls}", **arguments}])


@pytest.mark.parametrize(
    ("cls", "arguments", "expected"),
    [
        ("Slack", {"channel": "#campaigns"}, {"text": NOTICE.text, "channel": "#campaigns", "username": "Airflow"}),
        ("SlackWebhook", {}, {"text": NOTICE.text, "slack_webhook_conn_id": "slack_default"}),
        ("SlackWebhook", {"text": "{{ notice.subject }}"}, {"text": NOTICE.subject}),
        ("Apprise", {"tag": "ops"}, {"body": NOTICE.text, "title": NOTICE.subject, "tag": "ops"}),
        (
            "Slack",
            {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*{{ notice.subject }}*"}}]},
            {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": f"*{NOTICE.subject}*"}}]},
        ),
    ],
)
def test_each_is_told_in_its_own_words(
    cls: str, arguments: dict[str, Any], expected: dict[str, Any], said: list[dict[str, Any]]
) -> None:
    notices(cls, **arguments).send(NOTICE, {})

    [told] = said
    assert {"how": "worker", **expected}.items() <= told.items()


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize("text", ["007", "1e5", "None", "True", "[1, 2]"])
def test_text_stays_text_however_the_dag_renders(text: str, native: bool, said: list[dict[str, Any]]) -> None:
    dag = DAG("templates", schedule=None, render_template_as_native_obj=native)
    notice = Notice(frozenset({On.FAILURE}), text, text, text)

    notices("Slack", channel=text, username="{{ notice.subject }}", text="{{ notice.text }}").send(notice, {"dag": dag})

    [told] = said
    assert (told["channel"], told["username"], told["text"]) == (text, text, text)


@pytest.mark.parametrize(("cls", "how"), [("Slack", "triggerer"), ("Apprise", "triggerer"), ("WorkerOnly", "worker")])
def test_a_missed_deadline_is_told_in_the_triggerer(cls: str, how: str, said: list[dict[str, Any]]) -> None:
    settings = notices(cls).to_json()
    context = {"dag_run": {"dag_id": "newsletter", "dag_run_id": "run-1", "start_date": "2026-03-10T06:00:00+00:00"}}

    asyncio.run(tell_missed_deadline(settings, "delivered by 09:00 (UTC)", context=context))

    [told] = said
    assert told["how"] == how
    assert str(told.get("text") or told.get("body")).startswith("LATE: newsletter: not delivered by 09:00 (UTC)")


def test_one_that_fails_stops_neither_the_others_nor_the_delivery(
    said: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    both = Notices(notifiers=[{"class": f"{HERE}.Failing"}, {"class": f"{HERE}.Apprise"}])

    both.send(NOTICE, {})
    asyncio.run(tell_missed_deadline(both.to_json(), "delivered by 09:00", context={}))

    assert [told["how"] for told in said] == ["worker", "triggerer"]
    assert caplog.text.count("Failing failed; the delivery is not affected: RuntimeError") == 2
