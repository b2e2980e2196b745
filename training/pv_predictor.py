"""The PV predictor: the plant that explains the clear days, and quantile boosters on top of its physics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from core_kernels.features import PvPlant, sky
from core_kernels.featurespec import DARK_FRAC, select
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training import evaluate
from training.boosters import QuantileModel, Recipe, Stage, importance_of, read_boosters, write_boosters
from training.dataset import PvSampler, Series
from training.errors import TrainingError
from training.predictor import Ask, BasePredictor, Quantiles
from training.pv_fit import fit_plant, plant_document, plant_from
from training.site import TrainingSite

SIGNAL = "pv_w"
_PLANT_FILE = "pv_plant.json"


class PvPredictor(BasePredictor):
    """P10, P50, P90 of ``pv_w``."""

    kind: ClassVar[str] = "pv"

    def __init__(self, site: TrainingSite, recipe: Recipe) -> None:
        super().__init__(site, recipe)
        self._fitted: tuple[PvPlant, QuantileModel] | None = None
        self._sampler: tuple[Series, PvSampler] | None = None

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal."""
        return (SIGNAL,)

    @property
    def plant(self) -> PvPlant:
        """The identified plant."""
        return self._known()[0]

    @property
    def model(self) -> QuantileModel:
        """The boosters, as the bundle exports them."""
        return self._known()[1]

    def _known(self) -> tuple[PvPlant, QuantileModel]:
        if self._fitted is None:
            raise TrainingError("pv: not fitted yet")
        return self._fitted

    def _fit(self, past: Series, stage: Stage) -> int:
        plant, model = fit_plant(past, self.site, self.recipe, stage)
        self._fitted, self._sampler = (plant, model), None
        return model.rows

    def predict(self, series: Series, issued_s: float, grid: TimeGrid) -> Quantiles:
        """As the device does: features of what is known at the issue, then the boosters."""
        matrix = select(self._sampler_of(series).features(issued_s, grid), self.model.names)
        return {SIGNAL: self.model.quantiles_w(matrix.values, matrix.scale_w)}

    def _sampler_of(self, series: Series) -> PvSampler:
        """The sampler of a series; its sky is computed once."""
        if self._sampler is None or self._sampler[0] is not series:
            self._sampler = (series, PvSampler(series, self.plant))
        return self._sampler[1]

    def counted(self, grid: TimeGrid) -> FloatArray:
        """Daylight."""
        return (sky(self.plant, grid).clear_w > DARK_FRAC * self.plant.capacity_w).astype(np.float64)

    def references(self) -> Mapping[str, Ask]:
        """Persistence of a day and of a quarter hour, the 28-day climatology, and physics alone."""
        return {
            "persistence": lambda series, *day: {SIGNAL: evaluate.persistence(SIGNAL, series, *day)},
            "climatology_28d": lambda series, *day: {SIGNAL: evaluate.climatology(SIGNAL, series, *day)},
            "latest": lambda series, *day: {SIGNAL: evaluate.latest(self.plant, series, *day)},
            "physics": lambda series, *day: {SIGNAL: evaluate.physics(self.plant, series, *day)},
        }

    def importance(self) -> dict[str, float]:
        """Share of each feature in the boosters' gain."""
        return importance_of(self.model)

    def _write(self, folder: Path) -> None:
        (folder / _PLANT_FILE).write_text(json.dumps(plant_document(self.plant)), encoding="utf-8")
        write_boosters(self.model, folder)

    def _read(self, folder: Path) -> None:
        plant = plant_from(json.loads((folder / _PLANT_FILE).read_text(encoding="utf-8")))
        self._fitted = (plant, read_boosters(folder, SIGNAL))
