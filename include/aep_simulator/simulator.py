"""The simulator as a whole: the world, the armed faults and the log of requests."""

from __future__ import annotations

import time
from collections.abc import Callable

from .clock import Clock
from .faults import FaultBook
from .journal import Journal
from .seed import SeedDocument
from .shop import shop_seed
from .world import World


class Simulator:
    """Holds what a reset replaces.

    :param seed: seed to start with; its absent sections come from the default shop.
    :param settings: settings that win over the seed's, such as a speed given on the command line.
    :param time_source: function that returns epoch seconds.
    """

    def __init__(
        self,
        seed: SeedDocument | None = None,
        settings: dict[str, object] | None = None,
        time_source: Callable[[], float] = time.time,
    ) -> None:
        self._start_seed = (seed or SeedDocument()).over(shop_seed())
        self._start_seed.settings = {**self._start_seed.settings, **(settings or {})}
        self._time_source = time_source
        self.journal = Journal()
        self.faults = FaultBook()
        self.world = World(self._start_seed, Clock(time_source))
        self._arm(self._start_seed)

    def reset(self, seed: SeedDocument | None = None) -> None:
        """Start again, with the seed of the start or with ``seed`` laid over it; drop held requests."""
        complete = self._start_seed if seed is None else seed.over(self._start_seed)
        world = World(complete, Clock(self._time_source))  # a bad seed leaves everything as it was
        self.faults.release(carry_on=False)
        self.world, self.faults, self.journal = world, FaultBook(), Journal()
        self._arm(complete)

    def _arm(self, seed: SeedDocument) -> None:
        for spec in seed.faults:
            self.faults.add(spec)
