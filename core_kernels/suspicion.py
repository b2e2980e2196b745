"""What one channel says about another: a frozen channel, a wrong unit, a wrong sign.

All three compare with something independent (a second sensor, a model, the balance of the house); they are for
commissioning and for the weekly look at the store, and name what they suspect instead of changing a value.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple, TypeAlias

import numpy as np

from core_kernels.arguments import Powers, check_powers
from core_kernels.flags import Flag
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64
from core_kernels.units import FlagArray, FloatArray

OwnUnit: TypeAlias = float  # a number in the unit of the signal

_STUCK = int(Flag.STUCK)
_IN = "Array(float64, 1, 'C', readonly=True)"
# Factors of the field's usual mistakes: kilo and milli, per mille of percent, tenths and hundredths of a register's
# scale, kWh an hour against kW a quarter, kJ against Wh.
USUAL_FACTORS = (1.0, 1000.0, 100.0, 10.0, 4.0, 3.6, 0.25, 1.0 / 3.6, 0.1, 0.01, 0.001)
_FACTOR_TOLERANCE = 0.12
_LEAST_SAMPLES = 24
_FAHRENHEIT = (1.8, 32.0)
_KELVIN = (1.0, 273.15)
_MILD_C = 3.0


class Suspicion(NamedTuple):
    """``values = factor * right + offset``, as far as it is one of the usual mistakes; confidence 0..1.

    ``factor`` is 1 and ``offset`` 0 where the unit seems right; confidence NaN where nothing can be said.
    """

    factor: float
    offset: float
    confidence_frac: float


@kernel(f"void({_IN}, {_IN}, int64, float64, float64, uint16[::1])")
def _frozen_kernel(
    values: FloatArray, witness: FloatArray, count: int, resolution: OwnUnit, movement: OwnUnit, flags: FlagArray
) -> None:
    """STUCK on runs of values within ``resolution`` of their first, while the witness moved by ``movement``."""
    start = 0
    least, greatest = math.inf, -math.inf
    for i in range(values.shape[0] + 1):
        if i < values.shape[0] and i > start and abs(values[i] - values[start]) <= resolution:
            least = min(least, witness[i])
            greatest = max(greatest, witness[i])
            continue
        if i - start >= count and greatest - least >= movement:
            flags[start:i] = _STUCK
        start = i
        if i < values.shape[0]:
            known = witness[i] == witness[i]
            least = witness[i] if known else math.inf
            greatest = witness[i] if known else -math.inf


def _frozen_example() -> tuple[FloatArray, FloatArray, int, float, float]:
    witness = 20.0 + 5.0 * np.sin(0.1 * np.arange(200.0))
    values = witness + 0.5
    values[60:100] = values[60]
    values[150] = math.nan
    return values, witness, 12, 0.05, 1.0


@registered(
    name="frozen_channel",
    unit="1",
    source="after SaQC 2.9 flagConstants and QARTOD's flat-line and multi-variate tests (IOOS 2020)",
    reference="a slow twin in the tests",
    tolerance=0.0,
    example=_frozen_example,
)
def flag_frozen(
    values: FloatArray, witness: FloatArray, run_count: int, resolution: OwnUnit, movement: OwnUnit
) -> FlagArray:
    """STUCK where a channel stands still while a witness of the same thing moves.

    Parameters
    ----------
    values : float64[n]
        A NaN ends a run.
    witness : float64[n]
        A channel that must move with it: irradiance for power, outdoor for room temperature, a twin meter.
    run_count : int
        Samples that make a run.
    resolution : float
        How far the values of a run may lie from its first, in their unit.
    movement : float
        Span of the witness over the run that makes it a fault, in the witness's unit.

    Returns
    -------
    uint16[n]
    """
    check_f64("values", values)
    check_f64("witness", witness, values.shape[0])
    if run_count < 2:
        raise ValueError(f"run_count must be at least 2, got {run_count}")
    flags = np.zeros(values.shape[0], dtype=np.uint16)
    with np.errstate(invalid="ignore"):
        _frozen_kernel(values, witness, run_count, resolution, movement, flags)
    return flags


def _pairs(values: FloatArray, expected: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Known pairs that are large enough to say something: above a tenth of the 95 % quantile of what is expected."""
    check_f64("values", values)
    check_f64("expected", expected, values.shape[0])
    known = np.isfinite(values) & np.isfinite(expected)
    if not known.any():
        return values[:0], expected[:0]
    size = np.abs(expected)
    large = known & (size > 0.1 * np.quantile(size[known], 0.95))
    return values[large], expected[large]


def _unit_example() -> tuple[FloatArray, FloatArray]:
    expected = 2000.0 + 1500.0 * np.sin(0.2 * np.arange(100.0))
    return -0.001 * expected, expected


