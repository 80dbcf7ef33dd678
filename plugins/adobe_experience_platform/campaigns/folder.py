"""The campaigns of a folder: all that can be read, and all faults of the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from .file import Campaign
from .reading import FileFault, read_campaign

SUFFIXES = (".yaml", ".yml")


@dataclass(slots=True)
class Campaigns:
    """What a folder holds.

    :param found: the campaigns that are sound, by name, in the order of their names.
    :param faults: of all other files.
    """

    found: dict[str, Campaign] = field(default_factory=dict)
    faults: list[FileFault] = field(default_factory=list)


def load(folder: Path) -> Campaigns:
    """Read all campaign files of a folder and of the folders in it.

    A file with a fault takes no other down. Two files with one name are both refused: nobody could tell which is
    meant. A folder that does not exist holds no campaign.
    """
    campaigns = Campaigns()
    by_name: dict[str, list[tuple[Path, Campaign]]] = {}
    for file in files(folder):
        campaign, faults = read_file(file, folder)
        campaigns.faults += faults
        if campaign is not None:
            by_name.setdefault(campaign.name.lower(), []).append((file, campaign))
    for same in by_name.values():
        if len(same) == 1:
            campaigns.found[same[0][1].name] = same[0][1]
            continue
        for file, campaign in same:
            others = ", ".join(shown_path(other, folder) for other, _ in same if other != file)
            what = f"the campaign {campaign.name!r} stands in {others} too: give one of them another name"
            campaigns.faults.append(FileFault(shown_path(file, folder), 1, "name", what))
    campaigns.found = dict(sorted(campaigns.found.items()))
    campaigns.faults.sort()
    return campaigns


def load_one(folder: Path, name: str) -> Campaign | None:
    """Return one campaign; reads the file of that name only, unless the name stands in another file."""
    everything = files(folder)
    own = (file for file in everything if file.stem == name)
    others = (file for file in everything if file.stem != name and _mentions(file, name))
    for file in chain(own, others):
        campaign, _ = read_file(file, folder)
        if campaign is not None and campaign.name == name:
            return campaign
    return None


def files(folder: Path) -> list[Path]:
    """Return the campaign files of a folder; names that begin with a dot or an underscore do not count."""
    found = (path for suffix in SUFFIXES for path in folder.rglob(f"*{suffix}"))
    return sorted(path for path in found if not _is_hidden(path.relative_to(folder).parts))


def read_file(file: Path, folder: Path) -> tuple[Campaign | None, list[FileFault]]:
    """Read one file; one that cannot be opened is a fault too."""
    try:
        content = file.read_bytes()
    except OSError as error:
        return None, [
            FileFault(shown_path(file, folder), 1, "", f"the file cannot be read ({error.strerror}): repair it")
        ]
    return read_campaign(content, file.stem, shown_path(file, folder))


def shown_path(file: Path, folder: Path) -> str:
    """Return a path as people of this repository know it: from the folder above the campaigns' on."""
    return str(file.relative_to(folder.parent.parent)) if folder.parent.name == "include" else str(file)


def _is_hidden(parts: Iterable[str]) -> bool:
    return any(part.startswith((".", "_")) for part in parts)


def _mentions(file: Path, name: str) -> bool:
    try:
        return name.encode() in file.read_bytes()
    except OSError:
        return False
