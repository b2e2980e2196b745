"""Fit a thermal network to measured rooms: maximum likelihood by Fisher scoring with Levenberg-Marquardt damping.

All values are positive and are searched as logarithms; that makes far starts converge. The gradient of the likelihood
of core_kernels.kalman is exact up to the differences of one part in 1e5 that make it, the damped Fisher information
takes the place of second derivatives (Ljung 1999, 10.2; Kristensen, Madsen & Jorgensen 2004, Automatica 40(2)).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels import vmath
from core_kernels.kalman import (
    Observations,
    ThermalNoise,
    check_noise,
    check_observations,
    first_states,
    follow,
)
from core_kernels.matrix_exp import invert
from core_kernels.predictor import predictor_of
from core_kernels.rainflow import IntArray
from core_kernels.registry import registered
from core_kernels.scoring import STEP, fill_slope, gather, gather_spread, solve_positive, sum_squares, whiten_changes
from core_kernels.thermal import ThermalNetwork, example_inputs, example_network, pack, simulate, unpack
from core_kernels.units import FloatArray
from core_kernels.whitening import weigh

_LONGEST = 1.0  # of a logarithm, in one iteration
_NOISES = 3
_DAMPING_START, _DAMPING_MOST = 1e-3, 1e8


class FitOptions(NamedTuple):
    """How to fit: most iterations, the gain in likelihood that ends them, what else is free or held.

    ``prior_frac`` is the relative standard deviation within which the start values are believed; infinite: not at all.
    ``noise_is_free`` fits the three noises as well: only for errors that are white, as a sensor that rounds or lags
    drives them to 0.
    """

    iterations_count: int = 30
    tolerance: float = 1e-3
    prior_frac: float = math.inf
    noise_is_free: bool = False


class Fit(NamedTuple):
    """What was found, how likely it makes the measurements (``score``, their log-likelihood), and how well it is known.

    ``deviation_frac`` float64[5n + m] is the relative standard error of the packed values, from the inverse Fisher
    information; inf where the data say nothing. ``start_c`` float64[2n] are the first states: airs as measured, masses
    fitted along.
    """

    network: ThermalNetwork
    noise: ThermalNoise
    score: float
    iterations_count: int
    converged: bool
    deviation_frac: FloatArray
    start_c: FloatArray


class _Spell(NamedTuple):
    """The measured spell as the kernels take it."""

    pairs: IntArray
    acts: tuple[FloatArray, FloatArray, FloatArray]
    measured_c: FloatArray
    air_c: FloatArray
    dt_s: float


class _Point(NamedTuple):
    """One set of values with its innovations, their covariance, the whitened ones and the log-likelihood."""

    values: FloatArray
    innovations: FloatArray
    spread: FloatArray
    white: FloatArray
    score: float


def _evaluate(values: FloatArray, spell: _Spell) -> _Point:
    """Follow the spell with packed values: the network, the masses' first temperatures, the noises."""
    zones = spell.measured_c.shape[1]
    first = values.size - _NOISES - zones
    start = np.concatenate([spell.air_c, values[first:-_NOISES]])
    noise = (float(values[-3]), float(values[-2]), float(values[-1]))
    rows, spread = predictor_of(values[:first], spell.pairs, noise, zones, spell.dt_s)
    innovations, white = np.empty_like(spell.measured_c), np.empty_like(spell.measured_c)
    follow(rows, spell.acts, spell.measured_c, start, innovations)
    likelihood = float(weigh(innovations, spread, white))
    return _Point(values, innovations, spread, white, likelihood)


def _slopes(point: _Point, spell: _Spell, free_count: int) -> tuple[FloatArray, FloatArray]:
    """Fisher information and gradient of minus the log-likelihood, in the coordinates of :func:`_moved`."""
    slopes = np.empty((point.white.size, free_count))
    spreads = np.empty((free_count, *point.spread.shape))
    for column in range(free_count):
        step = np.zeros(free_count)
        step[column] = STEP
        moved = _evaluate(_moved(point.values, step, spell), spell)
        fill_slope(point.innovations, moved.innovations, point.spread, point.white, slopes, column)
        spreads[column] = moved.spread
    information, gradient = np.zeros((free_count, free_count)), np.zeros(free_count)
    gather(slopes, point.white, information, gradient)
    changes, squares = np.empty_like(spreads), np.empty_like(point.spread)
    whiten_changes(spreads, point.spread, changes)
    gather_spread(changes, squares, sum_squares(point.white, squares), information, gradient)
    return information, gradient


def _moved(values: FloatArray, step: FloatArray, spell: _Spell) -> FloatArray:
    """Values after a bounded step: of the logarithms, but of the temperatures themselves [K]."""
    moved, masses = values.copy(), _masses(values, spell)
    for i in range(step.size):
        if i in masses:
            moved[i] += step[i]
        else:
            moved[i] *= vmath.exp(min(max(float(step[i]), -_LONGEST), _LONGEST))
    return moved


def _masses(values: FloatArray, spell: _Spell) -> range:
    """Where the masses' first temperatures stand among the values."""
    end = values.size - _NOISES
    return range(end - spell.measured_c.shape[1], end)


