"""What a kWh through the battery costs in wear: a convex, piecewise linear price for the optimiser.

Cycle loss follows ``q^2 = sum k(depth)^2 FEC`` (core_kernels.degradation), so the next full cycle of depth d costs
``d k(d)^2 / (2 q)`` of the capacity, and that share of the replacement. The battery is cut into depth segments with a
price each (Xu, Zhao, Zheng, Litvinov & Kirschen 2018, doi 10.1109/TPWRS.2017.2733339); prices that never fall with
depth let a linear program use the cheap segments first by itself.

The cells set the level, and theirs is wide: in the middle of its life, at 400 EUR/kWh, a full cycle of the LFP cell
costs 0.02 EUR/kWh (17,000 cycles to 80 %), of the NMC cell 0.97 (416: Schmalstieg's is a laptop cell). Xu et al. have
0.21 from ``5.24e-4 d^2.03``, and makers of home batteries warrant a few thousand cycles. So where the data sheet names
a cycle life, give it: it sets the level, and the cell's curve only the shape over depth.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels.arguments import check_positive, check_vectors
from core_kernels.degradation import Chemistry, cycle_loss_lfp, cycle_loss_nmc, open_circuit_voltage_nmc
from core_kernels.registry import registered
from core_kernels.units import FloatArray

KNOTS_FRAC = (0.0, 0.1, 0.35, 0.6, 0.8, 0.9, 1.0)  # within 2.5 % of the dearest cycle for both chemistries
END_OF_LIFE_FRAC = 0.2  # the loss at which a home battery is replaced
LEAST_LOSS_FRAC = 0.02  # the square root's infinite slope at 0 would forbid the first cycle of a new battery
_GRID = 200


class WearPrice(NamedTuple):
    """Segments of depth between ``depth_frac[j]`` and ``[j + 1]``; each kWh discharged in one costs its price.

    ``depth_frac`` is float64[k + 1] from 0 to 1, ``price_eur_per_kwh`` float64[k] and never falls.
    """

    depth_frac: FloatArray
    price_eur_per_kwh: FloatArray


class WearTerms(NamedTuple):
    """Where a battery stands in its life: what it costs to replace, how much of it cycles have used up already.

    ``cycle_life_count`` is the maker's number of full cycles to the end of life; NaN takes that of the measured cell.
    """

    replacement_eur_per_kwh: float
    cyclic_loss_frac: float
    c_rate_per_h: float = 0.25
    end_of_life_frac: float = END_OF_LIFE_FRAC
    cycle_life_count: float = math.nan


def _squared_rate(chemistry: Chemistry, depth_frac: FloatArray, c_rate_per_h: float) -> FloatArray:
    """Squared loss of one full cycle of each depth, from the kernels of degradation themselves."""
    squared = np.empty(depth_frac.size)
    one, middle_v = np.ones(1), open_circuit_voltage_nmc(np.array([0.5]))
    for i in range(depth_frac.size):
        depth = depth_frac[i : i + 1]
        if chemistry == "lfp":
            loss = cycle_loss_lfp(depth, np.array([c_rate_per_h]), one)
        else:
            loss = cycle_loss_nmc(depth, middle_v, one)
        squared[i] = loss[0] * loss[0]
    return squared


def _lower_hull(x: FloatArray, y: FloatArray) -> FloatArray:
    """The largest convex function below the points, at the same places (Andrew's monotone chain)."""
    kept: list[int] = []
    for i in range(x.size):
        while len(kept) > 1:
            a, b = kept[-2], kept[-1]
            if (y[b] - y[a]) * (x[i] - x[a]) < (y[i] - y[a]) * (x[b] - x[a]):
                break
            kept.pop()
        kept.append(i)
    return np.interp(x, x[kept], y[kept])


@registered(
    name="wear.cycle_cost",
    unit="EUR/kWh of capacity",
    source="Naumann et al. 2020, Schmalstieg et al. 2014, derivative of the squared loss",
    reference="difference of core_kernels.degradation before and after the cycle",
    tolerance=1e-6,
    example=lambda: ("lfp", np.linspace(0.0, 1.0, 40), WearTerms(400.0, 0.1)),
    missing=(1,),
)
def cycle_cost(chemistry: Chemistry, depth_frac: FloatArray, terms: WearTerms) -> FloatArray:
    """Wear of the next full cycle of each depth, per kWh of capacity [EUR/kWh]; NaN gives NaN.

    Parameters
    ----------
    chemistry : {"lfp", "nmc"}
    depth_frac : float64[n]
        0..1.
    terms : WearTerms
        A loss below 2 % counts as 2 %.

    Returns
    -------
    float64[n]
        [EUR/kWh]
    """
    (depth,) = check_vectors(depth_frac=depth_frac)
    check_positive(c_rate_per_h=terms.c_rate_per_h, end_of_life_frac=terms.end_of_life_frac)
    if chemistry not in ("lfp", "nmc"):
        raise ValueError(f"chemistry must be 'lfp' or 'nmc', got {chemistry!r}")
    if not (0.0 <= terms.cyclic_loss_frac < 1.0 and 0.0 <= terms.replacement_eur_per_kwh < np.inf):
        raise ValueError(f"terms need a loss in 0..1 and a replacement cost of at least 0, got {terms}")
    squared = _squared_rate(chemistry, depth, terms.c_rate_per_h)
    if not math.isnan(terms.cycle_life_count):
        check_positive(cycle_life_count=terms.cycle_life_count)
        full = _squared_rate(chemistry, np.ones(1), terms.c_rate_per_h)
        squared *= terms.end_of_life_frac**2 / terms.cycle_life_count / full
    loss_frac = max(terms.cyclic_loss_frac, LEAST_LOSS_FRAC)
    lost_frac = squared / (2.0 * loss_frac)
    return lost_frac * (terms.replacement_eur_per_kwh / terms.end_of_life_frac)


@registered(
    name="wear.wear_price",
    unit="EUR/kWh",
    source="Xu et al. 2018, IEEE Trans. Power Syst. 33(2), 2248-2259",
    reference="convex hull of wear.cycle_cost",
    tolerance=1e-12,
    example=lambda: ("lfp", WearTerms(400.0, 0.1)),
)
def wear_price(chemistry: Chemistry, terms: WearTerms, knots_frac: tuple[float, ...] = KNOTS_FRAC) -> WearPrice:
    """The convex piecewise price of wear that stays closest below the cost of full cycles.

    Parameters
    ----------
    chemistry : {"lfp", "nmc"}
    terms : WearTerms
        To be refreshed as the battery ages, once a day say: a new battery wears fastest.
    knots_frac : tuple of float
        Ends of the segments, rising from 0 to 1.

    Returns
    -------
    WearPrice
        [EUR/kWh]. Energies are at the cells; the price of a kWh on the bus is divided by the efficiency of the leg.
    """
    knots = np.array(knots_frac, dtype=np.float64)
    if knots.size < 2 or knots[0] != 0.0 or knots[-1] != 1.0 or not (np.diff(knots) > 0.0).all():
        raise ValueError(f"knots_frac must rise from 0 to 1, got {knots_frac}")
    grid = np.linspace(0.0, 1.0, _GRID + 1)
    hull = np.interp(knots, grid, _lower_hull(grid, cycle_cost(chemistry, grid, terms)))
    return WearPrice(knots, np.maximum.accumulate(np.diff(hull) / np.diff(knots)))  # equal slopes differ by rounding
