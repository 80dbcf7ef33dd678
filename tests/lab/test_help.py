"""`python -m … --help` says what a command does, and does nothing."""

from __future__ import annotations

import runpy
import sys

import pytest

from tests.conftest import REPOSITORY

SOURCES = [path for folder in ("lab", "tools") for path in sorted((REPOSITORY / folder).rglob("*.py"))]
COMMANDS = [
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__main__")
    for path in SOURCES
    if '__name__ == "__main__"' in (text := path.read_text()) and "argparse" in text
]


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")  # the module may be loaded already
@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_printed(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])

    with pytest.raises(SystemExit) as ended:
        runpy.run_module(name, run_name="__main__", alter_sys=True)

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


def test_what_can_be_profiled_is_in_the_list() -> None:
    assert "lab.bench.profiled" in COMMANDS
