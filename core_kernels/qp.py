"""The sparse quadratic programme of battery, PV curtailment and grid; matrices only, no solver.

Inside this module power is in kW and energy in kWh (well scaled for a first-order solver); W and Wh everywhere else.
Stage-major: one shift of the horizon is one roll of the unknowns and of the rows. Per step of ``h`` hours:

=========  ====  =====================================================  ==========================================
unknowns   pc    charge power at the AC side [kW]                       bounds 0 .. charge limit
           pd    discharge power at the AC side [kW]                    0 .. discharge limit
           s     stored energy at the step's end [kWh]                  floor .. ceiling
           gi    import [kW]                                            0 .. import limit
           cu    curtailed PV [kW]                                      0 .. what may be curtailed
rows       bal   ``load - pv <= gi - cu - pc + pd <= load - pv + export limit``
           soc   ``s_k - s_(k-1) - h eta pc + h / eta pd = 0``, the first with the stored energy now on the right
           ...   one row for each unknown's bounds
=========  ====  =====================================================  ==========================================

Export is eliminated: ``ge = gi - cu - pc + pd - (load - pv)``. Minimised is, in EUR,
``sum h [(ci - ce) gi + ce cu + ce pc + (wear - ce) pd + ce (load - pv)] + w sum (pb_k - pb_(k-1))^2 - vT s_N`` with
``pb = pd - pc``. The dual of the first ``soc`` row is the water value: what one more stored kWh is worth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray

IntArray = npt.NDArray[np.int32]

UNKNOWNS = 5
ROWS = 7
PC, PD, S, GI, CU = range(UNKNOWNS)
BAL, SOC = range(2)
BOUNDS = 2

# Curtailing is never free: breaks the tie at a price of exactly zero.
CURTAIL_EUR_PER_KWH = 1e-4


class Csc(NamedTuple):
    """A sparse matrix in compressed columns, rows sorted within each column."""

    data: FloatArray
    indices: IntArray
    indptr: IntArray
    shape: tuple[int, int]


class Structure(NamedTuple):
    """What stays the same from plan to plan: size, step, efficiency and the two matrices."""

    steps: int
    slot_s: float
    leg_efficiency_frac: float
    quadratic: Csc
    rows: Csc


class Slots(NamedTuple):
    """What changes from plan to plan, float64[n] each; powers in kW, energies in kWh, prices in EUR/kWh."""

    net_load_kw: FloatArray
    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    charge_max_kw: FloatArray
    discharge_max_kw: FloatArray
    import_max_kw: FloatArray
    export_max_kw: FloatArray
    curtail_max_kw: FloatArray
    stored_min_kwh: FloatArray
    stored_max_kwh: FloatArray


class Terms(NamedTuple):
    """The scalars of one plan: energy in the battery now, cost of wear, worth of what is left at the end."""

    stored_wh: float
    wear_eur_per_kwh: float
    terminal_eur_per_kwh: float


class Vectors(NamedTuple):
    """Linear cost and row bounds, with the constant that completes the cost [EUR]."""

    q: FloatArray
    l: FloatArray
    u: FloatArray
    constant_eur: float


def compress(
    row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], value: FloatArray, shape: tuple[int, int]
) -> Csc:
    """Triplets (no duplicates) as compressed columns."""
    order = np.lexsort((row, column))
    counts = np.bincount(column, minlength=shape[1])
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return Csc(
        data=np.ascontiguousarray(value[order], dtype=np.float64),
        indices=row[order].astype(np.int32),
        indptr=indptr,
        shape=shape,
    )


def _ramp(count: int, ramp_eur: float) -> Csc:
    """Upper triangle of ``2 w D'D`` with ``D`` the differences of ``pd - pc`` from step to step."""
    k = np.arange(count, dtype=np.int64)
    touching = (k > 0).astype(np.float64) + (k < count - 1)
    here, before = UNKNOWNS * k, UNKNOWNS * k[1:] - UNKNOWNS
    after = UNKNOWNS * k[1:]
    one = np.ones(max(count - 1, 0))
    row = np.concatenate((here + PC, here + PC, here + PD, before + PC, before + PC, before + PD, before + PD))
    column = np.concatenate((here + PC, here + PD, here + PD, after + PC, after + PD, after + PC, after + PD))
    value = np.concatenate((touching, -touching, touching, -one, one, one, -one))
    size = UNKNOWNS * count
    return compress(row, column, 2.0 * ramp_eur * value, (size, size))


