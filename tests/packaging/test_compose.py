"""docker-compose.yaml is valid by the Compose Specification, and every setting in it is one of Airflow's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from airflow.configuration import retrieve_configuration_description

from tests.packaging.conftest import read
from tools.airflow_settings import QUICK_AND_SMALL

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


def test_every_setting_is_one_of_airflows(compose: dict[str, Any]) -> None:
    known = retrieve_configuration_description(include_providers=True)
    named = {name.lower() for service in compose["services"].values() for name in service["environment"]}
    settings = {name.removeprefix("airflow__").replace("__", ".") for name in named if name.startswith("airflow__")}

    assert len(settings) > 5
    for name in settings | set(QUICK_AND_SMALL):
        section, option = name.split(".")
        assert option in known.get(section, {}).get("options", {}), name


def test_every_variable_is_explained_or_optional(text: str) -> None:
    told = set(re.findall(r"^#\s+([A-Z_]+)=", text, re.MULTILINE))
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", text))

    optional = set(re.findall(r"\$\{([A-Z_]+):-", text))
    assert needed == told
    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text)) == needed | optional


def test_services_and_volumes_that_are_named_exist(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        mounted = {str(volume).partition(":")[0] for volume in service.get("volumes", ())}
        assert {name for name in mounted if not name.startswith(("/", "."))} <= set(compose["volumes"])
