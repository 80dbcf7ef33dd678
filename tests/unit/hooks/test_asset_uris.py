"""The scheme ``aep://``: one form for each asset, wherever it is written."""

from __future__ import annotations

import pytest
from airflow.sdk import Asset

from adobe_experience_platform.hooks.asset_uris import create_asset, to_openlineage, uri_of
from adobe_experience_platform.triggers import (
    campaign_day_asset,
    delivered_flow_asset,
    delivery_asset,
    segment_export_asset,
    submissions_asset,
)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("aep://flows/mail", "aep://flows/mail"),
        ("AEP://Flows/mail/", "aep://flows/mail"),
        ("aep://flows//mail", "aep://flows/mail"),
        ("aep://flows/a%3ab", "aep://flows/a%3Ab"),
        ("aep://flows/a:b", "aep://flows/a%3Ab"),
        ("aep://deliveries/my.dag", "aep://deliveries/my.dag"),
        ("aep://segment-exports/aep_default/prod", "aep://segment-exports/aep_default/prod"),
        (
            "aep://flow-runs/a/-/f?statuses=failed&external=x%3ay",
            "aep://flow-runs/a/-/f?external=x%3Ay&statuses=failed",
        ),
        ("aep://submissions", "aep://submissions"),
        ("s3://flows/mail", "s3://flows/mail"),
    ],
)
def test_a_uri_of_ours_has_one_form(written: str, kept: str) -> None:
    assert Asset(name="mine", uri=written).uri == kept


@pytest.mark.parametrize(
    "written",
    [
        "aep://flows",
        "aep://flows/a/b",
        "aep://audiences/a",
        "aep://submissions/x",
        "aep://flows/a?b=1",
        "aep://flow-runs/a/-?statuses=failed",
    ],
)
def test_what_is_no_asset_of_ours_is_refused_with_what_to_write(written: str) -> None:
    with pytest.raises(
        ValueError, match="is not an asset of this provider: use one of aep://segment-exports/…, aep://flows/…"
    ):
        Asset(name="mine", uri=written)


@pytest.mark.parametrize("text", ["mail", "a b/c?d#e%2F", "\u00fcber", "..", "a:b@c"])
def test_our_own_assets_are_in_that_form(text: str) -> None:
    for asset in (delivery_asset(text), campaign_day_asset(text)):
        assert Asset(name="again", uri=asset.uri).uri == asset.uri
    assert create_asset(flow_id=text).uri == uri_of("flows", text)


def test_the_factory_makes_the_asset_of_a_flow() -> None:
    made = create_asset(flow_id="mail", extra={"records": 1})

    assert (made.uri, made.name, made.group) == (
        (asset := delivered_flow_asset("mail")).uri,
        asset.name,
        asset.group,
    )
    assert made.extra == {"records": 1}


@pytest.mark.parametrize(
    ("asset", "namespace", "name"),
    [
        (delivered_flow_asset("mail"), "aep://flows", "mail"),
        (delivery_asset("my dag"), "aep://deliveries", "my dag"),
        (segment_export_asset("aep_default", "prod"), "aep://segment-exports", "aep_default/prod"),
        (submissions_asset(), "aep://submissions", "submissions"),
    ],
)
def test_openlineage_knows_it_by_namespace_and_name(asset: Asset, namespace: str, name: str) -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors", reason="no dependency; see tests/packaging")

    found = to_openlineage(asset, None)

    assert (found.namespace, found.name) == (namespace, name)
