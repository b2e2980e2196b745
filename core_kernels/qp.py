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

Everything else of a house (cars, rooms, tanks, further batteries ...) is a :class:`~core_kernels.qp_parts.Part` that
stands behind these five unknowns and seven rows within each step; a house without them has exactly the programme above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.qp_base import base_part
from core_kernels.qp_parts import (
    Layout,
    Numbers,
    Part,
    coefficients,
    lay_out,
    on_bus,
    place_values,
    places,
    quadratic,
)
from core_kernels.sparse import Csc, Places, column_order, compress, multiply
from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray

BoolArray = npt.NDArray[np.bool_]

UNKNOWNS = 5
ROWS = 7
PC, PD, S, GI, CU = range(UNKNOWNS)
BAL, SOC = range(2)
BOUNDS = 2

# Curtailing is never free: breaks the tie at a price of exactly zero.
CURTAIL_EUR_PER_KWH = 1e-4


class Structure(NamedTuple):
    """What stays the same from plan to plan: size, step, efficiency, the two matrices and what they are made of."""

    steps: int
    slot_s: float
    leg_efficiency_frac: float
    quadratic: Csc
    rows: Csc
    peaks: int = 0
    peak_pull_eur: float = 0.0
    layout: Layout = lay_out(())
    order: Places = np.empty(0, dtype=np.int64)
    bus: tuple[tuple[int, FloatArray | float], ...] = ()

    def by_step(self, x: FloatArray) -> FloatArray:
        """The steps' unknowns, float64[n, layout.width]; the first ``UNKNOWNS`` are those of battery, PV and grid."""
        return x[: self.steps * self.layout.width].reshape(self.steps, self.layout.width)

    def rows_by_step(self, y: FloatArray) -> FloatArray:
        """What belongs to the steps' rows (duals, bounds), float64[n, layout.height]; the first are ``ROWS``."""
        return y[: self.steps * self.layout.height].reshape(self.steps, self.layout.height)


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