@registered(
    name="unit_suspicion",
    unit="1",
    source="median ratio against 11 usual factors, sign by majority",
    reference="constructed cases",
    tolerance=0.0,
    example=_unit_example,
)
def suspect_factor(values: FloatArray, expected: FloatArray) -> Suspicion:
    """Which usual factor, and which sign, leads from what was expected to what was read.

    Parameters
    ----------
    values, expected : float64[n]
        The same quantity, measured and expected (a model, another meter); NaN pairs do not count.

    Returns
    -------
    Suspicion
        ``factor`` negative for a wrong sign. Confidence: share of pairs within 12 % of the factor; NaN with fewer than
        24 pairs of size. A ratio near none of the factors is no suspicion: factor 1, confidence 0.
    """
    have, want = _pairs(values, expected)
    if have.shape[0] < _LEAST_SAMPLES:
        return Suspicion(1.0, 0.0, math.nan)
    ratios = have / want
    middle = float(np.median(ratios))
    sign = -1.0 if middle < 0.0 else 1.0
    distance, factor = min((abs(math.log(abs(middle) / f)) if middle else math.inf, f) for f in USUAL_FACTORS)
    if distance > _FACTOR_TOLERANCE:
        return Suspicion(1.0, 0.0, 0.0)
    near = np.abs(ratios - sign * factor) <= _FACTOR_TOLERANCE * factor
    return Suspicion(sign * factor, 0.0, float(near.mean()))


def _temperature_example() -> tuple[FloatArray, FloatArray]:
    expected_c = 10.0 + 8.0 * np.sin(0.2 * np.arange(60.0))
    return 1.8 * expected_c + 33.0, expected_c


@registered(
    name="temperature_suspicion",
    unit="1",
    source="degF = 1.8 degC + 32, K = degC + 273.15 (BIPM 2019, SI Brochure, 2.3.1)",
    reference="constructed cases",
    tolerance=0.0,
    example=_temperature_example,
)
def suspect_temperature(values: FloatArray, expected_c: FloatArray) -> Suspicion:
    """Whether a temperature is in degF or K instead of degC, against another one that is near it (weather).

    Parameters
    ----------
    values : float64[n]
        As read.
    expected_c : float64[n]
        What it should be near. Pairs in which not both are finite do not count. [degC]

    Returns
    -------
    Suspicion
        Confidence is the share of samples that come closer by it; NaN with fewer than 24 known pairs.
    """
    check_f64("values", values)
    check_f64("expected_c", expected_c, values.shape[0])
    known = np.isfinite(values) & np.isfinite(expected_c)
    if np.count_nonzero(known) < _LEAST_SAMPLES:
        return Suspicion(1.0, 0.0, math.nan)
    have, want = values[known], expected_c[known]
    plain = np.abs(have - want)
    best = Suspicion(1.0, 0.0, 0.0 if np.median(plain) > 8.0 * _MILD_C else 1.0)
    for factor, offset in (_FAHRENHEIT, _KELVIN):
        error = np.abs((have - offset) / factor - want)
        if np.median(error) < 0.5 * np.median(plain) and np.median(plain) > _MILD_C:
            best = Suspicion(factor, offset, float((error < plain).mean()))
            plain = error
    return best


def _signs_example() -> tuple[Powers]:
    pv_w, battery_w = 1000.0 + 900.0 * np.sin(0.2 * np.arange(50.0)), 600.0 * np.cos(0.3 * np.arange(50.0))
    load_w = 800.0 + 300.0 * np.sin(0.7 * np.arange(50.0))
    return ((pv_w + battery_w - load_w, pv_w, battery_w, load_w),)


@registered(
    name="sign_suspicion",
    unit="1",
    source="DESIGN.md, law 7: load_w = grid_w + pv_w + battery_w; all eight choices of sign",
    reference="constructed cases",
    tolerance=0.0,
    example=_signs_example,
)
def suspect_signs(powers_w: Powers) -> tuple[tuple[int, int, int], float]:
    """Signs of grid, PV and battery that close the balance best with a load that is never negative.

    Parameters
    ----------
    powers_w : four of float64[n]
        ``grid_w, pv_w, battery_w, load_w`` as read; rows in which not all are finite do not count. [W]

    Returns
    -------
    signs : tuple of int
        1 as the house defines it, -1 turned round.
    residual_ratio : float
        Median absolute residual with these signs over the one of the signs as read; 1 where nothing is to be turned,
        NaN where no row is known.
    """
    table = np.stack(check_powers(powers_w))
    table = table[:, np.isfinite(table).all(axis=0)]
    if table.shape[1] == 0:
        return (1, 1, 1), math.nan
    residuals = {
        signs: float(np.median(np.abs(np.asarray(signs, dtype=np.float64) @ table[:3] - table[3])))
        for signs in itertools.product((1, -1), repeat=3)
    }
    as_read = residuals[1, 1, 1]
    best = min(residuals, key=lambda signs: (residuals[signs], -sum(signs)))
    if not residuals[best] < 0.5 * as_read:
        return (1, 1, 1), 1.0
    return (best[0], best[1], best[2]), residuals[best] / as_read