def structure(count: int, slot_s: float, leg_efficiency_frac: float, ramp_eur: float) -> Structure:
    """The matrices of a horizon of ``count`` steps.

    Parameters
    ----------
    count : int
        Steps, at least 1.
    slot_s : float
        Length of a step. [s]
    leg_efficiency_frac : float
        One-way efficiency, 0..1. [frac]
    ramp_eur : float
        Cost of a change of battery power by 1 kW from step to step, growing with its square; an aid to the solver
        (1e-4 .. 1e-3), 0 for none. [EUR]
    """
    if count < 1 or not slot_s > 0.0 or not 0.0 < leg_efficiency_frac <= 1.0 or not ramp_eur >= 0.0:
        raise ValueError(f"no horizon of {count} steps of {slot_s} s at efficiency {leg_efficiency_frac}")
    h = slot_s / SECONDS_PER_HOUR
    k = np.arange(count, dtype=np.int64)
    x, r = UNKNOWNS * k, ROWS * k
    one = np.ones(count)
    parts = [
        (r + BAL, x + PC, -one),
        (r + BAL, x + PD, one),
        (r + BAL, x + GI, one),
        (r + BAL, x + CU, -one),
        (r + SOC, x + PC, -h * leg_efficiency_frac * one),
        (r + SOC, x + PD, h / leg_efficiency_frac * one),
        (r + SOC, x + S, one),
        (r[1:] + SOC, x[:-1] + S, -one[1:]),
        *((r + BOUNDS + j, x + j, one) for j in range(UNKNOWNS)),
    ]
    row, column, value = (np.concatenate([part[i] for part in parts]) for i in range(3))
    rows = compress(row, column, value, (ROWS * count, UNKNOWNS * count))
    return Structure(count, slot_s, leg_efficiency_frac, _ramp(count, ramp_eur), rows)


def vectors(shape: Structure, slots: Slots, terms: Terms) -> Vectors:
    """Linear cost and bounds of one plan; raises ``ValueError`` for a wrong length or a number that is not finite."""
    for name, values in zip(slots._fields, slots, strict=True):
        if values.shape != (shape.steps,) or not np.isfinite(values).all():
            raise ValueError(f"{name} must be {shape.steps} finite numbers")
    h, ci, ce = shape.slot_s / SECONDS_PER_HOUR, slots.import_eur_per_kwh, slots.export_eur_per_kwh
    zero = np.zeros(shape.steps)
    q = np.empty((shape.steps, UNKNOWNS))
    q[:, PC] = h * ce
    q[:, PD] = h * (terms.wear_eur_per_kwh - ce)
    q[:, S] = 0.0
    q[:, GI] = h * (ci - ce)
    q[:, CU] = h * (ce + CURTAIL_EUR_PER_KWH)
    q[-1, S] = -terms.terminal_eur_per_kwh
    l, u = np.zeros((shape.steps, ROWS)), np.zeros((shape.steps, ROWS))
    l[:, BAL] = slots.net_load_kw
    u[:, BAL] = slots.net_load_kw + slots.export_max_kw
    l[0, SOC] = u[0, SOC] = terms.stored_wh / W_PER_KW
    lows = (zero, zero, slots.stored_min_kwh, zero, zero)
    highs = (
        slots.charge_max_kw,
        slots.discharge_max_kw,
        slots.stored_max_kwh,
        slots.import_max_kw,
        slots.curtail_max_kw,
    )
    for j, (low, high) in enumerate(zip(lows, highs, strict=True)):
        l[:, BOUNDS + j], u[:, BOUNDS + j] = low, high
    if (l > u).any():
        step, row = divmod(int(np.argmax(l > u)), ROWS)
        raise ValueError(f"step {step}, row {row}: lower bound {l[step, row]} is above {u[step, row]}")
    return Vectors(q.ravel(), l.ravel(), u.ravel(), float(h * np.sum(ce * slots.net_load_kw)))


def shift(x: FloatArray, y: FloatArray, steps: int) -> tuple[FloatArray, FloatArray]:
    """Unknowns and duals of the horizon that begins ``steps`` later; the last step fills the end."""
    count = x.size // UNKNOWNS
    source = np.minimum(np.arange(count) + steps, count - 1)
    shifted_x = x.reshape(count, UNKNOWNS)[source]
    shifted_y = y.reshape(count, ROWS)[source]
    return np.ascontiguousarray(shifted_x.ravel()), np.ascontiguousarray(shifted_y.ravel())


def multiply(matrix: Csc, x: FloatArray) -> FloatArray:
    """Matrix times vector, float64[rows]."""
    column = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    image = np.zeros(matrix.shape[0])
    np.add.at(image, matrix.indices, matrix.data * x[column])
    return image


def violation(shape: Structure, bounds: Vectors, x: FloatArray) -> float:
    """How far a candidate leaves its rows' bounds at worst [kW, kWh]; NaN for a candidate that is not finite."""
    image = multiply(shape.rows, x)
    return float(np.max(np.maximum(bounds.l - image, image - bounds.u)))


def water_values(shape: Structure, y: FloatArray) -> FloatArray:
    """Worth of one more stored kWh at the start of each step, float64[n] [EUR/kWh]."""
    return np.ascontiguousarray(y.reshape(shape.steps, ROWS)[:, SOC])
