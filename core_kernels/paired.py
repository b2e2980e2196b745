"""Two ways through the same days: by how much one costs less a day, and whether that is more than luck.

The days' differences hang together (a sunny week is sunny for both), so they are drawn again in blocks of consecutive
days: the circular block bootstrap of Politis and Romano (1992). Blocks have 1.7 n^(1/3) days: the rate is of Hall,
Horowitz and Jing (1995), the factor serves autocorrelations of some tenths. Few blocks know their own spread badly: as
with Student's t, the interval is wider by t / z of 1.5 n / block degrees of freedom, which is what blocks that overlap
are worth (Künsch 1989).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from core_kernels.units import FloatArray

Verdict = Literal["better", "worse", "not known yet"]
LEAST_DAYS = 14
LEVEL_FRAC = 0.95
_DRAWS_COUNT = 10_000
_BLOCK_RATIO = 1.7
_SEED = 20_261_123


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Mean difference a day and its interval [EUR]; negative where the candidate is the cheaper one, NaN: unknown."""

    days_count: int
    mean_eur: float
    low_eur: float
    high_eur: float

    @property
    def verdict(self) -> Verdict:
        """What the interval says of the candidate; nothing before :data:`LEAST_DAYS`."""
        if self.days_count < LEAST_DAYS:
            return "not known yet"
        if self.high_eur < 0.0:
            return "better"
        return "worse" if self.low_eur > 0.0 else "not known yet"


def compared(differences_eur: FloatArray, level_frac: float = LEVEL_FRAC) -> Comparison:
    """Candidate less champion, day by day in the order of time; the same days give the same interval.

    Parameters
    ----------
    differences_eur : float64[n]
        Cost of each day by the candidate less that by the champion; NaN days are left out. [EUR]
    level_frac : float
        How surely the interval holds the mean. [frac]
    """
    known = differences_eur[np.isfinite(differences_eur)]
    count = known.size
    mean_eur = float(known.mean()) if count else math.nan
    if count < 2:
        return Comparison(days_count=count, mean_eur=mean_eur, low_eur=math.nan, high_eur=math.nan)
    block = min(round(_BLOCK_RATIO * count ** (1 / 3)), count - 1)
    draws = np.random.default_rng(_SEED).integers(0, count, (_DRAWS_COUNT, -(-count // block)))
    days = (draws[:, :, None] + np.arange(block)).reshape(_DRAWS_COUNT, -1)[:, :count] % count
    tail_frac = (1.0 - level_frac) / 2.0
    wider_ratio = math.sqrt(count / (count - block)) * student_ratio(tail_frac, 1.5 * count / block)
    away_eur = (known[days].mean(axis=1) - mean_eur) * wider_ratio
    low_eur, high_eur = mean_eur - np.quantile(away_eur, (1.0 - tail_frac, tail_frac))
    return Comparison(days_count=count, mean_eur=mean_eur, low_eur=float(low_eur), high_eur=float(high_eur))


def student_ratio(tail_frac: float, freedom_count: float) -> float:
    """Quantile of Student's t over that of the normal distribution, by the first terms of Fisher's expansion."""
    z = NormalDist().inv_cdf(1.0 - tail_frac)
    first, second = (z**2 + 1.0) / 4.0, (5.0 * z**4 + 16.0 * z**2 + 3.0) / 96.0
    return 1.0 + first / freedom_count + second / freedom_count**2
