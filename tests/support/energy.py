"""Makers of sites, forecasts, prices and days for the tests of planning, control and replay."""

from __future__ import annotations

import math

import numpy as np

from core_kernels.records import Forecast, Frame, Prices
from core_kernels.timegrid import TimeGrid
from edge.config import Battery, Grid, Site
from edge.config_supply import Tariff
from edge.ingest.table import Table
from edge.ingest.tariff import PriceBook
from edge.messages import House
from edge.replay import Days

START_S = 1_717_200_000  # 2024-06-01T00:00:00Z
BATTERY = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0, replacement_eur_per_kwh=200.0)
FEES = Tariff(import_fee_eur_per_kwh=0.08, export_fee_eur_per_kwh=0.01)


def make_site(battery: Battery | None = BATTERY, **changes) -> Site:
    values = {"timezone": "Europe/Prague", "grid": Grid(import_w=17_000.0, export_w=10_000.0), "tariff": FEES}
    return Site(name="t", latitude_deg=49.2, longitude_deg=16.6, battery=battery, **{**values, **changes})


def make_grid(count: int = 192, start_s: int = START_S, slot_s: int = 900) -> TimeGrid:
    return TimeGrid(start_s=start_s, slot_s=slot_s, count=count)


def make_forecast(name: str, grid: TimeGrid, values) -> Forecast:
    values = np.broadcast_to(np.asarray(values, dtype=np.float64), (grid.count,))
    return Forecast(signal=name, issued_s=grid.start_s, grid=grid, p10=values, p50=values, p90=values, source="fake")


def make_prices(grid: TimeGrid, imports, exports) -> Prices:
    imports, exports = (np.broadcast_to(np.asarray(v, dtype=np.float64), (grid.count,)) for v in (imports, exports))
    known = np.ones(grid.count, dtype=np.bool_)
    return Prices(grid=grid, import_eur_per_kwh=imports, export_eur_per_kwh=exports, known=known)


def sunny_w(grid: TimeGrid, peak_w: float = 5000.0) -> np.ndarray:
    hour = (grid.starts_s() % 86_400) / 3600.0
    return peak_w * np.maximum(np.sin((hour - 5.0) / 14.0 * math.pi), 0.0) * ((hour > 5.0) & (hour < 19.0))


def evening_w(grid: TimeGrid) -> np.ndarray:
    hour = (grid.starts_s() % 86_400) / 3600.0
    return 400.0 + 2000.0 * np.exp(-(((hour - 19.0) / 2.0) ** 2))


def duck_eur_per_kwh(grid: TimeGrid, low: float = 0.02, high: float = 0.25) -> np.ndarray:
    """A spot price with its dip at noon and its peak at eight in the evening."""
    hour = (grid.starts_s() % 86_400) / 3600.0
    dip, peak = np.exp(-(((hour - 13.0) / 3.0) ** 2)), np.exp(-(((hour - 20.0) / 2.5) ** 2))
    return 0.1 - (0.1 - low) * dip + (high - 0.1) * peak


def make_house(time_s: float = START_S, **changes) -> House:
    values = {
        "pv_w": 0.0,
        "load_w": 1000.0,
        "grid_w": 1000.0,
        "battery_w": 0.0,
        "soc_frac": 0.5,
        "residual_w": 0.0,
        "grid_import_wh": 0.0,
        "grid_export_wh": 0.0,
        "flags": {},
    }
    return House(time_s=time_s, **{**values, **changes})


def make_days(count_days: int = 12, start_s: int = START_S) -> Frame:
    grid = make_grid(96 * count_days, start_s)
    return Frame(grid=grid, columns={"pv_w": sunny_w(grid), "load_w": evening_w(grid)})


def duck_book(count_days: int) -> PriceBook:
    grid = make_grid(24 * count_days, START_S - 86_400, 3600)
    columns = {"price_eur_mwh": 1000.0 * duck_eur_per_kwh(grid)}
    return PriceBook.of(Table(source="duck", times_s=grid.starts_s(), columns=columns), make_site())


def days_of(measured: Frame, first_day: int, count_days: int) -> Days:
    span = TimeGrid(start_s=measured.grid.start_s + 86_400 * first_day, slot_s=900, count=96 * count_days)
    return Days(measured=measured, span=span, prices=duck_book(measured.grid.count // 96 + 3))


class NaiveForecasts:
    """Mean of the last days at that quarter hour: 3 for PV; 7 for load, with the last residual fading in an hour."""

    def forecast(self, issued_s, grid, history, weather):
        found = {}
        for name, days in (("pv_w", 3), ("load_w", 7)):
            values = history.columns[name]
            whole = min(days, values.size // 96)
            mean = values[values.size - 96 * whole :].reshape(whole, 96).mean(axis=0) if whole else np.zeros(96)
            ahead = np.resize(mean, grid.count)
            if name == "load_w" and whole:
                ahead = np.maximum(ahead + (values[-1] - mean[-1]) * np.exp(-np.arange(1, grid.count + 1) / 4.0), 0.0)
            found[name] = make_forecast(name, grid, ahead)
        return found


class PerfectForecasts:
    """What was measured later; NaN beyond the table."""

    def __init__(self, measured: Frame) -> None:
        self.measured = measured

    def forecast(self, issued_s, grid, history, weather):
        first = (grid.start_s - self.measured.grid.start_s) // grid.slot_s
        found = {}
        for name in ("pv_w", "load_w"):
            ahead = np.full(grid.count, np.nan)
            there = self.measured.columns[name][first : first + grid.count]
            ahead[: there.size] = there
            found[name] = make_forecast(name, grid, ahead)
        return found
