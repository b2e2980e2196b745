"""PV: what the array looks like to the sun, from its own power, and the quantile model on top of that physics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from core_kernels.features import PvPlant
from core_kernels.folding import SLOT_S
from core_kernels.plant import plant_of
from core_kernels.pv import PvArray, Weather, plant_power_w
from core_kernels.solar import Location, sun_position
from core_kernels.units import FloatArray
from training.boosters import QuantileModel, Recipe, Stage, quiet
from training.censor import Censored, censored
from training.clear_days import clear_days
from training.dataset import PvSampler, Series
from training.errors import TrainingError
from training.pv_learn import learn_pv
from training.samples import gathered
from training.shading import horizon_of, lit_slots
from training.site import ArrayHint, TrainingSite

_HORIZON_DAYS_A_MONTH = 6
_HORIZON_SLOT_S = 1800  # longer means blur the moment at which the sun comes out
_ISSUE_STEP_SLOTS = 29
_KEEP_FRAC = 0.05
_NEAR_SLOTS = 4
_FACTOR_BOUNDS = (0.2, 1.5)
_LIT_DEG = 82.0
_LEAST_MEASURED, _MOST_MEASURED = 500, 4000  # rows with irradiance


def plant_document(plant: PvPlant) -> dict[str, Any]:
    """The plant as JSON types, as the manifest holds it."""
    return {
        "location": plant.location._asdict(),
        "arrays": [array._asdict() for array in plant.arrays],
        "linke": list(plant.linke_ratio),
        **({"horizon_deg": list(plant.horizon_deg)} if plant.horizon_deg else {}),
    }


def plant_from(document: Mapping[str, Any]) -> PvPlant:
    """The plant of a document; ``KeyError`` or ``TypeError`` where that is not one."""
    arrays = tuple(PvArray(**array) for array in document["arrays"])
    horizon_deg = tuple(document.get("horizon_deg", ()))
    return PvPlant(Location(**document["location"]), arrays, tuple(document["linke"]), horizon_deg)


def _oriented(hint: ArrayHint, tilt_deg: float, azimuth_deg: float, factor: float, top_w: float) -> PvArray:
    return PvArray(
        tilt_deg=hint.tilt_deg if math.isfinite(hint.tilt_deg) else tilt_deg,
        azimuth_deg=hint.azimuth_deg if math.isfinite(hint.azimuth_deg) else azimuth_deg,
        dc_w=hint.dc_w * factor,
        inverter_w=hint.inverter_w if math.isfinite(hint.inverter_w) else top_w,
    )


class Evidence(NamedTuple):
    """Instants, the power at each, and the light that made it; without light a cloudless sky."""

    times_s: FloatArray
    power_w: FloatArray
    weather: Weather


def _cloudless(known: Censored, location: Location) -> Evidence:
    """Clear days in daylight, but for power at the inverter's limit."""
    clear = clear_days(known.series, location)
    kept = (sun_position(clear.times_s, location).zenith_deg < _LIT_DEG) & ~known.clipped[clear.slots]
    return Evidence(np.ascontiguousarray(clear.times_s[kept]), clear.power_w[kept], Weather())


