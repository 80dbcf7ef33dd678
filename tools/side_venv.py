"""Environments of single tools, beside .venv: they want other versions than the tests."""

from __future__ import annotations

from pathlib import Path

from tools import bootstrap


def install(name: str) -> Path:
    """Return the folder of programs of ``.venv-<name>``, which holds what ``requirements-<name>.txt`` pins by hash.

    :raises bootstrap.BootstrapError: if it could not be installed.
    """
    venv, requirements = bootstrap.ROOT / f".venv-{name}", bootstrap.ROOT / f"requirements-{name}.txt"
    stamp, wanted = venv / ".installed", requirements.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return venv / "bin"
    bootstrap.say(f"Installing {requirements.name} into {venv.name}")
    failure = f"{requirements.name} could not be installed (the reason is above)."
    uv, target = [str(bootstrap.VENV_PYTHON), "-m", "uv"], ["--python", str(venv / "bin" / "python")]
    for command in (
        [*uv, "venv", "--quiet", "--clear", "--python", str(bootstrap.VENV_PYTHON), str(venv)],
        [*uv, "pip", "install", "--quiet", "--require-hashes", *target, "-r", str(requirements)],
    ):
        bootstrap.run(command, failure, bootstrap.uv_environment())
    stamp.write_text(wanted, encoding="utf-8")
    return venv / "bin"
