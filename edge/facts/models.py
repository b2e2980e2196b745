"""The models in force: what the bundle says of itself, and the stages of those that are installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.config import Site
from edge.errors import BundleError, StoreError
from edge.files import CALIBRATION_NAME
from edge.forecast.calibration_file import CalibrationFile, shown

if TYPE_CHECKING:
    from edge.forecast.installed import Entry


def installed(site: Site) -> dict[str, Any]:
    """Name, version, models and calibration of the bundle in force; ``problem`` where it must not be used."""
    nothing: dict[str, Any] = {"bundle": None, "problem": "", "installed": []}
    if site.bundle is None:
        return {**nothing, "problem": "no bundle is configured: averages of the last days forecast"}
    from edge.forecast.bundle import read_bundle  # cryptography is a fifth of this process's size
    from edge.forecast.installed import current_path, entries

    path = site.path(site.bundle.path)
    found = entries(path)
    others = [
        {"seq": entry.seq, "version": entry.version, "in_force": entry.is_current, "stage": stage}
        for entry, stage in zip(found, stages(found), strict=True)
    ]
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


def stages(installed: Sequence[Entry]) -> list[str]:
    """Champion (in force), previous (what a rollback goes to), withdrawn (rolled back from), retired; oldest first."""
    place = next((index for index, entry in enumerate(installed) if entry.is_current), -1)
    named = {place: "champion", place - 1: "previous"} if place >= 0 else {}
    return [named.get(index, "withdrawn" if index > place >= 0 else "retired") for index in range(len(installed))]


def calibration(state: Path) -> dict[str, Any]:
    """What the planner has learned of each signal from outcomes, by hour and band; ``problem`` where it is damaged."""
    try:
        return {"problem": "", "signals": shown(CalibrationFile(state / CALIBRATION_NAME).read())}
    except StoreError as error:
        return {"problem": str(error), "signals": {}}
