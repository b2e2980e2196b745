"""The thermal predictor: all rooms of a house, given heat and weather of the slots asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from core_kernels.folding import SLOT_S, SLOTS_PER_DAY
from core_kernels.records import Frame
from core_kernels.rooms import RoomModel, now_and_habit, room_quantiles, rooms_of
from core_kernels.rooms_document import rooms_document, rooms_from
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training.boosters import Recipe, Stage
from training.dataset import Series, cut
from training.errors import TrainingError
from training.predictor import Ask, BasePredictor, Quantiles
from training.site import TrainingSite
from training.thermal_fit import FittedRooms, fit_rooms
from training.thermal_guess import SingleRoom
from training.thermal_single import single_rooms_c

_HISTORY_SLOTS = 7 * SLOTS_PER_DAY
_FILE = "rooms.json"


class ThermalPredictor(BasePredictor):
    """P10, P50, P90 of each ``room_<name>_c``; heat and weather ahead are taken as known."""

    kind: ClassVar[str] = "thermal"

    def __init__(self, site: TrainingSite, recipe: Recipe) -> None:
        super().__init__(site, recipe)
        self._fitted: FittedRooms | None = None

    @property
    def fitted(self) -> FittedRooms:
        """The rooms, how well they are known, and what is doubtful."""
        if self._fitted is None:
            raise TrainingError("thermal: not fitted yet")
        return self._fitted

    @property
    def model(self) -> RoomModel:
        """The rooms as the device knows them."""
        return self.fitted.model

    @property
    def signals(self) -> tuple[str, ...]:
        """One a room."""
        return tuple(f"room_{name}_c" for name in self.model.names)

    def _fit(self, past: Series, stage: Stage) -> int:
        self._fitted = fit_rooms(past.frame, self.site.location, stage)
        return self._fitted.rows

    def predict(self, series: Series, issued_s: float, grid: TimeGrid) -> Quantiles:
        """As the device does, from a week of history."""
        return room_quantiles(self.model, series.history(issued_s, _HISTORY_SLOTS), acts_of(series, grid))

    def references(self) -> Mapping[str, Ask]:
        """The room as it is now, and one resistor and capacitor for each room."""
        return {"persistence": self._persistence, "single_rc": self._single}

    def _persistence(self, series: Series, issued_s: float, grid: TimeGrid) -> Quantiles:
        history = series.history(issued_s, _HISTORY_SLOTS)
        now_c, _ = now_and_habit(history, grid, rooms_of(history, self.model.names))
        return self._alike(now_c)

    def _single(self, series: Series, issued_s: float, grid: TimeGrid) -> Quantiles:
        history = series.history(issued_s, _HISTORY_SLOTS)
        return self._alike(single_rooms_c(self.model, self.fitted.singles, history, acts_of(series, grid)))

    def _alike(self, rooms_c: FloatArray) -> Quantiles:
        """One value for all three quantiles."""
        columns = (np.repeat(room_c[:, None], 3, axis=1) for room_c in rooms_c.T)
        return dict(zip(self.signals, columns, strict=True))

    def importance(self) -> dict[str, float]:
        """Shares of network, present and habit in the forecast."""
        return dict(self.model.mix._asdict())

    def _write(self, folder: Path) -> None:
        document = rooms_document(self.model)
        extra = {
            "deviation_frac": [float(value) if np.isfinite(value) else None for value in self.fitted.deviation_frac],
            "heat_w": [float(value) if np.isfinite(value) else None for value in self.fitted.heat_w],
            "doubts": list(self.fitted.doubts),
            "rows": self.fitted.rows,
            "error_k": self.fitted.error_k,
            "singles": [list(room) for room in self.fitted.singles],
        }
        (folder / _FILE).write_text(json.dumps({"rooms": document, "fit": extra}, indent=1), encoding="utf-8")

    def _read(self, folder: Path) -> None:
        document = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        extra = document["fit"]
        self._fitted = FittedRooms(
            model=rooms_from(document["rooms"]),
            deviation_frac=np.array([np.inf if value is None else value for value in extra["deviation_frac"]]),
            heat_w=np.array([np.nan if value is None else value for value in extra["heat_w"]]),
            doubts=tuple(extra["doubts"]),
            rows=extra["rows"],
            error_k=extra["error_k"],
            singles=tuple(SingleRoom(*values) for values in extra["singles"]),
        )


def acts_of(series: Series, grid: TimeGrid) -> Frame:
    """What the table knows of the slots asked for: heat as it came, weather as measured; NaN outside the table."""
    names = [name for name in series.frame.columns if name.startswith("heat_")] + ["temp_air_c", "ghi_w_per_m2"]
    first = (grid.start_s - series.frame.grid.start_s) // SLOT_S
    low, high = min(max(first, 0), series.frame.grid.count), min(first + grid.count, series.frame.grid.count)
    known = cut(series.frame, low, max(high, low))
    columns = {}
    for name in names:
        values = np.full(grid.count, np.nan)
        values[low - first : low - first + known.grid.count] = known.column(name)
        columns[name] = values
    return Frame(grid=grid, columns=columns)
