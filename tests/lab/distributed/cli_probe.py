"""Run by the Python of `.venv-distributed`: which commands its `airflow` does not take, and the settings it knows.

Reads a JSON list of argument lists from stdin, and writes
{"refused": [[arguments, why], …], "settings": […], "app": "…"}.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any


def refused(commands: list[list[str]]) -> list[list[Any]]:
    from airflow.cli.cli_parser import get_parser

    found = []
    for arguments in commands:
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                parsed = get_parser().parse_args(arguments)
            if not callable(getattr(parsed, "func", None)):
                found.append([arguments, "is no whole command"])
        except SystemExit:
            found.append([arguments, said.getvalue()])
    return found


def settings() -> list[str]:
    from airflow.configuration import retrieve_configuration_description

    known = retrieve_configuration_description(include_providers=True)
    return [f"{section}.{option}" for section, body in known.items() for option in body["options"]]


def workers_app() -> str:
    # What `airflow celery worker` imports first: a Celery that does not go with its provider shows here.
    from airflow.providers.celery.executors.celery_executor import app

    return str(app.main)


if __name__ == "__main__":
    commands = json.load(sys.stdin)
    sys.stdout.write("\n" + json.dumps({"refused": refused(commands), "settings": settings(), "app": workers_app()}))
