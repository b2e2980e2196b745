"""Measured homes as series of 900 s slots; where the data come from is in their own README."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from core_kernels.folding import SLOT_S
from core_kernels.pv import LINKE_DEFAULT
from core_kernels.records import Frame
from core_kernels.solar import Location
from core_kernels.timegrid import TimeGrid
from training.dataset import Series
from training.holiday_days import holiday_days
from training.site import TrainingSite

_CITYLEARN = tuple(f"b{number}" for number in range(1, 11))
LOAD_HOMES = ("emhass", "uci", "ausgrid", *_CITYLEARN)
THERMAL_HOMES = ("flexhouse", "leprince_1", "leprince_2")
_COUNTRIES = {"emhass": ("FR", ""), "uci": ("FR", ""), "ausgrid": ("AU", "NSW")}  # CityLearn's are Californian
_RADIATOR_W_PER_K = 100.0  # Leprince measured the heating water only; the fit scales with whatever stands here
_ROOM_C = 20.0


def bare_site(series: Series, location: Location | None = None) -> TrainingSite:
    """A site of which only the clock, and perhaps the place, is known."""
    place = location or Location(0.0, 0.0, 0.0)
    return TrainingSite(name="bench", location=place, zone=series.zone, linke_ratio=LINKE_DEFAULT, arrays=())


def load_home(name: str, folder: Path) -> Series:
    """A home's ``load_w``, and the public holidays of its country."""
    series = _load(name, folder)
    country, subdivision = _COUNTRIES.get(name, ("US", "CA"))
    grid = series.frame.grid
    return replace(series, holidays=holiday_days(country, subdivision, grid.start_s, grid.end_s))


def _load(name: str, folder: Path) -> Series:
    if name == "emhass":
        data = pd.read_parquet(folder / "home_emhass" / "emhass_30min.parquet")
        times = pd.DatetimeIndex(pd.to_datetime(data["t_utc"], utc=True))
        return _series(
            pd.DataFrame({"load_w": data["power_load_no_var_loads"].to_numpy()}, index=times), "Europe/Paris"
        )
    if name == "uci":
        data = pd.read_parquet(folder / "home_uci_sceaux" / "uci_15min.parquet")
        return _local(data["start_local"], 1e3 * data["Global_active_power"], "Europe/Paris")
    if name == "ausgrid":
        data = pd.read_parquet(folder / "home_ausgrid_c12" / "ausgrid_c12_30min.parquet")
        return _local(data["t_local"], 1e3 * data["GC"], "Australia/Sydney")
    data = pd.read_parquet(folder / "homes_citylearn2022" / "load_kwh_hourly.parquet")
    return _local(data["label_local_clock"], 1e3 * data[name], "America/Los_Angeles")


def _local(clock: pd.Series, load_w: pd.Series, zone: str) -> Series:
    """From local clock times; an hour that the clock repeats counts once."""
    first = ~clock.duplicated().to_numpy()
    times = pd.DatetimeIndex(clock).tz_localize(zone, ambiguous=first, nonexistent="shift_forward").tz_convert("UTC")
    table = pd.DataFrame({"load_w": load_w.to_numpy()}, index=times)
    return _series(table[~table.index.duplicated()].sort_index(), zone)


def _series(table: pd.DataFrame, zone: str) -> Series:
    slot_s = int(pd.Series(table.index).diff().dt.total_seconds().median())
    slots = table.astype("float64").resample(f"{SLOT_S}s").mean()
    if slot_s > SLOT_S:
        slots = slots.ffill(limit=slot_s // SLOT_S - 1)
    grid = TimeGrid(start_s=int(slots.index[0].timestamp()), slot_s=SLOT_S, count=len(slots))
    columns = {str(name): slots[name].to_numpy() for name in slots.columns}
    return Series(frame=Frame(grid=grid, columns=columns), table_slot_s=slot_s, zone=ZoneInfo(zone))


def thermal_home(name: str, folder: Path) -> tuple[Series, Location]:
    """A house of one room, ``hall``: heater power of FlexHouse (Danish winter time), heating water of Leprince's."""
    if name == "flexhouse":
        data = pd.read_parquet(folder / "thermal_flexhouse" / "flexhouse_prbs_5min.parquet")
        times = pd.DatetimeIndex(pd.to_datetime(data["TimeDate"])).tz_localize("Etc/GMT-1").tz_convert("UTC")
        heat_w, zone, place = 1e3 * data["Ph"], "Europe/Copenhagen", Location(55.69, 12.08, 0.0)
    else:
        data = pd.read_parquet(folder / "thermal_leprince_nl" / f"building_{name[-1]}_15min.parquet")
        times = pd.DatetimeIndex(data["t"]).tz_localize("UTC")
        heat_w, zone, place = _RADIATOR_W_PER_K * (data["Thm"] - _ROOM_C), "Europe/Amsterdam", Location(52.1, 5.2, 0.0)
    columns = {
        "temp_air_c": data["Ta"].to_numpy(),
        "ghi_w_per_m2": np.maximum(1e3 * data["Ps"].to_numpy(), 0.0),
        "heat_hall_w": np.maximum(heat_w.to_numpy(), 0.0),
        "room_hall_c": data["yTi"].to_numpy(),
    }
    return _series(pd.DataFrame(columns, index=times), zone), place
