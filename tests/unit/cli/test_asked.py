"""What a command line asks for."""

from __future__ import annotations

import io
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from adobe_experience_platform.cli.asked import delivery_of
from adobe_experience_platform.errors import AepInputError

INFO = {"Newsletter S3": ["Newsletter subscribers", "007"], "shop": ["gold"]}
TEXT = '{"Newsletter S3": ["Newsletter subscribers", "007"], "shop": ["gold"]}'


def line(**given: Any) -> Namespace:
    return Namespace(
        **{"activation_info": None, "to": None, "option": [], "conn_id": "aep_default", "sandbox": None, **given}
    )


def test_every_way_to_say_what_to_deliver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "what.json"
    file.write_text(TEXT)
    monkeypatch.setattr("sys.stdin", io.StringIO(TEXT))
    to = [["Newsletter S3", "Newsletter subscribers"], ["shop", "gold"], ["Newsletter S3", "007"]]

    for way in ({"activation_info": TEXT}, {"activation_info": f"@{file}"}, {"activation_info": "-"}, {"to": to}):
        asked = delivery_of(line(**way))
        assert asked.info == INFO
        assert len(asked.pairs) == 3


def test_options_are_read_by_their_type_and_passed_on_as_given() -> None:
    options = ["on_conflict=adopt", "max_audiences_per_job=20", "dry_run=TRUE", "max_export_age_hours=null"]
    options.append('size_guard={"max_records": 5}')

    asked = delivery_of(line(activation_info=TEXT, option=options, sandbox="dev"))

    assert asked.given == {
        "aep_conn_id": "aep_default",
        "sandbox_name": "dev",
        "on_conflict": "adopt",
        "max_audiences_per_job": 20,
        "dry_run": True,
        "max_export_age_hours": None,
        "size_guard": {
            "min_records": None,
            "max_records": 5,
            "max_change_percent": None,
            "on_breach": "refuse",
            "on_unknown": "send",
        },
    }
    assert asked.settings.poll_interval == 30


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "neither is given"),
        ({"activation_info": TEXT, "to": [["shop", "gold"]]}, "both are given"),
        ({"activation_info": "{not json"}, "activation_info is text: enter a JSON object"),
        ({"activation_info": "[]"}, "activation_info is a list"),
        ({"activation_info": "{}"}, "activation_info is empty"),
        ({"activation_info": "@/nowhere/what.json"}, "@/nowhere/what.json cannot be read (No such file or directory)"),
        ({"to": [["shop"]]}, "its list of audiences is empty"),
        ({"to": [["shop", "gold", "gold"]]}, "gold is listed twice"),
        ({"activation_info": TEXT, "option": ["dryrun=true"]}, "dryrun is unknown"),
        ({"activation_info": TEXT, "option": ["dry_run"]}, "has no value: write it as NAME=VALUE"),
        ({"activation_info": TEXT, "option": ["sandbox_name=dev"]}, "use --sandbox"),
        ({"activation_info": TEXT, "option": ["poll_interval=soon"]}, "poll_interval is 'soon': enter a number"),
        ({"activation_info": TEXT, "conn_id": "a b"}, "aep_conn_id"),
    ],
)
def test_a_wrong_command_line_is_refused_with_what_to_do(given: dict[str, Any], said: str) -> None:
    with pytest.raises(AepInputError) as caught:
        delivery_of(line(**given))

    assert said in str(caught.value)
