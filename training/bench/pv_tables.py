"""The measured PV sets as tables and site files of the product, written where a bench wants them.

Every set keeps its clock's traps to itself: what comes out is UTC, slot starts, W, fractions and degrees.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

# Zones of GEFCom2014: tilt, azimuth, altitude and nominal power as published (Hong et al. 2016).
GEFCOM = {1: (36.0, 38.0, 595.0, 1560.0), 2: (35.0, 327.0, 602.0, 4940.0), 3: (21.0, 31.0, 951.0, 4000.0)}
_SMALL_W = 10_000.0  # plants larger than a home are scaled to this capacity; a share of it is what is judged
_CHINA_MW, _NEWCASTLE_KW, _ANEO_UNITS = 110.0, 82.41, 5422.0


class Files(NamedTuple):
    """A table, its site file, and the capacity that errors are a share of."""

    table: Path
    site: Path
    capacity_w: float


def _written(
    folder: Path, name: str, table: pd.DataFrame, site: dict[str, Any], array: dict[str, float], extra: list[str]
) -> Files:
    lines = ["[site]", f'name = "{name}"', 'timezone = "UTC"', *(f"{key} = {value!r}" for key, value in site.items())]
    lines += ["[[array]]", *(f"{key} = {value!r}" for key, value in array.items())]
    if extra:
        lines += ["[features]", "extra = [" + ", ".join(f'"{column}"' for column in extra) + "]"]
    files = Files(folder / f"{name}.parquet", folder / f"{name}.toml", array["dc_w"])
    table.to_parquet(files.table, index=False)
    files.site.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return files


def gefcom(data: Path, folder: Path, zone: int) -> Files:
    """One zone of GEFCom2014, hourly, with the archived ECMWF run of each day at 00 UTC."""
    whole = pd.read_parquet(data / "pv_gefcom2014" / "gefcom2014_solar.parquet")
    part = whole[whole["ZONEID"] == zone]
    part = part.assign(**{name: part[name].astype("float64") for name in part.columns if name.startswith("VAR")})
    tilt_deg, azimuth_deg, altitude_m, capacity_w = GEFCOM[zone]
    start = pd.DatetimeIndex(part.end_utc).shift(-1, freq="h")
    extra = {
        "fc_humidity_frac": part.VAR157 / 100.0,
        "fc_pressure_pa": part.VAR134,
        "fc_water_kg_per_m2": part.VAR78,
        "fc_ice_kg_per_m2": part.VAR79,
        "fc_longwave_w_per_m2": part.strd_wm2,
        "fc_top_solar_w_per_m2": part.tsr_wm2,
        "fc_rain_mm": part.tp_mm,
        "fc_wind_east_m_per_s": part.VAR165,
        "fc_wind_north_m_per_s": part.VAR166,
    }
    columns = {
        "time_utc": start,
        "pv_w": part.POWER * capacity_w,
        "fc_ghi_w_per_m2": part.ssrd_wm2.clip(lower=0.0),
        "fc_temp_air_c": part.VAR167 - 273.15,
        "fc_cloud_frac": part.VAR164,
        "fc_wind_m_per_s": np.hypot(part.VAR165, part.VAR166),
        "fc_issued_utc": start.floor("1D"),
    }
    site = {"latitude_deg": -36.7, "longitude_deg": 149.2, "altitude_m": altitude_m}
    array = {"dc_w": capacity_w, "inverter_w": capacity_w, "tilt_deg": tilt_deg, "azimuth_deg": azimuth_deg}
    return _written(folder, f"gefcom{zone}", pd.DataFrame({**columns, **extra}), site, array, list(extra))


def china(data: Path, folder: Path) -> Files:
    """Site 5 of the Chinese plants, 15 min, with irradiance measured on site; longitude from its clear days."""
    part = pd.read_parquet(data / "pv_china_stategrid" / "site5_processed.parquet")
    table = pd.DataFrame(
        {
            "time_utc": pd.to_datetime(part.t_local).dt.tz_localize("Etc/GMT-8").dt.tz_convert("UTC"),
            "pv_w": part.power_mw.astype(float).clip(lower=0.0) * (_SMALL_W / _CHINA_MW),
            "ghi_w_per_m2": part.total_irr_wm2.astype(float).clip(lower=0.0),
            "dni_w_per_m2": part.dni_wm2.astype(float).clip(lower=0.0),
            "dhi_w_per_m2": part.ghi_col_wm2.astype(float).clip(lower=0.0),  # named global at the source, but diffuse
            "temp_air_c": part.temp_c.astype(float),
        }
    )
    table = table.drop_duplicates("time_utc").sort_values("time_utc")
    site = {"latitude_deg": 38.0, "longitude_deg": 115.0, "altitude_m": 50.0}
    return _written(folder, "china5", table, site, {"dc_w": _SMALL_W, "inverter_w": _SMALL_W}, [])


def newcastle(data: Path, folder: Path) -> Files:
    """The Newcastle sum of roofs, hourly, with modelled weather of the same hours."""
    part = pd.read_parquet(data / "pv_newcastle_au" / "newcastle_82kwp_hourly.parquet")
    table = pd.DataFrame(
        {
            "time_utc": part.start_utc,
            "pv_w": part.pv_kw.astype(float) * (_SMALL_W / _NEWCASTLE_KW),
            "ghi_w_per_m2": part.ghi.astype(float),
            "dni_w_per_m2": part.dni.astype(float),
            "dhi_w_per_m2": part.dhi.astype(float),
            "temp_air_c": part.temp.astype(float),
            "wind_m_per_s": part.wind_speed.astype(float),
            "cloud_frac": part.clouds_all.astype(float) / 100.0,
        }
    )
    site = {"latitude_deg": -32.951, "longitude_deg": 151.715, "altitude_m": 20.0}
    return _written(folder, "newcastle", table, site, {"dc_w": _SMALL_W, "inverter_w": _SMALL_W}, [])


def aneo(data: Path, folder: Path) -> Files:
    """Roof A of Aneo in Trondheim, hourly, with the archived forecast of 07 UTC on the day before."""
    targets = pd.read_parquet(data / "pv_aneo_trondheim" / "targets_hourly.parquet")
    weather = pd.read_parquet(data / "pv_aneo_trondheim" / "nwp_forecast_15min.parquet")
    power = targets[targets.site == "A"].set_index("start_utc").pv_measurement.astype(float)
    part = weather[(weather.site == "A") & (weather.part == "train")].drop_duplicates("date_forecast")
    part = part.set_index("date_forecast").sort_index()
    times = pd.DatetimeIndex(part.index)
    whole = part[times.minute == 0].copy()
    whole.index = times[times.minute == 0].shift(-1, freq="h")  # *_1h columns cover the hour before their time
    joined = whole.join(power.rename("pv"), how="inner")
    extra = {
        "fc_snow_mm": joined["snow_depth:cm"].astype(float) * 10.0,
        "fc_humidity_frac": joined["relative_humidity_1000hPa:p"].astype(float) / 100.0,
        "fc_diffuse_w_per_m2": joined["diffuse_rad_1h:J"].astype(float) / 3600.0,
    }
    columns = {
        "pv_w": joined.pv * (_SMALL_W / _ANEO_UNITS),
        "fc_ghi_w_per_m2": (joined["direct_rad_1h:J"] + joined["diffuse_rad_1h:J"]).astype(float).clip(lower=0.0)
        / 3600.0,
        "fc_temp_air_c": joined["t_1000hPa:K"].astype(float) - 273.15,
        "fc_cloud_frac": joined["effective_cloud_cover:p"].astype(float) / 100.0,
        "fc_wind_m_per_s": joined["wind_speed_10m:ms"].astype(float),
        "fc_issued_utc": joined["date_calc"],
    }
    table = pd.DataFrame({**columns, **extra}).rename_axis("time_utc").reset_index()
    site = {"latitude_deg": 63.5, "longitude_deg": 10.38, "altitude_m": 50.0}
    return _written(folder, "aneo_a", table, site, {"dc_w": _SMALL_W, "inverter_w": _SMALL_W}, list(extra))
