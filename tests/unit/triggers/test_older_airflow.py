"""What is done for Airflow 3.3.0 and 3.3.1, on whatever Airflow the tests run; `make airflows` plays it on those."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from adobe_experience_platform.operators import CatalogOperator
from adobe_experience_platform.operators.retry import AEP_RETRY_POLICY
from adobe_experience_platform.triggers import older_airflow


class Kept(dict[str, Any]):
    """A state store as it was before 3.3.2: it has no coroutines, and blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.threads.add(threading.get_ident())
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.threads.add(threading.get_ident())
        self[key] = value


def test_a_store_without_coroutines_does_not_block_the_event_loop() -> None:
    store = Kept()

    async def play() -> Any:
        await older_airflow.set_state(store, "mark", {"v": 1})
        return await older_airflow.get_state(store, "mark")

    assert asyncio.run(play()) == {"v": 1}
    assert threading.get_ident() not in store.threads


@pytest.mark.parametrize("loses", [True, False])
def test_a_mapped_task_has_the_policy_of_its_class_unless_the_user_chose_one(
    monkeypatch: pytest.MonkeyPatch, loses: bool
) -> None:
    monkeypatch.setattr(older_airflow, "LOSES_POLICIES", loses)
    own = AEP_RETRY_POLICY.__class__()

    def kept(policy: Any, **kwargs: Any) -> Any:
        partial = SimpleNamespace(kwargs={"retry_policy": policy})
        return older_airflow.keep_policy(partial, kwargs, AEP_RETRY_POLICY).kwargs["retry_policy"]

    assert kept(None) is (AEP_RETRY_POLICY if loses else None)
    assert kept(own) is own
    assert kept(None, retry_policy=None) is None


def test_every_mapped_task_has_one() -> None:
    assert CatalogOperator.partial(task_id="t").kwargs["retry_policy"] is AEP_RETRY_POLICY
    assert CatalogOperator.partial(task_id="t", retry_policy=None).kwargs["retry_policy"] is None
