"""Inverters: AC from DC power, after PVWatts and after Sandia."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels import vmath
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64, room
from core_kernels.units import FloatArray, Ratio

ETA_NOMINAL_FRAC = 0.96  # PVWatts v5 (Dobos 2014, NREL/TP-6A20-62641), eq. 11
ETA_REFERENCE_FRAC = 0.9637
_IN = "Array(float64, 1, 'C', readonly=True)"


class Sandia(NamedTuple):
    """Parameters of the Sandia model, in the order and with the names of the CEC's data base in brackets.

    AC limit (Paco), DC power and voltage at it (Pdco, Vdco), start (Pso), curvature (C0), its three changes with
    voltage (C1, C2, C3), night consumption (Pnt).
    """

    ac_w: float
    dc_w: float
    dc_v: float
    start_w: float
    c0: Ratio
    c1: Ratio
    c2: Ratio
    c3: Ratio
    night_w: float


@kernel(f"void({_IN}, float64, float64, float64[::1])")
def _pvwatts_kernel(dc: FloatArray, rated_w: float, eta_frac: float, out: FloatArray) -> None:
    share = eta_frac / ETA_REFERENCE_FRAC
    inverse = 1.0 / rated_w
    limit_w = eta_frac * rated_w
    for i in range(out.shape[0]):
        x = dc[i] * inverse
        power_w = share * rated_w * (x * (0.9858 - 0.0162 * x) - 0.0059)
        power_w = vmath.at_most(vmath.at_least(power_w, 0.0), limit_w)
        out[i] = 0.0 if dc[i] <= 0.0 else power_w


@kernel(f"void({_IN}, {_IN}, {_IN}, float64[::1])")
def _sandia_kernel(dc: FloatArray, voltage: FloatArray, model: FloatArray, out: FloatArray) -> None:
    ac_w, dc_w, dc_v, start_w, c0, c1, c2, c3, night_w = (
        model[0],
        model[1],
        model[2],
        model[3],
        model[4],
        model[5],
        model[6],
        model[7],
        model[8],
    )
    for i in range(out.shape[0]):
        more_v = voltage[i] - dc_v
        b = start_w * (1.0 + c2 * more_v)
        span = dc_w * (1.0 + c1 * more_v) - b
        c = c0 * (1.0 + c3 * more_v)
        above = dc[i] - b
        power_w = vmath.at_most((ac_w / span - c * span) * above + c * above * above, ac_w)
        out[i] = -abs(night_w) if dc[i] < start_w else power_w


def _dc() -> tuple[FloatArray, float]:
    return np.linspace(-10.0, 7000.0, 300), 5200.0


@registered(
    name="inverters.pvwatts",
    unit="W",
    source="Dobos 2014, NREL/TP-6A20-62641, eq. 11-13",
    reference="pvlib.inverter.pvwatts",
    tolerance=1e-10,
    example=_dc,
    missing=(0,),
)
def pvwatts(
    dc_w: FloatArray, rated_dc_w: float, eta_frac: float = ETA_NOMINAL_FRAC, out: FloatArray | None = None
) -> FloatArray:
    """AC power of an inverter given by its DC rating and nominal efficiency.

    Parameters
    ----------
    dc_w : float64[n]
        [W]
    rated_dc_w : float
        Positive. [W]
    eta_frac : float
        Nominal efficiency; the AC limit is ``eta_frac * rated_dc_w``. [1]

    Returns
    -------
    float64[n]
        0 .. AC limit, NaN where the input is. [W]
    """
    check_f64("dc_w", dc_w)
    if not rated_dc_w > 0.0:
        raise ValueError(f"rated_dc_w must be positive, got {rated_dc_w}")
    out = room(out, dc_w.shape[0])
    _pvwatts_kernel(dc_w, float(rated_dc_w), float(eta_frac), out)
    return out


def _sandia_example() -> tuple[FloatArray, FloatArray, Sandia]:
    model = Sandia(5000.0, 5200.0, 360.0, 25.0, -3e-6, -2e-5, 6e-4, -1e-4, 1.2)
    return np.linspace(0.0, 6000.0, 300), np.linspace(250.0, 480.0, 300), model


@registered(
    name="inverters.sandia",
    unit="W",
    source="King et al. 2007, SAND2007-5036, eq. 1-4",
    reference="pvlib.inverter.sandia",
    tolerance=1e-10,
    example=_sandia_example,
    missing=(0, 1),
)
def sandia(dc_w: FloatArray, dc_v: FloatArray, model: Sandia) -> FloatArray:
    """AC power of an inverter by its Sandia parameters.

    Parameters
    ----------
    dc_w, dc_v : float64[n]
        DC power and voltage. [W], [V]
    model : Sandia

    Returns
    -------
    float64[n]
        At most the AC limit; the night consumption (negative) below the start. NaN where an input is. [W]
    """
    check_f64("dc_w", dc_w)
    check_f64("dc_v", dc_v, dc_w.shape[0])
    out = np.empty(dc_w.shape[0])
    _sandia_kernel(dc_w, dc_v, np.array(model, dtype=np.float64), out)
    return out
