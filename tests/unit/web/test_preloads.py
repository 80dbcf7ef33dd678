"""The page *Deliver* asks for all its scripts at once: each that is found late costs a round trip before the list."""

from __future__ import annotations

import re
from pathlib import Path

from adobe_experience_platform import web

STATIC = Path(web.__file__).parent / "static"


def test_every_script_of_the_page_is_asked_for_at_its_begin() -> None:
    page = (STATIC / "deliver.html").read_text()
    reached: set[str] = set()
    waiting = set(re.findall(r'<script type="module" src="js/(\S+?)"', page))
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= set(re.findall(r' from "\./(\S+?)"', (STATIC / "js" / name).read_text())) - reached

    named = set(re.findall(r'<(?:link rel="modulepreload" href|script type="module" src)="js/(\S+?)"', page))
    assert "deliver.js" in reached
    assert named == reached
