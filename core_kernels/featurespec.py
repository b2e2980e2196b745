"""The columns of the models' inputs: names, units, rounding grids, and the digest that a bundle carries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core_kernels.folding import SLOT_S
from core_kernels.records import FeatureMatrix
from core_kernels.units import FloatArray

REVISION = 5
DARK_FRAC = 0.02  # below this share of capacity a clear-sky power says nothing about clouds
AROUND = {"": 0, "_m2h": -2, "_m1h": -1, "_p1h": 1, "_p2h": 2}  # hours around a slot that a forecast is looked up at


class Feature(NamedTuple):
    """One column: its unit and the grid that it is rounded to."""

    name: str
    unit: str
    step: float


PV_FEATURES = (
    Feature("horizon_h", "h", 0.25),
    Feature("sun_elevation_deg", "deg", 0.1),
    Feature("sun_azimuth_deg", "deg", 0.1),
    Feature("clear_sky_frac", "frac", 0.001),
    Feature("clearness_15m", "frac", 0.001),
    Feature("clearness_1h", "frac", 0.001),
    Feature("clearness_3h", "frac", 0.001),
    Feature("clearness_today", "frac", 0.001),
    Feature("clearness_1d", "frac", 0.001),
    Feature("clearness_3d", "frac", 0.001),
    Feature("clearness_7d", "frac", 0.001),
    Feature("clearness_slot_1d", "frac", 0.001),
    Feature("clearness_slot_3d", "frac", 0.001),
    Feature("clearness_slot_7d", "frac", 0.001),
    Feature("clearness_slot_high", "frac", 0.001),
    Feature("temp_air_1d_c", "degC", 0.5),
    Feature("fc_power_frac", "frac", 0.001),
    Feature("fc_physics_ratio", "ratio", 0.001),
    Feature("near_ratio", "ratio", 0.001),
    Feature("far_physics_ratio", "ratio", 0.001),
    Feature("fc_temp_air_c", "degC", 0.5),
    Feature("fc_wind_m_per_s", "m/s", 0.1),
    Feature("fc_dni_w_per_m2", "W/m2", 5.0),
    Feature("fc_dhi_w_per_m2", "W/m2", 5.0),
    Feature("fc_day_clearness", "frac", 0.001),
    *(Feature(f"fc_plant_frac{suffix}", "frac", 0.001) for suffix in AROUND),
    *(Feature(f"fc_clearness{suffix}", "frac", 0.001) for suffix in AROUND),
    *(Feature(f"fc_cloud_frac{suffix}", "frac", 0.01) for suffix in AROUND),
)
LOAD_FEATURES = (
    Feature("horizon_h", "h", 0.25),
    Feature("clock_h", "h", 0.25),
    Feature("weekday", "day", 1.0),
    Feature("is_holiday", "bool", 1.0),
    Feature("load_1h", "ratio", 0.01),
    Feature("load_6h", "ratio", 0.01),
    Feature("load_1d", "ratio", 0.01),
    Feature("load_3d", "ratio", 0.01),
    Feature("load_28d", "ratio", 0.01),
    Feature("load_1d_least", "ratio", 0.01),
    Feature("load_slot_1d", "ratio", 0.01),
    Feature("load_slot_2d", "ratio", 0.01),
    Feature("load_slot_3d", "ratio", 0.01),
    Feature("load_slot_weekday", "ratio", 0.01),
    Feature("load_slot_last_weekday", "ratio", 0.01),
    Feature("load_slot_14d_low", "ratio", 0.01),
    Feature("load_slot_14d_median", "ratio", 0.01),
    Feature("load_slot_14d_high", "ratio", 0.01),
    Feature("load_slot_14d_wide", "ratio", 0.01),
    Feature("load_slot_7d", "ratio", 0.01),
    Feature("load_slot_28d", "ratio", 0.01),
    Feature("load_slot_daytype", "ratio", 0.01),
    Feature("load_slot_low", "ratio", 0.01),
    Feature("load_slot_median", "ratio", 0.01),
    Feature("load_slot_high", "ratio", 0.01),
    Feature("temp_air_1d_c", "degC", 0.5),
    Feature("fc_temp_air_c", "degC", 0.5),
)
ROOM_FEATURES = (
    Feature("horizon_h", "h", 0.25),
    Feature("clock_h", "h", 0.25),
    Feature("weekday", "day", 1.0),
    Feature("sun_elevation_deg", "deg", 0.1),
    Feature("sun_azimuth_deg", "deg", 0.1),
    Feature("room_now_c", "degC", 0.1),
    Feature("room_1h_k", "K", 0.05),
    Feature("room_3h_k", "K", 0.05),
    Feature("room_slot_1d_k", "K", 0.05),
    Feature("room_slot_7d_k", "K", 0.05),
    Feature("heat_1h_frac", "frac", 0.01),
    Feature("heat_1d_frac", "frac", 0.01),
    Feature("heat_slot_7d_frac", "frac", 0.01),
    Feature("temp_air_1d_c", "degC", 0.5),
    Feature("fc_temp_air_c", "degC", 0.5),
    Feature("fc_temp_air_since_c", "degC", 0.5),
    Feature("fc_ghi_w_per_m2", "W/m2", 10.0),
    Feature("fc_ghi_since_wh_per_m2", "Wh/m2", 50.0),
)


def digest() -> str:
    """SHA-256 of the feature tables and their revision, as hex; a model runs only with its own."""
    tables = (PV_FEATURES, LOAD_FEATURES, ROOM_FEATURES)
    return hashlib.sha256(repr((REVISION, SLOT_S, DARK_FRAC, *tables)).encode()).hexdigest()


def rounded_matrix(
    features: tuple[Feature, ...], columns: Mapping[str, FloatArray], scale_w: FloatArray
) -> FeatureMatrix:
    """Columns as float32, each on its feature's grid; NaN stays NaN."""
    values = np.empty((scale_w.size, len(features)), dtype=np.float32)
    for index, feature in enumerate(features):
        values[:, index] = np.rint(columns[feature.name] / feature.step) * feature.step
    return FeatureMatrix(names=tuple(feature.name for feature in features), values=values, scale_w=scale_w)


def select(matrix: FeatureMatrix, names: tuple[str, ...]) -> FeatureMatrix:
    """The columns that a model was trained with, in its order; an unknown name raises ``ValueError``."""
    unknown = sorted(set(names) - set(matrix.names))
    if unknown:
        raise ValueError(f"unknown features: {', '.join(unknown)}")
    values = np.ascontiguousarray(matrix.values[:, [matrix.names.index(name) for name in names]])
    return FeatureMatrix(names=names, values=values, scale_w=matrix.scale_w)
