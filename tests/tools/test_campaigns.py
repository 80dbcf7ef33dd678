"""`make schema` and the check of campaign files in `make lint`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import campaigns


def test_the_committed_schema_is_current() -> None:
    assert campaigns.SCHEMA.read_text(encoding="utf-8") == campaigns.schema_text(), "run: make schema"


def test_the_shipped_files_pass_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaigns.main(["check"]) == 0
    assert "without faults" in capsys.readouterr().out


def test_a_bad_file_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text("when: manual\nwhen: manual\n")
    assert campaigns.main(["check", str(tmp_path)]) == 1
    assert "bad.yaml, line 2: the key 'when' is already defined on line 1" in capsys.readouterr().out
