"""Explores the model of the promise, without Airflow's processes: small worlds to their end, large ones at random."""

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

MODEL = "tests/promises/model"
SECONDS = 3600.0


class ModelExploration:
    """The exploration, in a process with low priority; use it as a context manager.

    :param examples: how many random histories; as many states are visited of each small world
    :param seed: of the first history
    """

    def __init__(self, examples: int, seed: int) -> None:
        self._examples = examples
        self._seed = seed
        self._folder = tempfile.TemporaryDirectory(prefix="chaos-model-")
        self._session: ProcessSession | None = None

    def __enter__(self) -> Self:
        if self._examples:
            pytest = [sys.executable, "-m", "pytest", MODEL, "-q", "-n", "0"]
            self._session = ProcessSession(
                "model",
                ["nice", "-n", "10", *pytest],
                log=Path(self._folder.name) / "model.log",
                env={
                    **os.environ,
                    "AEP_MODEL_HISTORIES": str(self._examples),
                    "AEP_MODEL_STATES": str(self._examples),
                    "AEP_MODEL_SEED": str(self._seed),
                },
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
            counted = re.findall(r": ([\d,]+) states", self._session.log_tail(200))
            states = sum(int(number.replace(",", "")) for number in counted)
            said = (
                f"`{MODEL}` visited {states:,} states of small worlds, and played\n"
                f"{self._examples:,} histories of large ones{took} (seed {self._seed}): crashes, frozen processes,\n"
                "clears, marks, lists that lag. No pair was sent twice, no report said anything\n"
                "false, and every run ended green when people followed its advice."
            )
            return said, []
        return "It failed.", [f"The model found a breach:\n{self._session.log_tail(60)}"]
