"""No campaign file costs another one: whatever its bytes are, whatever kind of file it is.

`AEP_CAMPAIGN_FILES=250000 pytest tests/promises/hostile/test_campaign_files.py` draws as many, and is strict on time.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from adobe_experience_platform.campaigns import load
from adobe_experience_platform.campaigns.dags import build
from adobe_experience_platform.campaigns.reading import read_campaign
from tests.promises.hostile.campaign_files import SOUND, WORST, drawn

NUMBER = int(os.environ.get("AEP_CAMPAIGN_FILES", "0"))
SECONDS = 0.5 if NUMBER else 5.0
"""Processor time for one file: strict where somebody looks at it, not on whatever machine runs all tests."""


def read(content: bytes) -> bool:
    """Read a file as the folder does; a sound one becomes a DAG. Return whether it was sound."""
    modules = set(sys.modules)
    begin = time.process_time()
    campaign, faults = read_campaign(content, "name", "file.yaml")
    took = time.process_time() - begin
    assert took < SECONDS, f"{took:.2f} s for {content[:200]!r}"
    assert (campaign is None) is bool(faults)
    assert len(faults) <= 50
    text = "\n".join(map(str, faults))
    assert "cannot be read (" not in text, text
    assert len(text) < 60_000
    assert not [char for char in text if not char.isprintable() and char != "\n"]
    assert "::group" not in text.lower()
    assert "::endgroup" not in text.lower()
    if campaign is not None:
        DagSerialization.serialize_dag(build(campaign))
    unwanted = {"this", "antigravity"} & (set(sys.modules) - modules)
    assert not unwanted
    return campaign is not None


@pytest.mark.parametrize("name", WORST)
def test_the_worst_files_cost_a_moment(name: str) -> None:
    read(WORST[name].encode())


def test_drawn_files_end_as_a_campaign_or_as_faults() -> None:
    sound = sum(read(content) for content in islice(drawn(7), NUMBER or 1_000))
    assert sound > (NUMBER or 1_000) // 200, "the generator draws hardly anything sound"


def test_no_file_takes_the_folder_down(tmp_path: Path) -> None:
    for number, content in enumerate([*(text.encode() for text in WORST.values()), *islice(drawn(11), 100)]):
        (tmp_path / f"f{number}.yaml").write_bytes(content)
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "endless.yaml").symlink_to("/dev/zero")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / os.fsdecode(b"\xff\n::group::.yaml")).write_text("a: 1")
    (tmp_path / "good_one.yaml").write_text(SOUND)

    campaigns = load(tmp_path)

    assert "good_one" in campaigns.found
    told = {Path(fault.file).name: fault.what for fault in campaigns.faults}
    assert "not a regular file" in told["fifo.yaml"]
    assert "not a regular file" in told["endless.yaml"]
    assert "loop.yaml" in told
    assert not any("::group" in name or not name.isprintable() for name in told)
