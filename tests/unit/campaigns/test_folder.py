"""The campaigns of a folder: one bad file is one bad file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adobe_experience_platform.campaigns.folder import load, load_one

SOUND = "when: manual\ndeliver: {flow: [audience]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    campaigns = tmp_path / "include" / "campaigns"
    campaigns.mkdir(parents=True)
    return campaigns


def test_good_files_stay_beside_bad_ones(folder: Path) -> None:
    (folder / "good.yaml").write_text(SOUND)
    (folder / "typo.yaml").write_text(SOUND + "tiemzone: UTC\n")
    (folder / "binary.yml").write_bytes(b"\x00\xff")
    (folder / "deep.yaml").write_bytes(b"[" * 50_000)
    (folder / "folder.yaml").mkdir()
    (folder / "gone.yaml").symlink_to(folder / "nowhere")

    campaigns = load(folder)

    assert list(campaigns.found) == ["good"]
    assert {fault.file for fault in campaigns.faults} == {
        f"include/campaigns/{name}" for name in ("typo.yaml", "binary.yml", "deep.yaml", "folder.yaml", "gone.yaml")
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_fault(folder: Path) -> None:
    (folder / "mine.yaml").write_text(SOUND)
    (folder / "mine.yaml").chmod(0)
    [fault] = load(folder).faults
    assert "cannot be read" in fault.what


def test_two_files_with_one_name_are_both_refused(folder: Path) -> None:
    (folder / "sale.yaml").write_text(SOUND)
    (folder / "sale.yml").write_text(SOUND)
    (folder / "other.yaml").write_text("name: Sale\n" + SOUND)
    (folder / "good.yaml").write_text(SOUND)

    campaigns = load(folder)

    assert list(campaigns.found) == ["good"]
    assert [(fault.file, fault.key) for fault in campaigns.faults] == [
        ("include/campaigns/other.yaml", "name"),
        ("include/campaigns/sale.yaml", "name"),
        ("include/campaigns/sale.yml", "name"),
    ]
    assert "is also defined in include/campaigns/sale.yaml, include/campaigns/sale.yml" in campaigns.faults[0].what


def test_folders_are_looked_into_and_hidden_files_left_out(folder: Path) -> None:
    (folder / "crm").mkdir()
    (folder / "crm" / "letter.yaml").write_text(SOUND)
    (folder / "_draft.yaml").write_text("nonsense")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.yaml").write_text("nonsense")
    (folder / "schema.json").write_text("{}")

    campaigns = load(folder)

    assert (list(campaigns.found), campaigns.faults) == (["letter"], [])


def test_folders_within_folders_end_somewhere(folder: Path) -> None:
    """1,600 of them took all campaigns down: the walk calls itself for each."""
    (folder / "good.yaml").write_text(SOUND)
    deep = folder.joinpath(*"a" * 20)
    (deep / "b" / "c").mkdir(parents=True)
    for place in (deep, deep / "b"):
        (place / f"in_{place.name}.yaml").write_text(SOUND)

    campaigns = load(folder)

    assert list(campaigns.found) == ["good", "in_a"]
    [fault] = campaigns.faults
    assert fault.file == f"include/campaigns/{'a/' * 20}b"
    assert "a folder without rights to list it, or within more than 20 others" in fault.what


def test_a_folder_that_may_not_be_listed_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its campaigns were missing, and nobody was told."""
    (folder / "crm").mkdir()
    scandir = os.scandir

    def closed(path: str | Path) -> object:
        if Path(path).name == "crm":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    [fault] = load(folder).faults
    assert fault.file == "include/campaigns/crm"
    assert "repair or remove it" in fault.what


def test_a_folder_that_does_not_exist_holds_no_campaign(tmp_path: Path) -> None:
    campaigns = load(tmp_path / "nowhere")
    assert (campaigns.found, campaigns.faults) == ({}, [])


def test_one_campaign_is_found_by_its_own_file_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (folder / f"{name}.yaml").write_text(SOUND)
    opened: list[str] = []
    open_file = os.open

    def note(path: Path, flags: int) -> int:
        opened.append(path.name)
        return open_file(path, flags)

    monkeypatch.setattr(os, "open", note)

    campaign = load_one(folder, "b")

    assert campaign is not None
    assert campaign.name == "b"
    assert opened == ["b.yaml"]


def test_one_campaign_is_found_in_a_file_of_another_name(folder: Path) -> None:
    (folder / "a.yaml").write_text("name: b\n" + SOUND)
    (folder / "b.yaml").write_text("name: a\ntitle: The other\n" + SOUND)
    found = load_one(folder, "a")
    assert found is not None
    assert found.title == "The other"
    assert load_one(folder, "nowhere") is None
