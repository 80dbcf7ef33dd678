"""`make docs` builds strictly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import docs, side_venv


def test_a_dead_link_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(side_venv, "install", lambda name: Path(name))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["make docs"])

    assert docs.main() == 1
    [command] = commands
    assert "--strict" in command
    assert "--quiet" not in command  # MkDocs counts no warnings then, and strict means nothing
