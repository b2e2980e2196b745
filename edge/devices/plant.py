"""Physics of the twin's house: PV, load, battery inverter and grid, advanced second by second.

This is NOT the controller's model: conversion losses depend on the load, charge and discharge taper, commands have a
dead time and a ramp, the native mode hunts, and slots obey the inverter's own drifting clock. Pure and seeded: the same
series and the same commands at the same instants give the same house, bit for bit.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from edge.devices.plant_battery import PlantBattery, PlantParams
from edge.devices.plant_series import Series

__all__ = ["HousePlant", "PlantMode", "PlantParams", "PriorityRule", "Series", "Snapshot"]

PlantMode = Literal["native", "vpp", "battery_first", "grid_first"]

_NOISE_COUNT = 4096  # a power of two; noise is a function of the second, not of who looks
_MINUTES_PER_DAY = 1440


class PriorityRule(NamedTuple):
    """Battery-first or grid-first as the inverter stores it; slots are (start, end) minutes of its own day."""

    power_frac: float = 1.0
    stop_frac: float = 1.0
    ac_charge: bool = False
    slots_min: tuple[tuple[int, int], ...] = ()

    def is_due(self, minute: int) -> bool:
        """Whether a slot holds this minute; slots recur daily and do not cross midnight."""
        return any(start <= minute < end for start, end in self.slots_min)


class _Regime(NamedTuple):
    """What the inverter has been told: a mode, a battery power for the forced ones, a SoC to stop at."""

    mode: PlantMode
    battery_w: float = 0.0
    ac_charge: bool = True
    stop_frac: float = 0.0


_NATIVE = _Regime("native")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The true state; powers in the signs of ``core_kernels.units``, energies counted from the start."""

    time_s: float
    mode: PlantMode
    pv_w: float
    load_w: float
    grid_w: float
    battery_w: float
    soc_frac: float
    battery_v: float
    pv_wh: float
    load_wh: float
    grid_import_wh: float
    grid_export_wh: float
    battery_charge_wh: float
    battery_discharge_wh: float
    loss_wh: float


