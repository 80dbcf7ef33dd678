from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from tools import bootstrap

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A project in tmp_path whose installations are only noted."""
    (tmp_path / "requirements.txt").write_text("one==1\n")
    (tmp_path / bootstrap.UV).write_text("uv==1\n")
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / ".local" / "lock")
    monkeypatch.setattr(bootstrap, "venv_works", lambda: True)
    done: list[str] = []
    monkeypatch.setattr(bootstrap, "install", done.append)
    return done


def test_installs_once(installed: list[str]) -> None:
    bootstrap.ensure("requirements.txt")
    bootstrap.ensure("requirements.txt")

    assert installed == ["requirements.txt"]


def test_installs_again_when_a_pin_changes(installed: list[str]) -> None:
    bootstrap.ensure("requirements.txt")
    (bootstrap.ROOT / "requirements.txt").write_text("one==2\n")
    bootstrap.ensure("requirements.txt")

    assert len(installed) == 2


def test_installs_again_after_a_failure(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(requirements: str) -> None:
        raise bootstrap.BootstrapError("no network")

    with monkeypatch.context() as broken:
        broken.setattr(bootstrap, "install", fail)
        with pytest.raises(bootstrap.BootstrapError):
            bootstrap.ensure("requirements.txt")

    bootstrap.ensure("requirements.txt")
    assert installed == ["requirements.txt"]


def test_two_at_once_install_once(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(requirements: str) -> None:
        inside.set()
        assert go_on.wait(10)
        installed.append(requirements)

    monkeypatch.setattr(bootstrap, "install", slow)
    first = threading.Thread(target=bootstrap.ensure, args=("requirements.txt",))
    second = threading.Thread(target=bootstrap.ensure, args=("requirements.txt",))
    first.start()
    assert inside.wait(10)
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)

    assert installed == ["requirements.txt"]


def test_refuses_a_nearly_full_disk(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "NEEDED_DISK_BYTES", 10**18)

    with pytest.raises(bootstrap.BootstrapError, match="GB are free"):
        bootstrap.ensure("requirements.txt")

    assert installed == []


def test_says_which_python_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))

    with pytest.raises(bootstrap.BootstrapError, match=r"Python 3\.11 or newer is needed, this is 3\.9"):
        bootstrap.check_python()


def test_can_be_parsed_by_the_python_it_refuses() -> None:
    source = (REPOSITORY / "tools" / "bootstrap.py").read_text(encoding="utf-8")

    ast.parse(source, feature_version=(3, 6))


def test_says_what_to_install_when_python_has_no_venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stripped = tmp_path / "python"  # Debian's python3 without python3-venv
    stripped.write_text('#!/bin/sh\necho "No module named ensurepip" >&2\nexit 1\n')
    stripped.chmod(0o755)
    monkeypatch.setattr(sys, "_base_executable", str(stripped))

    with pytest.raises(bootstrap.BootstrapError, match=r"apt-get install python3\.\d+-venv"):
        bootstrap.create_venv()


def test_hands_pips_configuration_to_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = (
        ":env:.cert='/env/ca.pem'\n"
        "global.cert='/global/ca.pem'\n"
        "global.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example/simple'\n"
        "global.find-links='/a /b'\n"
        "global.index-url='https://index.example/simple'\n"
        "global.timeout='60'\n"
    )
    monkeypatch.setattr(
        bootstrap.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=listing)
    )
    for name in ("SSL_CERT_FILE", "UV_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.example/simple")

    environment = bootstrap.uv_environment()

    assert environment["SSL_CERT_FILE"] == "/env/ca.pem"
    assert environment["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert environment["UV_FIND_LINKS"] == "/a,/b"
    assert environment["UV_DEFAULT_INDEX"] == "https://own.example/simple"


def test_falls_back_to_pip_where_uv_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def succeeds(command: list[str], env: object = None) -> bool:
        commands.append(command)
        return "uv" not in command

    monkeypatch.setattr(bootstrap, "succeeds", succeeds)

    bootstrap.install("requirements.txt")

    assert all("--require-hashes" in command for command in commands if "-r" in command)
    with_pip = [command for command in commands if command[:3] == bootstrap.PIP[:3]]
    assert [("-r" in command, "-e" in command) for command in with_pip[1:]] == [(True, False), (False, True)]


def test_says_what_to_set_when_nothing_can_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "succeeds", lambda *_: False)

    with pytest.raises(bootstrap.BootstrapError, match="HTTPS_PROXY"):
        bootstrap.install("requirements.txt")


def test_a_requirement_whose_hash_is_another_is_not_installed(tmp_path: Path) -> None:
    """Pip and uv themselves: what bootstrap and the image tell them makes them refuse a file that was exchanged."""
    wheel = tmp_path / "exchanged-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        info = "exchanged-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: exchanged\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    options = ["install", "--quiet", "--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "target")]

    def installs(tool: list[str], line: str) -> bool:
        (tmp_path / "requirements.txt").write_text(line)
        command = [*tool, *options, "--require-hashes", "-r", str(tmp_path / "requirements.txt")]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False).returncode == 0

    for tool in (bootstrap.UV_PIP, bootstrap.PIP):
        assert not installs(tool, f"exchanged==1.0 --hash=sha256:{'0' * 64}\n")
        assert not installs(tool, "exchanged==1.0\n")
    assert installs(bootstrap.UV_PIP, f"exchanged==1.0 --hash=sha256:{right}\n")
