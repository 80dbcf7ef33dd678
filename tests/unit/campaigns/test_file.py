"""What a campaign file may say, and what is said about a faulty one: line, field and remedy."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import openapi_schema_validator
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform.campaigns import marked_yaml
from adobe_experience_platform.campaigns.file import Campaign, json_schema
from adobe_experience_platform.campaigns.reading import FileFault, read_campaign

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "include" / "campaigns").glob("*.yaml"))
SOUND = "when: manual\ndeliver: {flow: [audience]}\n"


def sound(text: str) -> Campaign:
    campaign, faults = read_campaign(text.encode(), "my_campaign", "my_campaign.yaml")
    assert faults == []
    assert campaign is not None
    return campaign


def faults(text: str) -> list[FileFault]:
    campaign, found = read_campaign(text.encode(), "my_campaign", "my_campaign.yaml")
    assert campaign is None
    assert found
    return found


def test_the_shortest_file_is_a_campaign() -> None:
    campaign = sound(SOUND)
    assert campaign.dag_id == "aep_campaign_my_campaign"
    assert campaign.activation_info == {"flow": ["audience"]}
    assert (campaign.connection, campaign.sandbox, campaign.api_version) == ("aep_default", None, "v2")
    assert (campaign.timezone, campaign.start, campaign.end, campaign.paused) == ("UTC", None, None, None)
    assert campaign.approval is campaign.deadline is campaign.notices is None


def test_a_full_file_is_read() -> None:
    campaign = sound(
        """
name: Other-Name
title: Summer sale
description: >
  Two lines
  of text.
owner: crm
tags: [summer, sale]
when: {after_export: true, not_before: 6:00, not_after: "10:30"}
timezone: America/New_York
start: 2026-06-01
end: 2026-08-31
paused: true
connection: aep_us
sandbox: dev
api_version: v1
deliver:
  - flow: 0123
    label: Mail
    audiences: {7: Seven, a-b: }
  - flow: second
    audiences: [7, x]
