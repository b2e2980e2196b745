"""PV power that says nothing of the sky: throttled, stuck, or not from the modules at all; taken out, counted, named.

Power at the inverter's limit bends no orientation either, but stays an outcome: the home will clip again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core_kernels.clipping import clipping_power_w
from core_kernels.folding import SLOT_S, mids_s
from core_kernels.records import Frame
from core_kernels.solar import Location, sun_position
from core_kernels.stale import stale_by_difference
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_HOUR, FloatArray
from training.dataset import Series

BoolArray = npt.NDArray[np.bool_]
_FLAT_H = 2.0  # within an hour of noon a fixed plane's light changes by 3.4 %, cos(15 deg)
_FLAT_FRAC = 0.005
_LEAST_ROWS = 3
_NEAR_FRAC = 0.98  # of a limit
_LIT_FRAC = 0.01  # of the largest power
DARK_DEG = 96.0  # civil dusk; no module gives power after it
_LIT_DEG = 85.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Censored:
    """A series without the PV power that says nothing of the sky, the slots at the limit, and how many were what."""

    series: Series
    clipped: BoolArray
    clip_w: float
    counts: Mapping[str, int]

    def metrics(self) -> dict[str, float]:
        """The counts as the model carries them."""
        return {f"censored_{name}_count": float(count) for name, count in self.counts.items()}

    def told(self) -> str:
        """What was found, in one line."""
        found = [f"{count} {name}" for name, count in self.counts.items() if count]
        return "pv_w: slots censored: " + (", ".join(found) if found else "none")


def censored(series: Series, location: Location, export_w: float) -> Censored:
    """Take out what is curtailed, stuck or from the battery; of several reasons the first of ``counts`` counts."""
    step = max(series.table_slot_s // SLOT_S, 1)
    power_w = series.frame.column("pv_w")
    rows_w = np.ascontiguousarray(power_w[::step])
    grid = TimeGrid(start_s=series.frame.grid.start_s, slot_s=step * SLOT_S, count=rows_w.size)
    zenith_deg = sun_position(mids_s(grid), location).zenith_deg
    top_w = float(np.nanmax(rows_w, initial=0.0))
    clip_w = clipping_power_w(grid.starts_s(), rows_w, utc_offset_s=location.longitude_deg * 240.0)
    lit = rows_w > _LIT_FRAC * top_w
    clipped = rows_w >= _NEAR_FRAC * clip_w
    flat = lit & ~clipped & (zenith_deg < _LIT_DEG)
    reasons = {
        "stuck": lit & ~clipped & _runs(rows_w, step, 0.0),
        "battery": lit & (zenith_deg > DARK_DEG) | lit & _battery_exports(series, step),
        "curtailed": flat & _runs(rows_w, step, _FLAT_FRAC) | lit & _at_export_limit(series, step, export_w),
    }
    counts, out = {}, np.zeros(rows_w.size, dtype=bool)
    for name, found in reasons.items():
        counts[name] = step * int((found & ~out).sum())
        out |= found
    counts["clipped"] = step * int((clipped & ~out).sum())
    gone = np.repeat(out, step)[: power_w.size]
    columns = {**series.frame.columns, "pv_w": np.where(gone, np.nan, power_w)}
    return Censored(
        series=replace(series, frame=Frame(grid=series.frame.grid, columns=columns)),
        clipped=np.repeat(clipped, step)[: power_w.size],
        clip_w=clip_w,
        counts=counts,
    )


def _runs(rows_w: FloatArray, step: int, close_frac: float) -> BoolArray:
    """Rows among neighbours of two hours that are equal, but for ``close_frac``."""
    count = max(round(_FLAT_H * SECONDS_PER_HOUR / (step * SLOT_S)), _LEAST_ROWS)
    return stale_by_difference(rows_w, count, relative=close_frac, absolute=0.0, mark="all")


def _rows(series: Series, name: str, step: int) -> FloatArray:
    """A column on the table's own rows; NaN where the table lacks it."""
    if name not in series.frame.columns:
        return np.full(-(-series.frame.grid.count // step), np.nan)
    return series.frame.column(name)[::step]


def _at_export_limit(series: Series, step: int, export_w: float) -> BoolArray:
    """Rows whose export stands at what the grid lets in: the sun may have had more."""
    return _rows(series, "grid_w", step) <= -_NEAR_FRAC * export_w


def _battery_exports(series: Series, step: int) -> BoolArray:
    """Rows in which the battery discharges into the grid: behind a hybrid inverter its power counts as PV's."""
    from_battery_w = np.minimum(_rows(series, "battery_w", step), -_rows(series, "grid_w", step))
    return from_battery_w > _LIT_FRAC * float(np.nanmax(_rows(series, "pv_w", step), initial=0.0))
