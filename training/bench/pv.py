"""PV on measured data: a day ahead, with the weather known, a quarter hour ahead, and in another season.

Errors are shares of capacity over all hours, in percent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from core_kernels.figures import Row, limit_row
from training.backtest import Span, backtest
from training.bench import data_folder
from training.bench.pv_tables import Files, aneo, china, gefcom, newcastle
from training.boosters import Recipe, Stage, quiet
from training.dataset import with_known_weather
from training.errors import SetupError
from training.read import read_series
from training.site import load_site

_GEFCOM_ZONES = (1, 2)
_QUICK = "quick XGBoost of the issue"
_WORSE_PERCENT = 0.3  # of capacity, that the model may lose to physics in another season


class Case(NamedTuple):
    """A set, the spans to train and to judge on, and whether its weather is the measured one."""

    name: str
    make: Callable[[Path, Path], Files]
    train_until: str
    until: str
    known: bool = False
    ahead_min: int = 0


CASES = (
    *(Case(f"gefcom{zone}", partial(gefcom, zone=zone), "2013-02-01", "2013-04-01") for zone in _GEFCOM_ZONES),
    Case("china5", china, "2020-07-01", "2021-01-01", known=True),
    Case("china5_15min", china, "2020-10-01", "2021-01-01", ahead_min=15),
    Case("newcastle", newcastle, "2011-09-01", "2012-01-01", known=True),
    Case("aneo_a", aneo, "2023-02-01", "2023-03-19"),
)


class Score(NamedTuple):
    """Scores of a case by who forecast, and the capacity that they are a share of."""

    scores: dict[str, dict[str, float]]
    capacity_w: float

    def percent(self, who: str, name: str) -> float:
        """A score as a share of capacity [%]."""
        return 100.0 * self.scores[who][name] / self.capacity_w


def judged(case: Case, data: Path, folder: Path, recipe: Recipe) -> Score:
    """Write the set as a table, train and judge."""
    files = case.make(data, folder)
    site = load_site(files.site)
    series = read_series(files.table, site.zone, site.extra)
    series = with_known_weather(series) if case.known else series
    until_s = [float(pd.Timestamp(text, tz="UTC").timestamp()) for text in (case.train_until, case.until)]
    span = Span(until_s[0], until_s[1], case.ahead_min)
    return Score(backtest("pv", series, site, span, recipe).summary["scores"], files.capacity_w)


def rows(stage: Stage = quiet) -> list[Row]:
    """All figures; raises :class:`SetupError` where a set is absent."""
    data, found = data_folder(), {}
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            stage(f"pv: {case.name}")
            try:
                found[case.name] = judged(case, data, Path(folder), Recipe())
            except FileNotFoundError as error:
                raise SetupError(f"{error.filename}: the measured set of {case.name} is absent") from error
    return [*gefcom_rows(found), *nowcast_rows(found), *season_rows(found["aneo_a"])]


def _at_least(name: str, value: float, reference_value: float, bounds: tuple[float, float]) -> Row:
    """A figure in percent that must lie within bounds."""
    low, high = bounds
    target = f">= {low:g} %" if high >= 100.0 else f"{low:g}..{high:g} %"
    return Row(
        name=name,
        value=value,
        unit="%",
        reference=_QUICK,
        reference_value=reference_value,
        ratio=value / reference_value,
        target=target,
        ok=bool(low <= value <= high),
    )


def gefcom_rows(found: dict[str, Score]) -> list[Row]:
    """Day ahead with the archived forecast, the mean of the zones."""
    zones = [found[f"gefcom{zone}"] for zone in _GEFCOM_ZONES]

    def mean(who: str, name: str) -> float:
        return sum(zone.percent(who, name) for zone in zones) / len(zones)

    ours = mean("ours", "rmse")
    below = 100.0 * (1.0 - ours / mean("persistence", "rmse"))
    coverage = 100.0 * sum(zone.scores["ours"]["coverage_80"] for zone in zones) / len(zones)
    name = "GEFCom2014 day ahead, zones 1 and 2: "
    physics = mean("physics", "rmse")
    return [
        limit_row(name + "RMSE", (ours, 7.8), "%", _QUICK, 7.5),
        limit_row(name + "RMSE beside physics", (ours, physics), "%", "physics under the forecast", physics),
        limit_row(name + "pinball", (mean("ours", "pinball"), 1.14), "%", _QUICK, 1.07),
        _at_least(name + "RMSE below 24 h persistence", below, 45.5, (47.0, 100.0)),
        _at_least(name + "daylight within P10 and P90", coverage, 73.0, (77.0, 83.0)),
    ]


_NOWCASTS = (
    ("china5", "China site 5, irradiance measured on site: RMSE", "physics", 3.2),
    ("china5_15min", "China site 5, 15 min ahead: RMSE", "latest", 4.3),
    ("newcastle", "Newcastle sum of roofs, weather known: RMSE", "physics", 3.2),
)


def nowcast_rows(found: dict[str, Score]) -> list[Row]:
    """Known weather and a quarter hour ahead, each beside its reference and beside the seed's target."""
    made = []
    for case, name, reference, most in _NOWCASTS:
        ours, other = found[case].percent("ours", "rmse"), found[case].percent(reference, "rmse")
        made.append(limit_row(name, (ours, other), "%", reference, most))
        made.append(limit_row(name + " beside the seed's target", (ours, 5.0), "%", "5 % of capacity", 5.0))
    return made


def season_rows(score: Score) -> list[Row]:
    """Trained in autumn and winter, judged in late winter and spring."""
    ours, physics = score.percent("ours", "rmse"), score.percent("physics", "rmse")
    name = "Aneo A, trained Oct to Jan, judged Feb to Mar: RMSE"
    return [limit_row(name, (ours, physics), "%", "physics of the identified plant", physics + _WORSE_PERCENT)]
