"""The planner's own test for a box that has nothing to plan yet: libraries load, and a known problem has its answer."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np

from core_kernels.records import Forecast, Prices
from core_kernels.timegrid import TimeGrid
from edge.config import Battery, Site
from edge.control.mpc import Mpc
from edge.errors import EdgeError

_BATTERY = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0)
_SLOTS, _SLOT_S = 96, 900
_CHEAP_EUR_PER_KWH, _DEAR_EUR_PER_KWH, _LOAD_W = 0.05, 0.60, 500.0
_LEAST_WH = 1000.0


def planner_problem(site: Site, start_s: int) -> str:
    """What keeps a planner from working here; empty when it works.

    Half a day is cheap, the other dear: it must charge.
    """
    try:
        importlib.import_module("onnxruntime")
        importlib.import_module("highspy")
        battery_w = _plan_w(replace(site, battery=_BATTERY), start_s - start_s % _SLOT_S)
    except (ImportError, OSError) as error:
        return f"a library of the planner does not load: {error}"
    except EdgeError as error:
        return f"the planner finds no answer: {error}"
    charged_wh = -float(battery_w[: _SLOTS // 2].sum()) * _SLOT_S / 3600.0
    return "" if charged_wh > _LEAST_WH else f"the planner charges {charged_wh:.0f} Wh when energy is cheap"


def _plan_w(site: Site, start_s: int) -> np.ndarray:
    """A plan's battery powers for a cheap half day and a dear one [W]."""
    grid = TimeGrid(start_s=start_s, slot_s=_SLOT_S, count=_SLOTS)
    price = np.repeat([_CHEAP_EUR_PER_KWH, _DEAR_EUR_PER_KWH], _SLOTS // 2)
    prices = Prices(
        grid=grid,
        import_eur_per_kwh=price,
        export_eur_per_kwh=np.zeros(_SLOTS),
        known=np.ones(_SLOTS, dtype=np.bool_),
    )
    pv, load = (_flat(name, grid, value) for name, value in (("pv_w", 0.0), ("load_w", _LOAD_W)))
    plan = Mpc(site).plan(issued_s=float(start_s), grid=grid, soc_frac=0.3, pv=pv, load=load, prices=prices)
    return np.array(plan.battery_w)


def _flat(name: str, grid: TimeGrid, value_w: float) -> Forecast:
    line = np.full(grid.count, value_w)
    return Forecast(signal=name, issued_s=float(grid.start_s), grid=grid, p10=line, p50=line, p90=line, source="test")
