"""Campaign files on the command line: check them all, publish their JSON Schema.

python -m tools.campaigns check [FOLDER]
python -m tools.campaigns schema [FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from adobe_experience_platform.campaigns import json_schema, load

FOLDER = Path(__file__).resolve().parent.parent / "include" / "campaigns"
SCHEMA = FOLDER / "schema.json"


def schema_text() -> str:
    """Return the JSON Schema as it is committed."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def check(folder: Path) -> int:
    """Print every fault of a folder's campaign files, and return the exit code."""
    campaigns = load(folder)
    for fault in campaigns.faults:
        print(fault)
    sound = f"{len(campaigns.found)} campaign{'' if len(campaigns.found) == 1 else 's'} without faults"
    print(
        f"{sound}, {len(campaigns.faults)} fault{'' if len(campaigns.faults) == 1 else 's'} in others"
        if campaigns.faults
        else sound
    )
    return 1 if campaigns.faults else 0


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.campaigns", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="check all campaign files").add_argument(
        "folder", nargs="?", type=Path, default=FOLDER
    )
    commands.add_parser("schema", help="write the JSON Schema").add_argument(
        "file", nargs="?", type=Path, default=SCHEMA
    )
    given = parser.parse_args(arguments)
    if given.command == "check":
        return check(given.folder.resolve())
    given.file.write_text(schema_text(), encoding="utf-8")
    print(f"wrote {given.file}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
