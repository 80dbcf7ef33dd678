"""docs/deploy.md and docs/operations.md, checked as far as that goes without a cluster or a cloud."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.cli.cli_parser import get_parser
from airflow.configuration import retrieve_configuration_description
from airflow.sdk import Connection
from jsonschema import Draft7Validator

from adobe_experience_platform.aep.connection import CONN_TYPE, AepConnection
from tests.docs.test_docs import rows
from tests.support.asset_events import InletEvents, Told
from tests.support.parts import NOW

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY, OPERATIONS = (REPOSITORY / "docs" / name for name in ("deploy.md", "operations.md"))


def block(document: Path, name: str) -> str:
    """Return the code block behind a mark ``<!-- test: name -->``."""
    found = re.search(rf"<!-- test: {name} -->\n```\w+\n(.*?)```", document.read_text(), re.DOTALL)
    assert found, name
    return found[1]


def is_known(section: str, option: str) -> bool:
    known = retrieve_configuration_description(include_providers=True)
    return option in known.get(section, {}).get("options", {})


@pytest.fixture(scope="module")
def helm() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(block(DEPLOY, "deploy-helm"))
    return values


def test_the_helm_values_name_the_tested_airflow(helm: dict[str, Any]) -> None:
    [pinned] = re.findall(r"^apache-airflow==(\S+)", (REPOSITORY / "requirements.in").read_text(), re.MULTILINE)

    assert helm["airflowVersion"] == helm["defaultAirflowTag"] == pinned
    assert helm["images"]["airflow"]["tag"] == version()


def version() -> str:
    [found] = re.findall(r'^version = "(.*)"', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    return str(found)


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


TEXT, COUNT = {"type": "string"}, of(replicas={"type": "integer"})
CHART = of(
    airflowVersion=TEXT,
    defaultAirflowTag=TEXT,
    images=of(airflow=of(repository={"type": ["string", "null"]}, tag={"type": ["string", "null"]})),
    executor={"type": "string", "pattern": "^((Local|Celery|Kubernetes)Executor(,|$))+$"},
    fernetKeySecretName={"type": ["string", "null"]},
    apiSecretKeySecretName={"type": ["string", "null"]},
    jwtSecretName={"type": ["string", "null"]},
    data=of(metadataSecretName={"type": ["string", "null"]}),
    secret={
        "type": "array",
        "items": {**of(envName=TEXT, secretName=TEXT, secretKey=TEXT), "required": ["envName", "secretName"]},
    },
    config={
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": {"type": ["boolean", "integer", "number", "string"]},
        },
    },
    scheduler=COUNT,
    dagProcessor=COUNT,
    triggerer=COUNT,
    workers=COUNT,
)
"""The values that the page uses, with the types of the official chart's `values.schema.json` (default Airflow 3.2.2).

