"""The bill at the end: every cost of the days from the meter's own registers and the prices, and a picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, W_PER_KW, FloatArray, balance_residual_w
from edge.config import Battery
from edge.control.ledger import Cost, Ledger, Market, stored_value_eur_per_kwh
from edge.control.problem import wear_eur_per_kwh
from edge.control.ways import perfect_foresight
from edge.demo.prepare import INITIAL_SOC_FRAC, DemoError, House
from edge.devices.plant import HousePlant, PlantParams
from edge.devices.plant_series import Series, read_series
from edge.files import STORE_NAME
from edge.ingest.store import SLOT_S, StoreReader
from edge.messages import Plan, plan_from_json
from edge.picture import Days, days_svg
from edge.timetext import parse_time_s

_JOURNAL_COLUMNS = (
    "grid_import_wh", "grid_export_wh", "pv_wh", "load_wh", "battery_charge_wh", "battery_discharge_wh", "soc_frac",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Energies:
    """What one way through the days moved, a value a quarter hour [Wh]; charge at the edges [frac]."""

    import_wh: FloatArray
    export_wh: FloatArray
    discharge_wh: FloatArray
    soc_frac: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settlement:
    """The result of a demo."""

    ledger: Ledger
    writes: int
    stored_writes: int
    worst_balance_w: float
    missed_count: int
    quarters_count: int
    picture: Path


def settle(house: House) -> Settlement:
    """Add up the days; raises :class:`DemoError` where the journal does not cover them."""
    grid = TimeGrid(start_s=house.start_s, slot_s=SLOT_S, count=house.days * SECONDS_PER_DAY // SLOT_S)
    prices = house.book.actual(grid)
    market = Market.of(prices, house.site)
    journal = read_journal(house.out / "journal" / "quarters.csv", grid)
    net_w = (np.diff(journal["load_wh"]) - np.diff(journal["pv_wh"])) * (3600.0 / SLOT_S)
    series = read_series(house.out / "house.csv")
    ledger = Ledger(
        no_battery=cost(_without_battery(series, grid), market, None),
        rules=cost(_by_rules(house, series, grid), market, house.battery),
        ours=cost(metered(journal), market, house.battery),
        perfect_foresight=perfect_foresight(house.site, market, net_w, SLOT_S, INITIAL_SOC_FRAC),
    )
    store = StoreReader(house.state / STORE_NAME)
    measured = store.window(grid.end_s, house.days)
    writes = store.writes(grid.start_s, grid.end_s)
    picture = house.out / "days.svg"
    picture.write_text(_picture(house, measured, market, store.plans(grid.start_s)), encoding="utf-8")
    store.close()
    return Settlement(
        ledger=ledger,
        writes=len(writes),
        stored_writes=sum(write["wear"] != "volatile" for write in writes),
        worst_balance_w=worst_balance_w(measured),
        missed_count=missed_count(measured),
        quarters_count=grid.count,
        picture=picture,
    )


def read_journal(path: Path, grid: TimeGrid) -> dict[str, FloatArray]:
    """The twin's journal on the edges of the grid, float64[count + 1] each."""
    with path.open(newline="", encoding="utf-8") as handle:
        rows = {round(parse_time_s(row["time_utc"])): row for row in csv.DictReader(handle)}
    missing = [edge_s for edge_s in grid.edges_s() if round(edge_s) not in rows]
    if missing:
        raise DemoError(f"{path}: lacks {len(missing)} of {grid.count + 1} quarter hours, the days are not complete")
    edges = [rows[round(edge_s)] for edge_s in grid.edges_s()]
    return {name: np.array([float(row[name]) for row in edges]) for name in _JOURNAL_COLUMNS}


def metered(journal: Mapping[str, FloatArray]) -> Energies:
    """The meter's registers as energies of each quarter hour."""
    return Energies(
        import_wh=np.diff(journal["grid_import_wh"]),
        export_wh=np.diff(journal["grid_export_wh"]),
        discharge_wh=np.diff(journal["battery_discharge_wh"]),
        soc_frac=journal["soc_frac"],
    )


def cost(energies: Energies, market: Market, battery: Battery | None) -> Cost:
    """Bill, wear and stored energy of one way through the days; import and export are billed as the meter counts."""
    bill = energies.import_wh @ market.import_eur_per_kwh - energies.export_wh @ market.export_eur_per_kwh
    bill_eur, peak_eur = float(bill) / W_PER_KW, market.peak_eur(energies.import_wh)
    if battery is None:
        return Cost(bill_eur=bill_eur, peak_eur=peak_eur)
    gain_kwh = (energies.soc_frac[-1] - energies.soc_frac[0]) * battery.capacity_wh / W_PER_KW
    return Cost(
        bill_eur=bill_eur,
        peak_eur=peak_eur,
        wear_eur=wear_eur_per_kwh(battery) * float(energies.discharge_wh.sum()) / W_PER_KW,
        stored_eur=stored_value_eur_per_kwh(market, battery) * float(gain_kwh),
    )


