"""Heat pumps: COP, electric input and heat from source and flow temperature.

The form and the generic fits are those of hplib 1.9 (Hoops et al., doi 10.5281/zenodo.5521597), averages over the
Keymark certificates of each kind. A share of Carnot's COP is the simple alternative, and a plausibility check.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from core_kernels import vmath
from core_kernels.arguments import check_positive, check_vectors
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.units import KELVIN_AT_ZERO_C, FloatArray

Kind = Literal["air_regulated", "brine_regulated", "air_on_off", "brine_on_off", "water_on_off"]

# hplib_database.csv, rows "Generic", groups 1, 2, 4, 5, 6: factors of source, flow, 1 and outdoor temperature,
# first for the COP, then for the electric input over that at the reference point.
_FITS: dict[str, tuple[float, ...]] = {
    "air_regulated": (
        *(46.37462900126993, -0.08756667775339223, 7.0454352113504, -46.22057938564581),
        *(65.24998301955087, 0.011364929455468386, 0.04700671542496862, -65.29932853643015),
    ),
    "brine_regulated": (
        *(0.09856460505867312, -0.09856460590283955, 8.12241287944408, -0.00010931425657465474),
        *(-0.013036429478276419, 0.013036428662668095, 0.06982106812617543, -0.03415413177391993),
    ),
    "air_on_off": (
        *(60.04852969530065, -0.060318340924377864, 5.696027224871861, -59.95319662642105),
        *(33.078415116263116, 0.01257697942928958, 0.3622942949769998, -33.07506855610028),
    ),
    "brine_on_off": (
        *(0.10392973889115242, -0.10392977605415851, 8.054635527742949, -0.03189750970762579),
        *(-0.015276068402439042, 0.015276057855876915, 0.24191657204403058, 0.00429767350476568),
    ),
    "water_on_off": (
        *(0.10991827117359057, -0.10991827583286336, 8.008766088742181, -0.011252304682216172),
        *(-0.01415791018658149, 0.01415790911617582, 0.39692237041861506, 0.0012291825426507675),
    ),
}
_SOURCE_C = {"air": -7.0, "brine": 0.0, "water": 10.0}  # of the reference point, with flow 52 and outdoors -7
_FLOW_C, _OUTDOOR_C = 52.0, -7.0
_LEAST_SHARE = 0.25  # of the electric input, below which a regulated compressor does not go
_ALWAYS, _OUTDOOR_FIXED, _BOTH_FIXED = range(3)  # which temperatures stand in that least input


class HeatPump(NamedTuple):
    """A generic heat pump, sized by its heat at the reference point (flow 52, outdoors -7, source -7, 0 or 10 degC)."""

    kind: Kind
    heating_w: float


class Operation(NamedTuple):
    """How a heat pump runs at full demand; arrays of one length. ``cop`` is ``output_w / input_w``."""

    cop: FloatArray
    input_w: FloatArray
    output_w: FloatArray


@kernel(inline=True)
def _line(weights: tuple[float, ...], first: int, source_c: float, flow_c: float, outdoor_c: float) -> float:
    return weights[first] * source_c + weights[first + 1] * flow_c + weights[first + 2] + weights[first + 3] * outdoor_c


_VECTOR = "Array(float64, 1, 'C', readonly=True)"


@kernel(f"void({_VECTOR}, {_VECTOR}, {_VECTOR}, UniTuple(float64, 8), float64[::1], int64, float64[:, ::1])")
def _operate_kernel(
    source_c: FloatArray,
    flow_c: FloatArray,
    outdoor_c: FloatArray,
    weights: tuple[float, ...],
    reference_w: FloatArray,
    fixed: int,
    out: FloatArray,
) -> None:
    heating_w, electric_w = reference_w[0], reference_w[1]
    for i in range(source_c.shape[0]):
        source, flow, outdoor = source_c[i], flow_c[i], outdoor_c[i]
        cop = _line(weights, 0, source, flow, outdoor)
        input_w = electric_w * _line(weights, 4, source, flow, outdoor)
        if fixed != _ALWAYS:
            cold = -7.0 if fixed == _BOTH_FIXED else source
            input_w = vmath.at_least(input_w, _LEAST_SHARE * electric_w * _line(weights, 4, cold, flow, -7.0))
        output_w = input_w * cop
        if cop <= 1.0:  # the heating rod alone
            cop, input_w, output_w = 1.0, heating_w, heating_w
        out[0, i], out[1, i], out[2, i] = cop, input_w, output_w


@kernel(f"void({_VECTOR}, {_VECTOR}, float64, float64, float64[::1])")
def _carnot_kernel(
    source_c: FloatArray, flow_c: FloatArray, carnot_frac: float, least_k: float, out: FloatArray
) -> None:
    for i in range(out.shape[0]):
        lift_k = vmath.at_least(flow_c[i] - source_c[i], least_k)
        out[i] = carnot_frac * ((flow_c[i] + KELVIN_AT_ZERO_C) / lift_k)


def reference_power(pump: HeatPump) -> tuple[float, float]:
    """Heat and electric input at the reference point [W]; wrong pumps raise ``ValueError``."""
    if pump.kind not in _FITS:
        raise ValueError(f"kind must be one of {', '.join(_FITS)}, got {pump.kind!r}")
    check_positive(heating_w=pump.heating_w)
    fit, source_c = _FITS[pump.kind], _SOURCE_C[pump.kind.split("_")[0]]
    return pump.heating_w, pump.heating_w / (fit[0] * source_c + fit[1] * _FLOW_C + fit[2] + fit[3] * _OUTDOOR_C)


def _example() -> tuple[HeatPump, FloatArray, FloatArray, FloatArray]:
    source_c = np.linspace(-20.0, 20.0, 200)
    return HeatPump("air_regulated", 8000.0), source_c, np.linspace(55.0, 30.0, 200), source_c.copy()


@registered(
    name="heatpump.operate",
    unit="-, W, W",
    source="Hoops et al., hplib, doi 10.5281/zenodo.5521597 (generic fits to the Heat Pump Keymark)",
    reference="hplib 1.9 simulate",
    tolerance=1e-8,
    example=_example,
)
def operate(pump: HeatPump, source_c: FloatArray, flow_c: FloatArray, outdoor_c: FloatArray) -> Operation:
    """COP, electric input and heat at full demand.

    Parameters
    ----------
    pump : HeatPump
    source_c : float64[n]
        Inlet on the cold side: the outdoor air itself for air pumps. [degC]
    flow_c : float64[n]
        Flow temperature of the heating water. [degC]
    outdoor_c : float64[n]
        Outdoor temperature; air pumps take ``source_c`` for it. [degC]

    Returns
    -------
    Operation
        Where the fitted COP is 1 or less the heating rod runs alone, with the reference heat. NaN gives NaN. [-], [W]
    """
    heating_w, electric_w = reference_power(pump)
    source, flow, outdoor = check_vectors(source_c=source_c, flow_c=flow_c, outdoor_c=outdoor_c)
    air = pump.kind.startswith("air")
    fixed = _ALWAYS if pump.kind.endswith("on_off") else (_BOTH_FIXED if air else _OUTDOOR_FIXED)
    out = np.empty((3, source.shape[0]))
    reference_w = np.array([heating_w, electric_w])
    _operate_kernel(source, flow, source if air else outdoor, _FITS[pump.kind], reference_w, fixed, out)
    return Operation(out[0], out[1], out[2])


@registered(
    name="heatpump.carnot_cop",
    unit="-",
    source="Carnot 1824; shares of 0.35-0.5: Arpagaus et al. 2018, Energy 152, 985-1010",
    reference="the formula in numpy",
    tolerance=1e-12,
    example=lambda: _example()[1:3],
    missing=(0, 1),
)
def carnot_cop(
    source_c: FloatArray, flow_c: FloatArray, carnot_frac: float = 0.45, least_lift_k: float = 10.0
) -> FloatArray:
    """A share of the ideal COP ``T_flow / (T_flow - T_source)``.

    Parameters
    ----------
    source_c, flow_c : float64[n]
        [degC]
    carnot_frac : float
        Share of the ideal that machines reach, up to 1.
    least_lift_k : float
        Smaller lifts (and negative ones) count as this. [K]

    Returns
    -------
    cop : float64[n]
        NaN gives NaN.
    """
    source, flow = check_vectors(source_c=source_c, flow_c=flow_c)
    check_positive(carnot_frac=carnot_frac, least_lift_k=least_lift_k)
    if carnot_frac > 1.0:
        raise ValueError(f"carnot_frac must be at most 1, got {carnot_frac}")
    cop = np.empty(source.shape[0])
    _carnot_kernel(source, flow, float(carnot_frac), float(least_lift_k), cop)
    return cop


@registered(
    name="heatpump.carnot_share",
    unit="-",
    source="Carnot 1824; shares of 0.35-0.5: Arpagaus et al. 2018, Energy 152, 985-1010",
    reference="the mean of the quotients in numpy",
    tolerance=1e-12,
    example=lambda: (operate(*_example()), *_example()[1:3]),
)
def carnot_share(operation: Operation, source_c: FloatArray, flow_c: FloatArray) -> float:
    """The share of Carnot's COP that a machine reaches over its operating points.

    Parameters
    ----------
    operation : Operation
    source_c, flow_c : float64[n]
        [degC]

    Returns
    -------
    float
        NaN without an operating point.
    """
    ideal = carnot_cop(source_c, flow_c, 1.0)
    operation = Operation(*check_vectors(source_c=source_c, **operation._asdict())[1:])
    known = np.isfinite(operation.cop) & np.isfinite(ideal) & (ideal > 0.0)
    return float(np.mean(operation.cop[known] / ideal[known])) if known.any() else math.nan
