"""A home's first day: the standard profile with the spread of other homes, beside the bare profile.

Each of 13 measured homes is left out in turn; its mean over the year is known, as from a bill, and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from core_kernels.figures import Row, limit_row, ratio_row
from core_kernels.folding import SLOT_S, SLOTS_PER_DAY, weekday
from core_kernels.quantiles import LEVELS_FRAC, pinball
from core_kernels.standard_load import SPREAD_RATIO, standard_ratio, standard_spread
from core_kernels.units import FloatArray
from training.bench import data_folder
from training.bench.homes import LOAD_HOMES, load_home
from training.boosters import Stage, quiet

_MOST_RATIO = 0.9
_SOUTHERN = ("ausgrid",)
_SUNDAY = 6
_SPREAD_ERROR_FRAC = 0.05


class Home(NamedTuple):
    """What a home used, slot by slot, what the profile has there, and the home's mean."""

    load_w: FloatArray
    ratio: FloatArray
    mean_w: float


def rows(stage: Stage = quiet) -> list[Row]:
    """Each home, all of them, and how far the device's constants are from a fit to all homes."""
    folder, homes = data_folder(), {}
    for name in LOAD_HOMES:
        stage(f"day one: {name}")
        homes[name] = read_home(name, folder)
    return figures(homes)


def figures(homes: dict[str, Home]) -> list[Row]:
    """The same of homes that were read."""
    pairs: dict[str, tuple[float, float]] = {}
    for name, home in homes.items():
        others = [other for key, other in homes.items() if key != name]
        said = standard_spread(home.mean_w, home.ratio, fitted_spread(others))
        bare = np.repeat(standard_spread(home.mean_w, home.ratio)[:, 1:2], len(LEVELS_FRAC), axis=1)
        pairs[name] = (float(np.mean(pinball(home.load_w, said))), float(np.mean(pinball(home.load_w, bare))))
    found = [
        ratio_row(f"pinball on day one, {name}", pair, "W", "standard profile", 1.0, "<= 1x")
        for name, pair in pairs.items()
    ]
    mean = float(np.mean([ours / theirs for ours, theirs in pairs.values()]))
    overall = ratio_row(
        "pinball on day one over all homes", (mean, 1.0), "ratio", "standard profile", _MOST_RATIO, "<= 0.9x"
    )
    fit = fitted_spread(list(homes.values()))
    worst = max(abs(own / fitted - 1.0) for own, fitted in zip(SPREAD_RATIO, fit, strict=True))
    return [
        *found,
        overall,
        limit_row("the device's spread against this fit", (worst, 1.0), "frac", "fit", _SPREAD_ERROR_FRAC),
    ]


def read_home(name: str, folder: Path) -> Home:
    """A home's measured slots."""
    series = load_home(name, folder)
    grid, load_w = series.frame.grid, series.frame.column("load_w")
    local = ((grid.starts_s() + series.offsets_s(grid)) // SLOT_S).astype(np.int64)
    kinds = np.where(np.isin(local // SLOTS_PER_DAY, series.holidays), _SUNDAY, weekday(local))
    ratio = standard_ratio(local, kinds, -1.0 if name in _SOUTHERN else 1.0)
    known = np.isfinite(load_w)
    return Home(load_w[known], ratio[known], float(load_w[known].mean()))


def fitted_spread(homes: list[Home]) -> tuple[float, float, float]:
    """P10, P50, P90 of load over profile, each home counting once."""
    shares = [home.load_w / (home.mean_w * home.ratio) for home in homes]
    weight = np.concatenate([np.full(share.size, 1.0 / share.size) for share in shares])
    values = np.concatenate(shares)
    order = np.argsort(values)
    reached = np.cumsum(weight[order]) / len(homes)
    low, middle, high = (float(values[order][np.searchsorted(reached, level)]) for level in LEVELS_FRAC)
    return low, middle, high
