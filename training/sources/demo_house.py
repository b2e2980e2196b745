"""The demo's house: measured PV and weather from ``pvanalytics``, load from the BDEW profile H25 made lumpy.

PV is NREL PVDAQ system 50 (SERF East, Golden CO), 15-minute means. Its logger is labelled UTC-07:00 but followed
daylight-saving time: against the clear sky its curves are 45..60 min late from March to November and on time in
winter, 2011, 2012 and 2013 alike. Read as Denver clock time, start-labelled, they agree within the slot.
The array is said to face 158 deg at a tilt of 45; its own clear days say about 168 and 55, so the site file leaves both
to training.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from core_kernels.units import FloatArray
from training.errors import TrainingError

ZONE = ZoneInfo("America/Denver")
YEAR_WH = 4_000_000.0
DEFAULT_START = "2013-06-04"
HISTORY_DAYS = 35
EXTRA_DAYS = 2
_MINUTES_PER_DAY = 1440
_MIN_BASE_FRAC = 0.3
SITE_TOML = """\
[site]
name = "demo"
latitude_deg = 39.742
longitude_deg = -105.1727
altitude_m = 1830
timezone = "America/Denver"

[[array]]
dc_w = 4000
inverter_w = 3500
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """A machine's run: power of each stage, and how often a day it is used."""

    name: str
    uses_per_day: float
    stages: tuple[tuple[int, float], ...]  # minutes, W


APPLIANCES = (
    Appliance(name="kettle", uses_per_day=3.0, stages=((3, 2000.0),)),
    Appliance(name="hob", uses_per_day=1.4, stages=((6, 1800.0), (12, 900.0))),
    Appliance(name="oven", uses_per_day=0.5, stages=((10, 2400.0), (35, 1100.0))),
    Appliance(name="dishwasher", uses_per_day=0.7, stages=((16, 1900.0), (40, 60.0), (10, 1900.0))),
    Appliance(name="washing machine", uses_per_day=0.6, stages=((14, 2000.0), (45, 180.0), (8, 400.0))),
)


def _package_file(package: str, *parts: str) -> Path:
    path = Path(str(resources.files(package).joinpath(*parts)))
    if not path.is_file():
        raise TrainingError(f"{package} does not hold {parts[-1]}: pip install 'pems-edge[training]'")
    return path


def measured_pv_w() -> pd.Series:
    """AC power on UTC slots of 15 min, start-labelled, the logger's clock shift taken out; NaN where missing."""
    data = pd.read_parquet(_package_file("pvanalytics", "data", "system_50_ac_power_2_full_DST.parquet"))
    wall = pd.DatetimeIndex(data["measured_on"]).tz_localize(None)
    ambiguous = np.ones(len(wall), dtype=bool)
    utc = wall.tz_localize(ZONE, ambiguous=ambiguous, nonexistent="NaT").tz_convert("UTC")
    power = pd.Series(data["ac_power_2"].to_numpy(dtype=np.float64), index=utc)
    power = power[power.index.notna()]
    power = power[~power.index.duplicated()].clip(lower=0.0)
    return power.asfreq("15min").rename("pv_w")


def measured_weather(index: pd.DatetimeIndex) -> pd.DataFrame:
    """Satellite weather (PSM3, instants each 30 min) at the middle of each slot of an index; NaN in frost."""
    data = pd.read_parquet(_package_file("pvanalytics", "data", "system_50_ac_power_2_full_DST_psm3.parquet"))
    times_s = pd.DatetimeIndex(data["index"]).tz_convert("UTC").as_unit("s").asi8
    wanted_s = index.as_unit("s").asi8 + 450
    temp_c = data["temp_air"].to_numpy(dtype=np.float64)
    temp_c = np.where(temp_c > 0.0, temp_c, np.nan)  # the file says 0 for every temperature below freezing
    found = {"temp_air_c": temp_c, "ghi_w_per_m2": data["ghi"].to_numpy(dtype=np.float64)}
    return pd.DataFrame({name: np.interp(wanted_s, times_s, values) for name, values in found.items()}, index=index)


