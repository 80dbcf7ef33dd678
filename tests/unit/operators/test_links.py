"""Links into the AEP user interface."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk.execution_time.xcom import XCom

from adobe_experience_platform.aep.flows import destination_url
from adobe_experience_platform.delivery import xcom
from adobe_experience_platform.operators.links import DestinationLink


def test_a_destination_flow_has_a_page():
    assert destination_url("lunarmarkt", "prod", "ca5c6e9a") == (
        "https://experience.adobe.com/#/@lunarmarkt/sname:prod/platform/destination/browse/ca5c6e9a"
    )


@pytest.mark.parametrize(("tenant", "flow_id"), [("", "ca5c6e9a"), ("lunarmarkt", "")])
def test_without_a_tenant_or_flow_there_is_no_link(tenant, flow_id):
    assert destination_url(tenant, "prod", flow_id) == ""


def test_no_part_breaks_out_of_its_place():
    url = destination_url("a/../b", "p q", 'f#x?y"><script>')
    assert url.startswith(
        "https://experience.adobe.com/#/@a%2F..%2Fb/sname:p%20q/platform/destination/browse/f%23x%3Fy"
    )
    assert "<" not in url
    assert '"' not in url


@pytest.mark.parametrize(
    ("stored", "link"),
    [
        ("https://experience.adobe.com/x", "https://experience.adobe.com/x"),
        ('"https://experience.adobe.com/x"', "https://experience.adobe.com/x"),
        (None, ""),
        (5, ""),
    ],
)
def test_the_button_opens_what_the_task_has_pushed(monkeypatch, stored, link):
    asked = {}

    def get_value(**kwargs):
        asked.update(kwargs)
        return stored

    monkeypatch.setattr(XCom, "get_value", get_value)
    key = object()
    assert DestinationLink().get_link(None, ti_key=key) == link
    assert asked == {"key": xcom.LINK, "ti_key": key}


def test_a_task_that_has_just_found_it_is_not_asked_by_way_of_the_database(monkeypatch):
    monkeypatch.setattr(XCom, "get_value", lambda **_: pytest.fail("asked"))
    url = "https://experience.adobe.com/x"

    assert DestinationLink().get_link(SimpleNamespace(destination_url=url), ti_key=None) == url
