"""The connection's form as Airflow's UI gets it."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ProvidersManager

from adobe_experience_platform.aep import connection
from adobe_experience_platform.aep.connection import CONN_TYPE
from adobe_experience_platform.hooks.http_hook import AdobeExperiencePlatformHook
from adobe_experience_platform.provider_info import get_provider_info

SCHEMAS = Path(airflow.__file__).parent
NOT_IN_THE_FORM = {"cert", "trust_env"}
"""For few; they are entered as JSON."""


@pytest.fixture(scope="module")
def form() -> dict[str, Any]:
    """What the UI is told of our connection type."""
    (found,) = (kind for kind in HookMetaService.hook_meta_data() if kind.connection_type == CONN_TYPE)
    told: dict[str, Any] = found.model_dump(mode="json")
    return told


@pytest.mark.parametrize("name", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_the_metadata_is_what_airflow_expects(name: str) -> None:
    schema = json.loads((SCHEMAS / name).read_text())
    if name.startswith("provider.yaml"):  # a file of Airflow's own providers; of interest is how it describes ours
        schema = {"$defs": schema.get("definitions", {}), **schema["properties"]["connection-types"]}
        jsonschema.validate(get_provider_info()["connection-types"], schema)
    else:
        jsonschema.validate(get_provider_info(), schema)


def test_airflow_knows_the_provider_and_its_hook() -> None:
    manager = ProvidersManager()

    assert "airflow-provider-adobe-experience-platform" in manager.providers
    hook = manager.hooks[CONN_TYPE]
    assert hook is not None
    assert hook.connection_testable
    assert hook.connection_id_attribute_name in inspect.signature(AdobeExperiencePlatformHook).parameters


def test_every_field_has_a_name_and_help(form: dict[str, Any]) -> None:
    for name, field in form["extra_fields"].items():
        assert field["schema"]["title"], name
        assert len(field["description"] or field["schema"].get("description") or "") > 10, name


def test_what_must_be_entered_has_a_placeholder(form: dict[str, Any]) -> None:
    standard = form["standard_fields"]

    for name in ("host", "port", "login", "password"):
        assert standard[name]["title"], name
        assert standard[name]["placeholder"], name
    assert {name for name, field in standard.items() if field and field["hidden"]} == {"url_schema"}


def test_secrets_are_masked(form: dict[str, Any]) -> None:
    masked = {name for name, field in form["extra_fields"].items() if field["schema"].get("format") == "password"}

    assert masked == {"access_token"}


def test_the_form_offers_what_the_connection_reads(form: dict[str, Any]) -> None:
    source = inspect.getsource(connection)

    for name in [*form["extra_fields"], *NOT_IN_THE_FORM]:
        assert f'"{name}"' in source, f"{name} is read by nobody"
    read = set(re.findall(r'(?:extra\.(?:text|flag)|self\.given)\("(\w+)"', source))
    assert read == {*form["extra_fields"], *NOT_IN_THE_FORM}
