"""What Airflow is told about this package."""

from __future__ import annotations

import json
from pathlib import Path

import airflow
import jsonschema

from adobe_experience_platform.provider_info import get_provider_info


def test_the_provider_says_what_airflow_understands() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())

    jsonschema.validate(get_provider_info(), schema)


def test_the_forms_fields_are_what_the_form_understands() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider.yaml.schema.json").read_text())
    kind = schema["properties"]["connection-types"]["items"]["properties"]
    [connection] = get_provider_info()["connection-types"]

    jsonschema.validate(
        connection["conn-fields"], {**kind["conn-fields"], "definitions": schema.get("definitions", {})}
    )
    jsonschema.validate(connection["ui-field-behaviour"], kind["ui-field-behaviour"])
    for name, field in connection["conn-fields"].items():
        assert field["label"], name
        assert field["description"], name
        jsonschema.Draft202012Validator.check_schema(field["schema"])


def test_what_the_provider_names_exists() -> None:
    from airflow.sdk._shared.module_loading import import_string

    info = get_provider_info()
    hook = import_string(info["connection-types"][0]["hook-class-name"])
    assert (hook.conn_type, hook.hook_name) == ("adobe_experience_platform", "Adobe Experience Platform")
    assert hook.default_conn_name == "aep_default"
    for link in info["extra-links"]:
        assert import_string(link)().name
    for command in info["cli"]:
        assert [group.name for group in import_string(command)()] == ["aep"]
    [uris] = info["asset-uris"]
    assert all(callable(import_string(uris[key])) for key in ("handler", "factory", "to_openlineage_converter"))
    for room in ("hooks", "operators", "sensors", "triggers"):
        [modules] = info[room]
        assert modules["integration-name"] == info["integrations"][0]["integration-name"]
        assert [import_string(f"{module}.__all__") for module in modules["python-modules"]]


def test_airflow_registers_the_connection_type_from_the_installed_package() -> None:
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    registered = ProvidersManagerTaskRuntime().hooks["adobe_experience_platform"]
    assert registered is not None
    assert registered.connection_id_attribute_name == "aep_conn_id"
    assert registered.connection_testable
