"""Run the unit tests with the newest versions that the declared ranges allow, in an environment of their own."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import bootstrap

FOLDER = bootstrap.ROOT / ".venv-newest"
PROJECT = f"{bootstrap.ROOT}[smtp,statsd]"
# What the tests, and what they use of include/ and tools/, need on top. It is all in ranges but Airflow's pin, which is
# the repository's and not the package's.
NEEDS = ("requirements.in", "requirements-dev.in")


class NewestError(Exception):
    """The newest versions could not be installed."""


def main() -> int:
    """Resolve, install, say what is newer than the pins, test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", nargs="*", default=["tests/unit"], help="arguments of pytest, default tests/unit")
    tests = parser.parse_args().tests
    try:
        python = install(FOLDER)
    except NewestError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    pinned, found = versions(bootstrap.VENV_PYTHON), versions(python)
    others = [name for name in found if pinned.get(name, found[name]) != found[name]]
    listed = ", ".join(f"{name} {found[name]} (pinned: {pinned[name]})" for name in others)
    bootstrap.say(f"Other versions than the pinned ones: {listed or 'none'}")
    return run_tests(python, "-n", "2", *tests)


def install(folder: Path, *wanted: str) -> Path:
    """Make an environment anew and return its Python.

    :param wanted: requirements that decide, such as ``apache-airflow==3.3.0``; all else is the newest in its range.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    listed = folder / "wanted.in"
    python = folder / "bin" / "python"
    lines = [line for name in NEEDS for line in (bootstrap.ROOT / name).read_text(encoding="utf-8").splitlines()]
    kept = [line for line in lines if not line.startswith("apache-airflow==")]
    listed.write_text("\n".join([*kept, *wanted]), encoding="utf-8")
    uv = [str(bootstrap.VENV_PYTHON), "-m", "uv"]
    newest = ["--upgrade", "--resolution", "highest", "--requirements", str(listed)]
    bootstrap.say(f"Installing {' '.join(wanted) or 'the newest versions'} into {folder.name}")
    for command in (
        [*uv, "venv", "--quiet", "--allow-existing", "--python", str(bootstrap.VENV_PYTHON), str(folder)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), *newest, "--editable", PROJECT],
    ):
        if subprocess.run(command, env=bootstrap.uv_environment(), check=False).returncode:
            raise NewestError("the newest versions could not be installed (the reason is above).")
    return python


def run_tests(python: Path, *arguments: str) -> int:
    """Run pytest in an environment and return its exit code."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(python), "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=bootstrap.ROOT, env=environment, check=False).returncode


def versions(python: Path) -> dict[str, str]:
    """Return package → version of an environment."""
    uv = [str(bootstrap.VENV_PYTHON), "-m", "uv", "pip", "list", "--format", "json", "--python", str(python)]
    listed = json.loads(subprocess.run(uv, capture_output=True, text=True, check=True).stdout)
    return {item["name"]: item["version"] for item in listed}


if __name__ == "__main__":
    sys.exit(main())
