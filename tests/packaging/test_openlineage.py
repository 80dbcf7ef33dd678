"""OpenLineage's provider, which is no dependency: laid beside this environment, it finds what a report tells it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conftest import REPOSITORY

REQUIREMENTS = REPOSITORY / "requirements-openlineage.txt"


def test_the_provider_finds_what_was_delivered(uv: Callable[..., str], tmp_path: Path) -> None:
    place = ("--python", sys.executable, "--target", tmp_path)
    uv("pip", "install", "--quiet", *place, "--no-deps", "--require-hashes", "-r", REQUIREMENTS)

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, "tests/unit/operators/test_lineage.py", "tests/unit/hooks/test_asset_uris.py", "-k", "lineage"],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTEST_ADDOPTS": ""},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
