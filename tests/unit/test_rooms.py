"""The house: what CONTRIBUTING draws and `make lint` does not see."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "adobe_experience_platform"
PACKAGE = REPOSITORY / "plugins" / NAME
MODULES = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(text) for name, text in MODULES.items()}
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
OUTSIDE = [path for folder in ("dags", "examples", "tools", "lab") for path in (REPOSITORY / folder).rglob("*.py")]
CORE = ("errors", "aep", "delivery")
HEAVY = ("airflow", "aiohttp", "fastapi", "requests", "sqlalchemy", "urllib3", "pydantic")
OFFERED = {"delivery": {"blocks", "values"}, "web": {"app"}}
"""Modules that a face offers without loading them, as they take long."""


@pytest.mark.parametrize("room", CORE)
def test_the_core_loads_neither_airflow_nor_a_client_nor_a_web_framework(room: str) -> None:
    probe = f"import sys, {NAME}.{room}\nprint(*sorted(name for name in sys.modules if '.' not in name))"

    done = subprocess.run(
        [sys.executable, "-c", probe],
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = done.stdout.split()
    assert NAME in loaded
    assert not set(HEAVY) & set(loaded)


def face_of(room: str) -> set[str]:
    """Return what the ``__init__`` of a room offers, or with "" that of the package."""
    for node in TREES[f"{room}/__init__.py".lstrip("/")].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def imports_from_rooms(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Give all imports from rooms, wherever they stand: room, module in it ("" for its face), name."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, _, rest = name.partition(".")
            room, _, inside = rest.partition(".")
            if package == NAME and room in ROOMS:
                module, _, what = inside.rpartition(".")
                yield room, module, what


def trespasses(tree: ast.Module, own_room: str) -> Iterator[str]:
    for room, module, what in imports_from_rooms(tree):
        offered = face_of(room) | OFFERED.get(room, set())
        if room != own_room and (module.partition(".")[0] or what) not in offered:
            yield f"{room}.{module}.{what}".replace("..", ".")


def test_a_room_is_entered_by_its_face() -> None:
    found = {name: list(trespasses(tree, own_room=name.partition("/")[0])) for name, tree in TREES.items()}

    assert not {name: doors for name, doors in found.items() if doors}


def test_what_is_made_of_the_package_uses_its_faces() -> None:
    found = {str(path): list(trespasses(ast.parse(path.read_text()), own_room="")) for path in OUTSIDE}

    assert not {path: doors for path, doors in found.items() if doors}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"from {NAME}.aep import Pair", []),
        (f"from {NAME}.aep import orders", ["aep.orders"]),
        (f"from {NAME}.aep.orders import Pair", ["aep.orders.Pair"]),
        (f"from {NAME}.aep.endpoints import RUNS", []),
        (f"import {NAME}.delivery.record", ["delivery.record"]),
        (f"def late():\n    from {NAME}.delivery.record import Record", ["delivery.record.Record"]),
    ],
)
def test_a_side_door_is_seen(line: str, found: list[str]) -> None:
    assert list(trespasses(ast.parse(line), own_room="")) == found


def test_a_face_offers_nothing_that_nobody_takes() -> None:
    """By an import in another room or outside of the package, by its public name, or by what Airflow is told of it."""
    told = MODULES["provider_info.py"]
    trees = [(name.partition("/")[0], tree) for name, tree in TREES.items()]
    trees += [("", ast.parse(path.read_text())) for path in OUTSIDE]
    wanted = {
        (room, module.partition(".")[0] or what)
        for own, tree in trees
        for room, module, what in imports_from_rooms(tree)
        if room != own
    }

    offered = {(room, what) for room in ROOMS for what in face_of(room) - face_of("")}
    assert not {item for item in offered - wanted if ".".join(item) not in told}


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "web"])
def test_a_face_says_what_the_room_is_for_and_offers_what_exists(room: str) -> None:
    tree = TREES[f"{room}/__init__.py"]

    assert ast.get_docstring(tree)
    assert face_of(room)


def test_no_two_classes_have_one_name() -> None:
    names = [node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]

    assert not {name for name in names if names.count(name) > 1}


def test_every_key_of_an_xcom_stands_in_the_one_module() -> None:
    calls = [(name, node) for name, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    keys = [
        (name, ast.unparse(keyword.value))
        for name, call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("xcom_push", "xcom_pull")
        for keyword in call.keywords
        if keyword.arg == "key"
    ]

    assert len(keys) > 20
    assert [(name, key) for name, key in keys if "xcom." not in key] == []


def test_a_module_fits_on_a_few_screens() -> None:
    sizes = {name: len(text.splitlines()) for name, text in MODULES.items()}

    assert not {name: lines for name, lines in sizes.items() if lines > 350}


def functions_of(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_a_function_fits_on_a_screen() -> None:
    sizes = {
        f"{name}: {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for name, tree in TREES.items()
        for function in functions_of(tree)
    }

    assert not {function: lines for function, lines in sizes.items() if lines > 60}


def test_the_house_has_few_doors() -> None:
    doors = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__" and path.suffix != ".egg-info"]

    assert len(doors) <= 16, doors


def test_an_import_in_a_function_says_that_load_time_is_its_reason() -> None:
    """``# load time: …`` stands at its end, or above it (once for imports that follow each other)."""
    assert not {name: lines for name, text in MODULES.items() if (lines := unexplained(text))}


def unexplained(source: str) -> list[int]:
    """Return the lines of imports in functions that do not say why they stand there."""
    lines, found = source.splitlines(), []
    explained = set()
    inside = {
        node.lineno: node.end_lineno or node.lineno
        for function in functions_of(ast.parse(source))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    for first, last in sorted(inside.items()):
        if first - 1 in explained or any("# load time: " in line for line in lines[first - 2 : last]):
            explained.add(last)
        else:
            found.append(first)
    return found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("    import rich", [2]),
        ("    import rich  # load time: 60 ms", []),
        ("    # load time: 60 ms\n    import rich\n    import yaml", []),
        ("    import rich  # load time: 60 ms\n    x = 1\n    import yaml", [4]),
        ("    # only here\n    import rich", [3]),
    ],
)
def test_a_late_import_without_that_reason_is_seen(body: str, found: list[int]) -> None:
    assert unexplained(f"def late():\n{body}\n") == found
