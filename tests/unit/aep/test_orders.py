"""The orders of an accepted activation, and pairs."""

from __future__ import annotations

import pytest

from adobe_experience_platform.aep.orders import Activation, Pair, run_id_of


@pytest.mark.parametrize(
    ("url", "run_id"),
    [
        ("https://platform.adobe.io/data/foundation/flowservice/runs/88d6da63-dc97", "88d6da63-dc97"),
        ("https://platform.adobe.io/data/foundation/flowservice/runs/88d6da63-dc97/", "88d6da63-dc97"),
        ("https://platform-int.adobe.io/runs/88d6", "88d6"),
        ("/runs/88d6", "88d6"),
        ("runs/88d6?x=y#z", "88d6"),
        ("https://platform.adobe.io/data/foundation/flowservice/runs/88d6.", "88d6"),
        ("/runs/88d6;", "88d6"),
        ("https://evil.example/data/foundation/flowservice/runs/88d6", "88d6"),
        ("https://platform.adobe.io/runs/..", ""),
        ("https://platform.adobe.io/runs/%2e%2e", ""),
        ("https://platform.adobe.io/runs/a%2Fb", ""),
        ("https://platform.adobe.io/runs/a%0d%0aHost:%20evil", ""),
        ("https://platform.adobe.io/runs/a b", ""),
        ("https://platform.adobe.io/runs/{{ conn.aep.password }}", ""),
        ("https://platform.adobe.io/runs/a,b", ""),
        ("https://platform.adobe.io/runs/-rf", ""),
        ("https://platform.adobe.io/runs/" + "a" * 129, ""),
        ("https://platform.adobe.io/runs?property=flowId==x", ""),
        ("https://platform.adobe.io/flows/88d6", ""),
        ("https://[broken/runs/88d6", ""),
        ("88d6", ""),
        ("", ""),
    ],
)
def test_of_a_status_url_only_a_sound_run_id_is_taken(url, run_id):
    assert run_id_of(url) == run_id


@pytest.mark.parametrize("missing", ["segment", "order", "statusURL"])
def test_an_order_needs_all_three_parts(missing):
    entry = {"segment": "a", "order": "f", "statusURL": "https://platform.adobe.io/runs/r"}
    assert Activation.from_json(entry) == Activation("f", "a", "r")
    assert Activation.from_json({key: value for key, value in entry.items() if key != missing}) is None
    assert Activation.from_json({**entry, missing: None}) is None


def test_ids_of_an_order_may_be_integers():
    entry = {"segment": 12, "order": 34, "statusURL": "/runs/56"}
    assert Activation.from_json(entry) == Activation("34", "12", "56")


def test_pairs_are_values():
    assert Pair("f", "a") == ("f", "a")
