"""Run the unit tests, the tests of the DAGs and some live ones with every Airflow that is supported.

Each has an environment of its own, with the newest of all else that fits.
"""

from __future__ import annotations

import argparse
import sys

from lab import newest
from tools import bootstrap

VERSIONS = ("3.3.0", "3.3.1", "3.3.2")
"""From the oldest that pyproject.toml allows to the one that this repository runs on."""
QUICK = ("tests/unit", "tests/airflow")
LIVE = ("tests/live/test_delivery.py", "tests/live/test_campaigns.py", "tests/live/test_triggerer.py")
"""Deliveries, campaigns that an export starts, a triggerer that dies."""


def main() -> int:
    """Install each, test each; the exit code is 0 only if all passed."""
    parser = argparse.ArgumentParser(prog="make airflows", description=__doc__)
    parser.add_argument("versions", nargs="*", default=VERSIONS, help=f"default {' '.join(VERSIONS)}")
    failed = []
    for version in parser.parse_args().versions:
        try:
            python = newest.install(bootstrap.ROOT / f".venv-airflow-{version}", f"apache-airflow=={version}")
        except newest.NewestError as error:
            print(f"ERROR: {error}", file=sys.stderr)
            return 1
        codes = [newest.run_tests(python, "-q", *arguments) for arguments in (("-n", "2", *QUICK), ("-n", "0", *LIVE))]
        failed += [version] if any(codes) else []
        bootstrap.say(f"Airflow {version}: {'FAILED' if any(codes) else 'passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
