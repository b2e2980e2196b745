"""Units, conversions and THE sign convention of PEMS Edge.

Inside the product power is in W, energy in Wh, temperature in degC, angles in degrees, time in Unix UTC
seconds; fractions run 0..1. kW, kWh and percent exist only on the wire and on screens.

Sign convention: positive is power INTO the house bus.

====================  ==========================================
``grid_w``            > 0 import, < 0 export
``pv_w``              >= 0
``battery_w``         > 0 discharge, < 0 charge
``load_w``            grid_w + pv_w + battery_w, >= 0
====================  ==========================================
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Ratio: TypeAlias = float  # a pure number, or one whose unit its function's page gives
FlagArray = npt.NDArray[np.uint16]
Number = TypeVar("Number", float, FloatArray)

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400
W_PER_KW = 1000.0
KELVIN_AT_ZERO_C = 273.15


def load_w(grid_w: Number, pv_w: Number, battery_w: Number) -> Number:
    """House load from the three sources on the bus [W]."""
    return grid_w + pv_w + battery_w


def balance_residual_w(grid_w: Number, pv_w: Number, battery_w: Number, load_w: Number) -> Number:
    """What the bus balance leaves unexplained [W]; 0 for perfect meters, NaN where a term is missing."""
    return grid_w + pv_w + battery_w - load_w


def energy_wh(power_w: Number, seconds: float) -> Number:
    """Energy of a constant power over a span [Wh]."""
    return power_w * (seconds / SECONDS_PER_HOUR)


def cost_eur(
    grid_wh: FloatArray, price_import_eur_per_kwh: FloatArray, price_export_eur_per_kwh: FloatArray
) -> FloatArray:
    """Bill of each slot from its net grid energy [EUR]; export earns, import costs.

    Parameters
    ----------
    grid_wh : float64[n]
        Net energy of the slot, positive import. [Wh]
    price_import_eur_per_kwh, price_export_eur_per_kwh : float64[n]
        All-in prices in force in the slot. [EUR/kWh]
    """
    imported_kwh = np.maximum(grid_wh, 0.0) / W_PER_KW + 0.0 * grid_wh
    exported_kwh = np.maximum(-grid_wh, 0.0) / W_PER_KW + 0.0 * grid_wh
    return imported_kwh * price_import_eur_per_kwh - exported_kwh * price_export_eur_per_kwh
