"""YAML with line numbers: what people write is read as they mean it, and no text takes the process down."""

from __future__ import annotations

import pytest

from adobe_experience_platform.campaigns.marked_yaml import MarkedYamlError, read


def test_words_are_read_as_editors_read_them() -> None:
    text = b'a: 10:30\nb: 2026-12-01\nc: yes\nd: 007\ne: 1e9\nf: 12\ng: 1.5\nh: true\ni: ~\nj:\nk: "5"\n'
    assert read(text).value == {
        "a": "10:30",
        "b": "2026-12-01",
        "c": "yes",
        "d": "007",
        "e": "1e9",
        "f": 12,
        "g": 1.5,
        "h": True,
        "i": None,
        "j": None,
        "k": "5",
    }


def test_every_value_has_the_line_of_its_key() -> None:
    document = read(b"a: 1\nb:\n  - x\n  - c:\n      d: 2\n")
    assert document.line_of(("b", 0)) == 3
    assert document.line_of(("b", 1, "c", "d")) == 5
    assert document.line_of(("b", 1, "c", "not there")) == 4
    assert document.line_of(("nowhere",)) == 1


def test_an_anchor_may_be_used_again() -> None:
    assert read(b"a: &x [1, 2]\nb: *x\n").value == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("text", [b"", b"# a comment\n", b"\n\n"])
def test_an_empty_text_has_no_value(text: bytes) -> None:
    assert read(text).value is None


BOMB = b"".join(
    b"a%d: &b%d [%s]\n" % (number, number, b",".join([b"*b%d" % (number - 1) if number else b"x"] * 9))
    for number in range(9)
)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (b"a: 1\nb: 2\na: 3", 3, "'a' is already defined on line 1"),
        (b"a:\n\tb: 1", 2, "indent with spaces"),
        (b"a: b: c", 1, "mapping values are not allowed"),
        (b'a: "x', 1, "quotes"),
        (b"a: 1\nb: \xff", 2, "UTF-8"),
        (b"a: \x00", 1, "a character that YAML does not allow"),
        (b"a: *x", 1, "there is no &x before"),
        (b"&a [*a]", 1, "there is no &a before"),
        (b"a: !!python/object:os.system x", 1, "a tag"),
        (b"a: 1\n---\nb: 2", 2, "a second document"),
        (b"? [a]\n: 1", 1, "a key must be one word"),
        (b"a: 1\n<<: {b: 1}", 2, "'<<'"),
        (b"[" * 100_000, 1, "more than 20 deep"),
        (b"{a: " * 100_000, 1, "more than 20 deep"),
        (b"- " * 100_000, 1, "more than 20 deep"),
        (BOMB, 5, "more than 20,000 keys and values"),
        (b"a" * 500_001, 1, "at most 500,000"),
    ],
    ids=lambda value: value[:20].decode(errors="replace") if isinstance(value, bytes) else None,
)
def test_what_cannot_be_read_is_told_with_its_line(text: bytes, line: int, what: str) -> None:
    with pytest.raises(MarkedYamlError) as caught:
        read(text)
    assert caught.value.line == line
    assert what in caught.value.what
