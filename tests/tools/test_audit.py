"""What `make audit` makes of pip-audit's answer, without asking anybody."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import audit

FOUND = {"id": "PYSEC-2026-1", "fix_versions": ["2.1", "3.0"], "aliases": [], "description": "…"}
UNFIXED = {"id": "PYSEC-2026-2", "fix_versions": []}


def answer_with(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "", status: int = 0) -> None:
    def run(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], status, stdout=stdout, stderr=stderr)

    monkeypatch.setattr(audit.subprocess, "run", run)
    monkeypatch.setattr(audit.side_venv, "install", Path)


@pytest.mark.parametrize(("vulns", "status"), [([], 0), ([FOUND, UNFIXED], 1)])
def test_lists_what_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], vulns: list[object], status: int
) -> None:
    packages = [{"name": "one", "version": "2.0", "vulns": vulns}, {"name": "two", "version": "1.0", "vulns": []}]
    answer_with(monkeypatch, json.dumps({"dependencies": packages, "fixes": []}), status=status)

    assert audit.main() == status
    printed = capsys.readouterr().out
    assert f"2 packages of requirements.txt audited, {len(vulns)} known vulnerabilities." in printed
    if vulns:
        assert "one 2.0: PYSEC-2026-1, fixed in 2.1, 3.0\none 2.0: PYSEC-2026-2, not fixed yet\n" in printed


def test_nobody_could_be_asked_is_no_good_news(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(monkeypatch, "", "Traceback\nNameResolutionError: api.osv.dev", 1)

    assert audit.main() == 2
    assert "nothing was audited: NameResolutionError: api.osv.dev\n" in capsys.readouterr().err
