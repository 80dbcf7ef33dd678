"""Explores the exactly-once protocol alone, without Airflow: many random histories of crashes and answers."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.airflow_settings import REPOSITORY
from tools.process_session import ProcessSession

MODEL = "tests/unit/delivery/test_submission_model.py"
SECONDS = 3600.0


class ModelExploration:
    """The exploration, in a process with low priority; use it as a context manager.

    :param examples: how many histories
    :param seed: of Hypothesis
    """

    def __init__(self, examples: int, seed: int) -> None:
        self._examples = examples
        self._seed = seed
        self._folder = tempfile.TemporaryDirectory(prefix="chaos-model-")
        self._session: ProcessSession | None = None

    def __enter__(self) -> Self:
        if self._examples:
            pytest = [sys.executable, "-m", "pytest", MODEL, "-q", f"--hypothesis-seed={self._seed}"]
            self._session = ProcessSession(
                "model",
                ["nice", "-n", "10", *pytest],
                log=Path(self._folder.name) / "model.log",
                env={**os.environ, "AEP_MODEL_EXAMPLES": str(self._examples)},
                cwd=REPOSITORY,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            self._session.kill()
        self._folder.cleanup()

    def finish(self) -> tuple[str, list[str]]:
        """Wait for the end; return what is to be said of it, and problems."""
        if self._session is None:
            return "", []
        self._session.wait(SECONDS)
        if self._session.returncode == 0:
            found = re.search(r"in ([\d.]+)s", self._session.log_tail())
            took = f" in {float(found[1]) / 60:.0f} minutes" if found else ""
            said = (
                f"`{MODEL}` explored {self._examples:,} histories of crashes,\n"
                f"lost answers, conflicts and clears{took} (seed {self._seed}): no pair was sent twice,\n"
                "and every task ended with a run for each pair."
            )
            return said, []
        return "It failed.", [f"The model found a breach:\n{self._session.log_tail(60)}"]
