"""`make env`: write the `.env` of docker-compose.yaml, with strong secrets, for its owner's eyes only.

What is in a `.env` already stays as it is, and what it lacks is added; weak secrets are refused, and a file that others
may read is closed. Images get their digests where Docker can look them up. Needs the standard library alone.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"
COMPOSE = ROOT / "docker-compose.yaml"

_ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LOOKUP_SECONDS = 60.0
# A comment in another encoding stays what it is.
_AS_IT_IS = "surrogateescape"


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


# Of letters and digits where they become part of a URL. The JWT secret has the 64 bytes of its HS512.
SECRETS: dict[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": lambda: secrets.token_hex(24),
    "REDIS_PASSWORD": lambda: secrets.token_hex(24),
    "CELERY_RESULTS_PASSWORD": lambda: secrets.token_hex(24),
    "AIRFLOW_FERNET_KEY": _fernet_key,
    "AIRFLOW_API_SECRET_KEY": lambda: secrets.token_hex(32),
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_hex(32),
    "AIRFLOW_ADMIN_PASSWORD": lambda: secrets.token_hex(12),
    "FLOWER_PASSWORD": lambda: secrets.token_hex(12),
}
_IN_URLS = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "CELERY_RESULTS_PASSWORD")
# What people type; the others are read by programs only.
_TYPED = ("AIRFLOW_ADMIN_PASSWORD", "FLOWER_PASSWORD")
_LENGTHS = {True: 12, False: 32}
# What passwords are made of that are guessed first; `_weakness` does not count these letters.
_WORDS = (
    r"admin(istrator)?|airflow|apache|adobe|aep|postgres(ql)?|redis|celery|flower|fernet|root|user|test|demo|example"
    r"|sample|default|change(me|it|this)?|replace(me)?|todo|pass(word|wort|phrase)?|secret|token|key|your|my|super|strong|welcome"
    r"|letmein|spring|summer|autumn|winter|sommer|herbst|hunter2|monkey|dragon|login|hello|world|company|iloveyou|sunshine"
    r"|princess|football|baseball|master|(19|20)\d\d"
)
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz 01234567890 !@#$%^&*()_+ qwertyuiop[] qwertzuiop azertyuiop asdfghjkl; zxcvbnm,./"
    " yxcvbnm 1q2w3e4r5t6y7u8i9o0p 1qaz 2wsx 3edc 4rfv 5tgb 6yhn 7ujm 8ik, 9ol."
)
_RUNS = {run[at : at + 3] for row in _ROWS.split() for run in (row, row[::-1]) for at in range(len(row) - 2)}
_GUESSED = re.compile("|".join([_WORDS, *map(re.escape, sorted(_RUNS))]))
# Printed in guides for everybody to copy.
_PUBLISHED = frozenset({"46BKJoQYlPPOexq0OhDZnIlNepKFf87WFwLbfzqDDho="})
_HOW_TO_CHANGE = {
    "AIRFLOW_FERNET_KEY": "Rotate it",
    "POSTGRES_PASSWORD": "Change it in PostgreSQL, then here",
}
_ANEW = "Delete its line in .env and run make env, which writes a strong one"
_READ_AS = str.maketrans("@013457$!", "aoieastsi")


def main(arguments: list[str] | None = None) -> int:
    """Write or complete the file, and say what was done without showing a secret."""
    parser = argparse.ArgumentParser(prog="make env", description=__doc__)
    parser.add_argument("--file", type=Path, default=ROOT / ".env", help="file to write or complete")
    path: Path = parser.parse_args(arguments).file.resolve()
    before = path.read_text(encoding="utf-8", errors=_AS_IT_IS) if path.exists() else None
    if before is not None:
        try:
            close(path)
        except PermissionError:
            print(
                f"ERROR: other users may read or change {path}, and only its owner can stop that.\n"
                f"As its owner, run: chmod 600 {path}",
                file=sys.stderr,
            )
            return 1
        if faults := weaknesses({name: value for name, value in values(before).items() if value}):
            print("\n".join([f"ERROR: weak secrets in {path}, which stays as it is:", *faults]), file=sys.stderr)
            return 1
    after, added = completed(before)
    after, pinned = with_digests(after)
    if added or pinned:
        _write_privately(path, after)
        print(f"{'Wrote' if before is None else 'Added to'} {path}: {', '.join([*added, *pinned])}")
    else:
        print(f"{path} is complete; nothing was changed")
    if movable := [name for name, image in images(after).items() if "@sha256:" not in image]:
        print(f"Images by a tag, which can move: {', '.join(movable)}. .env.example says how to add a digest.")
    print("Start with: docker compose up --detach --build")
    print(f"Then log in at http://127.0.0.1:8080 as admin; the password is AIRFLOW_ADMIN_PASSWORD in {path}")
    return 0


def close(path: Path) -> None:
    """Take away from others the right to read or change a file, and say so.

    :raises PermissionError: when it belongs to another user.
    """
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
        print(
            f"Other users of this machine were able to open {path}: it is now yours alone.\n"
            "If there are other users, replace the secrets in it."
        )


def values(text: str) -> dict[str, str]:
    """Return {variable: value} of a `.env`, without the quotes and comments that Docker Compose leaves out too."""
    found = {}
    for name, raw in _ASSIGNMENT.findall(text):
        quoted = re.match(r"\s*(['\"])(.*?)\1", raw)
        found[name] = quoted[2] if quoted else re.sub(r"(^|\s+)#.*", "", raw).strip()
    return found


def weaknesses(given: Mapping[str, str]) -> list[str]:
    """Return a line for each secret that could be guessed or does not work; no line shows a value."""
    faults = []
    seen: dict[str, str] = {}
    for name in SECRETS:
        value = given.get(name)
        if value is None:
            continue
        fault = _weakness(name, value)
        if not fault and value in seen:
            fault = f"is the same as {seen[value]}"
        seen.setdefault(value, name)
        if fault:
            how = f"{_HOW_TO_CHANGE[name]}: .env.example says how" if name in _HOW_TO_CHANGE else _ANEW
            faults.append(f"  {name} {fault}. {how}.")
    return faults


def _weakness(name: str, value: str) -> str:
    if name == "AIRFLOW_FERNET_KEY":
        return next(filter(None, map(_fernet_weakness, value.split(","))), "")
    least = _LENGTHS[name in _TYPED]
    if len(value) < least:
        return f"has fewer than {least} characters"
    # "Passw0rd!" is read as people read it; what is left after the words that are tried first has to be enough.
    read = value.lower()
    rest = min((_GUESSED.sub("", text) for text in (read, read.translate(_READ_AS))), key=len)
    if len(rest) < least * 2 / 3 or len(set(rest)) < 6:
        return "is easy to guess"
    if name in _IN_URLS and not re.fullmatch(r"[A-Za-z0-9._~-]+", value):
        return "becomes part of a URL and may have letters, digits and . _ ~ - only"
    return ""


def _fernet_weakness(key: str) -> str:
    try:
        raw = base64.b64decode(key.strip().translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        return "is not a Fernet key (32 bytes in URL-safe Base64)"
    return "is easy to guess" if key.strip() in _PUBLISHED or len(set(raw)) < 16 else ""


def completed(text: str | None) -> tuple[str, list[str]]:
    """Return the content of a `.env` with nothing missing, and the names of what was added.

    :param text: what it holds so far; None makes it of `.env.example`, comments included
    """
    made = {**strong_values(), "AIRFLOW_UID": str(os.getuid() or 50000)}
    if text is None:
        example = EXAMPLE.read_text(encoding="utf-8")
        return _ASSIGNMENT.sub(lambda found: f"{found[1]}={made[found[1]]}", example), list(made)
    there = {name for name, value in values(text).items() if value}
    added = [name for name in made if name not in there]
    # An empty line of the same name would be the one that counts, if it came later.
    kept = "".join(
        line for line in text.splitlines(keepends=True) if line.partition("=")[0] not in added or line.startswith("#")
    )
    return _appended(kept, {name: made[name] for name in added}), added


def strong_values() -> dict[str, str]:
    """Return {variable: a new random value} for every secret."""
    return {name: make() for name, make in SECRETS.items()}


def images(text: str) -> dict[str, str]:
    """Return {variable: image} that docker-compose.yaml takes with this `.env`."""
    defaults = dict(re.findall(r"\$\{([A-Z]+_IMAGE):-([^}]+)\}", COMPOSE.read_text(encoding="utf-8")))
    given = values(text)
    return {name: given.get(name) or default for name, default in defaults.items()}


def with_digests(text: str) -> tuple[str, list[str]]:
    """Add the digests of images that have none, where Docker can look them up; return the names as well."""
    docker = shutil.which("docker")
    there = values(text)
    movable = {name: image for name, image in images(text).items() if name not in there and "@" not in image}
    found = {
        name: f"{image}@{digest}" for name, image in movable.items() if docker and (digest := _digest(docker, image))
    }
    return _appended(text, found), list(found)


def _digest(docker: str, image: str) -> str:
    """Return the digest of an image in its registry, empty where Docker cannot tell."""
    command = [docker, "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LOOKUP_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _DIGEST.fullmatch(done.stdout.strip())
    return found[0] if found and done.returncode == 0 else ""


def _appended(text: str, lines: Mapping[str, str]) -> str:
    end = "" if not text or text.endswith("\n") or not lines else "\n"
    return text + end + "".join(f"{name}={value}\n" for name, value in lines.items())


def _write_privately(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner may read."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors=_AS_IT_IS) as file:
        file.write(text)
    new.replace(path)


if __name__ == "__main__":
    sys.exit(main())
