"""What a command must change at the meter, and whether it does. Pure.

A battery left alone covers the net load of the moment, within its rating: that is what would happen without us.
A command therefore carries an expectation: the grid power moves by what the inverter would have done less what it was
told. Net load (grid + battery) changes with every kettle and cloud, but it enters both sides alike, so a kettle can
neither fake an effect nor hide one. Three things are found: no effect, too much of it, and an effect that the
battery's own register claims and the meter does not see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edge.config import Battery

SETTLE_S = 30.0  # dead time and ramp of slow inverters, and a reading that is a few seconds old
EVIDENCE_S = 60.0  # so long must it be missing
EVIDENCE_COUNT = 5
EFFECT_W = 300.0  # more than this in the right direction is an effect, whatever a BMS or a taper left of it
EFFECT_FRAC = 0.25
JUDGED_W = 500.0  # a smaller expectation drowns in the noise of two devices that sample at different moments
JUDGED_NOISES = 4.0
GAP_S = 150.0  # evidence with a longer gap is no evidence
NEARLY_FULL_FRAC = 0.10  # cells taper from 90 % on
NEARLY_EMPTY_FRAC = 0.05
TOLERANCE_W = 300.0
TOLERANCE_FRAC = 0.15
MAD_TO_SIGMA = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """What one cycle saw. ``told_w``: the battery power in force after it; NaN while the inverter is left alone."""

    time_s: float
    battery_w: float
    grid_w: float
    soc_frac: float
    told_w: float

    @property
    def net_w(self) -> float:
        """What the grid would carry with an idle battery."""
        return self.grid_w + self.battery_w


def expected_change_w(told_w: float, net_w: float, rated_w: float) -> float:
    """What the meter must show of a battery power at this net load, against the inverter's own rules."""
    return own_w(net_w, rated_w) - told_w


def own_w(net_w: float, rated_w: float) -> float:
    """What the inverter does by its own rules: cover a deficit, store a surplus."""
    return min(max(net_w, -rated_w), rated_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The change of grid power that a command should have brought by now, and the one that the meter shows."""

    time_s: float
    expected_w: float
    seen_w: float
    net_w: float


def told_range(told: Sequence[tuple[float, float]], now_s: float) -> tuple[float, float] | None:
    """Lowest and highest power that was in force in the settling time before an instant; ``None`` where it was free.

    ``told`` holds instants and powers, oldest first.
    """
    earlier = [power_w for time_s, power_w in told if time_s <= now_s - SETTLE_S]
    recent = [power_w for time_s, power_w in told if now_s - SETTLE_S < time_s < now_s]
    if not earlier:
        return None
    in_force = [earlier[-1], *recent]
    return None if any(map(math.isnan, in_force)) else (min(in_force), max(in_force))


def effect_of(instant: Instant, told_w: tuple[float, float], battery: Battery) -> Effect | None:
    """Expected and seen change at the meter, against the nearest of the told powers; ``None`` where nothing shows."""
    own = own_w(instant.net_w, battery.register_w)
    aim_w = min(max(own, told_w[0]), told_w[1])
    if math.isnan(instant.net_w) or aim_w == own or _may_refuse(instant.soc_frac, aim_w, own, battery):
        return None
    return Effect(
        time_s=instant.time_s,
        expected_w=expected_change_w(aim_w, instant.net_w, battery.register_w),
        seen_w=instant.grid_w - (instant.net_w - own),
        net_w=instant.net_w,
    )


def _may_refuse(soc_frac: float, aim_w: float, left_w: float, battery: Battery) -> bool:
    """Near full it tapers and near empty it stops: more charge or discharge than left alone proves nothing there."""
    if math.isnan(soc_frac):
        return True
    if aim_w < min(left_w, 0.0):
        return soc_frac >= battery.soc_max_frac - NEARLY_FULL_FRAC
    return aim_w > max(left_w, 0.0) and soc_frac <= battery.soc_min_frac + NEARLY_EMPTY_FRAC


def evidence(effects: Sequence[Effect]) -> Sequence[Effect]:
    """The newest effects that make up enough time and number without a gap; empty where there are not so many."""
    first = len(effects) - 1
    while first > 0 and effects[first].time_s - effects[first - 1].time_s <= GAP_S:
        first -= 1
        if len(effects) - first >= EVIDENCE_COUNT and effects[-1].time_s - effects[first].time_s >= EVIDENCE_S:
            return effects[first:]
    return ()


def without_effect(effects: Sequence[Effect]) -> str:
    """In words that a command had no effect, by the latest evidence; empty where it had one, or nothing can be said."""
    chosen = evidence(effects)
    if not chosen:
        return ""
    expected_w = median(abs(effect.expected_w) for effect in chosen)
    seen_w = median(math.copysign(1.0, effect.expected_w) * effect.seen_w for effect in chosen)
    noise_w = spread_w([effect.net_w for effect in chosen])
    if expected_w < max(JUDGED_W, JUDGED_NOISES * noise_w) or seen_w >= min(EFFECT_FRAC * expected_w, EFFECT_W):
        return ""
    change_w = median(effect.expected_w for effect in chosen)
    lasted_s = chosen[-1].time_s - chosen[0].time_s
    return f"{change_w:+.0f} W were expected at the meter, {seen_w:.0f} W of it came in {lasted_s + SETTLE_S:.0f} s"


def excess_w(battery_w: float, told_w: tuple[float, float]) -> float:
    """How far a battery goes beyond the told powers, or against their sign [W]; less than told is no excess."""
    low_w, high_w = min(told_w[0], 0.0), max(told_w[1], 0.0)
    return max(low_w - battery_w, battery_w - high_w, 0.0)


def is_excess(battery_w: float, told_w: tuple[float, float], battery: Battery) -> bool:
    """More than a fluctuation beyond what was told."""
    limit_w = max(battery.charge_w, battery.discharge_w)
    return excess_w(battery_w, told_w) > TOLERANCE_W + TOLERANCE_FRAC * limit_w


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change of the battery's power by its own register, and what the meter made of it."""

    battery_change_w: float
    grid_change_w: float

    @property
    def seen_frac(self) -> float:
        """1 where the grid took all of it, 0 where the meter saw nothing of it."""
        return -self.grid_change_w / self.battery_change_w


def step_at(history: Sequence[Instant], changed_s: float) -> Step | None:
    """The step around a change of command: medians of the settling times before and after, at least three cycles each.

    ``None`` where the battery did not move by more than the usual changes of net load in such a time.
    """
    before = [i for i in history if changed_s - SETTLE_S <= i.time_s <= changed_s]
    after = [i for i in history if changed_s + SETTLE_S <= i.time_s <= changed_s + 2.0 * SETTLE_S]
    if min(len(before), len(after)) < 3:
        return None
    changes_w = [median(getattr(i, name) for i in after) - median(getattr(i, name) for i in before) for name in _BOTH]
    earlier_w = [instant.net_w for instant in history if instant.time_s <= changed_s]
    if abs(changes_w[0]) < max(JUDGED_W, JUDGED_NOISES * spread_w(earlier_w)):
        return None
    return Step(battery_change_w=changes_w[0], grid_change_w=changes_w[1])


_BOTH = ("battery_w", "grid_w")


def spread_w(values_w: Sequence[float]) -> float:
    """Robust standard deviation by the median of absolute deviations [W]."""
    middle_w = median(values_w)
    return MAD_TO_SIGMA * median(abs(value_w - middle_w) for value_w in values_w)
