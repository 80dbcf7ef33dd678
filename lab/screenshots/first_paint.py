"""How soon our pages show what they are for, and how quickly a search in a long list answers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from playwright.sync_api import Browser, Request

from lab.browser import visitor

ACTIVATIONS, A_RUN = "activations", "table.runs tbody tr"
DELIVER, AN_AUDIENCE = "deliver", '[data-testid="deliver-audience"]'
VISITS = 5
# Notes the moment of the first frame after what the page is for was put into it, and until when Airflow was waited for.
_WATCH = """
window.painted = new Promise((tell) => new MutationObserver((_, observer) => {
  if (!document.querySelector(%r)) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => tell(performance.now())));
}).observe(document, { childList: true, subtree: true }));
"""
_KEYS = """async (text) => {
  const [field, took] = [document.querySelector('[data-testid="deliver-search"]'), []];
  for (let length = 1; length <= text.length; length += 1) {
    const pressed = performance.now();
    field.value = text.slice(0, length);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    took.push(performance.now() - pressed);
  }
  return took;
}"""
FLOWS, AUDIENCES = 100, 250
SEARCH = "destination 77 town 249"


@dataclass(frozen=True, slots=True)
class FirstPaint:
    """What visits with an empty cache have cost.

    :param seconds: to the painted list, the median; ``slowest`` the worst.
    :param own: seconds of it that the page's own main thread worked, scripts and layout; the rest is waiting.
    :param before: API requests until then; ``in_all`` with those that come later.
    """

    seconds: float
    slowest: float
    own: float
    before: int
    in_all: int
    heap_mb: float
    """What the page's scripts keep, when all has come."""

    def __str__(self) -> str:
        return (
            f"painted after {self.seconds:.2f} s (median of {VISITS} visits with an empty cache, the slowest "
            f"{self.slowest:.2f} s), of which the page itself worked {self.own:.2f} s; {self.before} API requests "
            f"before it, {self.in_all} in all; its scripts keep {self.heap_mb:.1f} MB"
        )


def measure(chromium: Browser, url: str, token: str, path: str, shown: str) -> FirstPaint:
    """Open a page a few times, each time as a new visitor, until an element is painted."""
    times, own, heaps, before, in_all = [], [], [], 0, 0
    for _ in range(VISITS):
        asked: list[str] = []
        with visitor(chromium, url, token=token) as context:
            page = context.new_page()
            session = context.new_cdp_session(page)
            session.send("Performance.enable")
            page.add_init_script(_WATCH % shown)
            page.on("request", partial(_note, asked))
            page.goto(f"/adobe-experience-platform/{path}", wait_until="commit")
            times.append(page.evaluate("window.painted") / 1000)
            own.append(_metric(session.send("Performance.getMetrics"), "TaskDuration"))
            before = len(asked)
            page.wait_for_load_state("networkidle")
            in_all = len(asked)
            heaps.append(_metric(session.send("Performance.getMetrics"), "JSHeapUsedSize") / 1e6)
    return FirstPaint(statistics.median(times), max(times), statistics.median(own), before, in_all, max(heaps))


def slowest_key(chromium: Browser, url: str, token: str) -> float:
    """Return the milliseconds from a key of a search to its painted answer, the slowest of all."""
    with visitor(chromium, url, token=token) as context:
        page = context.new_page()
        page.goto(f"/adobe-experience-platform/{DELIVER}")
        page.locator(AN_AUDIENCE).first.wait_for()
        page.wait_for_load_state("networkidle")
        took: list[float] = page.evaluate(_KEYS, SEARCH)
        return max(took)


def guardrails() -> dict[str, Any]:
    """Return a sandbox of the size that Adobe recommends at most, as a seed of the simulator."""
    audiences = [{"id": f"town-{number}", "name": f"People of town {number}"} for number in range(AUDIENCES)]
    mapped = [item["id"] for item in audiences]
    flows = [{"id": f"flow-{number}", "name": f"Destination {number}", "audiences": mapped} for number in range(FLOWS)]
    return {"audiences": audiences, "flows": flows}


def _metric(answer: Mapping[str, Any], name: str) -> float:
    metrics = {item["name"]: item["value"] for item in answer["metrics"]}
    return float(metrics[name])


def _note(asked: list[str], request: Request) -> None:
    if "/api/v2/" in request.url:
        asked.append(request.url)
