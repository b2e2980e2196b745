"""The twin's battery: cells with a floor, tapers and a voltage, behind a converter whose losses depend on the load."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantParams:
    """The hardware as sold.

    A leg loses ``standby_w + linear_frac * p + quadratic_frac * p**2 / rated``: 96 % efficient at its best, near
    1.4 kW, and poor below 5 % load.
    """

    capacity_wh: float = 10_000.0
    charge_w: float = 5_000.0
    discharge_w: float = 5_000.0
    soc_frac: float = 0.5
    soc_min_frac: float = 0.10
    soc_hysteresis_frac: float = 0.02
    standby_w: float = 12.0
    linear_frac: float = 0.02
    quadratic_frac: float = 0.03
    derating_frac: float = 0.97
    self_discharge_frac_per_month: float = 0.03
    charge_taper_from_frac: float = 0.90
    discharge_taper_span_frac: float = 0.05
    dead_time_s: float = 2.0
    ramp_w_per_s: float = 1_500.0
    hunting_w: float = 20.0
    clock_offset_s: float = 0.0
    clock_drift_s_per_day: float = 2.0
    timezone: str = "UTC"
    step_s: float = 1.0
    seed: int = 1

    @property
    def rated_w(self) -> float:
        """What 100 % on the power registers means."""
        return max(self.charge_w, self.discharge_w)


class PlantBattery:
    """Energy in the cells and what the hardware lets through at that state of charge."""

    def __init__(self, params: PlantParams) -> None:
        if not 0.0 <= params.soc_frac <= 1.0:
            raise ValueError(f"soc_frac must be 0..1, got {params.soc_frac}")
        self._params = params
        self._stored_wh = params.soc_frac * params.capacity_wh
        self._rated_w = params.rated_w
        self._leak_w = params.self_discharge_frac_per_month * params.capacity_wh / (30.0 * 24.0)
        self._is_floored = False

    @property
    def soc_frac(self) -> float:
        """State of charge."""
        return self._stored_wh / self._params.capacity_wh

    def exchange(self, battery_w: float, duration_s: float) -> float:
        """Move a bus power (positive discharge) for a while; returns the energy that became heat [Wh]."""
        params = self._params
        hours = duration_s / 3600.0
        size_w = abs(battery_w)
        share_frac = params.linear_frac + params.quadratic_frac * size_w / self._rated_w
        loss_wh = (params.standby_w + self._leak_w + size_w * share_frac) * hours
        self._stored_wh -= battery_w * hours + loss_wh
        if self._stored_wh > params.capacity_wh:
            loss_wh += self._stored_wh - params.capacity_wh
            self._stored_wh = params.capacity_wh
        return loss_wh

    def release_floor(self) -> None:
        """Forget that the floor was hit: a new mode starts with a fresh hysteresis."""
        self._is_floored = False

    def limited_w(self, wish_w: float, stop_frac: float) -> float:
        """The wish inside what cells and electronics do; no discharge at or below the floor or ``stop_frac``."""
        params = self._params
        soc_frac = self._stored_wh / params.capacity_wh
        floor_frac = max(params.soc_min_frac, stop_frac)
        if soc_frac <= floor_frac:
            self._is_floored = True
        elif soc_frac >= floor_frac + params.soc_hysteresis_frac:
            self._is_floored = False
        if wish_w > 0.0 and not self._is_floored:
            room_frac = min((soc_frac - floor_frac) / params.discharge_taper_span_frac, 1.0)
            return min(wish_w, params.derating_frac * params.discharge_w * (0.2 + 0.8 * room_frac))
        wish_w = min(wish_w, 0.0)
        if soc_frac < params.soc_min_frac - params.soc_hysteresis_frac:
            wish_w = min(wish_w, -params.standby_w)  # cells this low no longer feed the electronics: the house does
        return max(wish_w, -self._charge_limit_w(soc_frac))

    def _charge_limit_w(self, soc_frac: float) -> float:
        params = self._params
        limit_w = params.derating_frac * params.charge_w
        if soc_frac <= params.charge_taper_from_frac:
            return limit_w
        if soc_frac >= 1.0:
            return 0.0
        return limit_w * (0.05 + 0.95 * (1.0 - soc_frac) / (1.0 - params.charge_taper_from_frac))

    def voltage_v(self, battery_w: float) -> float:
        """16 LFP cells in series: a flat curve with a knee at both ends, minus the drop over 20 mOhm."""
        soc_frac = self.soc_frac
        knee_v = 1.2 * math.exp(-(1.0 - soc_frac) / 0.03) - 3.0 * math.exp(-max(soc_frac, 0.0) / 0.05)
        open_v = 51.8 + 1.6 * soc_frac + knee_v
        return open_v - 0.020 * battery_w / open_v
