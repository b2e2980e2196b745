"""Measured homes for the closed loop: each a site, its days and the Czech day-ahead prices of 2024.

The data are others' (``../shared/data/README.md``) and no part of the product. A home without a year of its own is laid
onto 2024 from its first row on; its place is one where the sun stands as its clock has it, so that no light is cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, FloatArray
from edge.bench_control.forecasts import ARCHIVED
from edge.config import Battery, Site
from edge.config_supply import Tariff
from edge.errors import StoreError
from edge.ingest.quarters import quarter_hours
from edge.ingest.table import Table, read_table
from edge.ingest.tariff import PriceBook
from edge.planning import SLOT_S
from edge.replay import Days
from edge.timetext import parse_time_s

PRICES = "prices_day_ahead/cz_ote_hourly.parquet"
EMHASS = "home_emhass/emhass_30min.parquet"
CITY_LOAD = "homes_citylearn2022/load_kwh_hourly.parquet"
CITY_PV = "homes_citylearn2022/pv_w_per_kw_hourly.parquet"
SPAN_DAYS = 60
BATTERY = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0)
TARIFF = Tariff(import_fee_eur_per_kwh=0.08, export_fee_eur_per_kwh=0.01)

# Longest gap of PV that is bridged by day; at night the source stores no zeros.
_BRIDGED_S = 4 * 3600
# Installed kW of the CityLearn homes, as published.
_CITY_KW = {"b4": 5.0, "b10": 5.0}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Home:
    """One home's days, and what naive forecasts with the water value took of them where that was measured before."""

    name: str
    site: Site
    days: Days
    naive_share_frac: float


# Shares of naive forecasts as issue 6 states them.
_NAIVE_FRAC = {"emhass-spring": 0.49, "emhass-autumn": 0.73, "b1": 0.67, "b2": 0.84, "b4": 0.85, "b6": 0.90}
CITY_HOMES = tuple(f"b{number}" for number in range(1, 11))
HOMES = ("emhass-spring", "emhass-autumn", *CITY_HOMES)
_EMHASS_STARTS = {"emhass-spring": "2024-03-30T00:00Z", "emhass-autumn": "2024-08-27T00:00Z"}
_CITY_START, _CITY_FIRST_ROW = "2024-03-29T00:00Z", "2024-01-01T00:00Z"


def home(name: str, data: Path, span_days: int = SPAN_DAYS) -> Home:
    """One of :data:`HOMES`; raises :class:`StoreError` where its data are not there."""
    make: Callable[[str, Path], tuple[Site, Table, str]] = _emhass if name in _EMHASS_STARTS else _city
    site, table, start = make(name, data)
    span = TimeGrid(start_s=int(parse_time_s(start)), slot_s=SLOT_S, count=span_days * SECONDS_PER_DAY // SLOT_S)
    days = Days(measured=quarter_hours(table), span=span, prices=PriceBook.load(data / PRICES, site))
    return Home(name=name, site=site, days=days, naive_share_frac=_NAIVE_FRAC.get(name, float("nan")))


def _site(name: str, latitude_deg: float, longitude_deg: float) -> Site:
    return Site(
        name=name,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        timezone="Europe/Prague",
        battery=BATTERY,
        tariff=TARIFF,
    )


def _emhass(name: str, data: Path) -> tuple[Site, Table, str]:
    """The home of EMHASS' author; somewhere in France, its stated place is made up."""
    rows = read_table(data / EMHASS, "t_utc")
    load_w = _bridged(rows.times_s, rows.columns["power_load_no_var_loads"], np.inf)
    pv_w = np.nan_to_num(_bridged(rows.times_s, rows.columns["power_photovoltaics"], _BRIDGED_S))
    columns = {"pv_w": np.maximum(pv_w, 0.0), "load_w": load_w, ARCHIVED: rows.columns["p_pv_forecast"]}
    table = Table(source=name, times_s=rows.times_s, columns=columns)
    return _site(name, 47.0, 2.5), table, _EMHASS_STARTS[name]


def _city(name: str, data: Path) -> tuple[Site, Table, str]:
    """A CityLearn home (Fontana, California); its hours follow the local clock, seven hours behind UTC."""
    load, pv = (read_table(data / path, "label_local_clock") for path in (CITY_LOAD, CITY_PV))
    if name not in load.columns or name not in pv.columns:
        raise StoreError(f"{data / CITY_LOAD}: has no home {name}")
    times_s = parse_time_s(_CITY_FIRST_ROW) + 3600.0 * np.arange(load.times_s.size, dtype=np.float64)
    columns = {"pv_w": _CITY_KW.get(name, 4.0) * pv.columns[name], "load_w": 1000.0 * load.columns[name]}
    return _site(name, 34.1, -12.4), Table(source=name, times_s=times_s, columns=columns), _CITY_START


def _bridged(times_s: FloatArray, values: FloatArray, longest_s: float) -> FloatArray:
    """Values with gaps up to a length filled by a line."""
    known = np.isfinite(values)
    after = np.clip(np.searchsorted(times_s[known], times_s), 1, int(known.sum()) - 1)
    gap_s = times_s[known][after] - times_s[known][after - 1]
    filled = np.where(gap_s <= longest_s, np.interp(times_s, times_s[known], values[known]), np.nan)
    bridged: FloatArray = np.where(known, values, filled)
    return bridged
