"""Text of others, as it goes into logs, Markdown, mail and error messages."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adobe_experience_platform.aep.text import (
    for_mail,
    for_markdown,
    named,
    names_secret,
    one_line,
    short_repr,
    without_secrets,
)

JOINER = "\u2060"
PIECES = [
    *("::group::", "::endgroup::", "::", ":", "group::", "endgroup", "::GROUP::", "&lt;i&gt;", "&rlm;", "&#8207;"),
    *("https://x.example/a", "HTTP://x.example", "www.x.example", "a@b.example", "mailto:a@b.example", "<b>", "`x`"),
    *(
        "\u202e",
        "\u2066",
        "\u200f",
        "\u200b",
        "\x1b[31m",
        "\x00",
        "\r\n",
        "\n",
        "\t",
        "\u2028",
        "\x85",
        "|",
        "\\",
        "*a*",
    ),
    *(
        "_a_",
        "[x](y)",
        "![x](y)",
        "# a",
        "1. a",
        "- a",
        "~~a~~",
        "constructor",
        "__proto__",
        "=1+1",
        "\ud800",
        "é",
        " ",
    ),
]
FOREIGN = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12).map("".join)
SHOWN = (one_line, for_markdown, for_mail, without_secrets, short_repr, lambda text: named("id", {"id": text}))


@given(FOREIGN)
def test_nothing_foreign_folds_a_log_or_moves_its_cursor(text: str) -> None:
    for show in SHOWN:
        shown = show(text)
        assert not re.search("::(end)?group", f"VIP {shown} ::", re.IGNORECASE)
        assert shown.replace(JOINER, "").isprintable()


@given(FOREIGN, st.sampled_from([10, 60, 500]))
def test_it_is_one_line_of_bounded_length(text: str, limit: int) -> None:
    assert len(one_line(text * 50, limit)) <= limit
    assert len(without_secrets(text * 50, limit)) <= limit


@given(FOREIGN)
def test_markdown_shows_what_was_written(text: str) -> None:
    shown = for_markdown(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>*_`|\[\]#~&!]", shown)
    unescaped = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown)
    assert unescaped.replace(JOINER, "") == one_line(text, 2_000)
    # What GitHub's Markdown, and so Airflow's page, makes a link of, even where it is escaped.
    assert not re.search(r"https?://|www\.\S|[\w.+-]@[\w-]", unescaped, re.IGNORECASE)


@given(FOREIGN)
def test_a_mail_links_and_names_nobody(text: str) -> None:
    assert not re.search(r"https?://|www\.\S|[\w.+-]@[\w-]+\.[a-z]", for_mail(text), re.IGNORECASE)
    assert "<" not in html.escape(for_mail(text))


@pytest.mark.parametrize("text", ["Gold&rlm;123", "&lt;i&gt;", "https://x.example/a?b=c", "VIP | x", "a * b * c"])
def test_names_that_looked_like_markdown_are_names(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", for_markdown(text)).replace(JOINER, "") == text
    assert "&" not in re.sub(r"\\.", "", for_markdown(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://user:s3cr3t@host:8065/s3cr3t?x=s3cr3t", "at https://host:8065"),
        ("HTTPS://user:s3cr3t@host/", "HTTPS://host"),
        ("tgram://123/456:s3cr3t", "tgram://…"),
        ("SLACK://s3cr3t/s3cr3t", "SLACK://…"),
        ("Bearer s3cr3t-s3cr3t", "Bearer …"),
        ("bearer s3cr3t-s3cr3t!", "bearer …!"),
        ("{'headers': {'X-Password': 's3cr3t it is'}}", "{'headers': {'X-Password': …}}"),
        ('{"client_secret":"s3cr3t"}', '{"client_secret":…}'),
        ("token=s3cr3t&x", "token=…"),
        ("Authorization: Basic czNjcjN0", "Authorization: … …"),
        ("exceeded with url: /services/T0/s3cr3t (x)", "exceeded with url: … (x)"),
        (f"{'x' * 590} https://user:s3cr3t@host", f"{'x' * 590} https://…"),
        ("the token is old", "the token is old"),
    ],
)
def test_secrets_are_blotted(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert "s3cr3t" not in short_repr(text, 600) + for_mail(text)


def test_arguments_that_are_named_like_secrets_are_known() -> None:
    assert all(map(names_secret, ("password", "X-Password", "api_key", "ApiKey", "Authorization", "webhook_url")))
    assert not any(map(names_secret, ("text", "channel", "smtp_conn_id", "tokens_used", "subject")))


def test_one_line_removes_what_could_forge_a_log() -> None:
    assert one_line("a\r\nb\x00c\u2028d\x1b[31m") == "a b c d [31m"
    assert one_line("x ::group::y ::endgroup::") == "x : :group::y : :endgroup::"
    assert one_line("word " * 300, 20) == "word word word word…"
    assert len(one_line("x" * 10_000)) == 500
