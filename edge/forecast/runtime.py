"""The models of a verified bundle at work; each signal falls back to the baseline, and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core_kernels.bundle_rooms import BundledRooms, rooms_ratio
from core_kernels.features import PvPlant, load_features, pv_features, sky
from core_kernels.featurespec import DARK_FRAC, LOAD_FEATURES, PV_FEATURES, digest, select
from core_kernels.folding import SLOT_S, SLOTS_PER_DAY
from core_kernels.records import FeatureMatrix, Forecast, Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from core_kernels.weather_features import extra_features, extra_of
from edge.config import Site
from edge.errors import BundleError
from edge.forecast.baseline import Baseline, calendar
from edge.forecast.bundle import Bundle, read_bundle
from edge.forecast.installed import current_path
from edge.forecast.model import Model, load_golden

__all__ = ["Baseline", "Forecaster"]

FULL_HISTORY_DAYS = 8.0
SOURCE = "bundle"  # how the source of a forecast by models begins
NO_NUMBERS = "the model gave no finite answer"
_NEEDED_DAYS = 3
_NEEDED_FRAC = 0.5
_FEATURES = {
    "pv_w": {feature.name for feature in PV_FEATURES},
    "load_w": {feature.name for feature in LOAD_FEATURES},
}


class Forecaster:
    """PV and load of a site from its signed bundle."""

    def __init__(self, bundle: Bundle, site: Site) -> None:
        manifest = bundle.manifest
        if manifest.site not in ("*", site.name):
            raise BundleError(f"the bundle is for site {manifest.site!r}, this is {site.name!r}")
        if manifest.feature_code_sha256 != digest():
            raise BundleError("the bundle was trained with other features than this program has")
        self.manifest = manifest
        self._zone = site.zone
        self._plant: PvPlant = manifest.plant
        self._baseline = Baseline(site, manifest.plant)
        self._models = {entry.signal: Model(entry, bundle.files[entry.file]) for entry in manifest.models}
        self._extra = extra_of(self._models["pv_w"].entry.features, _FEATURES["pv_w"])
        known = _FEATURES | {"pv_w": _FEATURES["pv_w"] | {feature.name for feature in extra_features(self._extra)}}
        for signal, model in self._models.items():
            unknown = sorted(set(model.entry.features) - known[signal])
            if unknown:
                raise BundleError(f"{model.entry.file}: wants unknown features: {', '.join(unknown)}")
        golden = load_golden(bundle.files[manifest.parity_file])
        self.parity_ratio = max(model.prove(golden, manifest.parity_tolerance) for model in self._models.values())
        if manifest.rooms is not None:
            self.parity_ratio = max(self.parity_ratio, _proved(manifest.rooms, golden, manifest.parity_tolerance))

    @classmethod
    def load(cls, path: Path, public_key: Path, site: Site) -> Forecaster:
        """From a bundle file, or a folder of installed bundles; raises :class:`BundleError`."""
        found = current_path(path)
        bundle = read_bundle(found, public_key)
        try:
            return cls(bundle, site)
        except BundleError as error:
            raise BundleError(f"{found}: {error}") from error

    @property
    def rooms(self) -> BundledRooms | None:
        """The rooms of the house, where the bundle knows them."""
        return self.manifest.rooms

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        """P10, P50, P90 of ``pv_w`` and ``load_w``.

        Parameters
        ----------
        issued_s : float
            When the forecast is made. [s]
        grid : TimeGrid
            Slots of 900 s.
        history : Frame
            Measured slots of 900 s that end at or before the issue, flagged values as NaN; 8 days or more are best.
        weather : Frame, optional
            Forecast weather (``fc_*``) known at the issue.
        """
        given = (issued_s, grid, history)
        return {
            "pv_w": _or_else(partial(self._pv, *given, weather), partial(self._baseline.pv, *given)),
            "load_w": _or_else(partial(self._load, *given, weather), partial(self._baseline.load, *given)),
        }

    def _pv(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> Forecast:
        recent = history.grid.starts_s() >= issued_s - _NEEDED_DAYS * SLOTS_PER_DAY * SLOT_S
        light = sky(self._plant, history.grid).clear_w > DARK_FRAC * self._plant.capacity_w
        known = np.isfinite(history.column("pv_w")) & light & recent
        wanted = self._daylight_slots(issued_s)
        if known.sum() < _NEEDED_FRAC * wanted:
            reason = f"PV known in {known.sum()} of {wanted} daylight slots of {_NEEDED_DAYS} days"
            return self._baseline.pv(issued_s, grid, history, reason)
        matrix = pv_features(issued_s, grid, history, self._plant, weather, self._extra)
        quantiles, reason = self._ask("pv_w", matrix)
        if quantiles is None:
            return self._baseline.pv(issued_s, grid, history, reason)
        return self._made("pv_w", issued_s, grid, quantiles, history)

    def _daylight_slots(self, issued_s: float) -> int:
        count = _NEEDED_DAYS * SLOTS_PER_DAY
        grid = TimeGrid(start_s=(int(issued_s // SLOT_S) - count) * SLOT_S, slot_s=SLOT_S, count=count)
        return int((sky(self._plant, grid).clear_w > DARK_FRAC * self._plant.capacity_w).sum())

    def _load(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> Forecast:
        recent = history.grid.starts_s() >= issued_s - _NEEDED_DAYS * SLOTS_PER_DAY * SLOT_S
        known, wanted = int((np.isfinite(history.column("load_w")) & recent).sum()), _NEEDED_DAYS * SLOTS_PER_DAY
        if known < _NEEDED_FRAC * wanted:
            reason = f"load known in {known} of {wanted} slots of {_NEEDED_DAYS} days"
            return self._baseline.load(issued_s, grid, history, reason)
        local = calendar(self._zone, grid, history)._replace(holidays=self.manifest.holidays)
        matrix = load_features(issued_s, grid, history, local, weather)
        quantiles, reason = self._ask("load_w", matrix)
        if quantiles is None:
            return self._baseline.load(issued_s, grid, history, reason)
        return self._made("load_w", issued_s, grid, quantiles, history)

    def _ask(self, signal: str, matrix: FeatureMatrix) -> tuple[FloatArray | None, str]:
        """The model's quantiles, or None and why not: a tree answers an all-missing row with a plausible number."""
        model = self._models[signal]
        chosen = select(matrix, model.entry.features)
        missing = [
            name
            for index, name in enumerate(chosen.names)
            if name.startswith("fc_") and np.isnan(chosen.values[:, index]).all()
        ]
        if missing and len(missing) == sum(name.startswith("fc_") for name in chosen.names):
            return None, "no weather forecast"
        quantiles = model.quantiles_w(chosen)
        if not np.isfinite(quantiles).all():
            return None, NO_NUMBERS
        return quantiles, ""

    def _made(self, signal: str, issued_s: float, grid: TimeGrid, quantiles: FloatArray, history: Frame) -> Forecast:
        days = history.grid.count / SLOTS_PER_DAY
        short = f" (short history: {days:.1f} days)" if days < FULL_HISTORY_DAYS else ""
        p10, p50, p90 = quantiles.T
        return Forecast(
            signal=signal,
            issued_s=issued_s,
            grid=grid,
            p10=p10,
            p50=p50,
            p90=p90,
            source=f"{SOURCE} {self.manifest.version}{short}",
        )


def _or_else(by_model: Callable[[], Forecast], by_baseline: Callable[[str], Forecast]) -> Forecast:
    """The model's forecast; where it cannot be computed, the baseline's with the reason."""
    try:
        return by_model()
    except (BundleError, ArithmeticError, ValueError) as error:
        return by_baseline(f"the model failed: {error}")


def _proved(rooms: BundledRooms, golden: Mapping[str, Any], tolerance: float) -> float:
    """How far the rooms are from their golden rows; raises :class:`BundleError`."""
    try:
        ratio = rooms_ratio(rooms, golden)
    except ValueError as error:
        raise BundleError(str(error)) from error
    if ratio > tolerance:
        raise BundleError(f"the rooms answer their golden rows wrongly ({ratio:.1e} off)")
    return ratio