def _measured(known: Censored, location: Location) -> Evidence | None:
    """Daylight with measured irradiance, thinned; None where too little of it is known."""
    frame, step = known.series.frame, max(known.series.table_slot_s // SLOT_S, 1)
    if "ghi_w_per_m2" not in frame.columns:
        return None
    times_s = frame.grid.starts_s()[::step] + step * SLOT_S / 2.0
    power_w, ghi = frame.column("pv_w")[::step], frame.column("ghi_w_per_m2")[::step]
    lit = (sun_position(times_s, location).zenith_deg < _LIT_DEG) & ~known.clipped[::step]
    rows = np.flatnonzero(lit & np.isfinite(power_w) & np.isfinite(ghi))
    if rows.size < _LEAST_MEASURED:
        return None
    rows = rows[:: -(-rows.size // _MOST_MEASURED)]

    unknown = np.full(frame.grid.count, np.nan)
    temp_c, wind = (frame.columns.get(name, unknown)[::step][rows] for name in ("temp_air_c", "wind_m_per_s"))
    temp_c, wind = np.where(np.isfinite(temp_c), temp_c, 15.0), np.where(np.isfinite(wind), wind, 1.0)
    weather = Weather(ghi[rows], temp_air_c=temp_c, wind_m_per_s=wind)
    return Evidence(times_s[rows], power_w[rows], weather)


def identify(known: Censored, site: TrainingSite) -> PvPlant:
    """The plant with what its clear days show of the horizon; found under a free one first, then behind its own."""
    plant = explained(known, site)
    if known.series.table_slot_s > _HORIZON_SLOT_S:
        return plant
    try:
        clear = clear_days(known.series, site.location, _HORIZON_DAYS_A_MONTH)
    except TrainingError:  # the plant came from measured irradiance, and no day was whole and sunny
        return plant
    horizon_deg = horizon_of(lit_slots(clear, plant))
    if not horizon_deg:
        return plant
    plant = explained(known, site, horizon_deg)
    return plant._replace(horizon_deg=horizon_of(lit_slots(clear, plant)))


def explained(known: Censored, site: TrainingSite, horizon_deg: tuple[float, ...] = ()) -> PvPlant:
    """The plant that explains the power under measured irradiance, or that of the clear days where there is none.

    Tilt and azimuth where the site leaves them open, and effective power: what never arrives (losses, ageing, haze) is
    folded into each array's ``dc_w`` by one common factor. Power at the inverter's limit is passed over. Bounds: tilt
    0..90, azimuth all around, factor 0.2..1.5 of the named power.
    """
    seen = _measured(known, site.location) or _cloudless(known, site.location)
    named_w = sum(hint.dc_w for hint in site.arrays)
    top_w = max(1.3 * float(np.nanmax(known.series.frame.column("pv_w"))), 0.1 * named_w)

    def arrays(x: FloatArray) -> tuple[PvArray, ...]:
        share_w = [top_w * hint.dc_w / named_w for hint in site.arrays]
        pairs = zip(site.arrays, share_w, strict=True)
        return tuple(_oriented(hint, float(x[0]), float(x[1]) % 360.0, float(x[2]), w) for hint, w in pairs)

    def residual(x: FloatArray) -> FloatArray:
        plant = plant_of(arrays(x))._replace(linke=site.linke_ratio, horizon_deg=horizon_deg)
        return (plant_power_w(seen.times_s, site.location, plant, seen.weather) - seen.power_w) / named_w

    equator_deg = 180.0 if site.location.latitude_deg >= 0.0 else 0.0
    low, high = [0.0, equator_deg - 180.0, _FACTOR_BOUNDS[0]], [90.0, equator_deg + 180.0, _FACTOR_BOUNDS[1]]
    fits = [
        least_squares(
            residual, [30.0, equator_deg + turn_deg, 0.9], bounds=(low, high), x_scale=[10.0, 20.0, 0.1],
            diff_step=[1e-3] * 3, loss="soft_l1", f_scale=0.05, max_nfev=40,
        )
        for turn_deg in (-60.0, 60.0)
    ]  # fmt: skip
    best = min(fits, key=lambda fit: float(fit.cost))
    return PvPlant(site.location, arrays(np.asarray(best.x)), site.linke_ratio, horizon_deg)


def fit_pv(past: Series, known: Censored, plant: PvPlant, recipe: Recipe, stage: Stage = quiet) -> QuantileModel:
    """The PV model of the past; what was censored is an input, as on the box, but no outcome.

    Raises
    ------
    TrainingError
        No usable rows.
    """
    stage("pv_w: building features")
    sampler = PvSampler(past, plant)
    samples = gathered(known.series, "pv_w", sampler, recipe.seed, _ISSUE_STEP_SLOTS, _KEEP_FRAC, _NEAR_SLOTS)
    top_w = float(np.nanmax(known.series.frame.column("pv_w")))
    cap_w = min(1.1 * top_w, sum(array.inverter_w for array in plant.arrays))
    model = learn_pv(samples, cap_w, recipe, stage)
    return replace(model, metrics={**model.metrics, **known.metrics()})


def fit_plant(past: Series, site: TrainingSite, recipe: Recipe, stage: Stage = quiet) -> tuple[PvPlant, QuantileModel]:
    """The plant that explains a past, and the model on top of its physics.

    Raises
    ------
    TrainingError
        Too little data.
    """
    known = censored(past, site.location, site.export_w)
    stage(known.told())
    stage("pv_w: identifying the array")
    plant = identify(known, site)
    return plant, fit_pv(past, known, plant, recipe, stage)
