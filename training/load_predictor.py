"""The load predictor: quantile boosters on the difference to what the last weeks say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from core_kernels.featurespec import select
from core_kernels.timegrid import TimeGrid
from training import evaluate
from training.boosters import QuantileModel, Recipe, Stage, importance_of, read_boosters, write_boosters
from training.dataset import LoadSampler, Series
from training.errors import TrainingError
from training.load_fit import fit_load
from training.predictor import Ask, BasePredictor, Quantiles
from training.site import TrainingSite

SIGNAL = "load_w"


class LoadPredictor(BasePredictor):
    """P10, P50, P90 of ``load_w``."""

    kind: ClassVar[str] = "load"

    def __init__(self, site: TrainingSite, recipe: Recipe) -> None:
        super().__init__(site, recipe)
        self._model: QuantileModel | None = None
        self._sampler: tuple[Series, LoadSampler] | None = None

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal."""
        return (SIGNAL,)

    @property
    def model(self) -> QuantileModel:
        """The boosters, as the bundle exports them."""
        if self._model is None:
            raise TrainingError("load: not fitted yet")
        return self._model

    def _fit(self, past: Series, stage: Stage) -> int:
        self._model = fit_load(past, float(past.frame.grid.end_s), self.recipe, stage)
        return self._model.rows

    def predict(self, series: Series, issued_s: float, grid: TimeGrid) -> Quantiles:
        """As the device does: features of what is known at the issue, then the boosters."""
        if self._sampler is None or self._sampler[0] is not series:
            self._sampler = (series, LoadSampler(series))
        matrix = select(self._sampler[1].features(issued_s, grid), self.model.names)
        return {SIGNAL: self.model.quantiles_w(matrix.values, matrix.scale_w)}

    def references(self) -> Mapping[str, Ask]:
        """Persistence, the 28-day climatology, and the mean of the last seven days."""
        return {
            "persistence": lambda series, *day: {SIGNAL: evaluate.persistence(SIGNAL, series, *day)},
            "climatology_28d": lambda series, *day: {SIGNAL: evaluate.climatology(SIGNAL, series, *day)},
            "mean_7d": lambda series, *day: {SIGNAL: evaluate.mean_week(SIGNAL, series, *day)},
        }

    def importance(self) -> dict[str, float]:
        """Share of each feature in the boosters' gain."""
        return importance_of(self.model)

    def _write(self, folder: Path) -> None:
        write_boosters(self.model, folder)

    def _read(self, folder: Path) -> None:
        self._model = read_boosters(folder, SIGNAL)
