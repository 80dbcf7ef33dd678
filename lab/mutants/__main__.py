"""`make mutants`: apply each mutant to a copy of the repository and run the tests that concern it; print a table.

Exits with 0 only if every mutant is noticed but those shown equivalent, and every anchor is found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lab.mutants.catalogue import MUTANTS, Mutant
from tools.airflow_settings import REPOSITORY

PACKAGE = Path("plugins/adobe_experience_platform")
COPIED = ("plugins", "tests", "include", "tools", "lab", "dags", "examples", "docs", "pyproject.toml")
SECONDS = 600.0
FEWER = {"AEP_MODEL_HISTORIES": "80", "AEP_MODEL_STATES": "800"}
"""A part of the model's worlds is enough to notice a mutant."""


def main() -> int:
    """Try the mutants and return the exit code."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", default="", help="those whose file or description contains this")
    parser.add_argument("--check", action="store_true", help="only look whether every anchor is found")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in f"{mutant.file} {mutant.why}"]
    if lost := [mutant for mutant in MUTANTS if _occurrences(REPOSITORY, mutant) != 1]:
        for mutant in lost:
            print(f"{mutant.file}: {_occurrences(REPOSITORY, mutant)} times instead of once: {mutant.old!r}")
        return 2
    if options.check:
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        _copy(copy)
        tests = sorted({path for mutant in chosen for path in mutant.tests})
        if (red := _noticed_by(copy, tests)) is not None:
            print(f"The tests are red without any mutant: {red}")
            return 2
        survivors = [mutant for mutant in chosen if not _try(copy, mutant)]
    real = [mutant for mutant in survivors if not mutant.equivalent]
    print(f"\n{len(chosen)} mutants, {len(chosen) - len(survivors)} noticed, {len(real)} survived.")
    return 1 if real else 0


def _copy(copy: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored, symlinks=True)
        else:
            shutil.copy(source, copy / name)


def _occurrences(root: Path, mutant: Mutant) -> int:
    path = root / PACKAGE / mutant.file
    return path.read_text().count(mutant.old) if path.exists() else 0


def _try(copy: Path, mutant: Mutant) -> bool:
    """Apply a mutant, say what noticed it, and take it back."""
    path = copy / PACKAGE / mutant.file
    whole = path.read_text()
    began = time.monotonic()
    path.write_text(whole.replace(mutant.old, mutant.new))
    try:
        noticed = _noticed_by(copy, mutant.tests)
    finally:
        path.write_text(whole)
    said = noticed or (f"EQUIVALENT: {mutant.equivalent}" if mutant.equivalent else "SURVIVED")
    print(f"| {mutant.file} | {mutant.why} | {said} | {time.monotonic() - began:.0f} s |", flush=True)
    return noticed is not None


def _noticed_by(copy: Path, tests: Sequence[str]) -> str | None:
    """Return the first test that is red, None if all are green; tests that are not there are left out."""
    for path in tests:
        if not (copy / path).exists():
            continue
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", path]
        env = {**os.environ, **FEWER, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=copy, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{path} never ends"
        if done.returncode not in (0, 5):
            failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            return failed[0].split(" - ")[0].removeprefix("FAILED ") if failed else f"{path} cannot be run"
    return None


if __name__ == "__main__":
    sys.exit(main())
