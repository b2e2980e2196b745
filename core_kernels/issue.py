"""What the inputs of all models share: the quarter hour of the issue, the latest history, and the columns of both."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.folding import SLOT_S, SLOTS_PER_DAY, IntArray, at_mids, known_mean, weekday
from core_kernels.records import Frame
from core_kernels.solar import FARTHEST_S, check_f64
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FloatArray

_SUNDAY = 6


def quarter_s(issued_s: float, grid: TimeGrid, history: Frame) -> float:
    """Start of the issue's quarter hour [s]: some seconds more or less must not move a feature."""
    if history.grid.slot_s != SLOT_S or grid.slot_s != SLOT_S:
        raise ValueError(f"features need slots of {SLOT_S} s, got {history.grid.slot_s} and {grid.slot_s}")
    if not history.grid.end_s <= issued_s < FARTHEST_S:
        raise ValueError(f"history ends at {history.grid.end_s}, after the issue at issued_s, {issued_s}")
    return float(issued_s // SLOT_S * SLOT_S)


def tail_mean(history: Frame, name: str, slots: int, issued_s: float) -> float:
    """Mean of the signal over the last slots before the issue; NaN where less than half of it is known."""
    first = issued_s - slots * SLOT_S
    recent = history.column(name)[history.grid.starts_s() >= first]
    return float(known_mean(recent, 0)) if np.isfinite(recent).sum() * 2 >= slots else float("nan")


class Calendar(NamedTuple):
    """Local time minus UTC at each slot start of the grid and of the history [s]; the kernels know no time zones.

    ``holidays`` are the local days of public holidays, counted from 1970-01-01: nor do they know countries.
    """

    grid_offset_s: FloatArray
    history_offset_s: FloatArray
    holidays: tuple[int, ...] = ()


class Clock(NamedTuple):
    """Local slot numbers of the history and of the slots to be forecast, and the one that the issue begins."""

    past: IntArray
    wanted: IntArray
    end_slot: int
    holidays: tuple[int, ...] = ()

    def is_holiday(self, local_slots: IntArray) -> npt.NDArray[np.bool_]:
        """Claims that slots lie on a public holiday."""
        return np.isin(local_slots // SLOTS_PER_DAY, self.holidays)

    def day_kind(self, local_slots: IntArray) -> IntArray:
        """Day of the week as people live it, Monday 0: a public holiday is a Sunday."""
        return np.where(self.is_holiday(local_slots), _SUNDAY, weekday(local_slots))


def clock_of(issued_s: float, grid: TimeGrid, history: Frame, calendar: Calendar) -> Clock:
    """The local slot numbers, for folding by clock time."""
    offsets = (calendar.grid_offset_s, calendar.history_offset_s)
    for name, offset_s, slots in zip(calendar._fields[:2], offsets, (grid, history.grid), strict=True):
        check_f64(name, offset_s, slots.count)
        if not (np.abs(offset_s) <= SECONDS_PER_DAY).all():
            raise ValueError(f"{name} must be finite, and a day at most")
    past = ((history.grid.starts_s() + calendar.history_offset_s) // SLOT_S).astype(np.int64)
    wanted = ((grid.starts_s() + calendar.grid_offset_s) // SLOT_S).astype(np.int64)
    since_count = int((issued_s - history.grid.end_s) // SLOT_S)
    return Clock(past, wanted, int(past[-1]) + 1 + since_count if past.size else 0, calendar.holidays)


def issue_columns(issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, FloatArray]:
    """How far ahead each slot lies, the air of the last day, and the air that is forecast."""
    return {
        "horizon_h": (grid.starts_s() - issued_s) / SECONDS_PER_HOUR,
        "temp_air_1d_c": np.full(grid.count, tail_mean(history, "temp_air_c", SLOTS_PER_DAY, issued_s)),
        "fc_temp_air_c": at_mids(weather, "fc_temp_air_c", grid),
    }


def clock_columns(local_slots: IntArray) -> dict[str, FloatArray]:
    """Clock time and day of the week of local slot numbers."""
    return {
        "clock_h": np.asarray((local_slots % SLOTS_PER_DAY) * (SLOT_S / SECONDS_PER_HOUR), dtype=np.float64),
        "weekday": np.asarray(weekday(local_slots), dtype=np.float64),
    }


def example_issue() -> tuple[TimeGrid, Frame, Calendar, Frame]:
    """A day to be forecast, eight days of history of a house and its weather, two hours ahead of UTC."""
    grid = TimeGrid(start_s=1_718_928_000, slot_s=SLOT_S, count=SLOTS_PER_DAY)
    past = TimeGrid(start_s=grid.start_s - 8 * 86400, slot_s=SLOT_S, count=8 * SLOTS_PER_DAY)
    day = np.sin(past.starts_s() * (2.0 * np.pi / 86400.0) - 0.5 * np.pi)
    wave = np.sin(0.7 * np.arange(float(past.count)))
    load_w = 500.0 + 300.0 * wave
    load_w[100:110] = np.nan
    history = Frame(
        grid=past,
        columns={
            "pv_w": np.maximum(0.0, 6000.0 * day) * (0.8 + 0.2 * wave),
            "load_w": load_w,
            "temp_air_c": 15.0 + 8.0 * day,
            "room_hall_c": 21.0 + day + 0.1 * wave,
            "heat_hall_w": np.maximum(0.0, 900.0 * wave),
        },
    )
    ahead = np.sin(grid.starts_s() * (2.0 * np.pi / 86400.0) - 0.5 * np.pi)
    forecast = {"fc_temp_air_c": 16.0 + 8.0 * ahead, "fc_ghi_w_per_m2": np.maximum(0.0, 700.0 * ahead)}
    calendar = Calendar(np.full(grid.count, 7200.0), np.full(past.count, 7200.0))
    return grid, history, calendar, Frame(grid=grid, columns=forecast)
