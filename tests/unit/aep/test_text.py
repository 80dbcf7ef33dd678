"""Text of others, as it goes into logs."""

from __future__ import annotations

from adobe_experience_platform.aep.text import one_line


def test_one_line_removes_what_could_forge_a_log():
    assert one_line("a\r\nb\x00c\u2028d\x1b[31m") == "a b c d [31m"
    assert one_line("word " * 300, 20) == "word word word word…"
    assert len(one_line("x" * 10_000)) == 500
