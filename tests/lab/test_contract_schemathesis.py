"""What schemathesis is given of Adobe's files."""

from __future__ import annotations

from lab.contract_schemathesis.__main__ import FILES, WRONG_TYPES, corrected
from tests.support.openapi import FOLDER, specification


def test_every_one_of_adobes_files_is_judged_at_the_place_that_it_names() -> None:
    assert sorted(FILES) == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert all(specification(name).base_path == path for name, path in FILES.items())


def test_only_types_that_adobes_pages_contradict_are_left_out() -> None:
    assert all(WRONG_TYPES.values())
    given = corrected("flow-service-runs")["components"]["schemas"]
    whole = specification("flow-service-runs").document["components"]["schemas"]
    for schema, field in WRONG_TYPES:
        assert "type" not in given[schema]["properties"][field]
        assert whole[schema]["properties"][field]["type"] == "string", "the exception is still needed"
