"""The world of whole deliveries."""

from tests.promises.gates.world import aep  # noqa: F401 - a fixture
