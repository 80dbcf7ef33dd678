"""Make the project's environment in .venv from nothing; do next to nothing when it is up to date.

    python3 tools/bootstrap.py [--dev]
    python3 tools/bootstrap.py --resolve [--upgrade]    pin requirements*.in again

Uses the standard library only, and syntax that an old Python can still parse, so that the person who
has one reads what is missing instead of a SyntaxError. Packages come from where pip is set up to look:
pip's own configuration (index, certificates) is handed on to uv, which is much faster.
"""

import argparse
import ast
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator  # noqa: UP035  (collections.abc.Iterator[None] needs Python 3.9)

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
PIP = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check"]
UV_PIP = [str(VENV_PYTHON), "-m", "uv", "pip"]
LOCK = ROOT / ".local" / "bootstrap.lock"

UV = "requirements-uv.txt"
MINIMUM_PYTHON = (3, 11)
NEEDED_DISK_BYTES = 1500 * 10**6

# pip's setting -> the environment variable by which uv takes it.
UV_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
}


class BootstrapError(Exception):
    """The environment cannot be created; the message says what to do about it."""


def main() -> int:
    """Make the environment, or say what is missing."""
    parser = argparse.ArgumentParser(description="Make the project's environment in .venv.")
    parser.add_argument("--dev", action="store_true", help="also install what tests and linters need")
    parser.add_argument("--resolve", action="store_true", help="write requirements*.txt from requirements*.in")
    parser.add_argument("--upgrade", action="store_true", help="with --resolve: take the newest versions")
    options = parser.parse_args()
    try:
        check_python()
        ensure("requirements.txt")
        if options.dev:
            ensure("requirements-dev.txt")
        if options.resolve:
            resolve(options.upgrade)
    except BootstrapError as error:
        print(f"\nERROR: {error}", file=sys.stderr)
        return 1
    return 0


def check_python() -> None:
    """Refuse a Python that Airflow does not run on."""
    if sys.version_info < MINIMUM_PYTHON:
        raise BootstrapError(
            "Python {}.{} or newer is needed, this is {}.{}".format(*MINIMUM_PYTHON, *sys.version_info[:2])
            + f" ({sys.executable}).\nInstall a newer one, or name it: make PYTHON=/path/to/python3.12"
        )
    if os.name != "posix":
        raise BootstrapError("Airflow runs on Linux and macOS only. On Windows use WSL 2.")


def ensure(requirements: str) -> None:
    """Install one requirements file, unless just that was installed before."""
    stamp = VENV / (".installed-" + requirements)
    wanted = fingerprint(requirements)
    if is_current(stamp, wanted):
        return
    with locked():
        if is_current(stamp, wanted):  # by the process that held the lock
            return
        check_disk()
        if not venv_works():
            create_venv()
        install(requirements)
        stamp.write_text(wanted, encoding="utf-8")


def fingerprint(requirements: str) -> str:
    """Hash all that decides what gets installed; the root too, for a moved .venv points to its old place."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (ROOT / requirements, ROOT / UV, ROOT / "pyproject.toml", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(stamp: Path, wanted: str) -> bool:
    """Tell whether the stamp of an installation is the wanted one."""
    try:
        return stamp.read_text(encoding="utf-8") == wanted and VENV_PYTHON.exists()
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Let one process at a time change the environment."""
    import fcntl  # not at the top: Windows has none, and shall reach its message

    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another make that prepares .venv")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_disk() -> None:
    """Refuse to start when the disk is too full to finish."""
    free = shutil.disk_usage(str(ROOT)).free
    if free < NEEDED_DISK_BYTES:
        raise BootstrapError(
            f"{free / 10**9:.1f} GB are free on the disk of {ROOT}; "
            f"Airflow and its packages need {NEEDED_DISK_BYTES / 10**9:.1f} GB."
        )


def venv_works() -> bool:
    """Tell whether .venv is whole, was made here, and has a Python that is new enough."""
    if not VENV_PYTHON.exists():
        return False
    check = f"import pip, sys; sys.exit(sys.version_info < {MINIMUM_PYTHON!r})"
    probe = subprocess.run([str(VENV_PYTHON), "-c", check], capture_output=True, text=True, check=False)
    # The scripts in bin/ carry the path at which they were installed.
    script = VENV / "bin" / "pip"
    return probe.returncode == 0 and script.exists() and str(VENV) in script.read_text(encoding="utf-8")


