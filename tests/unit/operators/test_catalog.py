"""The catalog's rows, which judge like the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adobe_experience_platform.delivery import SETTINGS
from adobe_experience_platform.errors import AepInputError
from adobe_experience_platform.operators import catalog as catalog_module
from adobe_experience_platform.operators.catalog import CatalogOperator
from adobe_experience_platform.operators.plan import PlanJobsOperator
from tests.support.aep import SEED, LocalAep
from tests.support.dagtest import captured


def plan(**arguments: Any) -> PlanJobsOperator:
    arguments = {"activation_info": {"mail": ["gold", "silver"]}, "check_conf": False, **arguments}
    settings = {name: arguments.pop(name) for name in SETTINGS if name in arguments}
    return PlanJobsOperator(task_id="task", settings=settings, **arguments)


def test_the_catalog_judges_like_the_plan(aep: LocalAep, context: Any) -> None:
    catalog = CatalogOperator(task_id="task").execute(context)

    assert aep.posts() == []
    for flow_id, audiences in catalog["activation_info"].items():
        assert plan(activation_info={flow_id: audiences}).execute(context)
        context["task_state_store"].clear()
    flows = {flow["flow_id"]: flow for flow in catalog["flows"]}
    for flow in flows.values():
        for audience in flow["audiences"]:
            if not audience["ready"]:
                with pytest.raises(AepInputError):
                    plan(activation_info={flow["flow_id"]: [audience["audience_id"]]}).execute(context)
    assert not flows["off"]["audiences"][0]["ready"]


def test_the_catalogs_json_can_be_pasted(aep: LocalAep, context: Any) -> None:
    with captured() as lines:
        catalog = CatalogOperator(task_id="task").execute(context)

    by_name, by_id = [line for line in lines if line.startswith("To paste into activation_info")]
    assert json.loads(by_id.partition("\n")[2]) == catalog["activation_info"]
    assert json.loads(by_name.partition("\n")[2]) == catalog["by_name"]
    assert catalog["by_name"]["Mail"] == [
        "Gold customers",
        "Silver customers",
        "Bronze customers",
        "Nobody yet",
        "Partners",
    ]
    by_ids = plan(activation_info=catalog["activation_info"]).execute(context)
    context["task_state_store"].clear()
    assert plan(activation_info=catalog["by_name"]).execute(context) == by_ids


def test_what_a_name_would_not_find_is_printed_by_its_id(aep: LocalAep, context: Any) -> None:
    audiences = [{"id": "gold", "name": "Gold"}, {"id": "twin", "name": "gold"}]
    flows = [("one", "Mail", ["gold", "twin"]), ("two", "Mail", []), ("three", "one", ["gold"])]
    told = [{"id": ident, "name": name, "audiences": mapped} for ident, name, mapped in flows]
    aep.reset({**SEED, "audiences": audiences, "flows": told})

    catalog = CatalogOperator(task_id="task").execute(context)

    assert catalog["by_name"] == {"one": ["Gold", "twin"], "three": ["Gold"]}


def test_an_empty_sandbox_has_an_empty_catalog(aep: LocalAep, context: Any) -> None:
    aep.reset({**SEED, "flows": []})

    assert CatalogOperator(task_id="task").execute(context) == {"flows": [], "activation_info": {}, "by_name": {}}


def test_a_catalog_of_adobes_guardrails_is_in_xcoms_that_a_database_likes(
    aep: LocalAep, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "PART_BYTES", 2_000)
    monkeypatch.setattr(catalog_module, "_STEP", 5)
    small = CatalogOperator(task_id="task")
    listed: list[Any] = []
    monkeypatch.setattr(small, "_show", lambda flows, *_: listed.extend(flows))

    returned = small.execute(context)

    assert (returned["flows"], returned["activation_info"]) == ([], {})
    pushed = {key: value for (_, key), value in context["ti"].xcoms.items()}
    texts = [pushed[f"flows_{number}"] for number in range(1, returned["parts"] + 1)]
    assert max(map(len, texts)) <= 2_100
    merged: dict[str, Any] = {}
    for flow in (flow for text in texts for flow in json.loads(text)):
        merged.setdefault(flow["flow_id"], {**flow, "audiences": []})["audiences"] += flow["audiences"]
    assert list(merged.values()) == listed
