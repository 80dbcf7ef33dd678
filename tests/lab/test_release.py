"""What `make release` takes for fit, and what not; building and trying are what it does itself."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from lab import release

VERSION = "1.2.3"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose version is the same everywhere."""
    package = tmp_path / "plugins" / "adobe_experience_platform"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f'__version__ = "{VERSION}"\n')
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{VERSION}"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## [{VERSION}] - today\n")
    return tmp_path


def test_the_version_is_the_same_everywhere(root: Path) -> None:
    assert release.one_version(root) == VERSION
    assert release.one_version(release.bootstrap.ROOT)


@pytest.mark.parametrize("file", ["CHANGELOG.md", "plugins/adobe_experience_platform/__init__.py"])
def test_a_version_that_is_missing_somewhere_is_refused(root: Path, file: str) -> None:
    (root / file).write_text("1.2.4\n")

    with pytest.raises(release.ReleaseError, match=r"1\.2\.3"):
        release.one_version(root)


def test_the_address_is_told_in_the_metadata() -> None:
    urls = tomllib.loads("\n".join(release.addresses("https://example.com/me/aep/", VERSION)))["project"]["urls"]

    assert urls["Homepage"] == "https://example.com/me/aep"
    assert urls["Changelog"] == "https://example.com/me/aep/blob/v1.2.3/CHANGELOG.md"
    assert set(urls) == {"Homepage", "Documentation", "Changelog", "Issues", "Source"}
    assert release.addresses("", VERSION) == []


SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/me", "example.com/me", "https://example.com", "https://example.com/me p", "ssh://x/y"),
        *(
            f"https://me:{SECRET}@example.com/me",
            f"https://{SECRET}@example.com/me",
            f"https://example.com/me?t={SECRET}",
        ),
        *(f"https://example.com/me#token={SECRET}", f"https://example.com/me;t={SECRET}"),
        *(f"https://me:{SECRET}/x@example.com/me", f"https://example.com/me:{SECRET}@example.com/me"),
        *(f"https://example.com:{SECRET}/me", f"https://[::1/{SECRET}", f"https://me:{SECRET}@git\u2100hub.com/p"),
        *(f"https://example.com/me\n{SECRET}", f"https://example.com/\U0001f600{SECRET}", "https://example.com/../x"),
    ],
)
def test_an_address_that_is_none_or_may_hold_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(release.ReleaseError, match="https address") as refused:
        release.addresses(url, VERSION)
    assert url not in str(refused.value)
    assert SECRET not in str(refused.value)


def archives(folder: Path, *, sdist: set[str], wheel: set[str]) -> tuple[Path, Path]:
    """Return archives of empty files."""
    paths = folder / "x.tar.gz", folder / "x.whl"
    with tarfile.open(paths[0], "w:gz") as archive:
        for name in sdist:
            archive.addfile(tarfile.TarInfo(f"x-1/{name}"))
    with zipfile.ZipFile(paths[1], "w") as file:
        for name in wheel:
            file.writestr(name, "")
    return paths


def wanted() -> set[str]:
    root = release.bootstrap.ROOT
    found = {f"{release.MODULE}/example_dags/{path.name}" for path in (root / "examples").glob("*.py")}
    found |= {f"{release.MODULE}/dags/{path.name}" for path in (root / "dags").glob("*.py")}
    return found | {"adobe_experience_platform/py.typed"}


def test_what_is_whole_is_taken(tmp_path: Path) -> None:
    release.contents(*archives(tmp_path, sdist=release.SDIST, wheel=wanted()), release.bootstrap.ROOT)


@pytest.mark.parametrize("lost", sorted(release.SDIST))
def test_an_sdist_that_lacks_something_is_refused(tmp_path: Path, lost: str) -> None:
    with pytest.raises(release.ReleaseError, match=lost):
        release.contents(*archives(tmp_path, sdist=release.SDIST - {lost}, wheel=wanted()), release.bootstrap.ROOT)


@pytest.mark.parametrize("lost", sorted(wanted()))
def test_a_wheel_that_lacks_a_dag_is_refused(tmp_path: Path, lost: str) -> None:
    with pytest.raises(release.ReleaseError, match=lost):
        release.contents(*archives(tmp_path, sdist=release.SDIST, wheel=wanted() - {lost}), release.bootstrap.ROOT)


def test_a_wheel_with_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(release.ReleaseError, match="tests"):
        release.contents(
            *archives(tmp_path, sdist=release.SDIST, wheel=wanted() | {"tests/test_x.py"}), release.bootstrap.ROOT
        )


def test_builds_that_differ_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one.whl", tmp_path / "other.whl"
    one.write_text("1")
    other.write_text("2")

    release.same([one], [one])
    with pytest.raises(release.ReleaseError, match="not reproducible"):
        release.same([one], [other])


def test_the_readmes_links_lead_somewhere_from_a_package_index_too() -> None:
    text = "![a](docs/a.png) [b](docs/b.md#c) [d](https://example.com/) [e](#f)"

    assert release.with_whole_links(text, "https://example.com/me/", VERSION) == (
        "![a](https://example.com/me/raw/v1.2.3/docs/a.png) [b](https://example.com/me/blob/v1.2.3/docs/b.md#c) "
        "[d](https://example.com/) [e](#f)"
    )


def test_what_must_not_be_published_is_named(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    said = {"tag": "v1.2.3\n", "status": ""}
    monkeypatch.setattr(release.bootstrap, "ROOT", root)
    monkeypatch.setattr(release, "run", lambda *command, **_: said[command[1]])
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.3] - 2026-11-27\n")
    assert release.hindrances("https://example.com/me", VERSION) == []

    said |= {"tag": "v1.2.2\n", "status": " M a\n"}
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.3] - not released yet\n")
    found = " ".join(release.hindrances("", VERSION))
    for text in ("address", "gives 1.2.3 no date", "git tag v1.2.3", "not committed"):
        assert text in found


def test_the_sbom_names_what_lies_in_the_wheel() -> None:
    assert str(release.chart_js()["purl"]).startswith("pkg:npm/chart.js@")


def test_only_what_was_committed_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    git = ["git", "-C", str(repository), "-c", "user.name=me", "-c", "user.email=me@example.com"]
    (repository / "kept.txt").write_text("committed")
    for command in (["init", "--quiet"], ["add", "kept.txt"], ["commit", "--quiet", "--message", "one"]):
        subprocess.run([*git, *command], check=True)
    (repository / "kept.txt").write_text("changed")
    (repository / "secret.txt").write_text("untracked")
    monkeypatch.setattr(release.bootstrap, "ROOT", repository)

    source = release.committed(tmp_path / "source")

    assert {path.name: path.read_text() for path in source.iterdir()} == {"kept.txt": "committed"}


def test_a_release_that_fails_leaves_nothing_to_publish(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "old.whl").touch()

    def refuse(*_: object) -> None:
        raise release.ReleaseError("it does not build")

    for name, value in {"DIST": dist, "hindrances": lambda *_: [], "committed": refuse}.items():
        monkeypatch.setattr(release, name, value)
    monkeypatch.setattr(release.bootstrap, "ROOT", root)
    monkeypatch.setattr(sys, "argv", ["make release"])

    assert release.main() == 1
    assert not dist.exists()
    assert "it does not build" in capsys.readouterr().err