def _profile_w() -> dict[tuple[int, str], FloatArray]:
    """H25 as W of each local quarter hour, by month and day type (SA, FT, WT), for ``YEAR_WH`` a year."""
    path = _package_file("demandlib", "bdew", "bdew_data", "h25.csv")
    data = pd.read_csv(path, header=[0, 1], index_col=0)
    values = data.to_numpy(dtype=np.float64)  # kWh a quarter hour, for 1,000,000 kWh a year
    scale_w_per_kwh = YEAR_WH / 1e6 * 4.0
    return {
        (column // 3 + 1, str(kind)): values[:, column] * scale_w_per_kwh
        for column, kind in enumerate(data.columns.get_level_values(1))
    }


def _day_load_w(shape_w: FloatArray, random: np.random.Generator) -> FloatArray:
    """One local day at 1 min: appliance runs where the profile is high, the rest smooth, the day's energy kept."""
    smooth_w = np.repeat(shape_w, 15)
    runs_w = np.zeros(_MINUTES_PER_DAY)
    budget_w = smooth_w.sum() * (1.0 - _MIN_BASE_FRAC)
    awake = np.where(np.arange(_MINUTES_PER_DAY) >= 330, smooth_w, 0.02 * smooth_w)
    for appliance in APPLIANCES:
        run_w = np.concatenate([np.full(minutes, power_w) for minutes, power_w in appliance.stages])
        for _ in range(random.poisson(appliance.uses_per_day)):
            start = int(random.choice(_MINUTES_PER_DAY, p=awake / awake.sum()))
            minutes = (start + np.arange(run_w.size)) % _MINUTES_PER_DAY
            if runs_w.sum() + run_w.sum() <= budget_w:
                runs_w[minutes] += run_w
    base_w = smooth_w.sum() - runs_w.sum()
    return np.asarray(runs_w + smooth_w * (base_w / smooth_w.sum()))


def made_load_w(first: str, days: int, seed: int) -> pd.Series:
    """Load at 1 min on UTC for whole local days; each day is drawn by itself, so any span gives the same days."""
    profile = _profile_w()
    parts = []
    for day in pd.date_range(first, periods=days, freq="D"):
        kind = {5: "SA", 6: "FT"}.get(day.weekday(), "WT")
        random = np.random.default_rng((seed, day.toordinal()))
        load_w = _day_load_w(profile[day.month, kind], random)
        wall = pd.date_range(day, periods=_MINUTES_PER_DAY, freq="min")
        utc = wall.tz_localize(ZONE, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="NaT").tz_convert("UTC")
        parts.append(pd.Series(load_w, index=utc)[utc.notna()])
    load = pd.concat(parts)
    return load[~load.index.duplicated()].asfreq("min").ffill(limit=60).rename("load_w")


def _minutes(pv_w: pd.Series) -> pd.Series:
    """PV at 1 min, linear between the middles of its slots, never negative."""
    wanted = pd.date_range(pv_w.index[0], periods=len(pv_w) * 15, freq="min")
    mids_s = pd.DatetimeIndex(pv_w.index).as_unit("s").asi8 + 450
    values = np.interp(wanted.as_unit("s").asi8 + 30, mids_s, pv_w.to_numpy())
    return pd.Series(values.clip(min=0.0), index=wanted, name="pv_w")


def write_demo(out: Path, first: str = DEFAULT_START, days: int = 3, seed: int = 1) -> dict[str, str]:
    """Write ``train.parquet``, ``history.csv``, ``house.csv`` and ``site.toml``; returns what was written and the span.

    Raises
    ------
    TrainingError
        The span is outside the measurements or has gaps in PV.
    """
    pv_w = measured_pv_w()
    start = pd.Timestamp(first).tz_localize(ZONE).tz_convert("UTC")
    end = (pd.Timestamp(first) + pd.Timedelta(days=days + EXTRA_DAYS)).tz_localize(ZONE).tz_convert("UTC")
    begin = pv_w.index[0].tz_convert(ZONE).tz_localize(None).normalize() + pd.Timedelta(days=1)
    if start - pd.Timedelta(days=HISTORY_DAYS) < pv_w.index[0] or end > pv_w.index[-1]:
        raise TrainingError(
            f"the demo can start from {(begin + pd.Timedelta(days=HISTORY_DAYS)).date()} to "
            f"{(pv_w.index[-1] - pd.Timedelta(days=days + EXTRA_DAYS)).date()}, not on {first}"
        )
    house_pv_w = pv_w[start : end - pd.Timedelta(minutes=1)]
    if house_pv_w.isna().any():
        raise TrainingError(f"PV was not measured at {house_pv_w.index[house_pv_w.isna()][0]:%Y-%m-%d %H:%MZ}")
    total_days = (pd.Timestamp(first) - begin).days + days + EXTRA_DAYS
    load_w = made_load_w(str(begin.date()), total_days, seed)
    table = pd.concat([pv_w, load_w.resample("15min").mean()], axis=1, join="inner")
    table = table.join(measured_weather(pd.DatetimeIndex(table.index)))
    out.mkdir(parents=True, exist_ok=True)
    past = table[table.index < start]
    past.rename_axis("time_utc").reset_index().to_parquet(out / "train.parquet", index=False)
    _write_csv(past[past.index >= start - pd.Timedelta(days=HISTORY_DAYS)], out / "history.csv")
    _write_csv(pd.concat([_minutes(house_pv_w), load_w], axis=1, join="inner"), out / "house.csv")
    (out / "site.toml").write_text(SITE_TOML, encoding="utf-8")
    return {"train_from": f"{past.index[0]:%Y-%m-%d}", "start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "days": str(days)}


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    rounded = table.round(1).set_axis(pd.DatetimeIndex(table.index).strftime("%Y-%m-%dT%H:%M:%SZ"), axis=0)
    rounded.rename_axis("time_utc").to_csv(path)
