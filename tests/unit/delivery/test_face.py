"""The room's face: what loads with it, and what only when it is used."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import sys
from adobe_experience_platform import delivery
assert not {"airflow", "pydantic", "requests", "aiohttp"} & set(sys.modules), "loaded too early"
assert all(getattr(delivery, name) is not None for name in delivery.__all__)
assert "airflow" not in sys.modules, "a model loads Airflow"
"""


def test_models_load_when_they_are_used_and_airflow_never() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROBE],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert found.returncode == 0, found.stderr
