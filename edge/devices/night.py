"""Whether the sun is too low for an inverter without a battery to stay awake."""

from __future__ import annotations

import math

import numpy as np

from core_kernels.solar import Location, sun_position
from edge.config import Site

# Below this elevation a panel gives too little for the inverter's own supply: they start and stop within half an hour
# of sunrise and sunset (shared/hardware/faults.md, 22).
_LOW_SUN_DEG = 5.0
_KEPT_S = 60.0


class Night:
    """Asks for the sun once a minute at most."""

    def __init__(self, site: Site) -> None:
        self._place = Location(site.latitude_deg, site.longitude_deg, site.altitude_m)
        self._asked_s = -math.inf
        self._is_dark = False

    def __call__(self, time_s: float) -> bool:
        """The sun is low or gone."""
        if abs(time_s - self._asked_s) >= _KEPT_S:
            sun = sun_position(np.array([time_s]), self._place)
            self._asked_s, self._is_dark = time_s, bool(sun.zenith_deg[0] > 90.0 - _LOW_SUN_DEG)
        return self._is_dark
