"""Both cycles over recorded days, without hardware: plan each quarter hour, act on what was measured, add up the bill.

The forecaster, the planner, the fast loop and the guard are the box's own; only the house is a table and the battery a
model. Four ways through the same days are valued alike (``edge.control.ledger``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from core_kernels.battery import step
from core_kernels.records import Forecast, Frame
from core_kernels.signals import FORECAST_PREFIX
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FloatArray
from edge.config import Battery, Site
from edge.control import fastloop, guard
from edge.control.ledger import Cost, Ledger, Market, parameters_of
from edge.control.mpc import Mpc
from edge.control.peak import month_peak_w
from edge.control.problem import battery_only
from edge.control.surroundings import surroundings_of
from edge.control.ways import Ways
from edge.errors import PlanError, StoreError
from edge.ingest.tariff import PriceBook
from edge.messages import Command, House, Plan
from edge.planning import HISTORY_DAYS, HORIZON_SLOTS, SLOT_S, Forecasts, clean
from edge.timetext import format_time

START_SOC_FRAC = 0.5
# The fast loop acts this often within a quarter hour, unless told otherwise; load and PV are the quarter's means.
ACT_S = 180
_LEVELS = ("p10", "p50", "p90")

# What a house, a plan, a battery and the running quarter hour's import so far [Wh] lead to.
Act = Callable[[House, Plan | None, Battery, float], Command]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Days:
    """The days to replay: all that was measured on quarter hours, the span of it to live through, the prices.

    ``weather`` is the forecast weather; without it the table's own ``fc_*``. ``reached_peak_w`` is as of
    :meth:`edge.control.ledger.Market.of`.
    """

    measured: Frame
    span: TimeGrid
    prices: PriceBook
    weather: Frame | None = None
    reached_peak_w: float = math.nan

    def column(self, name: str) -> FloatArray:
        """A measured signal in the span; raises :class:`StoreError` where it or the span is not in the table."""
        if name not in self.measured.columns:
            raise StoreError(f"the table has no column {name}")
        first = self.first
        if first < 0 or first + self.span.count > self.measured.grid.count:
            start, end = format_time(self.measured.grid.start_s), format_time(self.measured.grid.end_s)
            raise StoreError(f"the span is not within the table, which holds {start} to {end}")
        return self.measured.columns[name][first : first + self.span.count]

    @property
    def first(self) -> int:
        """The span's first slot in the table."""
        return (self.span.start_s - self.measured.grid.start_s) // SLOT_S


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replay:
    """What came out: a column a slot, the four costs, and how the loop fared."""

    span: TimeGrid
    columns: Mapping[str, FloatArray]
    ledger: Ledger
    seconds_s: float
    solve_s: FloatArray
    missing_count: int
    failures: tuple[str, ...]
    source: str

    @property
    def speed_ratio(self) -> float:
        """Simulated time over real time."""
        return self.span.slot_s * self.span.count / self.seconds_s

    def solve_quantile_s(self, level_frac: float) -> float:
        """Quantile of the time that a plan took [s]; NaN without any."""
        return float(np.quantile(self.solve_s, level_frac)) if self.solve_s.size else math.nan


