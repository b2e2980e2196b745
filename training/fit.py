"""All models of a site in one go, and their form on disk between ``fit`` and ``export``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core_kernels.features import PvPlant
from core_kernels.featurespec import digest, select
from core_kernels.records import FeatureMatrix
from training.boosters import QuantileModel, Recipe, Stage, quiet, read_boosters, write_boosters
from training.dataset import LoadSampler, PvSampler, Series, before, horizon
from training.errors import SetupError
from training.holiday_days import iso_dates
from training.house_fit import House, fit_house, load_house, save_house
from training.load_fit import fit_load
from training.pv_fit import fit_plant, plant_document, plant_from
from training.site import TrainingSite

STAGES = 8
_ROWS_FILE, _MODEL_FILE = "rows.npz", "model.json"
_ROW_DAYS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """The models of one site, real rows for the parity gate, the rooms that are known, and where all came from."""

    site: str
    plant: PvPlant
    models: tuple[QuantileModel, ...]
    rows: Mapping[str, FeatureMatrix]
    training: Mapping[str, Any]
    house: House | None = None
    holidays: tuple[str, ...] = ()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fit_site(
    series: Series, site: TrainingSite, until_s: float, recipe: Recipe, data_sha256: str, stage: Stage = quiet
) -> Trained:
    """Identify plant and rooms and fit both boosted models on what was known before ``until_s``.

    Raises
    ------
    TrainingError
        Too little data.
    """
    past = before(series, until_s)
    plant, model = fit_plant(past, site, recipe, stage)
    models = (model, fit_load(past, until_s, recipe, stage))
    samplers: tuple[PvSampler | LoadSampler, ...] = (PvSampler(past, plant), LoadSampler(past))
    ends_s = [past.frame.grid.end_s - day * 86400.0 for day in range(_ROW_DAYS)]
    rows = {}
    for model, sampler in zip(models, samplers, strict=True):
        parts = [select(sampler.features(end_s, horizon(end_s)), model.names) for end_s in ends_s]
        rows[model.signal] = FeatureMatrix(
            names=model.names,
            values=np.concatenate([part.values for part in parts]),
            scale_w=np.concatenate([part.scale_w for part in parts]),
        )
    house, rooms_told = fit_house(past, site.location, stage)
    training = {
        "rooms": rooms_told,
        "rows": {model.signal: model.rows for model in models},
        "from_s": past.frame.grid.start_s,
        "to_s": past.frame.grid.end_s,
        "data_sha256": data_sha256,
        "seed": recipe.seed,
        "params": asdict(recipe),
    }
    return Trained(
        site=site.name,
        plant=plant,
        models=models,
        rows=rows,
        training=training,
        house=house,
        holidays=tuple(iso_dates(series.holidays, until_s)),
    )


def save(trained: Trained, folder: Path) -> None:
    """Write a model directory: ``model.json``, the boosters in XGBoost's JSON, and real rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in trained.models:
        write_boosters(model, folder)
    save_house(trained.house, folder)
    arrays = {f"{name}_X": rows.values for name, rows in trained.rows.items()}
    scales = {f"{name}_scale_w": rows.scale_w for name, rows in trained.rows.items()}
    np.savez_compressed(folder / _ROWS_FILE, allow_pickle=False, **arrays, **scales)
    document = {
        "site": trained.site,
        "feature_code_sha256": digest(),
        "plant": plant_document(trained.plant),
        "training": trained.training,
        "models": [model.signal for model in trained.models],
        "holidays": trained.holidays,
    }
    (folder / _MODEL_FILE).write_text(json.dumps(document, indent=1), encoding="utf-8")


def load(folder: Path) -> Trained:
    """Read a model directory; raises :class:`SetupError`."""
    try:
        document = json.loads((folder / _MODEL_FILE).read_text(encoding="utf-8"))
        if document["feature_code_sha256"] != digest():
            raise SetupError(f"{folder}: was fitted with other features than this program has; fit again")
        models = tuple(read_boosters(folder, name) for name in document["models"])
        with np.load(folder / _ROWS_FILE, allow_pickle=False) as stored:
            rows = {
                model.signal: FeatureMatrix(
                    names=model.names, values=stored[f"{model.signal}_X"], scale_w=stored[f"{model.signal}_scale_w"]
                )
                for model in models
            }
        plant, house = plant_from(document["plant"]), load_house(folder)
    except OSError as error:
        raise SetupError(f"{folder}: is not a model directory: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise SetupError(f"{folder}: is damaged: {str(error).splitlines()[0]}") from error
    return Trained(
        site=document["site"],
        plant=plant,
        models=models,
        rows=rows,
        training=document["training"],
        house=house,
        holidays=tuple(document["holidays"]),
    )
