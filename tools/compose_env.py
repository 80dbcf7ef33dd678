"""`make env`: write the `.env` of docker-compose.yaml, with strong secrets.

What is in a `.env` already stays as it is; only what it lacks is added. Needs the standard library alone.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"

_ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


# Of letters and digits where they become part of a URL or an argument. The JWT secret has the 64 bytes of its HS512.
SECRETS: dict[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": lambda: secrets.token_hex(24),
    "REDIS_PASSWORD": lambda: secrets.token_hex(24),
    "AIRFLOW_FERNET_KEY": _fernet_key,
    "AIRFLOW_API_SECRET_KEY": lambda: secrets.token_hex(32),
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_hex(32),
    "AIRFLOW_ADMIN_PASSWORD": lambda: secrets.token_hex(12),
    "FLOWER_PASSWORD": lambda: secrets.token_hex(12),
}


def main(arguments: list[str] | None = None) -> int:
    """Write or complete the file, and say what was done without showing a secret."""
    parser = argparse.ArgumentParser(prog="make env", description=__doc__)
    parser.add_argument("--file", type=Path, default=ROOT / ".env", help="file to write or complete")
    path: Path = parser.parse_args(arguments).file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    after, added = completed(before)
    if added:
        _write_privately(path, after)
        print(f"{'Wrote' if before is None else 'Added to'} {path}: {', '.join(added)}")
    else:
        print(f"{path} is complete; nothing was changed")
    print("Start with: docker compose up --detach --build")
    print(f"Then log in at http://127.0.0.1:8080 as admin; the password is AIRFLOW_ADMIN_PASSWORD in {path}")
    return 0


def completed(text: str | None) -> tuple[str, list[str]]:
    """Return the content of a `.env` with nothing missing, and the names of what was added.

    :param text: what it holds so far; None makes it of `.env.example`, comments included
    """
    values = {**strong_values(), "AIRFLOW_UID": str(os.getuid() or 50000)}
    if text is None:
        example = EXAMPLE.read_text(encoding="utf-8")
        return _ASSIGNMENT.sub(lambda found: f"{found[1]}={values[found[1]]}", example), list(values)
    there = {name for name, value in _ASSIGNMENT.findall(text) if value.strip()}
    added = [name for name in values if name not in there]
    # An empty line of the same name would be the one that counts, if it came later.
    kept = "".join(
        line for line in text.splitlines(keepends=True) if line.partition("=")[0] not in added or line.startswith("#")
    )
    if kept and not kept.endswith("\n"):
        kept += "\n"
    return kept + "".join(f"{name}={values[name]}\n" for name in added), added


def strong_values() -> dict[str, str]:
    """Return {variable: a new random value} for every secret."""
    return {name: make() for name, make in SECRETS.items()}


def _write_privately(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner may read."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


if __name__ == "__main__":
    sys.exit(main())
