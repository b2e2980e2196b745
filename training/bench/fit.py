"""How long and how large the fit of PV, load and rooms is on one home-year at 15 minutes, in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from zoneinfo import ZoneInfo

import numpy as np

from core_kernels.features import PvPlant, sky
from core_kernels.figures import Row, limit_row
from core_kernels.folding import SLOT_S, SLOTS_PER_DAY
from core_kernels.pv import LINKE_DEFAULT, PvArray
from core_kernels.records import Frame
from core_kernels.solar import Location
from core_kernels.thermal import ThermalInputs, example_network, simulate
from core_kernels.timegrid import TimeGrid
from training.boosters import Recipe, Stage, quiet
from training.dataset import Series
from training.errors import TrainingError
from training.site import ArrayHint, TrainingSite

_MOST_S, _MOST_MB = 60.0, 1000.0
_START_S = 1_356_998_400  # 2013-01-01 00:00 UTC
_PLACE = Location(49.2, 16.6, 230.0)
_TIMEOUT_S = 900.0


def rows(stage: Stage = quiet) -> list[Row]:
    """Processor seconds and resident memory of all three fits, beside a process that only imports.

    Processor time is what one core needs without its neighbours' work; on two cores the wall's is shorter.
    """
    stage("fit: one home-year")
    ours, bare = _measured("fit"), _measured("nothing")
    return [
        limit_row("fit of PV, load and rooms, one home-year", (ours["cpu_s"], bare["cpu_s"]), "s", "imports", _MOST_S),
        limit_row("peak resident memory of that", (ours["peak_mb"], bare["peak_mb"]), "MB", "imports", _MOST_MB),
    ]


def _measured(what: str) -> dict[str, float]:
    command = [sys.executable, "-m", "training.bench.fit", what]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        raise TrainingError(f"bench fit: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout))


def home_year(days: int = 365) -> tuple[Series, TrainingSite]:
    """A made-up home: PV behind clouds, an evening load, two rooms."""
    random = np.random.default_rng(11)
    grid = TimeGrid(start_s=_START_S, slot_s=SLOT_S, count=days * SLOTS_PER_DAY)
    plant = PvPlant(_PLACE, (PvArray(35.0, 170.0, 9000.0, 8000.0),), LINKE_DEFAULT)
    hour = (grid.starts_s() / 3600.0 + 1.0) % 24.0
    clear_frac = np.repeat(np.where(random.random(days) < 0.3, 1.0, random.uniform(0.2, 0.9, days)), SLOTS_PER_DAY)
    flicker_frac = np.where(clear_frac == 1.0, 1.0, random.uniform(0.7, 1.0, grid.count))
    clear_w = sky(plant, grid).clear_w
    season = np.cos(2.0 * np.pi * np.arange(grid.count) / grid.count)
    outdoor_c = 10.0 - 10.0 * season + 4.0 * np.sin((hour - 9.0) / 12.0 * np.pi)
    ghi = clear_w / 9.0 * clear_frac
    heat_w = np.where((random.random((grid.count, 2)) < 0.4) & (outdoor_c < 15.0)[:, None], 1500.0, 0.0)
    rooms_c = simulate(example_network(2), ThermalInputs(outdoor_c, ghi, heat_w), np.full(4, 20.0), float(SLOT_S))
    columns = {
        "pv_w": np.minimum(clear_w * clear_frac * flicker_frac, 8000.0),
        "load_w": 250.0 + 900.0 * np.exp(-((hour - 19.0) ** 2) / 4.0) + random.gamma(1.0, 200.0, grid.count),
        "temp_air_c": outdoor_c,
        "ghi_w_per_m2": ghi,
        **{f"heat_{name}_w": heat_w[:, room] for room, name in enumerate(("hall", "bath"))},
        **{
            f"room_{name}_c": rooms_c[:-1, room] + random.normal(0.0, 0.05, grid.count)
            for room, name in enumerate(("hall", "bath"))
        },
    }
    zone = ZoneInfo("Europe/Prague")
    site = TrainingSite(
        name="bench", location=_PLACE, zone=zone, linke_ratio=LINKE_DEFAULT, arrays=(ArrayHint(dc_w=9000.0),)
    )
    return Series(frame=Frame(grid=grid, columns=columns), table_slot_s=SLOT_S, zone=zone), site


def _fit_all(days: int) -> None:
    from training.load_predictor import LoadPredictor
    from training.pv_predictor import PvPredictor
    from training.thermal_predictor import ThermalPredictor

    series, site = home_year(max(days, 1))
    for kind in (PvPredictor, LoadPredictor, ThermalPredictor):
        if days:
            kind(site, Recipe()).fit(series, float(series.frame.grid.end_s))


def main(what: str, days: int = 365) -> None:
    """Do it here and say what it took."""
    _fit_all(days if what == "fit" else 0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1000.0}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
