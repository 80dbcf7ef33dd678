"""Build what is published, and prove that it is fit: sdist, wheel and SBOM, in dist/.

The wheel is built from the sdist, the sdist from the commit that is checked out, and both twice to the byte. Then the
wheel is installed beside a plain Airflow, which delivers once. Only what has passed all of it is left in dist/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools import bootstrap, side_venv
from tools.simulator_process import SimulatorProcess

DIST = bootstrap.ROOT / "dist"
AIRFLOW = "3.3.0"
"""The oldest that pyproject.toml allows: what works there works later, as `make airflows` says."""
SMOKE = bootstrap.ROOT / "lab" / "release_smoke.py"
MODULE = "airflow_provider_adobe_experience_platform"
ADDRESS = re.compile(
    r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9][A-Za-z0-9._~-]*)+"
)
"""Nothing in it can be a user, a password, a query or a fragment."""
CHART = "plugins/adobe_experience_platform/web/static/vendor/chart.js/chart.umd.min.js"
SDIST = {"CHANGELOG.md", "LICENSE", "NOTICE", "README.md", "pyproject.toml", "setup.py"}
UV = (str(bootstrap.VENV_PYTHON), "-m", "uv")


VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1], encoding="utf-8").read())
sys.exit(str(found) if found else 0)
"""


class ReleaseError(Exception):
    """It is not fit to be published; the message says why."""


def main() -> int:
    """Build, check, describe, try; the exit code is 0 only if all is well."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("--url", default="", help="where the project lives, such as https://github.com/me/project")
    parser.add_argument("--public", action="store_true", help="refuse what must not be published")
    options = parser.parse_args()
    shutil.rmtree(DIST, ignore_errors=True)
    try:
        version = one_version(bootstrap.ROOT)
        found = hindrances(options.url, version)
        if options.public and found:
            raise ReleaseError("; ".join(found))
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            sources = [Path(folder) / name for name in ("first", "second")]
            for source in sources:
                name_addresses(committed(source), options.url, version)
            built = build(sources[0])
            same(built, build(sources[1]))
            contents(*built, sources[0])
            parts = built[0].with_name(f"{MODULE}-{version}.cdx.json")
            describe(sources[0], parts)
            check(built)
            smoke(built[1])
            DIST.mkdir()
            for path in (*built, parts):
                shutil.copy(path, DIST)
    except (ReleaseError, bootstrap.BootstrapError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    for path in sorted(DIST.iterdir()):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  dist/{path.name}")
    for text in found:
        print(f"Do not publish this one: {text}")
    return 0


def one_version(root: Path) -> str:
    """Return the version, which must be the same everywhere and have its part of the changelog."""
    version = str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    package = (root / "plugins" / "adobe_experience_platform" / "__init__.py").read_text(encoding="utf-8")
    if f'__version__ = "{version}"' not in package:
        raise ReleaseError(f"pyproject.toml says {version}, the package's __version__ something else")
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if f"\n## [{version}]" not in changes:
        raise ReleaseError(f"CHANGELOG.md has no part ## [{version}]: name what is in it")
    return version


def committed(target: Path) -> Path:
    """Write the files of the commit that is checked out: what was not committed is not released."""
    target.mkdir(parents=True)
    archive = target.with_suffix(".tar")
    run("git", "archive", "--output", str(archive), "HEAD", cwd=bootstrap.ROOT)
    with tarfile.open(archive) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", None)  # not before Python 3.11.4
        packed.extractall(target)  # noqa: S202 - what git has packed of this repository
    return target


def name_addresses(source: Path, url: str, version: str) -> Path:
    """Name the project's addresses in its metadata, and make its README's links whole."""
    if lines := addresses(url, version):
        project, readme = source / "pyproject.toml", source / "README.md"
        project.write_text("\n".join([project.read_text(encoding="utf-8"), *lines, ""]), encoding="utf-8")
        readme.write_text(with_whole_links(readme.read_text(encoding="utf-8"), url, version), encoding="utf-8")
    return source


def hindrances(url: str, version: str) -> list[str]:
    """Say what stands against publishing the files of this folder."""
    changes = (bootstrap.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    tags = run("git", "tag", "--points-at", "HEAD", cwd=bootstrap.ROOT).split()
    changed = run("git", "status", "--porcelain", cwd=bootstrap.ROOT).strip()
    found = {
        "the project's address is not known: give it as URL=https://…": not url,
        f"CHANGELOG.md gives {version} no date: write ## [{version}] - YYYY-MM-DD": not re.search(
            rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changes, re.MULTILINE
        ),
        f"the commit is not tagged: git tag v{version}": f"v{version}" not in tags,
        "there are changes that are not committed": bool(changed),
    }
    return [text for text, is_so in found.items() if is_so]


def with_whole_links(text: str, url: str, version: str) -> str:
    """Return a README whose links and pictures lead somewhere from a package index, too."""

    def whole(link: re.Match[str]) -> str:
        picture, before, target = link.groups()
        return f"{picture}{before}{url.rstrip('/')}/{'raw' if picture else 'blob'}/v{version}/{target}"

    return re.sub(r"(!?)(\[[^\]]*\]\()(?!https?:|#)([^)]+\))", whole, text)


def addresses(url: str, version: str) -> list[str]:
    """Return the table ``[project.urls]``: this repository does not know where it will live.

    :raises ReleaseError: for what is no address, or holds a password.
    """
    if not url:
        return []
    if not ADDRESS.fullmatch(url := url.rstrip("/")):
        # Not repeated: what is no address may hold a password.
        raise ReleaseError("URL must be the https address of the repository, such as https://host/owner/name")
    pages = {
        "Homepage": url,
        "Documentation": f"{url}/tree/v{version}/docs",
        "Changelog": f"{url}/blob/v{version}/CHANGELOG.md",
        "Issues": f"{url}/issues",
        "Source": f"{url}/tree/v{version}",
    }
    return ["", "[project.urls]", *(f"{name} = {json.dumps(page)}" for name, page in pages.items())]


def build(source: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from it, with the time of the last commit; the source keeps what was built."""
    out = source / "dist"
    moment = run("git", "log", "-1", "--format=%ct", cwd=bootstrap.ROOT).strip()
    how = ["--quiet", "--no-build-isolation", "--python", str(bootstrap.VENV_PYTHON), "--out-dir", str(out)]
    run(*UV, "build", *how, str(source), cwd=source, environment={"SOURCE_DATE_EPOCH": moment})
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    return _settled(sdist, int(moment)), wheel


