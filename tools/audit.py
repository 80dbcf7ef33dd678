"""Look for known vulnerabilities of the pinned packages: `make audit`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tools import bootstrap, side_venv

REQUIREMENTS = bootstrap.ROOT / "requirements.txt"


def main() -> int:
    """Ask, print what is known, and fail on a finding or when the lookup fails."""
    try:
        tool = side_venv.install("audit") / "pip-audit"
    except bootstrap.BootstrapError as error:
        print(f"ERROR: nothing was audited: {error}", file=sys.stderr)
        return 2
    done = subprocess.run(
        [
            *[str(tool), "--requirement", str(REQUIREMENTS), "--no-deps", "--disable-pip"],
            *["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off"],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        reason = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        print(
            f"ERROR: nothing was audited: {reason[-1]}\n"
            "pip-audit asks api.osv.dev about each package: it must be reachable. Behind a proxy set HTTPS_PROXY.",
            file=sys.stderr,
        )
        return 2
    lines = list(findings(answer))
    for line in lines:
        print(line)
    print(f"{len(answer['dependencies'])} packages of {REQUIREMENTS.name} audited, {len(lines)} known vulnerabilities.")
    return 1 if lines else 0


def findings(answer: Mapping[str, Any]) -> Iterator[str]:
    """Return one line for each vulnerability."""
    for package in answer["dependencies"]:
        for found in package.get("vulns", ()):
            fixed = f"fixed in {', '.join(found['fix_versions'])}" if found["fix_versions"] else "not fixed yet"
            yield f"{package['name']} {package['version']}: {found['id']}, {fixed}"


if __name__ == "__main__":
    sys.exit(main())
