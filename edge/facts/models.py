"""The models in force: what the bundle says of itself, and how its bands did on the days since."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core_kernels.records import Frame
from edge.config import Site
from edge.errors import BundleError
from edge.facts.history import readable
from edge.messages import Plan

_DAYLIGHT_W = 50.0  # a PV power or forecast below it is night
_LEAD_S = 86_400


def installed(site: Site) -> dict[str, Any]:
    """Name, version, models and calibration of the bundle in force; ``problem`` where it must not be used."""
    nothing: dict[str, Any] = {"bundle": None, "problem": "", "installed": []}
    if site.bundle is None:
        return {**nothing, "problem": "no bundle is configured: averages of the last days forecast"}
    from edge.forecast.bundle import read_bundle  # cryptography is a fifth of this process's size
    from edge.forecast.installed import current_path, entries

    path = site.path(site.bundle.path)
    others = [{"seq": e.seq, "version": e.version, "in_force": e.is_current} for e in entries(path)]
    try:
        manifest = read_bundle(current_path(path), site.path(site.bundle.public_key)).manifest
    except BundleError as error:
        return {**nothing, "problem": str(error), "installed": others}
    document = manifest.document
    models = [
        {"signal": m.signal, "features_count": len(m.features), "cap_w": m.cap_w, "offsets_ratio": m.offsets_ratio}
        for m in manifest.models
    ]
    bundle = {
        **{name: document[name] for name in ("name", "version", "seq", "created", "training", "metrics")},
        "models": models,
    }
    return {"bundle": bundle, "problem": "", "installed": others}


def coverage(bodies: Sequence[Mapping[str, Any]], measured: Frame) -> dict[str, dict[str, float]]:
    """Share of quarter hours within P10-P90 as forecast up to a day before; PV by daylight only. 0.80 is aimed at."""
    plans = _one_a_day(readable(bodies))
    return {name: _held(plans, measured, name) for name in ("pv_w", "load_w")}


def _one_a_day(plans: Sequence[Plan]) -> list[Plan]:
    """Plans that lie a day apart, so that every quarter hour counts once."""
    chosen: list[Plan] = []
    for plan in plans:
        if not chosen or plan.start_s - chosen[-1].start_s >= _LEAD_S:
            chosen.append(plan)
    return chosen


def _held(plans: Sequence[Plan], measured: Frame, name: str) -> dict[str, float]:
    stem, column, grid = name.removesuffix("_w"), measured.column(name), measured.grid
    inside, errors = [], []
    for plan in plans:
        low, middle, high = (getattr(plan, f"{stem}_{level}_w") for level in ("p10", "p50", "p90"))
        for slot in range(min(len(middle), _LEAD_S // plan.slot_s)):
            index = (plan.start_s + slot * plan.slot_s - grid.start_s) // grid.slot_s
            value = float(column[index]) if 0 <= index < grid.count else math.nan
            if math.isnan(value) or (name == "pv_w" and max(value, high[slot]) < _DAYLIGHT_W):
                continue
            inside.append(low[slot] <= value <= high[slot])
            errors.append(middle[slot] - value)
    if not inside:
        return {"count": 0, "inside_frac": math.nan, "bias_w": math.nan, "error_w": math.nan}
    return {
        "count": len(inside),
        "inside_frac": float(np.mean(inside)),
        "bias_w": float(np.mean(errors)),
        "error_w": float(np.mean(np.abs(errors))),
    }
