"""docker-compose.yaml, read as far as it takes to run its services without Docker."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::?([-?+])([^}]*))?\}|(\w+))")
_SECONDS = re.compile(r"(?:(\d+)m)?(?:(\d+)s)?")
_BYTES = {"K": 2**10, "M": 2**20, "G": 2**30}


class ComposeError(Exception):
    """The file needs what is not there, or has what this reader does not know."""


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service, with all variables filled in.

    :param entrypoint: replaces the image's own, if there is one
    :param command: arguments for the entrypoint
    :param volumes: (source, target) each; a source with a slash is a folder beside the file, else a volume
    :param depends_on: {service: condition}
    :param healthcheck: the command that tells whether it is healthy
    :param grace: seconds from SIGTERM to SIGKILL
    :param memory: limit in bytes, None without one
    """

    name: str
    image: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    volumes: tuple[tuple[str, str], ...]
    depends_on: Mapping[str, str]
    healthcheck: tuple[str, ...]
    profiles: frozenset[str]
    restart: str
    replicas: int
    grace: float
    memory: int | None


def read(path: Path, variables: Mapping[str, str]) -> dict[str, ComposeService]:
    """Return {name: service}, in the order in which `depends_on` lets them start.

    :param variables: what Docker Compose would take from `.env` and its environment
    :raises ComposeError: when a required variable is missing
    """
    document = interpolated(yaml.safe_load(path.read_text(encoding="utf-8")), variables)
    services = {name: _service(name, body, variables) for name, body in document["services"].items()}
    ordered: dict[str, ComposeService] = {}
    while len(ordered) < len(services):
        ready = [
            name for name, one in services.items() if name not in ordered and one.depends_on.keys() <= ordered.keys()
        ]
        if not ready:
            raise ComposeError(f"these wait for each other, or for none: {sorted(services.keys() - ordered)}")
        ordered.update((name, services[name]) for name in ready)
    return ordered


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """Fill in the variables of all texts of a document: ${A}, ${A:-default}, ${A:?message}, ${A:+instead}, $$."""
    if isinstance(value, dict):
        return {key: interpolated(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        dollar, name, kind, rest, bare = found.groups()
        if dollar:
            return "$"
        given = variables.get(name or bare, "")
        if not given and kind == "?":
            raise ComposeError(f"the variable {name} {rest}")
        if kind == "+":
            return rest if given else ""
        return given or (rest if kind == "-" else "")

    return _VARIABLE.sub(fill, value)


def _service(name: str, body: Mapping[str, Any], variables: Mapping[str, str]) -> ComposeService:
    deploy = body.get("deploy", {})
    return ComposeService(
        name=name,
        image=body["image"],
        entrypoint=_words(body.get("entrypoint")),
        command=_words(body.get("command")),
        environment=_environment(body.get("environment", {}), variables),
        volumes=tuple(_volume(volume) for volume in body.get("volumes", ())),
        depends_on={on: how["condition"] for on, how in body.get("depends_on", {}).items()},
        healthcheck=_healthcheck(body.get("healthcheck", {}).get("test")),
        profiles=frozenset(body.get("profiles", ())),
        restart=str(body.get("restart", "no")),
        replicas=int(deploy.get("replicas", 1)),
        grace=_seconds(body.get("stop_grace_period", "10s")),
        memory=_bytes(deploy.get("resources", {}).get("limits", {}).get("memory")),
    )


def _words(command: object) -> tuple[str, ...]:
    if command is None:
        return ()
    return tuple(shlex.split(command)) if isinstance(command, str) else tuple(map(str, _items(command)))


def _items(value: object) -> Iterable[object]:
    if not isinstance(value, list):
        raise ComposeError(f"expected a list, not {value!r}")
    return value


def _environment(given: Mapping[str, object], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a service; one without a value is passed on, if it is set."""
    values = {name: variables.get(name) if value is None else str(value) for name, value in given.items()}
    return {name: value for name, value in values.items() if value is not None}


def _volume(text: str) -> tuple[str, str]:
    source, target, *_ = text.split(":")
    return source, target


def _healthcheck(test: object) -> tuple[str, ...]:
    kind, *words = _words(test) or ("CMD",)
    return ("/bin/sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words)


def _seconds(text: str) -> float:
    found = _SECONDS.fullmatch(text)
    if not found:
        raise ComposeError(f"{text} is not a valid duration")
    return 60.0 * int(found[1] or 0) + int(found[2] or 0)


def _bytes(text: str | None) -> int | None:
    return None if text is None else int(float(text[:-1]) * _BYTES[text[-1]])
