"""What Airflow calls the machine that a replica runs on (`[core] hostname_callable`)."""

from __future__ import annotations

import os


def hostname() -> str:
    """Return the replica's name, as a container of its own would be called."""
    return os.environ["HOSTNAME"]
