"""A real browser: finds Chromium or installs it, and drives it by Playwright.

    python -m lab.browser     say which Chromium there is; install one where that is possible

Playwright would download a browser of its own from a host of its own; a packaged Chromium does as well. Like
Playwright's own, it is best the headless shell: a whole browser takes almost three times the CPU for the same pages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

REQUIRED = "BROWSER_TESTS"
"""The variable of the environment that, being ``required``, forbids to go on without a browser."""

SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
PROGRAMS = (*SHELLS, "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_MAC = Path("/Applications")
_MAC_PROGRAMS = ("Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium")
# Not every system has the shell; and without fonts a page has no letters.
SHELL, WHOLE = SHELLS[0], "chromium"
FONTS = ("fonts-liberation", "fonts-dejavu-core")
ATTEMPTS = 4
PAUSE_SECONDS = 5.0
APT_OPTIONS = ("-oAcquire::Retries=3", "-oAcquire::http::Timeout=30", "-oDPkg::Lock::Timeout=120")
NOW_OR_NEVER = ("-oAcquire::Retries=0", "-oAcquire::http::Timeout=10", "-oDPkg::Lock::Timeout=0")
MISSING = (
    "no Chromium or Chrome was found: install one (Debian: apt-get install chromium fonts-liberation) "
    "and see that it is on PATH"
)

FLAGS = (
    "--no-sandbox",  # it opens pages of this machine only, and root (a container's user) may not have the sandbox
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-dev-shm-usage",  # in a container /dev/shm is too small
    "--font-render-hinting=none",
    "--hide-scrollbars",
)
DESKTOP = (1280, 800)
PHONE = (400, 800)
_SECONDS = 60.0


class BrowserError(Exception):
    """There is no browser, or it cannot be installed; the message says what to do."""


def main() -> int:
    """See to it that there is a browser; only where one is required, its absence is an error."""
    try:
        print(f"Browser tests use {lighter(found) if (found := find()) else install()}")
    except BrowserError as error:
        if is_required():
            print(f"ERROR: {error}", file=sys.stderr)
            return 1
        print(f"The browser tests will be skipped: {error}")
    return 0


def is_required() -> bool:
    """Tell whether tests may not be skipped for want of a browser."""
    return os.environ.get(REQUIRED) == "required"


def find() -> str | None:
    """Return the path of an installed Chromium or Chrome, None where there is none."""
    for program in PROGRAMS:
        if found := shutil.which(program):
            return found
    return next((str(path) for name in _MAC_PROGRAMS if (path := _MAC / name).exists()), None)


def install() -> str:
    """Install Chromium from the system's packages (Debian and its kin) and return its path.

    A package mirror may be away for a moment: it is tried a few times.

    :raises BrowserError: where that takes more rights or another system than this one, or no mirror answers
    """
    command = _apt_get(*APT_OPTIONS)
    print("Installing Chromium for the browser tests: apt-get install", SHELL, *FONTS, flush=True)
    for attempt in range(1, ATTEMPTS + 1):
        # Where a list cannot be renewed, the old one may do: only what the installation says counts.
        subprocess.run([*command, "update"], capture_output=True, check=False)
        fault = _install(command, SHELL, *FONTS) and _install(command, WHOLE, *FONTS)
        if not fault:
            break
        said = f"apt-get install failed: {fault[-2000:]}"
        if attempt == ATTEMPTS:
            raise BrowserError(f"{said}\nIt was tried {ATTEMPTS} times. {MISSING[0].upper()}{MISSING[1:]}")
        print(f"{said}\nIt is tried again.", flush=True)
        time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    if not (found := find()):
        raise BrowserError(f"apt-get installed a browser, but {MISSING}")
    return found


def lighter(whole: str) -> str:
    """Return the headless shell beside a whole browser, if it is there or can be had at once; else the browser."""
    if Path(whole).name not in SHELLS:
        with suppress(BrowserError):
            _install(_apt_get(*NOW_OR_NEVER), SHELL)
    return find() or whole


def _apt_get(*options: str) -> list[str]:
    if not (apt_get := shutil.which("apt-get")):
        raise BrowserError(MISSING)
    return [*_as_root(), "env", "DEBIAN_FRONTEND=noninteractive", apt_get, "-qq", *options]


def _install(command: Sequence[str], *packages: str) -> str:
    """Install packages, and return what went wrong."""
    install = [*command, "install", "-y", "--no-install-recommends", *packages]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"it ended with {done.returncode}" if done.returncode else ""


def _as_root() -> list[str]:
    """Return what a command of root's begins with; sudo must not ask for a password."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    raise BrowserError(MISSING)


@contextmanager
def browser(program: str | None = None) -> Iterator[Browser]:
    """Run a headless browser with a fresh profile.

    While it runs, no other event loop can run in this thread: Playwright's own does.

    :param program: path of the Chromium (default: the installed one)
    :raises BrowserError: where there is none
    """
    from playwright.sync_api import sync_playwright

    executable = program or find()
    if not executable:
        raise BrowserError(MISSING)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, headless=True, args=list(FLAGS))
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def visitor(
    chromium: Browser,
    url: str,
    *,
    token: str | None = None,
    size: tuple[int, int] = DESKTOP,
    dark: bool = False,
) -> Iterator[BrowserContext]:
    """Open the browser as one visitor: with cookies, storage and downloads of their own.

    :param url: of the web server; paths are relative to it
    :param token: Airflow's access token of the user; None visits anonymously
    :param size: of the window, width and height in CSS pixels
    :param dark: whether the visitor's system is set to dark colours
    """
    context = chromium.new_context(
        base_url=url,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    context.set_default_timeout(_SECONDS * 1000)
    try:
        if token:
            context.add_cookies([{"name": "_token", "value": token, "url": url, "httpOnly": True, "sameSite": "Lax"}])
        yield context
    finally:
        context.close()


if __name__ == "__main__":
    sys.exit(main())