class _Search:
    """The damped search: where it stands, and one iteration."""

    def __init__(self, values: FloatArray, spell: _Spell, options: FitOptions) -> None:
        self._spell = spell
        self._start = values
        self._damping = _DAMPING_START
        self.free_count = values.size if options.noise_is_free else values.size - _NOISES
        self._belief = np.full(self.free_count, 1.0 / (options.prior_frac * options.prior_frac))
        self._belief[list(_masses(values, spell))] = 0.0
        self.point = _evaluate(values, spell)
        self.information = np.zeros((self.free_count, self.free_count))

    def _away(self, values: FloatArray) -> FloatArray:
        """Logarithms of how far the free values are from the start; those that are not believed are not asked."""
        pairs = zip(values, self._start, self._belief, strict=False)
        return np.array([vmath.log(float(x / x0)) if weight > 0.0 else 0.0 for x, x0, weight in pairs])

    def _cost(self, point: _Point) -> float:
        away = self._away(point.values)
        return -point.score + 0.5 * math.fsum((self._belief * away * away).tolist())

    def iterate(self) -> float:
        """Go to a likelier point; the gain, 0.0 where none is found."""
        information, gradient = _slopes(self.point, self._spell, self.free_count)
        gradient += self._belief * self._away(self.point.values)
        information += np.diag(self._belief)
        self.information = information
        cost, step = self._cost(self.point), np.empty(self.free_count)
        while self._damping <= _DAMPING_MOST:
            damped = information + np.diag(self._damping * (np.diag(information) + 1e-9))
            if solve_positive(damped, -gradient, step):
                point = _evaluate(_moved(self.point.values, step, self._spell), self._spell)
                if (gain := cost - self._cost(point)) > 0.0:
                    self.point, self._damping = point, max(self._damping * 0.1, 1e-12)
                    return gain
            self._damping *= 10.0
        return 0.0

    def deviation_frac(self) -> FloatArray:
        """Standard errors of the logarithms."""
        inverse = np.empty_like(self.information)
        invert(self.information.copy(), inverse)
        variance = np.diag(inverse)
        return np.sqrt(np.where(np.isfinite(variance) & (variance > 0.0), variance, np.inf))


def _example() -> tuple[ThermalNetwork, ThermalNoise, Observations, FitOptions]:
    truth, inputs = example_network(2), example_inputs(80, 2)
    rng = np.random.Generator(np.random.PCG64(3))
    airs = simulate(truth, inputs, np.full(4, 20.0), 300.0)[:-1, :2]
    observations = Observations(inputs, airs + rng.normal(0.0, 0.05, airs.shape), 300.0)
    return truth, ThermalNoise(), observations, FitOptions(iterations_count=2)


@registered(
    name="identification.fit",
    unit="-",
    source="Kristensen, Madsen & Jorgensen 2004, Automatica 40(2), 225-237; Ljung 1999, 10.2",
    reference="scipy.optimize.least_squares on the same likelihood",
    tolerance=1e-2,
    example=_example,
)
def fit(
    start: ThermalNetwork, noise: ThermalNoise, observations: Observations, options: FitOptions | None = None
) -> Fit:
    """The most likely network near a start.

    Parameters
    ----------
    start : ThermalNetwork
        [J/K], [K/W], [m2]. Within a factor of a few of the truth; every value positive, ``solar_m2`` too.
    noise : ThermalNoise
        Held, unless ``options.noise_is_free``.
    observations : Observations
        Inputs complete, measurements NaN where missing; an input that is not finite raises ``ValueError``.
    options : FitOptions, optional

    Returns
    -------
    Fit
    """
    chosen = options or FitOptions()
    values, pairs = pack(start)
    acts, measured = check_observations(observations, start.air_j_per_k.shape[0])
    if not all(np.isfinite(part).all() for part in acts):
        raise ValueError(
            "outdoor_c, solar_w_per_m2 and heat_w must be finite; fit a spell without gaps in weather and heat"
        )
    if not (values > 0.0).all():
        raise ValueError("solar_m2 must be positive to be fitted")
    if not chosen.prior_frac > 0.0:
        raise ValueError(f"prior_frac must be positive, got {chosen.prior_frac}")
    air_c, mass_c = np.split(first_states(start, observations), 2)
    spell = _Spell(pairs, acts, measured, air_c, float(observations.dt_s))
    search = _Search(np.concatenate([values, mass_c, check_noise(noise)]), spell, chosen)
    gain, count = math.inf, 0
    while gain > chosen.tolerance and count < chosen.iterations_count:
        gain, count = search.iterate(), count + 1
    final = search.point.values
    return Fit(
        network=unpack(final[: values.size], pairs),
        start_c=np.concatenate([air_c, final[values.size : -_NOISES]]),
        noise=ThermalNoise(*(float(x) for x in final[-_NOISES:])),
        score=search.point.score,
        iterations_count=count,
        converged=gain <= chosen.tolerance,
        deviation_frac=search.deviation_frac()[: values.size],
    )