Stricter than that one in two things: it lets unknown keys pass at the top, and any name of an executor.
"""


def test_the_helm_values_are_what_the_chart_takes(helm: dict[str, Any]) -> None:
    Draft7Validator(CHART).validate(helm)
    for wrong in ({"triggerers": {"replicas": 2}}, {"airflowVersion": 3.3}, {"triggerer": {"replicas": "2"}}):
        assert not Draft7Validator(CHART).is_valid({**helm, **wrong})


def test_the_helm_values_set_options_of_airflow(helm: dict[str, Any]) -> None:
    options = [(section, option) for section, values in helm["config"].items() for option in values]

    assert len(options) >= 3
    assert [item for item in options if not is_known(*item)] == []


def test_no_secret_stands_in_the_helm_values(helm: dict[str, Any]) -> None:
    assert {item["envName"] for item in helm["secret"]} == {"AIRFLOW_CONN_AEP_DEFAULT"}
    assert [key for key in helm if "secret" in key.lower() and key != "secret" and not key.endswith("Name")] == []


def test_the_secret_of_kubernetes_holds_a_connection(helm: dict[str, Any]) -> None:
    secret = yaml.safe_load(block(DEPLOY, "deploy-helm-secret"))
    [used] = helm["secret"]

    assert (used["secretName"], used["secretKey"] in secret["stringData"]) == (secret["metadata"]["name"], True)
    data = json.loads(secret["stringData"][used["secretKey"]])
    assert data["conn_type"] == CONN_TYPE
    made = Connection.from_json(json.dumps(data), conn_id="aep_default")
    assert AepConnection.parse(made).org_id == "ABC123@AdobeOrg"


@pytest.mark.parametrize("name", ["deploy-mwaa", "deploy-composer"])
def test_the_options_of_the_services_exist(name: str) -> None:
    settings = dict(line.split(" = ", 1) for line in block(DEPLOY, name).splitlines())

    for key in settings:
        assert is_known(*key.split(".")), key
    assert json.loads(settings["secrets.backend_kwargs"])["connections_prefix"]
    assert settings["state_store.clear_on_success"] == "False"


@pytest.mark.parametrize("document", [DEPLOY, OPERATIONS], ids=lambda path: path.name)
def test_options_that_are_named_exist(document: Path) -> None:
    named = re.findall(r"`\[(\w+)\] (\w+)`", document.read_text())

    assert named
    assert [item for item in named if not is_known(*item)] == []


def test_the_wheel_has_the_name_that_the_pages_tell() -> None:
    name = f"airflow_provider_adobe_experience_platform-{version()}-py3-none-any.whl"

    assert set(re.findall(r"[\w.-]+\.whl", DEPLOY.read_text())) == {name}


@pytest.mark.parametrize("document", [DEPLOY, OPERATIONS], ids=lambda path: path.name)
def test_commands_of_airflow_exist(document: Path) -> None:
    parser = get_parser()
    text = document.read_text()
    commands = re.findall(r"^(airflow .*)$", text, re.MULTILINE)
    commands += re.findall(r"`(airflow (?:plugins|providers list|connections get \w+))`", text)

    assert commands
    for command in commands:
        dated = re.sub(r'"\$\(date .*?\)"', "2026-01-01", command)
        parser.parse_args(shlex.split(dated)[1:])


def test_the_table_of_growth_has_the_rows_and_columns_of_the_command() -> None:
    from lab.growth import SIZES, TABLES

    listed = rows(OPERATIONS, "left behind")
    assert [cells[0].strip("`") for cells in listed] == [*TABLES, "log files"]
    assert {len(cells) for cells in listed} == {len(SIZES) + 1}
    figures = {cells[0].strip("`"): cells[1:] for cells in listed}
    assert set(figures["trigger"]) == {"0"}, "a trigger that is left behind is a leak"


def test_a_delivery_that_is_told_twice_is_taken_once() -> None:
    said: dict[str, Any] = {}
    page = block(REPOSITORY / "docs" / "after-export.md", "after-export-once").replace("<flow id>", "mail")
    exec(page, said)  # noqa: S102 - our own page
    named = [("b", False), ("a", False), ("c", False), ("b", True), ("d", True)]
    told = [
        Told(
            said["DELIVERIES"].name,
            NOW + dt.timedelta(minutes=minute),
            {"from_trigger": True, "payload": {"run_id": run_id, "possible_repeat": is_unsure}},
        )
        for minute, (run_id, is_unsure) in enumerate(named)
    ]
    take = said["new_deliveries"].function

    def taken(*events: Told) -> list[str]:
        came = {"asset": events}
        found = take(triggering_asset_events=came, inlet_events=InletEvents(lambda: told))
        return [payload["run_id"] for payload in found]

    assert [taken(told[0], told[1]), taken(told[2]), taken(told[3], told[4])] == [["b", "a"], ["c"], ["d"]]
    assert taken(*told) == ["b", "a", "c", "d"], "all at once, as after a pause of the DAG"