policies: {on_conflict: adopt, max_export_age_hours: null, poll_interval: 2.5}
approval: {by: [anna], within: 1h 30m}
deadline: {by: 11:00}
notices: {email: team@example.com, on: [failure]}
"""
    )
    assert campaign.name == "Other-Name"
    assert campaign.description == "Two lines of text."
    assert campaign.activation_info == {"0123": ["7", "a-b"], "second": ["7", "x"]}
    assert campaign.labels == {"0123": "Mail", "7": "Seven"}
    assert (campaign.when.not_before, campaign.when.not_after) == (dt.time(6), dt.time(10, 30))
    assert (campaign.start, campaign.end) == (dt.date(2026, 6, 1), dt.date(2026, 8, 31))
    assert campaign.policies.max_export_age_hours is None
    assert campaign.approval is not None
    assert campaign.approval.within == dt.timedelta(minutes=90)
    assert campaign.deadline is not None
    assert campaign.deadline.by == dt.time(11)
    assert campaign.notices is not None
    assert campaign.notices.email == ["team@example.com"]


@pytest.mark.parametrize(
    ("line", "after_export", "manual", "cron"),
    [
        ("when: after_export", True, False, None),
        ("when: {after_export: true}", True, False, None),
        ("when: manual", False, True, None),
        ("when: '@daily'", False, False, "@daily"),
        ("when: 0 7 * * 1-5", False, False, "0 7 * * 1-5"),
        ("when: {cron: 0   7 * * MON}", False, False, "0 7 * * MON"),
    ],
)
def test_a_campaign_starts_in_one_way(line: str, after_export: bool, manual: bool, cron: str | None) -> None:
    when = sound(f"{line}\ndeliver: {{f: [a]}}\n").when
    assert (when.after_export, when.manual, when.cron) == (after_export, manual, cron)


def test_a_size_guard_may_ask_where_a_person_is_asked() -> None:
    guard = sound(
        SOUND + "policies: {size_guard: {max_records: 5, on_breach: ask}}\napproval: true\n"
    ).policies.size_guard
    assert guard is not None
    assert (guard.max_records, guard.min_records, guard.on_breach, guard.on_unknown) == (5, None, "ask", "send")


def test_what_the_catalog_prints_can_be_pasted() -> None:
    assert sound('when: manual\ndeliver: {"f": ["a", "b"], "g": ["a"]}').activation_info == {
        "f": ["a", "b"],
        "g": ["a"],
    }


@pytest.mark.parametrize(
    ("text", "line", "key", "what"),
    [
        ("", 1, "", "the file is empty"),
        ("just words", 1, "", "the file holds no keys"),
        ("- a\n", 1, "", "the file holds no keys"),
        ("deliver: {f: [a]}\nwen: manual\n", 2, "wen", "did you mean 'when'?"),
        ("deliver: {f: [a]}\n", 1, "when", "this key is missing: add it"),
        (SOUND + "dryrun: true\n", 3, "dryrun", "is unknown: correct or remove it (keys here: name, title"),
        (SOUND + "policies: {retry: 1}\n", 3, "policies.retry", "keys here: on_conflict"),
        (SOUND + "policies:\n  owner: x\n", 4, "policies.owner", "put it at the beginning of a line of its own"),
        (SOUND + "start: 2026-02-30\n", 3, "start", "does not exist in the calendar"),
        (SOUND + "start: 30.02.2026\n", 3, "start", "such as 2026-12-24"),
        (SOUND + "start: 2026-12-01\nend: 2026-11-30\n", 4, "end", "is before start 2026-12-01"),
        (SOUND + "timezone: Europe/Brlin\n", 3, "timezone", "did you mean Europe/Berlin?"),
        (SOUND + "timezone: +02:00\n", 3, "timezone", "is not a valid time zone"),
        (SOUND + "timezone: ../../etc/passwd\n", 3, "timezone", "is not a valid time zone"),
        (SOUND + "paused: yes\n", 3, "paused", "write true or false"),
        (SOUND + "approval:\n", 3, "approval", "this is empty"),
        (SOUND + "approval: {within: soon}\n", 3, "approval.within", "write it like 2h, 90m or 1h 30m"),
        (SOUND + "approval: {within: 0m}\n", 3, "approval.within", "too short"),
        (SOUND + "deadline: {by: 9:00, within: 2h}\n", 3, "deadline", "choose exactly one of by"),
        (SOUND + "deadline: {by: 24:00}\n", 3, "deadline.by", "is not a valid time of day"),
        (SOUND + "api_version: v3\n", 3, "api_version", "choose v2 or v1"),
        (SOUND + "name: a b\n", 3, "name", "is not a valid name"),
        (SOUND + "owner: [a]\n", 3, "owner", "is not text"),
        (SOUND + "tags: newsletter\n", 3, "tags", "write a list"),
        (SOUND + "connection: ../x\n", 3, "connection", "is not a valid connection id"),
        (SOUND + "policies: {max_audiences_per_job: 81}\n", 3, "policies.max_audiences_per_job", "equal to 80"),
        (SOUND + "policies: {max_audiences_per_job: '8'}\n", 3, "policies.max_audiences_per_job", "without quotes"),
        (SOUND + "policies: {on_conflict: ignore}\n", 3, "policies.on_conflict", "choose wait or adopt or fail"),
        (SOUND + "policies:\n  size_guard: {on_unknown: send}\n", 4, "policies.size_guard", "set at least one of"),
        (SOUND + "policies: {size_guard: {max_record: 5}}\n", 3, "policies.size_guard.max_record", "did you mean"),
        (
            SOUND + "policies: {size_guard: {max_records: '5'}}\n",
            3,
            "policies.size_guard.max_records",
            "without quotes",
        ),
        (
            SOUND + "policies: {size_guard: {max_records: 5, on_breach: stop}}\n",
            3,
            "policies.size_guard.on_breach",
            "ask",
        ),
        (SOUND + "approval: {only_on_breach: true}\n", 3, "approval.only_on_breach", "no size guard asks"),
        (
            SOUND + "policies:\n  size_guard:\n    max_records: 5\n    on_breach: ask\n",
            6,
            "policies.size_guard.on_breach",
            "nobody is asked without the block approval: add it, or refuse",
        ),
        (SOUND + "notices: {on: [failure]}\n", 3, "notices", "there are no recipients: set email or notifiers"),
        (SOUND + "notices: {email: [nobody]}\n", 3, "notices.email[0]", "is not a valid e-mail address"),
        (SOUND + "notices: {email: a@b.c, on: []}\n", 3, "notices.on", "this is empty"),
        (SOUND + "notices: {emial: a@b.c}\n", 3, "notices.emial", "did you mean 'email'?"),
        (SOUND + "approval: {by: anna, within: 8d}\n", 3, "approval.within", "too long"),
        (SOUND + "notices: {email: a@b.c, on: [never]}\n", 3, "notices.on[0]", "it should be 'success', 'failure'"),
        ("when: 0 7 * *\ndeliver: {f: [a]}\n", 1, "when.cron", "has 4 fields"),
        ("when: 61 7 * * *\ndeliver: {f: [a]}\n", 1, "when.cron", "is not a valid cron expression"),
        ("when: 0 0 30 2 *\ndeliver: {f: [a]}\n", 1, "when.cron", "never comes"),
        ("when: '@continuous'\ndeliver: {f: [a]}\n", 1, "when.cron", "is not a preset"),
        ("when: {}\ndeliver: {f: [a]}\n", 1, "when", "choose exactly one of cron"),
        ("deliver: {f: [a]}\nwhen:\n  cron: '@daily'\n  manual: true\n", 2, "when", "choose exactly one of cron"),
        (
            "deliver: {f: [a]}\nwhen: {after_export: true, not_before: 9:00, not_after: 8:00}\n",
            2,
            "when.not_after",
            "08:00 is not later than not_before 09:00",
        ),
        (
            "deliver: {f: [a]}\nwhen: {cron: '@hourly', not_after: 8:00}\n",
            2,
            "when.not_after",
            "comes once a day at most",
        ),
        (
            "deliver: {f: [a]}\nwhen: {after_export: true, not_before: 9:00}\ndeadline: {by: 9:00}\n",
            3,
            "deadline.by",
            "09:00 is not later than not_before",
        ),
        ("when: manual\ndeliver: []\n", 2, "deliver", "there is nothing to deliver"),
        ("when: manual\ndeliver:\n  - f\n", 3, "deliver[0]", "write a block of keys"),
        ("when: manual\ndeliver:\n  - flow: f\n", 3, "deliver[0].audiences", "this key is missing"),
        ("when: manual\ndeliver:\n  f: [a]\n  g: []\n", 4, "deliver[1].audiences", "there is no audience"),
        (
            "when: manual\ndeliver:\n  f:\n    - true\n",
            3,
            "deliver[0].audiences",
            "audience True is not text: put it in",
        ),
        ("when: manual\ndeliver:\n  f:\n    - a\n    - a\n", 3, "deliver[0].audiences", "audience a is listed twice"),
        (
            "when: manual\ndeliver:\n  f:\n    - a\n    - ' '\n",
            5,
            "deliver[0].audiences.",
            "is neither an id nor a name",
        ),
        (
            "when: manual\ndeliver:\n- {flow: f, audiences: [a]}\n- {flow: f, audiences: [b]}\n",
            2,
            "deliver",
            "flow f is listed twice",
        ),
        ("when: manual\nwhen: manual\n", 2, "", "is already defined on line 1"),
    ],
)
def test_a_fault_is_told_with_line_field_and_remedy(text: str, line: int, key: str, what: str) -> None:
    found = faults(text)
    place = [fault for fault in found if (fault.line, fault.key) == (line, key)]
    assert place, found
    assert what in place[0].what
    assert str(place[0]).startswith(f"my_campaign.yaml, line {line}")


def test_a_file_may_name_its_flows_and_audiences() -> None:
    campaign = sound(
        "when: manual\ndeliver:\n- {flow: Newsletter S3, audiences: [Newsletter subscribers, Käufer, a-b]}\n"
        "- {flow: Flash sale SFTP, audiences: Bargain hunters}\n"
    )
    assert campaign.activation_info == {
        "Newsletter S3": ["Newsletter subscribers", "Käufer", "a-b"],
        "Flash sale SFTP": ["Bargain hunters"],
    }
    assert campaign.labels == {}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("'{{ conn.aep_default.password }}'", "looks like a template, and a campaign file has none: write the id"),
        ("'{% raw %}'", "looks like a template"),
        ('"Gold\\nFORGED"', "is neither an id nor a name"),
        ('"Gold\\u202e"', "is neither an id nor a name"),
        (f"'{'x' * 256}'", "is neither an id nor a name"),
        ("''", "is empty"),
        ("[Gold]", "is not text"),
        ("true", "is not text"),
    ],
)
def test_what_is_no_name_is_refused_in_a_file(name: str, what: str) -> None:
    [fault] = faults(f"when: manual\ndeliver:\n- flow: {name}\n  audiences: [a]\n")
    assert (fault.line, fault.key) == (3, "deliver[0].flow")
    assert what in fault.what


def test_all_faults_come_at_once() -> None:
    found = faults("when: 0 7\ndeliver: {'{{ f }}': [a]}\nstart: x\ntimezone: y\npaused: maybe\nunknown: 1\n")
    assert [fault.line for fault in found] == [1, 2, 3, 4, 5, 6]


def test_too_many_pairs_are_refused_with_the_number_of_files_needed() -> None:
    info = {f"flow{number}": [f"a{number}x{audience}" for audience in range(100)] for number in range(51)}
    [fault] = faults(f"when: manual\ndeliver: {json.dumps(info)}\n")
    assert (fault.line, fault.key) == (2, "deliver")
    assert "5,100 audiences" in fault.what
    assert "2 files" in fault.what


def test_an_audience_for_more_flows_than_a_job_takes_is_refused() -> None:
    info = {f"flow{number}": ["a"] for number in range(81)}
    [fault] = faults(f"when: manual\ndeliver: {json.dumps(info)}\n")
    assert "audience a goes to 81 flows" in fault.what


def test_a_file_whose_name_is_no_name_is_told_how_to_help() -> None:
    campaign, [fault] = read_campaign(SOUND.encode(), "my campaign", "my campaign.yaml")
    assert campaign is None
    assert "add the key 'name'" in fault.what
    assert sound("name: good\n" + SOUND).name == "good"


def test_nothing_a_file_gives_as_a_secret_shows_in_a_fault() -> None:
    text = SOUND + "notices: {notifiers: [{class: json.JSONEncoder, password: hunter2}]}\n"
    told = "\n".join(map(str, faults(text)))
    assert "Airflow connection" in told
    assert "hunter2" not in told


@given(st.binary(max_size=200) | st.text(alphabet=": -{}[]\n\t'\"a&*!|>%@,#", max_size=80).map(str.encode))
def test_no_text_whatever_raises(content: bytes) -> None:
    campaign, found = read_campaign(content, "name", "file")
    assert (campaign is None) is bool(found)


WORDS = st.text(alphabet="aé1:- @*'", max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(Campaign.model_fields)), VALUES))
def test_no_value_whatever_raises(value: dict[str, Any]) -> None:
    campaign, found = read_campaign(json.dumps(value).encode(), "name", "file")
    assert (campaign is None) is bool(found)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_shipped_examples_are_short_and_sound(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert sound(text).title
    assert len(text.splitlines()) < 15
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_published_schema_accepts_the_shipped_examples(file: Path) -> None:
    value = marked_yaml.read(file.read_bytes()).value
    openapi_schema_validator.OAS31Validator(json_schema()).validate(value)


@pytest.mark.parametrize("wrong", [{"wen": "manual"}, {"paused": "yes"}, {"api_version": "v3"}, {"deliver": {}}])
def test_the_published_schema_finds_faults_too(wrong: dict[str, Any]) -> None:
    validator = openapi_schema_validator.OAS31Validator(json_schema())
    good = {"when": "manual", "deliver": {"f": ["a"]}}
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, **wrong})
