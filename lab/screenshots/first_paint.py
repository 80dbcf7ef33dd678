"""How soon the page *Activations* shows a list of 200 runs, and how many requests that takes."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial

from playwright.sync_api import Browser, Request

from lab.browser import visitor

PATH = "/adobe-experience-platform/activations"
VISITS = 5
# Notes the moment of the first frame after the list's rows were put into the page.
_WATCH = """
window.listPainted = new Promise((tell) => new MutationObserver((_, observer) => {
  if (!document.querySelector("table.runs tbody tr")) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => tell(performance.now())));
}).observe(document, { childList: true, subtree: true }));
"""


@dataclass(frozen=True, slots=True)
class FirstPaint:
    """What visits with an empty cache have cost: seconds to the painted list, requests until then and in all."""

    seconds: float
    slowest: float
    before: int
    in_all: int

    def __str__(self) -> str:
        return (
            f"the list was painted after {self.seconds:.2f} s (median of {VISITS} visits with an empty cache, "
            f"the slowest {self.slowest:.2f} s), {self.before} API requests before it, {self.in_all} in all"
        )


def measure(chromium: Browser, url: str, token: str) -> FirstPaint:
    """Open the page a few times, each time as a new visitor."""
    times, before, in_all = [], 0, 0
    for _ in range(VISITS):
        asked: list[str] = []
        with visitor(chromium, url, token=token) as context:
            page = context.new_page()
            page.add_init_script(_WATCH)
            page.on("request", partial(_note, asked))
            page.goto(PATH, wait_until="commit")
            times.append(page.evaluate("window.listPainted") / 1000)
            before = len(asked)
            page.wait_for_load_state("networkidle")
            in_all = len(asked)
    return FirstPaint(statistics.median(times), max(times), before, in_all)


def _note(asked: list[str], request: Request) -> None:
    if "/api/v2/" in request.url:
        asked.append(request.url)