def _settled(sdist: Path, moment: int) -> Path:
    """Write an sdist again whose bytes depend on nothing but its files: setuptools notes when it ran, and who."""
    again = sdist.with_suffix("")
    with tarfile.open(sdist) as old, tarfile.open(again, "w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = moment, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    run("gzip", "--no-name", "--force", str(again), cwd=sdist.parent)
    return sdist


def same(first: Sequence[Path], second: Sequence[Path]) -> None:
    """Refuse a build that is another one each time."""
    for one, other in zip(first, second, strict=True):
        if one.read_bytes() != other.read_bytes():
            raise ReleaseError(f"{one.name} is not reproducible: two builds differ")


def contents(sdist: Path, wheel: Path, source: Path) -> None:
    """Refuse what is missing, and what does not belong there."""
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        installed = set(archive.namelist())
    expected = {
        f"{MODULE}/{folder}/{path.name}"
        for folder, of in (("example_dags", "examples"), ("dags", "dags"))
        for path in (source / of).glob("*.py")
    } | {"adobe_experience_platform/py.typed"}
    tops = {name.partition("/")[0] for name in installed}
    if missing := (SDIST - inside) | (expected - installed):
        raise ReleaseError(f"not built in: {', '.join(sorted(missing))}")
    if odd := {top for top in tops if top not in (MODULE, "adobe_experience_platform") and ".dist-info" not in top}:
        raise ReleaseError(f"the wheel holds what does not belong there: {', '.join(sorted(odd))}")


def check(built: Sequence[Path]) -> None:
    """Let the index's own checks, and those of the wheel's layout, judge."""
    tools = side_venv.install("release")
    run(str(tools / "twine"), "check", "--strict", *map(str, built))
    run(str(tools / "check-wheel-contents"), "--toplevel", f"adobe_experience_platform,{MODULE}", str(built[1]))


def describe(source: Path, target: Path) -> None:
    """Write the SBOM (CycloneDX): the package, and the versions that it is tested with."""
    tool = side_venv.install("release") / "cyclonedx-py"
    pinned = bootstrap.ROOT / "requirements-deploy.txt"
    run(
        *(str(tool), "requirements", str(pinned), "--pyproject", str(source / "pyproject.toml")),
        *("--mc-type", "library", "--output-reproducible", "--output-format", "JSON", "--output-file", str(target)),
    )
    parts = json.loads(target.read_text(encoding="utf-8"))
    parts["components"].append(chart_js())
    target.write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
    run(str(tool.with_name("python")), "-c", VALIDATE, str(target))


def chart_js() -> dict[str, object]:
    """Return the one thing of others that lies in the wheel."""
    script = (bootstrap.ROOT / CHART).read_text(encoding="utf-8")
    if not (version := re.search(r"Chart\.js v(\d+\.\d+\.\d+)", script)):
        raise ReleaseError(f"{CHART} does not say its version")
    name = {"type": "library", "bom-ref": "chart.js", "name": "chart.js", "version": version[1]}
    return {**name, "purl": f"pkg:npm/chart.js@{version[1]}", "licenses": [{"license": {"id": "MIT"}}]}


def smoke(wheel: Path) -> None:
    """Install the wheel beside a plain Airflow, and let it deliver once to a simulated AEP."""
    bootstrap.say(f"Installing {wheel.name} beside Airflow {AIRFLOW}")
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder, SimulatorProcess(speed=600) as simulator:
        home, venv = Path(folder) / "home", Path(folder) / "venv"
        python = venv / "bin" / "python"
        home.mkdir()
        run(*UV, "venv", "--quiet", "--python", str(bootstrap.VENV_PYTHON), str(venv))
        run(*UV, "pip", "install", "--quiet", "--python", str(python), f"apache-airflow=={AIRFLOW}", str(wheel))
        simulator.change_settings(daily_export=False)
        flow, audience = "69245ed8-a016-5548-8762-dca344a9e201", "439a96de-1866-5d4d-873b-c43eec1b5478"
        conf = json.dumps({"activation_info": {flow: [audience]}, "poll_interval": 1})
        environment = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW_CONN_AEP_DEFAULT": json.dumps(simulator.connection()),
            "NO_PROXY": "*",
        }
        print(run(str(python), str(SMOKE), conf, cwd=home, environment=environment).splitlines()[-1])
        if [item["count"] for item in simulator.deliveries()] != [1]:
            raise ReleaseError("the simulated AEP did not deliver exactly once")


def run(*command: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it prints.

    :raises ReleaseError: with what it said, if it fails.
    """
    inherited = bootstrap.uv_environment().items()
    kept = {name: value for name, value in inherited if not name.startswith(("AIRFLOW", "PYTHON"))}
    done = subprocess.run(
        command, cwd=cwd, env={**kept, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseError(f"{Path(command[0]).name} {' '.join(command[1:3])} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