def _without_battery(series: Series, grid: TimeGrid) -> Energies:
    """The same PV and load straight to the meter, slot by slot of the series."""
    per_slot = round(SLOT_S / series.slot_s)
    times_s = grid.start_s + (np.arange(grid.count * per_slot) + 0.5) * series.slot_s
    net_wh = np.array([load_w - pv_w for pv_w, load_w in map(series.at, times_s.tolist())]) * (series.slot_s / 3600.0)
    net_wh = net_wh.reshape(grid.count, per_slot)
    return Energies(
        import_wh=np.maximum(net_wh, 0.0).sum(axis=1),
        export_wh=np.maximum(-net_wh, 0.0).sum(axis=1),
        discharge_wh=np.zeros(grid.count),
        soc_frac=np.full(grid.count + 1, math.nan),
    )


def _by_rules(house: House, series: Series, grid: TimeGrid) -> Energies:
    """The very same house and inverter, left on its own rules all the time."""
    battery = house.battery
    params = PlantParams(
        capacity_wh=battery.capacity_wh, charge_w=battery.charge_w, discharge_w=battery.discharge_w,
        soc_frac=INITIAL_SOC_FRAC, timezone=house.site.timezone,
    )  # fmt: skip
    plant = HousePlant(params, series, start_s=float(grid.start_s))
    snapshots = []
    for edge_s in grid.edges_s():
        plant.advance(float(edge_s))
        snapshots.append(plant.snapshot())
    return Energies(
        import_wh=np.diff([s.grid_import_wh for s in snapshots]),
        export_wh=np.diff([s.grid_export_wh for s in snapshots]),
        discharge_wh=np.diff([s.battery_discharge_wh for s in snapshots]),
        soc_frac=np.array([s.soc_frac for s in snapshots]),
    )


def missed_count(measured: Frame) -> int:
    """Quarter hours of which the box did not record the house's load."""
    load_w = measured.columns.get("load_w")
    return measured.grid.count if load_w is None else int(np.count_nonzero(~np.isfinite(load_w)))


def worst_balance_w(measured: Frame) -> float:
    """Largest quarter-hour mean that the box's own measurements leave unexplained [W]; NaN without any."""
    columns = (measured.column(name) for name in ("grid_w", "pv_w", "battery_w", "load_w"))
    residual = np.abs(balance_residual_w(*columns))
    return float(np.nanmax(residual)) if np.isfinite(residual).any() else math.nan


def _picture(house: House, measured: Frame, market: Market, plans: list[dict[str, Any]]) -> str:
    """The days as the box measured them, with what it had forecast at each local midnight."""
    bands = midnight_bands([plan_from_json(plan) for plan in plans], house.start_s, measured.grid.count)
    days = Days(
        start_s=house.start_s,
        slot_s=SLOT_S,
        price_import_eur_per_kwh=market.import_eur_per_kwh.tolist(),
        price_export_eur_per_kwh=market.export_eur_per_kwh.tolist(),
        **{name: measured.column(name).tolist() for name in ("pv_w", "load_w", "grid_w", "battery_w", "soc_frac")},
        **bands,
    )
    return days_svg(
        days, zone=house.site.zone, title=f"The demo house, {house.days} {'day' if house.days == 1 else 'days'}"
    )


_BANDS = ("pv_p10_w", "pv_p50_w", "pv_p90_w", "load_p10_w", "load_p50_w", "load_p90_w")


def midnight_bands(plans: list[Plan], start_s: int, count: int) -> dict[str, list[float]]:
    """Each day's forecast as of the first plan of that day, one value a quarter hour."""
    bands = {name: [math.nan] * count for name in _BANDS}
    slots_per_day = SECONDS_PER_DAY // SLOT_S
    for day in range(count // slots_per_day):
        midnight_s = start_s + day * SECONDS_PER_DAY
        first = next((plan for plan in plans if midnight_s <= plan.issued_s < midnight_s + SECONDS_PER_DAY), None)
        if first is None:
            continue
        for index in range(day * slots_per_day, (day + 1) * slots_per_day):
            slot = first.slot(start_s + index * SLOT_S)
            for name in _BANDS:
                bands[name][index] = math.nan if slot is None else getattr(first, name)[slot]
    return bands
