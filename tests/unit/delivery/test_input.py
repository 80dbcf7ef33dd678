"""From a user's input to pairs, with all faults at once."""

from __future__ import annotations

import pytest

from adobe_experience_platform.delivery.input import (
    MAX_FAULTS_SHOWN,
    MAX_PAIRS_PER_RUN,
    check_id,
    check_name,
    is_uuid,
    may_be_id,
    parse_activation_info,
    read_activation_info,
    shorten,
)
from adobe_experience_platform.errors import AepInputError


def test_pairs_come_in_the_users_order():
    assert parse_activation_info({"f2": ["b", "a"], "f1": ["a"]}) == (("f2", "b"), ("f2", "a"), ("f1", "a"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is missing"),
        ("", "is text"),
        ('{"flow": ["a"]}', "is text"),
        ([], "is a list"),
        (5, "is a int"),
        ({}, "is empty"),
    ],
)
def test_what_is_no_activation_info_is_refused_with_an_example(value, said):
    pairs, faults = read_activation_info(value)
    assert pairs == []
    assert len(faults) == 1
    assert said in faults[0]
    assert "<flow id>" in faults[0]


HOSTILE = [
    "a\n",
    "a\nb",
    "\na",
    "a\r\nX-Evil: 1",
    "a b",
    " a",
    "a ",
    "a'b",
    'a"b',
    "a`b",
    "{a}",
    "{{ conn.aep_default.password }}",
    "{% raw %}",
    "a/b",
    "../a",
    "a\\b",
    "a?b",
    "a#b",
    "a%2fb",
    "a&b=c",
    "a==b",
    "a,b",
    "a;b",
    "a|b",
    "$(a)",
    "<a>",
    "ä",
    "а",  # noqa: RUF001 - a Cyrillic letter that looks like a Latin one
    "a\u200b",
    "a\u2028",
    "a\x00",
    "\x1b[31m",
    ".",
    "..",
    "-rf",
    "a" * 256,
]


@pytest.mark.parametrize("ident", HOSTILE, ids=lambda ident: ascii(ident)[:40])
def test_an_id_with_a_character_that_no_id_has_is_refused_safely(ident):
    fault = check_id(ident, "audience id")
    assert fault is not None
    assert fault.isprintable()
    assert fault.replace("…", "").isascii()
    assert len(fault) < 250
    assert read_activation_info({ident: ["a"], "f": [ident]})[0] == []
    assert len(read_activation_info({ident: ["a"], "f": [ident]})[1]) == 2


@pytest.mark.parametrize(
    "name",
    ["\n", "a\n", "a\r\nX-Evil: 1", "a\x00", "\x1b[31m", "a\u200b", "a\u2028", "a\u202e", "\ud800", " ", "a" * 256],
)
def test_what_is_no_line_of_text_is_no_name(name):
    fault = check_name(name, "audience")
    assert fault is not None
    assert fault.replace("…", "").isascii()
    assert fault.isprintable()
    assert len(fault) < 250
    pairs, faults = read_activation_info({name: ["a"], "f": [name]}, names=True)
    assert (pairs, len(faults)) == ([], 2)


@pytest.mark.parametrize(
    "name",
    [
        "Newsletter S3",
        " a ",
        "ä",
        "Käufer (2026)",
        "a/b",
        "50% off!",
        "{{ x }}",
        "👩\u200d💻",
        "a\u00a0b",
        "::group::",
        "..",
        "a" * 255,
    ],
)
def test_a_line_of_text_may_be_a_name(name):
    assert check_name(name, "audience") is None
    assert read_activation_info({name: [name]}, names=True) == ([(name, name)], [])
    faults = read_activation_info({name: [name, name]}, names=True)[1]
    assert len(faults) == 1
    assert faults[0].isprintable()
    assert "::group" not in faults[0]


@pytest.mark.parametrize(
    ("text", "is_id", "is_certain"),
    [
        ("ca5c6e9a-8559-4a08-97a5-f15b756da600", True, True),
        ("extaud9001", True, False),
        ("Newsletter", False, False),
        ("Newsletter S3", False, False),
        ("{{ params.flow }}", False, False),
        (5, False, False),
    ],
)
def test_what_may_be_an_id(text, is_id, is_certain):
    assert may_be_id(text) is is_id
    assert is_uuid(str(text)) is is_certain


@pytest.mark.parametrize("ident", [None, 5, 5.0, True, [], {}, ["a"], b"a"], ids=repr)
def test_an_id_that_is_no_text_is_refused(ident):
    assert "is not text" in (check_id(ident, "audience id") or "")


def test_an_empty_id_is_refused():
    assert check_id("", "audience id") == "audience id is empty"


@pytest.mark.parametrize(
    "ident", ["ca5c6e9a-8559-4a08-97a5-f15b756da600", "extaud9001", "a", "A_1.b:c~d@e+f", "9", "a" * 255]
)
def test_ids_that_aep_has_are_accepted(ident):
    assert check_id(ident, "audience id") is None


def test_all_faults_are_found_at_once_and_sound_pairs_come_back():
    pairs, faults = read_activation_info(
        {
            "good": ["a", "b"],
            "bad flow": ["a"],
            "text": "a",
            "null": None,
            "map": {"a": 1},
            "empty": [],
            "twice": ["a", "a"],
            "mixed": ["a", 7, "", "x\n"],
            5: ["a"],
        }
    )
    assert pairs == [("good", "a"), ("good", "b"), ("twice", "a"), ("mixed", "a")]
    for said in (
        "'bad flow' is not a valid AEP id",
        "flow text: give its audiences as a list",
        "flow null: give its audiences as a list",
        "flow map: give its audiences as a list",
        "flow empty: its list of audiences is empty",
        "flow twice: audience a is listed twice",
        "flow mixed: audience id 7 is not text",
        "flow mixed: audience id is empty",
        "flow mixed: audience id 'x\\n' is not a valid AEP id",
        "flow id 5 is not text",
    ):
        assert sum(said in fault for fault in faults) == 1, said
    assert len(faults) == 10


def test_the_error_names_every_fault():
    with pytest.raises(AepInputError) as caught:
        parse_activation_info({"bad flow": ["a"], "empty": []})
    assert "Invalid input. 2 faults found" in str(caught.value)
    assert "bad flow" in str(caught.value)
    assert "empty" in str(caught.value)


def test_as_many_pairs_as_a_run_takes_are_accepted():
    pairs, faults = read_activation_info({"flow": [f"a{number}" for number in range(MAX_PAIRS_PER_RUN)]})
    assert (len(pairs), faults) == (MAX_PAIRS_PER_RUN, [])


def test_ten_thousand_ids_are_too_many_for_a_run():
    pairs, faults = read_activation_info({"flow": [f"a{number}" for number in range(10_000)]})
    assert len(pairs) == 10_000
    assert faults == ["10,000 audiences are more than one run takes (5,000): split them over 2 runs"]


def test_ten_thousand_bad_ids_are_shown_shortly():
    with pytest.raises(AepInputError) as caught:
        parse_activation_info({"flow": [f"{{{number}}}" for number in range(10_000)]})
    assert len(caught.value.faults) == MAX_FAULTS_SHOWN + 1
    assert caught.value.faults[-1] == "… and 9,950 more"


def test_the_same_fault_is_named_once():
    assert shorten(["x", "y", "x"]) == ["x", "y"]
