"""Finding a browser, and installing one: with programs that only pretend to be apt-get and sudo."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lab import browser

SUDO = """#!/bin/sh
[ "$1" = -n ] && shift
echo "sudo $*" >> {log}
exec "$@"
"""
APT_GET = """#!/bin/sh
echo "apt-get $*" >> {log}
[ "$DEBIAN_FRONTEND" = noninteractive ] || exit 9
case "$*" in
  *update*) exit 100 ;;
  *install*)
    [ "$(grep -c ' install ' {log})" -ge {works_at} ] || {{ echo "E: no answer from the mirror" >&2; exit 100; }}
    for package in {has}; do
      case "$*" in *"$package"*) echo '#!/bin/sh' > {folder}/$package; chmod +x {folder}/$package; exit 0 ;; esac
    done
    echo "E: unable to locate package" >&2; exit 100 ;;
esac
"""


class Machine:
    """A folder that is the whole PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        for name in ("env", "sh", "grep", "chmod", "true"):
            (folder / name).symlink_to(str(shutil.which(name)))

    def add(self, name: str, script: str, **values: object) -> None:
        path = self.folder / name
        values = {"has": f"{browser.SHELL} {browser.WHOLE}", **values}
        path.write_text(script.format(log=self.log, folder=self.folder, **values))
        path.chmod(0o755)

    def installations(self) -> list[str]:
        return [
            line for line in self.log.read_text().splitlines() if line.startswith("apt-get") and " install " in line
        ]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a machine without a browser, used by root, where one is not required."""
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "_MAC", tmp_path)
    monkeypatch.setattr(browser, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv(browser.REQUIRED, raising=False)
    return made


def test_installs_what_is_missing_although_the_mirror_is_away_for_a_moment(machine: Machine) -> None:
    machine.add("apt-get", APT_GET, works_at=5)

    assert browser.main() == 0
    assert browser.find() == str(machine.folder / browser.SHELL)
    assert len(machine.installations()) == 5
    assert all(package in machine.installations()[0] for package in (browser.SHELL, *browser.FONTS))


def test_installs_a_whole_browser_where_the_system_has_no_shell(machine: Machine) -> None:
    machine.add("apt-get", APT_GET, works_at=1, has=browser.WHOLE)

    assert browser.main() == 0
    assert browser.find() == str(machine.folder / browser.WHOLE)


def test_installs_nothing_where_there_is_a_shell(machine: Machine) -> None:
    machine.add("apt-get", APT_GET, works_at=1)
    machine.add("chromium", "#!/bin/sh\n")
    machine.add(browser.SHELL, "#!/bin/sh\n")

    assert browser.main() == 0
    assert machine.installations() == []


@pytest.mark.parametrize("has", [browser.SHELL, "nothing"])
def test_a_whole_browser_will_do_where_a_shell_is_not_to_be_had_at_once(
    machine: Machine, capsys: pytest.CaptureFixture[str], has: str
) -> None:
    machine.add("apt-get", APT_GET, works_at=1, has=has)
    machine.add("google-chrome", "#!/bin/sh\n")

    assert browser.main() == 0
    assert len(machine.installations()) == 1
    assert Path(capsys.readouterr().out.split()[-1]).name == (has if has == browser.SHELL else "google-chrome")


def test_uses_sudo_where_that_asks_for_no_password(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.add("apt-get", APT_GET, works_at=1)
    machine.add("sudo", SUDO)

    assert browser.main() == 0
    assert len(machine.installations()) == 1
    assert "sudo env DEBIAN_FRONTEND=noninteractive" in machine.log.read_text()


@pytest.mark.parametrize("why", ["no apt-get", "a user without sudo", "sudo wants a password", "no mirror"])
def test_says_what_to_do_where_it_cannot_and_only_where_it_must_that_is_an_error(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    if why != "no apt-get":
        machine.add("apt-get", APT_GET, works_at=99)
    if "sudo" in why:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if why == "sudo wants a password":
        machine.add("sudo", "#!/bin/sh\nexit 1\n")

    assert browser.main() == 0
    assert "The browser tests will be skipped" in capsys.readouterr().out
    monkeypatch.setenv(browser.REQUIRED, "required")
    assert browser.main() == 1
    error = capsys.readouterr().err
    assert "apt-get install chromium fonts-liberation" in error
    assert ("E: no answer from the mirror" in error) is (why == "no mirror")
    assert len(machine.installations()) == (4 * browser.ATTEMPTS if why == "no mirror" else 0)


def test_ci_does_not_go_on_without_a_browser() -> None:
    script = Path(__file__).parents[2] / ".ci" / "run"
    makefile = script.parents[1] / "Makefile"

    assert f"export {browser.REQUIRED}=required\n" in script.read_text()
    rule = makefile.read_text().partition("\ntest: ")[2].partition("\n\n")[0].splitlines()
    assert [word in line for word, line in zip(("lab.browser", "pytest"), rule[1:], strict=True)] == [True, True]