class HousePlant:
    """The house. Commands act at the plant's present time; ``advance`` walks whole steps up to an instant."""

    def __init__(self, params: PlantParams, series: Series, *, start_s: float) -> None:
        self.params = params
        self._series = series
        self._start_s = start_s
        self._time_s = start_s
        self._zone = ZoneInfo(params.timezone)
        self._rtc_adjust_s = 0.0
        self._battery_first = PriorityRule()
        self._grid_first = PriorityRule(stop_frac=params.soc_min_frac)
        self._vpp: _Regime | None = None
        self._vpp_until_s = math.inf
        self._pending: deque[tuple[float, _Regime]] = deque()
        self._asked = self._regime = _NATIVE
        self._changes: deque[tuple[float, PlantMode]] = deque(maxlen=1000)
        self._review_s = start_s
        self._battery = PlantBattery(params)
        self._hunting_w = 0.0
        self._battery_w = 0.0
        self._pv_w, self._load_w = series.at(start_s)
        self._pv_wh = self._load_wh = self._import_wh = self._export_wh = 0.0
        self._charge_wh = self._discharge_wh = self._loss_wh = 0.0
        source = random.Random(params.seed)
        self._noise = tuple(source.gauss(0.0, 1.0) for _ in range(_NOISE_COUNT))

    @property
    def time_s(self) -> float:
        """The instant up to which the house has been lived."""
        return self._time_s

    @property
    def mode(self) -> PlantMode:
        """What the inverter's settings ask for now (the power follows after dead time and ramp)."""
        return self._asked.mode

    @property
    def lease_left_s(self) -> float:
        """What is left of the forced power's duration; 0 when none runs, infinite when it has no end."""
        return 0.0 if self._vpp is None else max(self._vpp_until_s - self._time_s, 0.0)

    def take_mode_changes(self) -> list[tuple[float, PlantMode]]:
        """Instants and modes of the changes since the last call (the latest thousand)."""
        changes = list(self._changes)
        self._changes.clear()
        return changes

    def noise(self, salt: int) -> float:
        """A standard normal number of this second and this salt (measurement noise)."""
        return self._noise[(int(self._time_s) * 7 + salt * 977) & (_NOISE_COUNT - 1)]

    def command_native(self) -> None:
        """Load first: the battery covers what PV does not, down to the floor. Slots stay as they are."""
        self._vpp = None
        self._decide()

    def command_power(self, battery_w: float, lease_s: float, *, ac_charge: bool = True) -> None:
        """Force a battery power (positive discharge) that ends by itself after the lease; volatile."""
        if not (math.isfinite(battery_w) and lease_s > 0.0):
            raise ValueError(f"need a finite power and a lease, got {battery_w} W for {lease_s} s")
        self._vpp = _Regime("vpp", battery_w, ac_charge)
        self._vpp_until_s = self._time_s + lease_s
        self._decide()

    def command_priorities(self, *, battery_first: PriorityRule, grid_first: PriorityRule) -> None:
        """Set both stored rules; their slots recur daily while they stand."""
        self._battery_first = battery_first
        self._grid_first = grid_first
        self._decide()

    @property
    def rtc_s(self) -> float:
        """The inverter's own idea of local time, counted as if it were UTC [s]."""
        offset = datetime.fromtimestamp(self._time_s, tz=self._zone).utcoffset()
        local_s = self._time_s + (offset.total_seconds() if offset is not None else 0.0)
        drift_s = self.params.clock_drift_s_per_day * (self._time_s - self._start_s) / 86_400.0
        return local_s + self.params.clock_offset_s + drift_s + self._rtc_adjust_s

    def set_rtc(self, local_s: float) -> None:
        """Set the inverter's own clock, in the counting of ``rtc_s``."""
        self._rtc_adjust_s += local_s - self.rtc_s
        self._decide()

    def snapshot(self) -> Snapshot:
        """The true state now."""
        return Snapshot(
            time_s=self._time_s,
            mode=self._asked.mode,
            pv_w=self._pv_w,
            load_w=self._load_w,
            grid_w=self._load_w - self._pv_w - self._battery_w,
            battery_w=self._battery_w,
            soc_frac=self._battery.soc_frac,
            battery_v=self._battery.voltage_v(self._battery_w),
            pv_wh=self._pv_wh,
            load_wh=self._load_wh,
            grid_import_wh=self._import_wh,
            grid_export_wh=self._export_wh,
            battery_charge_wh=self._charge_wh,
            battery_discharge_wh=self._discharge_wh,
            loss_wh=self._loss_wh,
        )

    def advance(self, to_s: float) -> None:
        """Live on in whole steps, never beyond ``to_s``; an instant in the past changes nothing."""
        step_s = self.params.step_s
        for _ in range(int((to_s - self._time_s) / step_s + 1e-6)):
            self._step(step_s)
        if self._time_s >= self._review_s:
            self._decide()

    def _step(self, step_s: float) -> None:
        if self._time_s >= self._review_s:
            self._decide()
        pv_w, load_w = self._series.at(self._time_s + 0.5 * step_s)
        regime = self._regime
        stop_frac = regime.stop_frac if regime.mode == "grid_first" else 0.0
        wish_w = self._battery.limited_w(self._wish_w(load_w - pv_w, pv_w), stop_frac)
        span_w = self.params.ramp_w_per_s * step_s
        battery_w = min(max(wish_w, self._battery_w - span_w), self._battery_w + span_w)
        hours = step_s / 3600.0
        self._loss_wh += self._battery.exchange(battery_w, step_s)
        grid_w = load_w - pv_w - battery_w
        self._pv_wh += pv_w * hours
        self._load_wh += load_w * hours
        if grid_w > 0.0:
            self._import_wh += grid_w * hours
        else:
            self._export_wh -= grid_w * hours
        if battery_w > 0.0:
            self._discharge_wh += battery_w * hours
        else:
            self._charge_wh -= battery_w * hours
        self._pv_w, self._load_w, self._battery_w = pv_w, load_w, battery_w
        self._time_s += step_s

    def _wish_w(self, deficit_w: float, pv_w: float) -> float:
        """Battery power that the regime in force aims at, before the hardware's limits."""
        regime = self._regime
        if regime.mode == "native":
            noise = self._noise[int(self._time_s) & (_NOISE_COUNT - 1)]
            self._hunting_w = 0.9 * self._hunting_w + 0.436 * self.params.hunting_w * noise
            return deficit_w + self._hunting_w
        if regime.mode == "grid_first":
            return regime.battery_w
        if regime.mode == "battery_first":
            if self._battery.soc_frac >= regime.stop_frac:
                return 0.0
            return regime.battery_w if regime.ac_charge else min(max(deficit_w, regime.battery_w), 0.0)
        if regime.battery_w < 0.0 and not regime.ac_charge:
            return max(regime.battery_w, -pv_w)
        return regime.battery_w

    def _decide(self) -> None:
        """Settle what the settings ask for now, and let older orders take effect after the dead time."""
        now_s = self._time_s
        if self._vpp is not None and now_s >= self._vpp_until_s:
            self._vpp = None
        rtc_s = self.rtc_s
        asked = self._vpp or self._slot_regime(int(rtc_s // 60.0) % _MINUTES_PER_DAY)
        if asked != self._asked:
            if asked.mode != self._asked.mode:
                self._changes.append((now_s, asked.mode))
            self._asked = asked
            self._pending.append((now_s + self.params.dead_time_s, asked))
        while self._pending and self._pending[0][0] <= now_s:
            regime = self._pending.popleft()[1]
            if regime.mode != self._regime.mode:
                self._battery.release_floor()
            self._regime = regime
        self._review_s = now_s + 60.0 - rtc_s % 60.0
        if self._vpp is not None:
            self._review_s = min(self._review_s, self._vpp_until_s)
        if self._pending:
            self._review_s = min(self._review_s, self._pending[0][0])

    def _slot_regime(self, minute: int) -> _Regime:
        if self._battery_first.is_due(minute):
            rule = self._battery_first
            return _Regime("battery_first", -rule.power_frac * self.params.rated_w, rule.ac_charge, rule.stop_frac)
        if self._grid_first.is_due(minute):
            rule = self._grid_first
            return _Regime("grid_first", rule.power_frac * self.params.rated_w, False, rule.stop_frac)
        return _NATIVE
