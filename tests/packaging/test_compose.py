"""docker-compose.yaml is valid by the Compose Specification (what is in it: tests/distributed)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.packaging.conftest import read

SCHEMA = Path(__file__).parent / "compose-spec" / "compose-spec.json"


@pytest.fixture(scope="module")
def text() -> str:
    return read("docker-compose.yaml")


@pytest.fixture(scope="module")
def compose(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_is_valid(compose: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(compose)


def test_the_check_would_notice_a_mistake(compose: dict[str, Any]) -> None:
    broken = json.loads(json.dumps(compose))
    broken["services"]["scheduler"]["depends-on"] = {}

    with pytest.raises(jsonschema.ValidationError, match="depends-on"):
        jsonschema.validate(broken, json.loads(SCHEMA.read_text()))


def test_services_and_volumes_that_are_named_exist(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        mounted = {str(volume).partition(":")[0] for volume in service.get("volumes", ())}
        assert {name for name in mounted if not name.startswith(("/", "."))} <= set(compose["volumes"])
