"""Models on trial: what makes a newly installed bundle good, or gives it back to the one before, by itself.

The planner counts: two forecasts that the models answered make the bundle good. A bundle that cannot be loaded, three
forecasts that failed or were no numbers, or a third start without proof (a runtime that crashes takes the planner with
it) bring back the bundle before.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from core_kernels.bundle_rooms import BundledRooms
from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from edge.config import Bundle, Site
from edge.errors import BundleError, EdgeError
from edge.forecast import installed
from edge.forecast.runtime import NO_NUMBERS, SOURCE, Baseline, Forecaster

GOOD_COUNT = 2
BAD_COUNT = 3

Say = Callable[[str], None]
"""Told what happened, for people."""


class OnTrial:
    """Models that have yet to prove themselves; they forecast as they would otherwise, and are counted."""

    def __init__(self, models: Forecaster, folder: Path, say: Say) -> None:
        self._models, self._folder, self._say = models, folder, say
        self._good_count = self._bad_count = 0

    @property
    def rooms(self) -> BundledRooms | None:
        """The rooms of the house, where the bundle knows them."""
        return self._models.rooms

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        """What the models say; an error is counted and stays one."""
        try:
            found = self._models.forecast(issued_s, grid, history, weather)
        except (EdgeError, ArithmeticError) as error:
            self._bad(str(error))
            raise
        sources = [forecast.source for forecast in found.values()]
        if any(NO_NUMBERS in source for source in sources):
            self._bad(NO_NUMBERS)
        elif any(source.startswith(SOURCE) for source in sources):
            self._good()
        return found

    def _good(self) -> None:
        self._good_count += 1
        if self._good_count == GOOD_COUNT:
            self._say(installed.proved(self._folder).told)

    def _bad(self, why: str) -> None:
        """After the last that is borne, back to the bundle before: this process goes, and its parent starts it anew."""
        self._bad_count += 1
        if self._bad_count == BAD_COUNT and self._good_count < GOOD_COUNT:
            self._say(installed.failed(self._folder, why).told)
            os.kill(os.getpid(), signal.SIGTERM)


def models_of(site: Site, configured: Bundle, say: Say) -> Forecaster | OnTrial | Baseline:
    """The models in force; those on trial are given back here where they cannot be loaded."""
    path, key = site.path(configured.path), site.path(configured.public_key)
    state = installed.started(path) if path.is_dir() else None
    try:
        models = Forecaster.load(path, key, site)
    except BundleError as error:
        if state is None or not state.is_running:
            raise
        say(installed.failed(path, str(error)).told)
        return Forecaster.load(path, key, site)
    return models if state is None or not state.is_running else OnTrial(models, path, say)
