"""Who is told what: the settings, with all faults at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adobe_experience_platform.errors import AepInputError
from adobe_experience_platform.notifications.message import On
from adobe_experience_platform.notifications.notices import Notices
from adobe_experience_platform.notifications.notifiers import make

PROBE = "tests.airflow.dags.notices_probe"


def faults_of(value: Any) -> list[str]:
    with pytest.raises(AepInputError) as raised:
        Notices.of(value)
    return raised.value.faults


def test_the_least_is_an_address_and_tells_everything() -> None:
    notices = Notices(email="a@example.com")

    assert notices.email == ["a@example.com"]
    assert notices.on == list(On)


def test_settings_travel_as_json() -> None:
    given = {"email": ["a@example.com"], "on": ["failure"], "notifiers": [{"class": f"{PROBE}.Chat", "channel": "x"}]}
    notices = Notices.of(given)
    assert notices is not None

    again = Notices.of(json.loads(json.dumps(notices.to_json())))

    assert again is not None
    assert again.to_json() == notices.to_json()
    assert all(map(make, notices.specs))


def test_nothing_stays_nothing() -> None:
    assert Notices.of(None) is None


def test_yamls_bare_on_is_understood() -> None:
    notices = Notices.of({"email": "a@example.com", True: ["failure"]})

    assert notices is not None
    assert notices.on == [On.FAILURE]


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({}, "there are no recipients: set email or notifiers"),
        ({"email": "nobody"}, "is not a valid e-mail address: write one such as"),
        ({"email": "a@example.com\nBcc: b@example.com"}, "is not a valid e-mail address: write one such as"),
        ({"email": 7}, "email: 7 is not what belongs here: write a list"),
        (
            {"email": "a@example.com", "on": ["sucess"]},
            "on[0]: 'sucess' is not possible: it should be 'success', 'failure'",
        ),
        ({"email": "a@example.com", "on": []}, "on: this is empty"),
        ({"email": "a@example.com", "smtp_conn_id": ""}, "smtp_conn_id: '' is not a connection id"),
        ({"emial": "a@example.com"}, "the key 'emial' is unknown: did you mean 'email'?"),
        ("a@example.com", "is not a description of notices"),
        ({"notifiers": ["slack"]}, "notifiers[0]: 'slack' is not what belongs here: write a block of keys"),
        ({"notifiers": [{"channel": "x"}]}, "notifiers[0].class: this key is missing"),
        (
            {"notifiers": [{"class": "no.such.Notifier"}]},
            "notifiers[0].class: no.such.Notifier is not a notifier of an installed provider: install its provider",
        ),
        (
            {"notifiers": [{"class": f"{PROBE}.Chat", "webhook_url": "https://x"}]},
            "notifiers[0].webhook_url: this ",
        ),
    ],
)
def test_faults_say_what_to_do(value: Any, part: str) -> None:
    assert any(part in fault for fault in faults_of(value))


MAIL = "adobe_experience_platform.notifications.mail.NoticeMail"
SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
HTTP = "airflow.providers.http.notifications.HttpNotifier"


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (SMTP, {"to": "a@example.com", "files": ["/proc/self/environ"]}),
        (SMTP, {"to": "a@example.com", "template": "/proc/self/environ"}),
        (MAIL, {"to": "a@example.com", "files": ["/proc/self/environ"]}),
        (HTTP, {"http_conn_id": "aep_default", "extra_options": {"verify": False}}),
        (HTTP, {"http_conn_id": "other_system", "endpoint": "orders", "method": "DELETE"}),
        (SMTP, {"to": "a@example.com", "what_a_later_version_adds": "x"}),
    ],
)
def test_an_argument_that_reads_files_or_leads_secrets_elsewhere_is_taken_from_listed_packages_only(
    cls: str, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A campaign file mailed the environment of the triggerer, with the Fernet key, to whom it named."""
    given = {"notifiers": [{"class": cls, **arguments}]}
    refused = [name for name in arguments if name != "to" and not name.endswith("_conn_id")]

    assert [fault.partition(": ")[0] for fault in faults_of(given)] == [f"notifiers[0].{name}" for name in refused]

    packages = "airflow.providers, adobe_experience_platform.notifications"
    monkeypatch.setenv("AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__NOTIFIER_PACKAGES", packages)
    assert Notices.of(given) is not None


def test_words_people_and_looks_are_taken_from_anybody() -> None:
    given = {"class": SMTP, "to": ["a@example.com"], "cc": "b@example.com", "subject": "x", "smtp_conn_id": "smtp_crm"}

    assert Notices.of({"notifiers": [given]}) is not None


def test_all_faults_come_at_once() -> None:
    assert len(faults_of({"email": ["x", "y"], "on": ["z"], "smtp_conn_id": "a b"})) == 4


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"class": f"{PROBE}.Missing"}, "has no attribute 'Missing'"),
        ({"class": f"{PROBE}.Chat", "wrong": 1}, "argument"),
        ({"class": f"{PROBE}.Chat", "text": "hello", "channel": "x"}, "no argument says what to send"),
    ],
)
def test_a_notifier_that_cannot_be_made_says_why(spec: dict[str, Any], part: str) -> None:
    [found] = Notices(notifiers=[spec]).specs

    with pytest.raises((AttributeError, TypeError), match=part):
        make(found)
