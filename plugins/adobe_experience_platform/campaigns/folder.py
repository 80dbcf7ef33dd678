"""The campaigns of a folder: all that can be read, and all faults of the others."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from adobe_experience_platform.aep import one_line

from .file import Campaign
from .marked_yaml import MAX_BYTES
from .reading import FileFault, read_campaign

SUFFIXES = (".yaml", ".yml")
MAX_FOLDERS = 20
"""Folders within folders."""


@dataclass(slots=True)
class Campaigns:
    """What a folder holds: the campaigns that are sound by name, in order, and the faults of all other files."""

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
    for _, same in sorted(by_name.items()):
        if len(same) == 1:
            campaigns.found[same[0][1].name] = same[0][1]
            continue
        for file, campaign in same:
            others = [shown_path(other, folder) for other, _ in same if other != file]
            more = f" and {len(others) - 3} more files" if len(others) > 3 else ""
            where = f"{', '.join(others[:3])}{more}"
            what = f"the campaign {campaign.name!r} is also defined in {where}: give one of them another name"
            campaigns.faults.append(FileFault(shown_path(file, folder), 1, "name", what))
    campaigns.faults.sort()
    return campaigns


def load_one(folder: Path, name: str) -> Campaign | None:
    """Return one campaign; reads the file of that name only, unless the name stands in another file."""
    for file in sorted(files(folder), key=lambda file: file.stem != name):
        with suppress(OSError, ValueError):
            if file.stem == name or name.encode() in _bytes_of(file):
                campaign, _ = read_file(file, folder)
                if campaign is not None and campaign.name == name:
                    return campaign
    return None


def files(folder: Path) -> list[Path]:
    """Return the campaign files of a folder; names that begin with a dot or an underscore do not count.

    A folder within it that cannot be read is among them, so that it is told as a fault.
    """

    def found() -> Iterator[Path]:
        closed: list[OSError] = []
        for place, folders, names in os.walk(folder, onerror=closed.append):
            folders[:] = [name for name in folders if not name.startswith((".", "_"))]
            wanted = (name for name in [*folders, *names] if name.endswith(SUFFIXES))
            yield from (Path(place, name) for name in wanted if not name.startswith((".", "_")))
            if len(Path(place).parts) - len(folder.parts) >= MAX_FOLDERS:  # os.walk recurses
                yield from (Path(place, name) for name in folders if not name.endswith(SUFFIXES))
                folders.clear()
        yield from (Path(error.filename) for error in closed if Path(error.filename) != folder)

    return sorted(found())


def read_file(file: Path, folder: Path) -> tuple[Campaign | None, list[FileFault]]:
    """Read one file; one that cannot be opened is a fault too."""
    shown = shown_path(file, folder)
    try:
        content = _bytes_of(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        return None, [FileFault(shown, 1, "", f"the file cannot be read ({reason}): repair or remove it")]
    return read_campaign(content, file.stem, shown)


def _bytes_of(file: Path) -> bytes:
    """Return the first bytes of a regular file: opening another kind may wait for ever, or do something."""
    mode = file.stat().st_mode
    if stat.S_ISDIR(mode) and not file.name.endswith(SUFFIXES):
        raise ValueError(f"a folder without rights to list it, or within more than {MAX_FOLDERS} others")
    if not stat.S_ISREG(mode):
        raise ValueError("not a regular file")
    # It may have become another kind meanwhile.
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise ValueError("not a regular file")
        return opened.read(MAX_BYTES + 1)


def shown_path(file: Path, folder: Path) -> str:
    """Return a path as people of this repository know it: from the folder above the campaigns' on."""
    return one_line(str(file.relative_to(folder.parent.parent) if folder.parent.name == "include" else file))
