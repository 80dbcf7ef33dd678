"""`make docs`: build the documents as a site in build/site, strictly; or serve it on this machine."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from tools import bootstrap, side_venv

PORT = 8000


def main() -> int:
    """Install MkDocs if need be, and let it build or serve."""
    parser = argparse.ArgumentParser(prog="make docs", description=__doc__)
    parser.add_argument("--serve", action="store_true", help=f"serve it at http://127.0.0.1:{PORT}, until Ctrl-C")
    options = parser.parse_args()
    try:
        python = side_venv.install("docs") / "python"
    except bootstrap.BootstrapError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    command = ["serve", "--dev-addr", f"127.0.0.1:{PORT}"] if options.serve else ["build"]
    # Not --quiet: MkDocs then counts no warnings, so that --strict lets dead links pass.
    # Material for MkDocs otherwise prints a paragraph about what comes after it.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    try:
        built = subprocess.run(
            [str(python), "-m", "mkdocs", *command, "--strict"],
            cwd=bootstrap.ROOT, env=environment, check=False,
        )  # fmt: skip
    except KeyboardInterrupt:
        return 0
    if not built.returncode and not options.serve:
        print("The site is in build/site: open build/site/index.html")
    return built.returncode


if __name__ == "__main__":
    sys.exit(main())
