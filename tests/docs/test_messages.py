"""docs/troubleshooting.md lists messages that are really produced: each is provoked here, word by word."""

from __future__ import annotations

from pathlib import Path

import pytest

from adobe_experience_platform.aep import auth
from tests.docs.messages import calling, delivering, own_dags, planning  # noqa: F401 - they register scenarios
from tests.docs.messages.stage import SCENARIOS, Stage
from tests.docs.test_docs import rows
from tests.support.aep import LocalAep
from tests.support.tasks import Context, aep, context, local_aep, no_tokens, quick  # noqa: F401 - fixtures

LISTED = [
    cells[0].strip("`")
    for cells in rows(Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md", "message")
]


@pytest.fixture
def stage(aep: LocalAep, context: Context, monkeypatch: pytest.MonkeyPatch) -> Stage:  # noqa: F811 - fixtures
    return Stage(aep, context, monkeypatch)


def test_every_listed_message_has_a_scenario_and_every_scenario_is_listed() -> None:
    provoked = [message for _, messages in SCENARIOS.values() for message in messages]

    assert len(LISTED) > 140
    assert sorted(provoked) == sorted(LISTED)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_produces_its_messages(stage: Stage, name: str) -> None:
    scenario, messages = SCENARIOS[name]
    auth.forget_all()

    scenario(stage)

    assert [message for message in messages if message not in stage.said] == [], stage.said