def part(frame: Frame, first: int, last: int, *, forecast: bool) -> Frame:
    """Slots ``first`` to ``last`` (exclusive) of the measured columns, or of the forecast ones."""
    first = max(first, 0)
    grid = TimeGrid(
        start_s=frame.grid.start_s + first * frame.grid.slot_s, slot_s=frame.grid.slot_s, count=last - first
    )
    names = [name for name in frame.columns if name.startswith(FORECAST_PREFIX) == forecast]
    return Frame(
        grid=grid,
        columns={name: frame.columns[name][first:last] for name in names},
        flags={name: frame.flags[name][first:last] for name in names if name in frame.flags},
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lived:
    """The days as the closed loop lived them; without measurements (``net_w`` is NaN) the battery rested."""

    net_w: FloatArray
    battery_w: FloatArray
    soc_frac: FloatArray
    ways: Ways
    bands: Mapping[str, FloatArray]
    solve_s: FloatArray
    failures: tuple[str, ...]
    source: str

    @property
    def cost(self) -> Cost:
        """What they cost."""
        return self.ways.cost(self.net_w, self.battery_w, self.soc_frac)


def live(
    site: Site,
    days: Days,
    forecaster: Forecasts,
    *,
    soc_frac: float = START_SOC_FRAC,
    act: Act = fastloop.wish,
    act_s: int = ACT_S,
    each: Callable[[], None] = lambda: None,
) -> Lived:
    """Live the days through; raises :class:`StoreError` for missing signals or prices in force.

    ``act`` makes a wish of the house and the plan; the box's own fast loop, unless another one is to be compared.
    It acts every ``act_s``, a part of a quarter hour. [s]
    ``each`` is called before every slot, and may raise to end it all.
    """
    battery = site.battery
    if battery is None:
        raise PlanError("the site has no battery: nothing to decide")
    pv_w, load_w = (days.column(name) for name in ("pv_w", "load_w"))
    if np.isnan(load_w - pv_w).all():
        raise StoreError("pv_w and load_w are never both there in the span")
    market = Market.of(days.prices.actual(days.span), site, days.reached_peak_w)
    loop = _Loop(site, battery, days, forecaster, soc_frac, act, act_s)
    for k in range(days.span.count):
        each()
        loop.slot(k, float(pv_w[k]), float(load_w[k]))
    return Lived(
        net_w=load_w - pv_w,
        battery_w=loop.battery_w,
        soc_frac=loop.soc_frac,
        ways=Ways(site=site, battery=battery, market=market, slot_s=days.span.slot_s, start_soc_frac=soc_frac),
        bands=loop.bands,
        solve_s=np.array(loop.solve_s),
        failures=tuple(loop.failures),
        source=loop.source,
    )


def replay(site: Site, days: Days, forecaster: Forecasts, *, soc_frac: float = START_SOC_FRAC) -> Replay:
    """Live the days through and value them four ways; raises as :func:`live` does."""
    started_s = time.perf_counter()
    lived = live(site, days, forecaster, soc_frac=soc_frac)
    columns = {
        "pv_w": days.column("pv_w"),
        "load_w": days.column("load_w"),
        "battery_w": lived.battery_w,
        "grid_w": np.maximum(lived.net_w - lived.battery_w, -site.grid.export_w),
        "soc_frac": lived.soc_frac[1:],
        "price_import_eur_per_kwh": lived.ways.market.import_eur_per_kwh,
        "price_export_eur_per_kwh": lived.ways.market.export_eur_per_kwh,
        **lived.bands,
    }
    return Replay(
        span=days.span,
        columns=columns,
        ledger=lived.ways.ledger(lived.net_w, lived.battery_w, lived.soc_frac),
        seconds_s=time.perf_counter() - started_s,
        solve_s=lived.solve_s,
        missing_count=int(np.isnan(lived.net_w).sum()),
        failures=lived.failures,
        source=lived.source,
    )


def _house(time_s: float, pv_w: float, load_w: float, battery_w: float, soc_frac: float) -> House:
    """The house of a moment, with the battery's last power."""
    return House(
        time_s=time_s,
        pv_w=pv_w,
        load_w=load_w,
        grid_w=load_w - pv_w - battery_w,
        battery_w=battery_w,
        soc_frac=soc_frac,
        residual_w=0.0,
        grid_import_wh=math.nan,
        grid_export_wh=math.nan,
        flags={},
    )


class _Loop:
    """The closed loop: forecast, plan, act; one call a slot."""

    def __init__(
        self, site: Site, battery: Battery, days: Days, forecaster: Forecasts, soc_frac: float, act: Act, act_s: int
    ) -> None:
        self._act, self._act_s = act, act_s
        self._site, self._battery, self._days, self._forecaster = site, battery, days, forecaster
        self._planned = battery_only(site)
        self._mpc = Mpc(self._planned)
        self._plan: Plan | None = None
        self._parameters = parameters_of(battery)
        self._offset = days.first
        table = part(days.measured, 0, days.measured.grid.count, forecast=True)
        self._weather = days.weather or (table if table.columns else None)
        self.source = ""
        self.battery_w = np.zeros(days.span.count)
        self.soc_frac = np.full(days.span.count + 1, soc_frac)
        self.bands = {f"{name}_{p}_w": np.full(days.span.count, math.nan) for name in ("pv", "load") for p in _LEVELS}
        self.solve_s: list[float] = []
        self.failures: list[str] = []
        self._banded_until = 0
        self._import_w = np.zeros(days.span.count)

    def slot(self, k: int, pv_w: float, load_w: float) -> None:
        """Plan at the slot's start, then act on what was measured in it."""
        issued_s = self._days.span.start_s + k * SLOT_S
        try:
            self._plan = self._make_plan(k, issued_s)
        except (PlanError, StoreError) as error:  # the last plan stays until its lease ends, as on the box
            self.failures.append(f"{format_time(issued_s)}: {error}")
        net_w, soc_frac = load_w - pv_w, float(self.soc_frac[k])
        moved_w = imported_wh = 0.0
        power_w = float(self.battery_w[k - 1]) if k else 0.0
        for time_s in range(issued_s, issued_s + SLOT_S, self._act_s):
            house = _house(time_s, pv_w, load_w, power_w, soc_frac)
            wish = self._act(house, self._plan, self._battery, imported_wh)
            command = guard.narrow(wish, house, self._site, now_s=time_s)
            native_w = 0.0 if math.isnan(net_w) else fastloop.self_consumption_w(net_w, self._battery)
            wish_w = native_w if command.mode == "native" else command.battery_w
            soc_frac, power_w = step(soc_frac, wish_w, self._act_s, self._parameters)
            moved_w += power_w * self._act_s / SLOT_S
            imported_wh += max(net_w - power_w, 0.0) * self._act_s / SECONDS_PER_HOUR
        self.soc_frac[k + 1], self.battery_w[k] = soc_frac, moved_w
        self._import_w[k] = 0.0 if math.isnan(net_w) else max(net_w - self.battery_w[k], 0.0)

    def _make_plan(self, k: int, issued_s: int) -> Plan:
        now = self._offset + k
        first = now - HISTORY_DAYS * SECONDS_PER_DAY // SLOT_S
        history = clean(part(self._days.measured, first, now, forecast=False))
        grid = TimeGrid(start_s=issued_s, slot_s=SLOT_S, count=HORIZON_SLOTS)
        forecasts = self._forecaster.forecast(issued_s, grid, history, self._weather)
        prices = self._days.prices.forecast(grid, issued_s)
        pv, load = forecasts["pv_w"], forecasts["load_w"]
        self.source = self.source or f"PV by {pv.source}, load by {load.source}"
        started_s = time.perf_counter()
        plan = self._mpc.plan(
            issued_s=issued_s,
            grid=grid,
            soc_frac=float(self.soc_frac[k]),
            pv=pv,
            load=load,
            prices=prices,
            reached_peak_w=self._reached_peak_w(k, issued_s),
            around=surroundings_of(self._planned, grid, history, None),
        )
        self.solve_s.append(time.perf_counter() - started_s)
        if k >= self._banded_until:
            self._keep_bands(k, {"pv": pv, "load": load})
        return plan

    def _reached_peak_w(self, k: int, issued_s: int) -> float:
        """The running month's highest import so far, of the days lived through."""
        lived = TimeGrid(start_s=self._days.span.start_s, slot_s=SLOT_S, count=k)
        reached_w = month_peak_w(self._import_w[:k], lived, issued_s, self._site.zone)
        return reached_w if math.isnan(self._days.reached_peak_w) else max(reached_w, self._days.reached_peak_w)

    def _keep_bands(self, k: int, forecasts: Mapping[str, Forecast]) -> None:
        """Keep a day of forecasts as issued a day ahead, for the picture."""
        count = min(SECONDS_PER_DAY // SLOT_S, self._days.span.count - k)
        for name, forecast in forecasts.items():
            for level in _LEVELS:
                self.bands[f"{name}_{level}_w"][k : k + count] = getattr(forecast, level)[:count]
        self._banded_until = k + count
