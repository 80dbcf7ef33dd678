"""What the tests share: hypothesis without a stopwatch, and the DAGs against a simulated AEP."""

from __future__ import annotations

import hypothesis

# Fixtures of the DAGs' own tests; pytest finds them here by their names.
from tests.airflow.dags.conftest import aep, deliver, local_aep
from tests.airflow.examples.conftest import run

__all__ = ["aep", "deliver", "local_aep", "run"]

# Machines that do other things besides are slow now and then; that is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
