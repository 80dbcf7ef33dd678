"""The documents say what the code does: texts, parameters, rooms, links and commands are compared with it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from lab import airflows

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "plugins" / "adobe_experience_platform"
DOCUMENTS = [
    *(REPOSITORY / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]


def rows(document: Path, heading: str) -> list[list[str]]:
    """Return the cells of all table rows whose table's first column is `heading`."""
    found: list[list[str]] = []
    inside = False
    for line in document.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0] == heading:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not set(cells[0]) <= set("- "):
            found.append(cells)
    return found


def test_every_parameter_is_listed_with_its_default() -> None:
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(REPOSITORY / "dags" / "adhoc_activation.py").dags["aep_adhoc_activation"]
    listed = {
        cells[0].strip("`"): cells[1].strip("`") for cells in rows(REPOSITORY / "docs" / "parameters.md", "parameter")
    }

    defaults = {
        name: "required" if name == "activation_info" else json.dumps(dag.params[name]).strip('"')
        for name in dag.params
    }
    assert listed == defaults


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_lines_are_short_enough_to_read_in_a_diff(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)

    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_that_are_named_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))

    named = set(re.findall(r"`make ([a-z-]+)", document.read_text()))
    assert named <= targets


@pytest.mark.parametrize("page", ["campaigns.md", "campaign-on-a-schedule.md", "campaign-approval.md"])
def test_the_campaign_files_in_the_documents_are_sound(page: str) -> None:
    from adobe_experience_platform.campaigns.reading import read_campaign

    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        campaign, faults = read_campaign(block.encode(), "example", page)
        assert campaign is not None, faults


def test_every_key_of_a_campaign_file_is_documented() -> None:
    from adobe_experience_platform.campaigns.file import Campaign

    text = (REPOSITORY / "docs" / "campaigns.md").read_text(encoding="utf-8")
    table = text.partition("## Every key")[2].partition("## When")[0]
    assert [key for key in Campaign.model_fields if f"`{key}`" not in table] == []


def test_contributing_draws_the_rooms_in_the_order_of_the_contract() -> None:
    lint = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [contract["layers"] for contract in lint["contracts"] if contract["type"] == "layers"]
    [forbidden] = [contract["source_modules"] for contract in lint["contracts"] if contract["type"] == "forbidden"]
    picture = (REPOSITORY / "CONTRIBUTING.md").read_text().partition("```text\n")[2].partition("```")[0]
    rooms = {
        path.stem for path in PACKAGE.iterdir() if path.suffix in ("", ".py") and path.stem.strip("_") == path.stem
    }

    above, below = ([set(line[:45].split()) & rooms for line in part.splitlines()] for part in picture.split("──\n"))
    assert [floor for floor in above + below if floor] == [set(layer.split(" | ")) for layer in layers]
    assert set().union(*above, *below) == rooms
    assert {f"{PACKAGE.name}.{room}" for room in set().union(*below)} == set(forbidden)


def test_contributing_names_files_that_exist() -> None:
    named = re.findall(r"`([a-z_]+/[a-z_/]+(?:\.py|/))`", (REPOSITORY / "CONTRIBUTING.md").read_text())

    assert len(named) > 10
    assert [path for path in named if not any((place / path).exists() for place in (REPOSITORY, PACKAGE))] == []


def test_the_supported_versions_of_airflow_are_those_that_are_tested() -> None:
    listed = [row[0] for row in rows(REPOSITORY / "docs" / "airflow.md", "Airflow")]
    oldest = re.search(r'"apache-airflow>=([\d.]+),<4"', (REPOSITORY / "pyproject.toml").read_text())
    pinned = re.search(r"^apache-airflow==([\d.]+)$", (REPOSITORY / "requirements.in").read_text(), re.MULTILINE)

    assert oldest
    assert pinned
    tested = [version for row in listed for version in re.findall(r"\d+\.\d+\.\d+", row)]
    assert tested == [pinned[1], *[version for version in airflows.VERSIONS if version != pinned[1]]]
    assert min(airflows.VERSIONS) == oldest[1]


def test_the_sites_menu_has_every_page() -> None:
    menu = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())["nav"]
    listed = re.findall(r"[\w/.-]+\.md", json.dumps(menu))

    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md")}
    assert set(listed) == pages | {"reference.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} | {
        "include/aep_simulator/README.md"
    }
    assert len(listed) == len(set(listed))


def test_the_stored_forms_are_listed_with_their_versions() -> None:
    found = {
        name: int(value)
        for path in PACKAGE.rglob("*.py")
        for name, value in re.findall(r"^((?:[A-Z]+_)?VERSION) = (\d+)$", path.read_text(), re.MULTILINE)
    }
    listed = " ".join(row[2] for row in rows(REPOSITORY / "docs" / "operations.md", "stored form"))

    assert {name: int(value) for name, value in re.findall(r"`([A-Z_]+)` (\d+)", listed)} == found
    assert found
