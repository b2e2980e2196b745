"""Champion and shadows by the days that both were valued on: euros with their interval, skill, and what follows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core_kernels.paired import LEAST_DAYS, Comparison, compared
from core_kernels.units import FloatArray
from edge.config import Site
from edge.errors import BundleError, StoreError
from edge.files import SHADOWS_NAME
from edge.ingest.shadowstore import ShadowStore

# The planner asks every day anew: the surer of a single answer, the rarer a day of luck undoes a promotion.
SETBACK_LEVEL_FRAC = 0.999
COMPARED_DAYS = 60
SETBACK_DAYS = 28
_LEAST_ANSWERED_FRAC = 0.5
_SURELY_ANSWERED_FRAC = 0.9

Days = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What the local days came to, by bundle; oldest first."""


def followed(site: Site, state: Path) -> dict[str, Any]:
    """Each shadow beside the champion, and what was in force when; ``problem`` where that cannot be read."""
    nothing: dict[str, Any] = {"shadows": [], "history": [], "problem": ""}
    if site.bundle is None or not site.path(site.bundle.path).is_dir():
        return nothing
    from edge.forecast import installed, shadowed

    folder = site.path(site.bundle.path)
    try:
        days, aside = kept(state / SHADOWS_NAME)
        champion = shadowed.champion(folder)
        rows = [
            {"name": shadow.name, "bundle": shadow.bundle, "aside": aside.get(shadow.bundle, "")}
            | beside(days, champion, shadow.bundle)
            for shadow in shadowed.shadows(folder)
        ]
        return {"shadows": rows, "history": installed.history(folder), "problem": ""}
    except (BundleError, StoreError) as error:
        return {**nothing, "problem": str(error)}


def kept(path: Path) -> tuple[Days, Mapping[str, str]]:
    """The valued days and who is set aside; nothing before the first shadow. Raises :class:`StoreError`."""
    if not path.exists():
        return {}, {}
    store = ShadowStore(path)
    try:
        return store.days(), store.aside()
    finally:
        store.close()


def beside(days: Days, champion: str, bundle: str) -> dict[str, Any]:
    """A bundle against the champion on their common days: euros a day (negative: cheaper), verdict, skill of both."""
    both = common(days, champion, bundle)
    found = compared(difference_eur(both, champion, bundle))
    skills = {
        f"{who}_{signal}_skill_ratio": _skill_ratio([day[of] for day in both], signal)
        for who, of in (("own", bundle), ("champion", champion))
        for signal in ("pv", "load")
    }
    return {**asdict(found), "verdict": found.verdict, "words": words(found), **skills}


def common(days: Days, champion: str, bundle: str) -> list[Mapping[str, Mapping[str, Any]]]:
    """The last days that both were valued on, oldest first."""
    return [of for of in days.values() if bundle in of and champion in of][-COMPARED_DAYS:]


def difference_eur(both: Sequence[Mapping[str, Mapping[str, Any]]], champion: str, bundle: str) -> FloatArray:
    """What a bundle's days cost more than the champion's, day by day."""
    return np.array([of[bundle]["cost_eur"] - of[champion]["cost_eur"] for of in both], dtype=np.float64)


def promotion(days: Days, champion: str, bundle: str, force: str | None) -> str:
    """Why a bundle may be promoted; raises :class:`BundleError` where nothing says that it is better."""
    if force is not None:
        if not force.strip():
            raise BundleError("--force wants a reason")
        return f"by hand: {force.strip()}"
    found = compared(difference_eur(common(days, champion, bundle), champion, bundle))
    said = words(found)
    if found.verdict != "better":
        raise BundleError(f"{bundle} is not shown to be better than {champion}: {said}")
    return said


def words(found: Comparison) -> str:
    """A comparison in a line."""
    if math.isnan(found.low_eur):
        return f"not known yet ({found.days_count} of {LEAST_DAYS} days)"
    if found.verdict == "not known yet" and found.days_count < LEAST_DAYS:
        verdict = f"not known yet ({found.days_count} of {LEAST_DAYS} days)"
    else:
        verdict = f"{found.verdict} ({found.days_count} days)"
    return f"{verdict}, {found.mean_eur:+.3f} EUR a day, 95% interval {found.low_eur:+.3f} to {found.high_eur:+.3f}"


def setback(days: Days, champion: str, predecessor: str) -> str:
    """Why the predecessor of what is in force must come back; empty where nothing says so."""
    both = common(days, champion, predecessor)[-SETBACK_DAYS:]
    if both:
        now_frac, before_frac = (both[-1][bundle]["answered_frac"] for bundle in (champion, predecessor))
        if now_frac < _LEAST_ANSWERED_FRAC and before_frac >= _SURELY_ANSWERED_FRAC:
            return f"its models answered {now_frac:.0%} of a day's forecasts, those of {predecessor} {before_frac:.0%}"
    found = compared(difference_eur(both, champion, predecessor), SETBACK_LEVEL_FRAC)
    if found.verdict != "better":
        return ""
    return (
        f"{predecessor} would have cost {-found.mean_eur:.2f} EUR a day less over {found.days_count} days"
        f" ({SETBACK_LEVEL_FRAC:.1%} interval {-found.high_eur:.2f} to {-found.low_eur:.2f})"
    )


def _skill_ratio(rows: Sequence[Mapping[str, Any]], signal: str) -> float:
    """1 - pinball loss / that of the same clock time of the seven days before; NaN without days."""
    ours_w, usual_w = (math.fsum(row[f"{signal}_{what}_w"] for row in rows) for what in ("loss", "usual"))
    return 1.0 - ours_w / usual_w if usual_w > 0.0 else math.nan
