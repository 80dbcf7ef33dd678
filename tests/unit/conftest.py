"""What the unit tests share: no token left over from another test, no pauses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adobe_experience_platform import auth


@pytest.fixture(autouse=True)
def no_tokens() -> Iterator[None]:
    """Start and end without tokens: they live as long as the process."""
    auth.forget_all()
    yield
    auth.forget_all()
