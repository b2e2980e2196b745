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

A capacity tariff adds, behind all steps, one unknown for each billed peak (a month's highest quarter hour) [kW], one
row a step, ``gi - peak <= 0``, one row a peak for its bounds, and ``c peak + w/2 (peak - near)^2`` to the cost: the
pull to the last plan's peak makes this one purely linear unknown strictly convex, which the solver needs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

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
    peaks: int = 0
    peak_pull_eur: float = 0.0

    def by_step(self, x: FloatArray) -> FloatArray:
        """The steps' unknowns, float64[n, UNKNOWNS]."""
        return x[: self.steps * UNKNOWNS].reshape(self.steps, UNKNOWNS)


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


class Peaks(NamedTuple):
    """What a capacity tariff adds to a plan.

    ``least_kw`` is float64[g]: what each billed peak is at least (reached already, or the tariff's floor); ``near_kw``
    float64[g]: the last plan's; ``counts`` bool[n]: steps whose import counts for their peak.
    """

    eur_per_kw: float
    least_kw: FloatArray
    near_kw: FloatArray
    counts: BoolArray


class Terms(NamedTuple):
    """The rest of one plan: energy in the battery now, cost of wear, worth of what is left at the end, billed peaks."""

    stored_wh: float
    wear_eur_per_kwh: float
    terminal_eur_per_kwh: float
    peaks: Peaks | None = None


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


def _ramp(count: int, ramp_eur: float, peaks: int, pull_eur: float) -> Csc:
    """Upper triangle of ``2 w D'D``, ``D`` the differences of ``pd - pc`` from step to step, and the peaks' pull."""
    k = np.arange(count, dtype=np.int64)
    touching = (k > 0).astype(np.float64) + (k < count - 1)
    here, before = UNKNOWNS * k, UNKNOWNS * k[1:] - UNKNOWNS
    after = UNKNOWNS * k[1:]
    peak = UNKNOWNS * count + np.arange(peaks, dtype=np.int64)
    one = 2.0 * ramp_eur * np.ones(max(count - 1, 0))
    twice = 2.0 * ramp_eur * touching
    row = np.concatenate((here + PC, here + PC, here + PD, before + PC, before + PC, before + PD, before + PD, peak))
    column = np.concatenate((here + PC, here + PD, here + PD, after + PC, after + PD, after + PC, after + PD, peak))
    value = np.concatenate((twice, -twice, twice, -one, one, one, -one, np.full(peaks, pull_eur)))
    size = UNKNOWNS * count + peaks
    return compress(row, column, value, (size, size))


def structure(
    count: int,
    slot_s: float,
    leg_efficiency_frac: float,
    ramp_eur: float,
    peak_of: npt.NDArray[np.int64] | None = None,
    peak_pull_eur: float = 0.0,
) -> Structure:
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
    peak_of : int64[n], optional
        For each step the billed peak it belongs to, from 0 without gaps; without it there is no capacity tariff.
    peak_pull_eur : float
        Cost of a peak 1 kW away from the last plan's, growing with its square. [EUR]
    """
    if count < 1 or not slot_s > 0.0 or not 0.0 < leg_efficiency_frac <= 1.0 or not ramp_eur >= 0.0:
        raise ValueError(f"no horizon of {count} steps of {slot_s} s at efficiency {leg_efficiency_frac}")
    if peak_of is not None and (peak_of.shape != (count,) or peak_of.min() < 0):
        raise ValueError(f"peak_of must be {count} numbers from 0 on")
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
    peaks = 0 if peak_of is None else int(peak_of.max()) + 1
    if peak_of is not None:
        g = np.arange(peaks, dtype=np.int64)
        parts += [
            (ROWS * count + k, x + GI, one),
            (ROWS * count + k, UNKNOWNS * count + peak_of, -one),
            ((ROWS + 1) * count + g, UNKNOWNS * count + g, np.ones(peaks)),
        ]
    row, column, value = (np.concatenate([part[i] for part in parts]) for i in range(3))
    size = (ROWS * count + (count + peaks if peaks else 0), UNKNOWNS * count + peaks)
    quadratic = _ramp(count, ramp_eur, peaks, peak_pull_eur)
    return Structure(
        count, slot_s, leg_efficiency_frac, quadratic, compress(row, column, value, size), peaks, peak_pull_eur
    )


def vectors(shape: Structure, slots: Slots, terms: Terms) -> Vectors:
    """Linear cost and bounds of one plan; raises ``ValueError`` for a wrong length or a number that is not finite."""
    if (terms.peaks is None) != (shape.peaks == 0):
        raise ValueError("the terms and the structure do not agree on a capacity tariff")
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
    stepwise = Vectors(q.ravel(), l.ravel(), u.ravel(), float(h * np.sum(ce * slots.net_load_kw)))
    return stepwise if terms.peaks is None else _with_peaks(shape, slots, terms.peaks, stepwise)


def _with_peaks(shape: Structure, slots: Slots, peaks: Peaks, stepwise: Vectors) -> Vectors:
    """The same with the capacity tariff's rows; its cost is what a peak costs beyond the least."""
    for name, values in (("least_kw", peaks.least_kw), ("near_kw", peaks.near_kw)):
        if values.shape != (shape.peaks,) or not np.isfinite(values).all():
            raise ValueError(f"{name} must be {shape.peaks} finite numbers")
    if peaks.counts.shape != (shape.steps,):
        raise ValueError(f"counts must be {shape.steps} truth values")
    most_kw = np.maximum(slots.import_max_kw.max(), peaks.least_kw)
    # A mild bound instead of an infinite one keeps a row that does not count from slowing the solver.
    above_kw = np.where(peaks.counts, 0.0, slots.import_max_kw)
    return Vectors(
        q=np.concatenate((stepwise.q, peaks.eur_per_kw - shape.peak_pull_eur * peaks.near_kw)),
        l=np.concatenate((stepwise.l, np.full(shape.steps, -float(most_kw.max())), peaks.least_kw)),
        u=np.concatenate((stepwise.u, above_kw, most_kw)),
        constant_eur=stepwise.constant_eur - peaks.eur_per_kw * float(peaks.least_kw.sum()),
    )


def shift(shape: Structure, x: FloatArray, y: FloatArray, steps: int) -> tuple[FloatArray, FloatArray]:
    """Unknowns and duals of the horizon that begins ``steps`` later; the last step fills the end."""
    source = np.minimum(np.arange(shape.steps) + steps, shape.steps - 1)
    ends = (shape.steps * UNKNOWNS, shape.steps * ROWS)
    parts_x = [x[: ends[0]].reshape(shape.steps, UNKNOWNS)[source].ravel(), x[ends[0] :]]
    parts_y = [y[: ends[1]].reshape(shape.steps, ROWS)[source].ravel()]
    if shape.peaks:
        parts_y += [y[ends[1] : ends[1] + shape.steps][source], y[ends[1] + shape.steps :]]
    return np.concatenate(parts_x), np.concatenate(parts_y)


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
    return np.ascontiguousarray(y[: shape.steps * ROWS].reshape(shape.steps, ROWS)[:, SOC])