def structure(
    count: int,
    slot_s: float,
    leg_efficiency_frac: float,
    ramp_eur: float,
    peak_of: npt.NDArray[np.int64] | None = None,
    peak_pull_eur: float = 0.0,
    parts: Sequence[Part] = (),
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
    parts : sequence of Part
        The house's other components.
    """
    if count < 1 or not slot_s > 0.0 or not 0.0 < leg_efficiency_frac <= 1.0 or not ramp_eur >= 0.0:
        raise ValueError(f"no horizon of {count} steps of {slot_s} s at efficiency {leg_efficiency_frac}")
    if peak_of is not None and (peak_of.shape != (count,) or peak_of.min() < 0):
        raise ValueError(f"peak_of must be {count} numbers from 0 on")
    whole = (base_part(slot_s / SECONDS_PER_HOUR, leg_efficiency_frac, ramp_eur), *parts)
    layout = lay_out(whole)
    peaks = 0 if peak_of is None else int(peak_of.max()) + 1
    stepwise = (*places(whole, layout, count), coefficients(whole, count))
    row, column, value = _joined(stepwise, _peak_rows(layout, count, peak_of, peaks))
    size = (layout.height * count + (count + peaks if peaks else 0), layout.width * count + peaks)
    peak = layout.width * count + np.arange(peaks, dtype=np.int64)
    pulls = (peak, peak, np.full(peaks, peak_pull_eur))
    cost = compress(*_joined(quadratic(whole, layout, count), pulls), (size[1], size[1]))
    order = column_order(row, column)
    rows = compress(row, column, value, size, order)
    return Structure(
        count, slot_s, leg_efficiency_frac, cost, rows, peaks, peak_pull_eur, layout, order, on_bus(parts, layout)
    )


Triplets = tuple[Places, Places, FloatArray]


def _joined(first: Triplets, second: Triplets) -> Triplets:
    row, column, value = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    return row, column, value


def _peak_rows(layout: Layout, count: int, peak_of: Places | None, peaks: int) -> Triplets:
    """The capacity tariff's rows behind all steps."""
    k, g = (np.arange(size, dtype=np.int64) for size in (count if peaks else 0, peaks))
    first_row, first_peak = layout.height * count, layout.width * count
    member = g if peak_of is None else peak_of
    return (
        np.concatenate((first_row + k, first_row + k, first_row + count + g)),
        np.concatenate((layout.width * k + GI, first_peak + member, first_peak + g)),
        np.concatenate((np.ones(k.size), -np.ones(k.size), np.ones(peaks))),
    )


def refilled(shape: Structure, parts: Sequence[Part]) -> Structure:
    """The same structure with its parts' coefficients of another plan; every place stays."""
    whole = (base_part(shape.slot_s / SECONDS_PER_HOUR, shape.leg_efficiency_frac, 0.0), *parts)
    value = coefficients(whole, shape.steps)
    behind = shape.rows.data.size - value.size  # the capacity tariff's, each a step's or a peak's
    tail = np.ones(behind)
    tail[shape.steps : 2 * shape.steps] = -1.0
    data = np.concatenate((value, tail))[shape.order]
    rows = shape.rows._replace(data=np.ascontiguousarray(data))
    return shape._replace(rows=rows, bus=on_bus(parts, shape.layout))


def vectors(shape: Structure, slots: Slots, terms: Terms, others: Sequence[Numbers] = ()) -> Vectors:
    """Linear cost and bounds of one plan; raises ``ValueError`` for a wrong length or a number that is not finite."""
    if (terms.peaks is None) != (shape.peaks == 0):
        raise ValueError("the terms and the structure do not agree on a capacity tariff")
    _check_slots(shape, slots)
    h, ci, ce = shape.slot_s / SECONDS_PER_HOUR, slots.import_eur_per_kwh, slots.export_eur_per_kwh
    q = np.zeros((shape.steps, shape.layout.width))
    q[:, PC] = h * ce
    q[:, PD] = h * (terms.wear_eur_per_kwh - ce)
    q[:, GI] = h * (ci - ce)
    q[:, CU] = h * (ce + CURTAIL_EUR_PER_KWH)
    q[-1, S] = -terms.terminal_eur_per_kwh
    l, u = (np.zeros((shape.steps, shape.layout.height)) for _ in range(2))
    l[:, BAL] = slots.net_load_kw
    u[:, BAL] = slots.net_load_kw + slots.export_max_kw
    l[0, SOC] = u[0, SOC] = terms.stored_wh / W_PER_KW
    l[:, BOUNDS + S] = slots.stored_min_kwh
    highs = (slots.charge_max_kw, slots.discharge_max_kw, slots.stored_max_kwh)
    for line, high in enumerate((*highs, slots.import_max_kw, slots.curtail_max_kw), start=BOUNDS):
        u[:, line] = high
    for numbers in others:
        place_values(q, shape.layout.columns, numbers.cost)
        place_values(l, shape.layout.lines, numbers.low)
        place_values(u, shape.layout.lines, numbers.high)
    for column, coefficient in shape.bus:  # what is drawn is not exported
        q[:, column] -= h * ce * coefficient
    if (l > u).any():
        step, row = divmod(int(np.argmax(l > u)), shape.layout.height)
        raise ValueError(f"step {step}, row {row}: lower bound {l[step, row]} is above {u[step, row]}")
    stepwise = Vectors(q.ravel(), l.ravel(), u.ravel(), float(h * np.sum(ce * slots.net_load_kw)))
    return stepwise if terms.peaks is None else _with_peaks(shape, slots, terms.peaks, stepwise)


def _check_slots(shape: Structure, slots: Slots) -> None:
    """Raise ``ValueError`` for a column of a wrong length or a number that is not finite."""
    fits = all(given.shape == (shape.steps,) for given in slots)
    if fits and np.isfinite(np.concatenate(slots)).all():
        return
    for name, given in zip(slots._fields, slots, strict=True):
        if given.shape != (shape.steps,) or not np.isfinite(given).all():
            raise ValueError(f"{name} must be {shape.steps} finite numbers")


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
    """Unknowns and duals of the horizon that begins ``steps`` (1 to its count) later; its last step fills up."""
    shifted_x, shifted_y = x.copy(), y.copy()
    _shift(shape.by_step(shifted_x), steps)
    _shift(shape.rows_by_step(shifted_y), steps)
    if shape.peaks:
        first = shape.steps * shape.layout.height
        _shift(shifted_y[first : first + shape.steps], steps)
    return shifted_x, shifted_y


def _shift(by_step: FloatArray, steps: int) -> None:
    """Move what belongs to steps forward in place."""
    by_step[: by_step.shape[0] - steps] = by_step[steps:].copy()
    by_step[-steps:] = by_step[-1].copy()


def violation(shape: Structure, bounds: Vectors, x: FloatArray) -> float:
    """How far a candidate leaves its rows' bounds at worst [kW, kWh]; NaN for a candidate that is not finite."""
    image = multiply(shape.rows, x)
    return float(np.max(np.maximum(bounds.l - image, image - bounds.u)))


def water_values(shape: Structure, y: FloatArray) -> FloatArray:
    """Worth of one more stored kWh at the start of each step, float64[n] [EUR/kWh]."""
    return np.ascontiguousarray(shape.rows_by_step(y)[:, SOC])
