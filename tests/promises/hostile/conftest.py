"""What the tests share: the DAGs against a simulated AEP."""

from __future__ import annotations

# Fixtures of the DAGs' own tests; pytest finds them here by their names.
from tests.airflow.dags.conftest import aep, deliver, local_aep
from tests.airflow.examples.conftest import run

__all__ = ["aep", "deliver", "local_aep", "run"]
