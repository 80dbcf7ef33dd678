"""The settings of a delivery: read by their declared type, refused with a remedy, shown in the trigger form."""

from __future__ import annotations

from typing import Any

import pytest

from adobe_experience_platform.delivery.settings import (
    SETTINGS,
    DeliverySettings,
    checked_settings,
    form_field,
    read_settings,
)
from adobe_experience_platform.errors import AepInputError


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("poll_interval", "45", 45.0),
        ("max_audiences_per_job", " 20 ", 20),
        ("max_export_age_hours", "None", None),
        ("max_export_age_hours", "", None),
        ("max_export_age_hours", "12.5", 12.5),
        ("export_timeout_minutes", "", 240),
        ("dry_run", "True", True),
        ("dry_run", "false", False),
        ("sandbox_name", "", None),
        ("sandbox_name", "None", None),
        ("sandbox_name", "007", "007"),
        ("aep_conn_id", "None", "aep_default"),
        ("aep_conn_id", "", "aep_default"),
        ("aep_conn_id", "007", "007"),
        ("on_conflict", None, "wait"),
        ("on_conflict", " adopt ", "adopt"),
        ("api_version", "", "v2"),
        ("poll_interval", "null", 30),
    ],
)
def test_text_of_a_template_becomes_the_value_that_it_says(name: str, text: str, value: Any) -> None:
    settings, faults = read_settings({name: text})

    assert faults == []
    assert getattr(settings, name) == value


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("api_version", "v3", "api_version is 'v3': choose v2 or v1"),
        ("max_audiences_per_job", 81, "max_audiences_per_job is 81: enter a number from 1 to 80"),
        ("max_audiences_per_job", 1.5, "max_audiences_per_job is 1.5: enter a whole number"),
        ("max_audiences_per_job", True, "max_audiences_per_job is True: enter a number from 1 to 80"),
        ("poll_interval", "soon", "poll_interval is 'soon': enter a number from 1 to 3600"),
        ("poll_interval", float("nan"), "poll_interval is nan: enter a number from 1 to 3600"),
        ("dry_run", 1, "dry_run is 1: choose true or false"),
        ("sandbox_name", 7, "sandbox_name 7 is not text"),
        ("dryrun", True, "dryrun is unknown"),
    ],
)
def test_a_fault_says_what_to_enter(name: str, value: Any, fault: str) -> None:
    settings, faults = read_settings({name: value})

    assert len(faults) == 1
    assert faults[0].startswith(fault)
    assert settings == DeliverySettings()


def test_all_faults_come_at_once() -> None:
    with pytest.raises(AepInputError) as refused:
        checked_settings({"api_version": "v9", "poll_interval": 0, "dry_run": "perhaps"})

    assert len(refused.value.faults) == 3


@pytest.mark.parametrize("text", ['{"max_records": 10}', " {'max_records': 10} ", {"max_records": 10}])
def test_a_block_may_be_the_text_of_a_template(text: Any) -> None:
    settings, faults = read_settings({"size_guard": text})
    assert faults == []
    assert settings.size_guard is not None
    assert settings.size_guard.max_records == 10
    assert checked_settings(settings.to_json()) == settings


@pytest.mark.parametrize("nothing", [None, "", "None", "null"])
def test_a_block_need_not_be_given(nothing: Any) -> None:
    assert read_settings({"size_guard": nothing}) == (DeliverySettings(), [])


def test_all_faults_of_a_block_come_at_once_each_with_its_place() -> None:
    settings, faults = read_settings({"size_guard": {"min_records": -1, "on_breach": "stop"}, "poll_interval": 5})
    assert [fault.partition(":")[0] for fault in faults] == ["size_guard.min_records", "size_guard.on_breach"]
    assert (settings.size_guard, settings.poll_interval) == (None, 5)


def test_settings_travel_as_json() -> None:
    settings = checked_settings({"poll_interval": 5, "max_export_age_hours": None, "sandbox_name": "dev"})

    assert checked_settings(settings.to_json()) == settings


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_words_and_limits_for_the_form(name: str) -> None:
    field = form_field(name)

    assert field["title"]
    assert field["default"] == getattr(DeliverySettings(), name)
    if field["type"] in ("number", "integer", ["number", "null"]):
        assert field["minimum"] < field["maximum"]
    assert set(field.get("values_display", {})) == set(field.get("enum", ()))
