"""Random houses and their plans' problems: any parts together, prices from -4 to 4 EUR/kWh, charges out of bounds."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from energy import make_forecast, make_grid, make_prices, make_site

from core_kernels.qp import Structure, Vectors, vectors
from core_kernels.timegrid import TimeGrid
from edge.config import Battery, Grid, Site
from edge.config_house import Ev, FurtherBattery, HeatPumpUnit, HotWater, Load, Reserve, Zone
from edge.control.hedge import Hedge
from edge.control.mpc import new_structure
from edge.control.problem import Inputs, Problem, inputs, problem, terminal_value_eur_per_kwh
from edge.control.surroundings import Surroundings

PARTS = (
    "ev", "two_evs", "load", "zones", "heatpump", "hotwater", "phases", "reserve", "bent", "taper", "standby",
    "zero_export", "operator", "negative", "wild", "low_soc", "high_soc", "cold", "second",
    "hedge",
)  # fmt: skip
STEPS, SLOT_S = 6, 3600


def random_site(rng: np.random.Generator, parts: Collection[str]) -> Site:
    """A site with some of the parts and random sizes."""

    def size(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    battery = Battery(
        capacity_wh=size(3e3, 2e4),
        charge_w=size(1e3, 8e3),
        discharge_w=size(1e3, 8e3),
        efficiency_frac=size(0.8, 0.98),
        soc_max_frac=size(0.8, 1.0),
        replacement_eur_per_kwh=size(0.0, 500.0),
        full_efficiency_frac=size(0.7, 0.8) if "bent" in parts else float("nan"),
        taper_start_frac=size(0.5, 0.75) if "taper" in parts else 1.0,
        standby_w=size(5.0, 50.0) if "standby" in parts else 0.0,
        phase=int(rng.integers(0, 4)),
    )
    phases = {"phase_w": size(3e3, 8e3), "imbalance_w": size(2e3, 5e3)} if "phases" in parts else {}
    export_w = 0.0 if "zero_export" in parts else size(1e3, 1e4)
    cars = ("ev" in parts) + ("two_evs" in parts)
    by = "heatpump" if "heatpump" in parts else "electric"
    return make_site(
        battery,
        grid=Grid(import_w=size(3e3, 1.7e4), export_w=export_w, **phases),
        evs=tuple(
            Ev(
                name=f"car{i}",
                energy_wh=size(1e3, 4e4),
                charge_w=size(2e3, 1.1e4),
                arrival=f"{rng.integers(0, 24):02d}:00",
                departure=f"{rng.integers(0, 24):02d}:30",
                phases=int(rng.choice([1, 3])),
            )
            for i in range(cars)
        ),
        stores=(FurtherBattery(name="second", capacity_wh=size(2e3, 1e4), charge_w=3e3, discharge_w=3e3),)
        if "second" in parts
        else (),
        loads=(Load(name="wash", energy_wh=size(5e2, 4e3), power_w=size(1e3, 3e3)),) if "load" in parts else (),
        zones=tuple(random_zone(rng, i, by) for i in range(int(rng.integers(1, 4)))) if "zones" in parts else (),
        heatpump=HeatPumpUnit(heating_w=size(4e3, 1.2e4)),
        hotwater=HotWater(litres_count=size(80, 300), heat_w=3000.0, draw_wh=size(0, 8e3), by=by)
        if "hotwater" in parts
        else None,
        reserve=Reserve(energy_wh=size(1e3, 1e4)) if "reserve" in parts else None,
    )


def random_zone(rng: np.random.Generator, number: int, by: str) -> Zone:
    """A room of random size."""
    return Zone(
        name=f"room{number}",
        heat_w=float(rng.uniform(500, 3000)),
        air_wh_per_k=float(rng.uniform(100, 800)),
        mass_wh_per_k=float(rng.uniform(1e3, 8e3)),
        air_mass_k_per_w=float(rng.uniform(0.002, 0.01)),
        mass_out_k_per_w=float(rng.uniform(0.01, 0.05)),
        solar_m2=float(rng.uniform(0, 3)),
        by=by,
    )


def random_known(rng: np.random.Generator, parts: Collection[str], grid: TimeGrid) -> Inputs:
    """Forecasts and prices; export may pay more than import costs only among wild ones."""
    spot = rng.uniform(-0.3 if "negative" in parts else 0.0, 0.4, grid.count)
    if "wild" in parts:
        spot = rng.choice([-4.0, 0.1, 4.0], grid.count)
    prices = make_prices(grid, spot + 0.08, spot - 0.01)
    pv = make_forecast("pv_w", grid, np.maximum(rng.uniform(-3e3, 8e3, grid.count), 0.0))
    return inputs(pv, make_forecast("load_w", grid, rng.uniform(100.0, 6e3, grid.count)), prices)


def random_around(rng: np.random.Generator, parts: Collection[str], site: Site, grid: TimeGrid) -> Surroundings:
    """Winter, and rooms near or far below their bands."""
    base_c = 15.0 if "cold" in parts else 21.0
    temperature_c = {zone.signal: base_c + float(rng.uniform(-1, 1)) for zone in site.zones}
    return Surroundings(
        outdoor_c=rng.uniform(-10.0, 12.0, grid.count),
        solar_w_per_m2=rng.uniform(0.0, 400.0, grid.count),
        temperature_c=temperature_c | {"room_tank_c": float(rng.uniform(30, 60))},
        soc_frac={"second": float(rng.uniform(0.0, 1.0))},
        import_limit_w=4200.0 if "operator" in parts else float("inf"),
    )


def random_problem(seed: int, parts: Collection[str]) -> tuple[Site, Structure, Problem, Vectors]:
    """A site, its matrices, its problem and its vectors."""
    rng = np.random.default_rng(seed)
    grid = make_grid(STEPS, slot_s=SLOT_S)
    site = random_site(rng, parts)
    soc_frac = 0.02 if "low_soc" in parts else (1.0 if "high_soc" in parts else float(rng.uniform(0.1, 0.8)))
    known = random_known(rng, parts, grid)
    around = random_around(rng, parts, site, grid)
    kept = Hedge(3000.0, rng.uniform(0.0, 5e3, 96), "kept") if "hedge" in parts else None
    posed = problem(site, soc_frac, known, terminal_value_eur_per_kwh(site.battery, known), None, around, kept)
    shape = new_structure(site, known, posed)
    return site, shape, posed, vectors(shape, posed.slots, posed.terms, [item.numbers for item in posed.components])
