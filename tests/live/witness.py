"""What the triggerer calls when a deadline is missed; it leaves a note."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

NOTES = "missed_deadlines.jsonl"


async def deadline_missed(*, word: str, context: dict[str, Any], **_: Any) -> None:
    """Note which run has missed its deadline."""
    note = {"word": word, "run_id": context["dag_run"]["dag_run_id"]}
    with (Path(os.environ["AIRFLOW_HOME"]) / NOTES).open("a") as notes:
        notes.write(json.dumps(note) + "\n")
