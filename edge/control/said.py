"""What others say of the house over the broker, as far as a plan may believe it: a car's state, rooms' setpoints.

A charging point of ``[mqtt] evcc`` is the site's first ``[[ev]]``. What is too old is not used, and named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from edge.config import Site
from edge.config_house import Ev
from edge.control.surroundings import Surroundings
from edge.wording import age_words

# evcc tells its state every half a minute; a thermostat only when somebody turns it.
EV_AGE_S = SECONDS_PER_HOUR
SETPOINT_AGE_S = SECONDS_PER_DAY
_AHEAD_S = 60.0  # clocks of one machine; beyond, the time was set back since

Said = Mapping[str, tuple[float, float]]


class Hearing:
    """What was said, by name, with its time; notes what is there but too old."""

    def __init__(self, said: Said, now_s: float) -> None:
        self._said, self._now_s = said, now_s
        self.notes: list[str] = []

    def value(self, name: str, words: str, limit_s: float) -> float:
        """A value that is young enough; NaN without one."""
        value, time_s = self._said.get(name, (math.nan, math.nan))
        if math.isnan(value):
            return math.nan
        age_s = self._now_s - time_s
        if not -_AHEAD_S <= age_s <= limit_s:
            self.notes.append(f"{words} was last told {age_words(age_s)} ago and is not used")
            return math.nan
        return value


def heard(site: Site, around: Surroundings, said: Said, now_s: float) -> Surroundings:
    """The surroundings with what was said of cars and rooms."""
    hearing = Hearing(said, now_s)
    cars = _car(site.evs[0], hearing) if site.evs and any(name.startswith("ev.") for name in said) else Surroundings()
    setpoints_c = {
        zone.name: hearing.value(f"room.{zone.name}.setpoint_c", f"the setpoint of {zone.name}", SETPOINT_AGE_S)
        for zone in site.zones
    }
    return replace(
        around,
        missing_wh={**around.missing_wh, **cars.missing_wh},
        is_connected=cars.is_connected,
        departure_s=cars.departure_s,
        setpoint_c={name: value_c for name, value_c in setpoints_c.items() if not math.isnan(value_c)},
        notes=(*around.notes, *hearing.notes, *cars.notes),
    )


def _car(ev: Ev, hearing: Hearing) -> Surroundings:
    """A car's part: whether it is there, until when, and what it lacks."""
    name = f"ev.{ev.name}"

    def value(key: str, words: str) -> float:
        return hearing.value(f"ev.{key}", f"{name}: {words}", EV_AGE_S)

    connected = value("connected", "whether it is there")
    if math.isnan(connected):
        return Surroundings()
    if connected == 0.0:
        return Surroundings(is_connected={name: False})
    soc_percent, limit_percent = value("vehicleSoc", "its charge"), value("effectiveLimitSoc", "its limit")
    charged_wh, departure_s = value("chargedEnergy", "its energy"), value("effectivePlanTime", "its departure")
    missing_wh, notes = math.nan, tuple[str, ...]()
    if math.isfinite(soc_percent) and math.isfinite(ev.capacity_wh):
        full_percent = 100.0 if math.isnan(limit_percent) else limit_percent
        missing_wh = max(full_percent - soc_percent, 0.0) / 100.0 * ev.capacity_wh
    elif math.isfinite(charged_wh):
        missing_wh = max(ev.energy_wh - ev.efficiency_frac * charged_wh, 0.0)
    if math.isfinite(soc_percent) and math.isnan(ev.capacity_wh):
        notes = (f"{name}: its charge is told, but without capacity_wh it says nothing",)
    return Surroundings(
        is_connected={name: True},
        departure_s={} if math.isnan(departure_s) else {name: departure_s},
        missing_wh={} if math.isnan(missing_wh) else {name: missing_wh},
        notes=notes,
    )
