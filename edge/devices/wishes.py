"""From a command to a wish that the device, its battery and the site allow now. Reads what it must, writes nothing."""

from __future__ import annotations

import math

from edge.clock import Clock
from edge.config import Battery, Grid
from edge.devices.profile import BatteryMode, Control, StateRule
from edge.devices.readback import CLOCK_AGE_S, Readback
from edge.devices.translate import Facts, Wish, scale_points, signed_frac_of, state_points, way_of
from edge.devices.unit import Unit
from edge.errors import DeviceError
from edge.messages import Command


def within_site_w(power_w: float, bus_w: float, grid: Grid) -> float:
    """A battery power that neither buys nor sells more than the connection point may; unlimited where nobody measures.

    ``bus_w`` is what the grid would carry with an idle battery. 0 W is always allowed.
    """
    if math.isnan(bus_w):
        return power_w
    least_w, most_w = grid.battery_range_w(bus_w)
    return min(max(power_w, least_w), most_w)


class Wishes:
    """Turns commands for one inverter into wishes."""

    def __init__(self, unit: Unit, readback: Readback, battery: Battery, grid: Grid, clock: Clock) -> None:
        self._unit, self._readback, self._clock = unit, readback, clock
        self._battery, self._grid = battery, grid

    def power(self, command: Command, control: Control, *, bus_w: float, max_age_s: float) -> Wish:
        """A power, narrowed to battery, device and site by facts no older than allowed; raises :class:`DeviceError`."""
        facts = self._readback.facts(control, max_age_s)
        signed_frac = facts.limited(self._asked_frac(command, bus_w), self._battery.register_w)
        mode = way_of(signed_frac)
        start_raw, device_s = self._slot(control, mode, max_age_s)
        return Wish(
            mode=mode,
            signed_frac=0.0 if mode == "hold" else signed_frac,
            lease_s=lease_limit_s(command.lease_s, control),
            soc_min_frac=self._battery.soc_min_frac,
            soc_max_frac=self._battery.soc_max_frac,
            rated_w=self._battery.register_w,
            facts=facts,
            device_s=device_s,
            slot_start_raw=start_raw,
        )

    def release(self, control: Control) -> Wish:
        """The device's own rules: needs nothing but scale factors, and gets along without those that do not come."""
        exponents: dict[str, int] = {}
        for name in scale_points(self._unit.profile, (*control.compensation, *control.actions["native"])):
            try:
                exponents |= self._readback.exponents([name], math.inf)
            except DeviceError:  # what hangs on it is refused when it is translated, the rest is still released
                continue
        return Wish(
            mode="native",
            signed_frac=0.0,
            lease_s=0.0,
            soc_min_frac=self._battery.soc_min_frac,
            soc_max_frac=self._battery.soc_max_frac,
            rated_w=self._battery.register_w,
            facts=Facts(exponents=exponents),
        )

    def _asked_frac(self, command: Command, bus_w: float) -> float:
        """The part of the rating that the command asks for, inside the battery's and the connection point's limits."""
        frac, rated_w = signed_frac_of(command, self._battery), self._battery.register_w
        allowed_w = within_site_w(frac * rated_w, bus_w, self._grid)
        return frac if allowed_w == frac * rated_w else allowed_w / rated_w

    def _slot(self, control: Control, mode: BatteryMode, max_age_s: float) -> tuple[int | None, float]:
        """Start of the slot that runs already, and the device's own second of the day; nothing without a slot."""
        rule = next((rule for rule in control.states if rule.mode == mode and rule.slot), None)
        if rule is None:
            return None, math.nan
        by_name = self._unit.profile.by_name
        self._readback.fetch([by_name[name] for name in self._unit.profile.clock], CLOCK_AGE_S)
        self._readback.fetch([by_name[name] for name in state_points(control)], max_age_s)
        return self._running_start(control, rule, max_age_s), self._readback.device_s()

    def _running_start(self, control: Control, rule: StateRule, max_age_s: float) -> int | None:
        if rule.slot is None or self._readback.state(control, max_age_s) != rule.mode:
            return None
        return int(self._unit.samples[rule.slot[0]].value)


def lease_limit_s(lease_s: float, control: Control) -> float:
    """The lease that a way of control gives: no longer than its longest, nor than the device waits for us."""
    return min(lease_s, control.max_lease_s, math.inf if math.isnan(control.silence_s) else control.silence_s)