def create_venv() -> None:
    """Create .venv, with the base Python of the one that runs this."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    say("Making .venv with Python {}.{} ({})".format(*sys.version_info[:2], base))
    probe = subprocess.run([base, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    if probe.returncode:
        raise BootstrapError(
            "This Python cannot make virtual environments. On Debian and Ubuntu:\n"
            "  apt-get install python{}.{}-venv".format(*sys.version_info[:2])
        )
    run([base, "-m", "venv", "--clear", str(VENV)], "Could not make the virtual environment in .venv.")


def install(requirements: str) -> None:
    """Install the pinned packages and, in place, this project: by uv, or by pip where uv does not work."""
    say(f"Installing {requirements} (the first time takes a minute)")
    packages = ["install", "--quiet", "--require-hashes", "-r", str(ROOT / requirements)]
    uv = ["install", "--quiet", "--require-hashes", "-r", str(ROOT / UV)]
    project = ["install", "--quiet", "--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    target = ["--python", str(VENV_PYTHON), "--compile-bytecode"]
    environment = uv_environment()

    if succeeds([*PIP, *uv]) and succeeds([*UV_PIP, *packages, *target], environment):
        run([*UV_PIP, *project, *target], "Could not install this project into .venv.", environment)
        return
    say("uv does not work here; going on with pip, which takes longer")
    run(
        [*PIP, *packages],
        "The packages could not be downloaded (the reason is above). Behind a proxy set HTTPS_PROXY; with a\n"
        "package index or certificates of your own set PIP_INDEX_URL and PIP_CERT, or pip.conf. Then run it\n"
        "again: it goes on where it stopped.",
    )
    run([*PIP, *project], "Could not install this project into .venv.")


def resolve(upgrade: bool) -> None:
    """Pin the requirements and the package's dependencies by one resolve for every supported Python and platform."""
    compile_command = [*UV_PIP, "compile", "--quiet", "--universal", "--generate-hashes"]
    compile_command += ["--python-version", "{}.{}".format(*MINIMUM_PYTHON)]
    compile_command += ["--custom-compile-command", "make requirements"]
    compile_command += ["--upgrade"] if upgrade else []
    # Each takes over the versions of the one before.
    package = "pyproject.toml"
    for name, more in (
        ("requirements-uv", []),
        ("requirements-deploy", [package]),
        ("requirements-distributed", [package, "--constraint", "requirements-deploy.txt"]),
        ("requirements", [package, "--constraint", "requirements-deploy.txt"]),
        ("requirements-dev", ["--constraint", "requirements.txt"]),
        ("requirements-redis", ["--no-deps"]),
        ("requirements-openlineage", ["--no-deps"]),
        ("requirements-schemathesis", []),
        ("requirements-docs", []),
        ("requirements-aepp", []),
        ("requirements-audit", []),
        ("requirements-release", []),
    ):
        # Relative paths: the comments in the output name them.
        files = [name + ".in", "--output-file", name + ".txt", *more]
        run([*compile_command, *files], "The requirements do not resolve (see above).", uv_environment())


def uv_environment() -> "dict[str, str]":
    """Translate pip's configuration for uv, which does not read it.

    What is set for uv itself comes first. pip takes the best version of all its indexes, uv by default
    that of the first index which has the package at all: told to do as pip does.
    """
    listing = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False).stdout
    translated = {}
    # Like pip: the environment before the install command's settings before the global ones.
    for section in ("global.", "install.", ":env:."):
        for line in listing.splitlines():
            key, _, value = line.partition("=")
            name = UV_SETTINGS.get(key[len(section) :]) if key.startswith(section) else None
            if name:
                separator = "," if name == "UV_FIND_LINKS" else " "
                translated[name] = separator.join(str(ast.literal_eval(value)).split())
    environment = {"UV_SYSTEM_CERTS": "true", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    environment.update(translated)
    environment.update(os.environ)
    return environment


def succeeds(command: "list[str]", env: "dict[str, str] | None" = None) -> bool:
    """Run a command in the project's folder and tell whether it did its work."""
    return subprocess.run(command, env=env, cwd=str(ROOT), check=False).returncode == 0


def run(command: "list[str]", failure: str, env: "dict[str, str] | None" = None) -> None:
    """Run a command that must succeed."""
    if not succeeds(command, env):
        raise BootstrapError(failure)


def say(text: str) -> None:
    """Print progress."""
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
