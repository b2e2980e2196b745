"""The last word: a wish goes through unchanged, narrowed, or not at all. Pure, and never wider than the wish.

Whatever comes in, what goes out is native or a power within every limit. Every veto is named.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core_kernels.flags import Flag, names
from edge.config import Battery, Site
from edge.messages import Command, House

MAX_LEASE_S = 900.0
MIN_LEASE_S = 60.0
MAX_AGE_S = 180.0
# Meters and inverter sample at different moments: a kettle switched on between two reads is no fault.
RESIDUAL_W = 1000.0
RESIDUAL_FRAC = 0.25
_NEEDED = ("soc_frac", "grid_w", "battery_w")
_UNUSABLE = Flag.MISSING | Flag.RANGE | Flag.STALE


class Limit(NamedTuple):
    """A range of power that includes 0 W, and what sets it."""

    low_w: float
    high_w: float
    name: str


def narrow(wish: Command, house: House, site: Site, *, now_s: float, distrust: str = "") -> Command:
    """The wish as far as it is safe; native, with its vetoes, where it is not, or where ``distrust`` says why."""
    battery = site.battery
    if wish.mode == "native":
        return Command.native(wish.reason, wish.vetoes)
    if battery is None:
        return Command.native("guard: there is no battery", ("no battery",))
    vetoes = (*_refusals(wish, house, now_s), *((distrust,) if distrust else ()))
    if vetoes:
        return Command.native(f"guard: {'; '.join(vetoes)}", (*wish.vetoes, *vetoes))
    limits = _limits(house, site, battery)
    power_w, narrowed = _clip(wish.battery_w, limits)
    lease_s = min(max(wish.lease_s, MIN_LEASE_S), MAX_LEASE_S)
    reason = f"{wish.reason} (guard: {'; '.join(narrowed)})" if narrowed else wish.reason
    return Command(mode="power", battery_w=power_w, lease_s=lease_s, reason=reason, vetoes=(*wish.vetoes, *narrowed))


def _refusals(wish: Command, house: House, now_s: float) -> tuple[str, ...]:
    """Why no power at all may be commanded now."""
    found: list[str] = []
    if not math.isfinite(wish.battery_w) or not wish.lease_s > 0.0:
        found.append(f"the wish is no command: {wish.battery_w} W for {wish.lease_s} s")
    for name in _NEEDED:
        mask = house.flags.get(name, 0) & int(_UNUSABLE)
        if mask or not math.isfinite(getattr(house, name)):
            found.append(f"{name} is {' and '.join(names(mask)) or 'missing'}")
    age_s = now_s - house.time_s
    if not -MAX_AGE_S <= age_s <= MAX_AGE_S:
        found.append(f"what is known is {age_s:.0f} s old")
    if not found and not 0.0 <= house.soc_frac <= 1.0:
        found.append(f"soc_frac is {house.soc_frac:g}")
    allowed_w = RESIDUAL_W + RESIDUAL_FRAC * (abs(house.grid_w) + abs(house.battery_w))
    if abs(house.residual_w) > allowed_w:
        found.append(f"the power balance is {house.residual_w:.0f} W off")
    return tuple(found)


def _limits(house: House, site: Site, battery: Battery) -> tuple[Limit, ...]:
    """The range that each limit leaves; 0 W is always left."""
    least_w, most_w = site.grid.battery_range_w(house.grid_w + house.battery_w)
    limits = [
        Limit(-battery.charge_w, battery.discharge_w, "battery power limit"),
        Limit(least_w, math.inf, f"import limit {site.grid.import_w:.0f} W"),
        Limit(-math.inf, most_w, f"export limit {site.grid.export_w:.0f} W"),
    ]
    if house.soc_frac <= battery.soc_min_frac:
        limits.append(Limit(-math.inf, 0.0, f"SoC {house.soc_frac:.1%} at its floor"))
    if house.soc_frac >= battery.soc_max_frac:
        limits.append(Limit(0.0, math.inf, f"SoC {house.soc_frac:.1%} at its ceiling"))
    return tuple(limits)


def _clip(power_w: float, limits: tuple[Limit, ...]) -> tuple[float, tuple[str, ...]]:
    """The power within every limit, and the names of those that changed it."""
    narrowed: list[str] = []
    for limit in limits:
        clipped_w = min(max(power_w, limit.low_w), limit.high_w)
        if clipped_w != power_w:
            narrowed.append(limit.name)
        power_w = clipped_w
    return power_w, tuple(narrowed)
