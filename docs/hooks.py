"""What `make docs` adds to MkDocs: pages that live elsewhere in the repository, and the API reference."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
OTHERS = ("include/campaigns/*.yaml", "benchmarks/plots/*.svg", "include/aep_simulator/README.md")
"""What the documents show or link to."""
REPOSITORY_FILES = re.compile(r"\]\((?:\.\./)?((?:LICENSE|NOTICE|\.env\.example)[^)]*)\)")
ROLE = re.compile(r":(?:class|func|meth|mod|attr):`~?\.*([\w.]+?)`")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the repository's root, what documents link to, and the reference."""
    paths = [ROOT / name for name in PAGES] + [path for pattern in OTHERS for path in sorted(ROOT.glob(pattern))]
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".md":
            files.append(File.generated(config, name, content=path.read_text(encoding="utf-8")))
        else:
            files.append(File.generated(config, name, abs_src_path=str(path)))
    files.append(File.generated(config, "reference.md", content=_reference()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Make links, which are right in the repository, right in the site."""
    if page.file.src_uri in PAGES:
        markdown = markdown.replace("](docs/", "](")
    markdown = markdown.replace("](../README.md#", "](index.md#").replace("](../README.md", "](index.md")
    markdown = re.sub(r"\]\(\.\./((?:SECURITY|CHANGELOG|CONTRIBUTING)\.md|include/|benchmarks/)", r"](\1", markdown)
    return REPOSITORY_FILES.sub(r"](https://www.apache.org/licenses/LICENSE-2.0)", markdown)


def _reference() -> str:
    """Return a page with the docstring of every public name, in the order in which the package lists them."""
    package = ROOT / "plugins" / "adobe_experience_platform"
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    [homes] = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES"
    ]
    lines = ["# Reference", "", "All that is importable from `adobe_experience_platform`, and its errors.", ""]
    for name, home in sorted(homes.items()):
        lines += [f"## {name}", "", f"::: adobe_experience_platform.{home}.{name}", ""]
    return "\n".join([*lines, "## Errors", "", _ERRORS, ""])


_ERRORS = """::: adobe_experience_platform.errors
    options:
      members: true
      heading_level: 3
      show_root_heading: false
      show_signature: false
"""


class PlainRoles(griffe.Extension):
    """Sphinx's roles as plain names: ``:class:`~.errors.AepInputError``` is ``AepInputError``."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(lambda found: f"`{found[1].rpartition('.')[2]}`", obj.docstring.value)
