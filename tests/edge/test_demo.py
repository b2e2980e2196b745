"""The pieces of the demo that need no process: the line an hour, the journal, the bill."""

from __future__ import annotations

import math
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from fakes import make_plan

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.cli.demo import as_data, as_table
from edge.config import Battery, Site
from edge.control.ledger import Cost, Ledger, Market
from edge.demo.live import hour_line, period_s
from edge.demo.prepare import DemoError, House, _run
from edge.demo.settle import Settlement, cost, metered, midnight_bands, missed_count, read_journal, worst_balance_w
from edge.ingest.tariff import builtin_prices
from edge.messages import to_json

START_S = 1_370_325_600
BATTERY = Battery(capacity_wh=10_000, charge_w=5000, discharge_w=5000)
HEADER = (
    "time_utc,grid_import_wh,grid_export_wh,pv_wh,load_wh,battery_charge_wh,battery_discharge_wh,loss_wh,soc_frac,mode"
)


def journal(tmp_path: Path, rows: int) -> Path:
    from edge.timetext import format_time

    lines = [
        f"{format_time(START_S + 900 * i)},{100 * i},{40 * i},{10 * i},{70 * i},0,{5 * i},0,0.5,native"
        for i in range(rows)
    ]
    (tmp_path / "q.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    return tmp_path / "q.csv"


def test_the_bill_is_the_registers_times_the_prices(tmp_path: Path) -> None:
    grid = TimeGrid(start_s=START_S, slot_s=900, count=4)
    energies = metered(read_journal(journal(tmp_path, 5), grid))
    market = Market(import_eur_per_kwh=np.full(4, 0.30), export_eur_per_kwh=np.full(4, 0.10))
    assert cost(energies, market, None).bill_eur == pytest.approx((400 * 0.30 - 160 * 0.10) / 1000)
    assert cost(energies, market, BATTERY).stored_eur == 0.0
    assert cost(energies, market, BATTERY).wear_eur > 0.0


def test_a_journal_with_a_hole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="lacks 1 of 6"):
        read_journal(journal(tmp_path, 5), TimeGrid(start_s=START_S, slot_s=900, count=5))


def test_each_day_shows_the_first_plan_of_that_day() -> None:
    count = 192
    early = make_plan(count, issued_s=START_S + 100.0, start_s=START_S, pv_p50_w=(1.0,) * count)
    later = make_plan(count, issued_s=START_S + 5000.0, start_s=START_S, pv_p50_w=(2.0,) * count)
    bands = midnight_bands([early, later], START_S, 192)
    assert bands["pv_p50_w"][:96] == [1.0] * 96
    assert all(math.isnan(value) for value in bands["pv_p50_w"][96:])


def test_the_worst_balance_is_the_largest_unexplained_quarter() -> None:
    grid = TimeGrid(start_s=START_S, slot_s=900, count=3)
    columns = {
        "grid_w": np.array([100.0, 100.0, np.nan]),
        "pv_w": np.zeros(3),
        "battery_w": np.zeros(3),
        "load_w": np.array([100.0, 160.0, 1.0]),
    }
    assert worst_balance_w(Frame(grid=grid, columns=columns)) == 60.0
    assert math.isnan(worst_balance_w(Frame(grid=grid, columns={})))


def test_a_quarter_hour_without_the_houses_load_was_missed() -> None:
    grid = TimeGrid(start_s=0, slot_s=900, count=4)
    assert missed_count(Frame(grid=grid, columns={"load_w": np.array([math.nan, 1.0, math.nan, 0.0])})) == 2
    assert missed_count(Frame(grid=grid, columns={})) == 4


def test_the_period_thins_out_with_speed() -> None:
    assert period_s(1.0) == 1.0
    assert period_s(1440.0) == pytest.approx(58.0)
    assert period_s(3000.0) == 60.0


def house() -> House:
    site = Site(name="t", latitude_deg=1.0, longitude_deg=1.0, timezone="America/Denver", battery=BATTERY)
    book = builtin_prices(TimeGrid(start_s=START_S, slot_s=3600, count=24), ZoneInfo("UTC"), 1)
    return House(
        out=Path(),
        site=site,
        site_path=Path(),
        battery=BATTERY,
        serial=Path(),
        meter_port=1,
        start_s=START_S,
        days=1,
        book=book,
        firmware="vpp",
    )


def test_a_line_says_what_the_house_does_and_never_zero_for_missing() -> None:
    status = {
        "house": {"pv_w": 1234.0, "load_w": None, "grid_w": -200.0, "battery_w": 0.0, "soc_frac": None},
        "command": {"mode": "power", "battery_w": -2000.0, "reason": "cheap"},
        "plan": to_json(make_plan()),
    }
    line = hour_line(status, START_S, house())
    assert line.startswith("Tue 04 Jun 00:00")
    assert "load    --" in line
    assert "SoC  -- %" in line
    assert line.endswith("power -2.0 kW: cheap")
    assert "does not answer" in hour_line(None, START_S, house())
    native = {**status, "plan": None, "command": {"mode": "native", "battery_w": None, "reason": "rest"}}
    assert hour_line(native, START_S, house()).endswith("native: rest")


def test_a_step_that_fails_names_itself() -> None:
    import sys

    with pytest.raises(DemoError, match="ended with 3"):
        _run([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_table_shows_the_four_ways_and_what_they_cost(tmp_path: Path) -> None:
    ways = [
        Cost(bill_eur=3.0),
        Cost(bill_eur=2.0, wear_eur=0.5),
        Cost(bill_eur=1.5, wear_eur=0.6, stored_eur=0.1),
        Cost(bill_eur=1.5),
    ]
    ledger = Ledger(no_battery=ways[0], rules=ways[1], ours=ways[2], perfect_foresight=ways[3])
    result = Settlement(
        ledger=ledger,
        writes=7,
        stored_writes=2,
        worst_balance_w=12.0,
        missed_count=9,
        quarters_count=96,
        picture=tmp_path / "days.svg",
    )
    text = as_table(result, 3)
    assert "Ours took 50 % of the 1.00 EUR that were possible over the rules." in text
    assert "9 of 96 quarter hours were missed: this machine is too busy for that speed, try --speed 300" in text
    assert as_data(result)["missed_quarters_count"] == 9
    assert "Writes to the inverter: 7, of these to stored registers: 2" in text
    assert as_data(result)["costs_eur"] == {"no_battery": 3.0, "rules": 2.5, "ours": 2.0, "perfect_foresight": 1.5}
    nothing = Ledger(no_battery=ways[0], rules=ways[3], ours=ways[3], perfect_foresight=ways[3])
    unsaid = as_table(
        Settlement(
            ledger=nothing,
            writes=0,
            stored_writes=0,
            worst_balance_w=0.0,
            missed_count=1,
            quarters_count=96,
            picture=tmp_path,
        ),
        1,
    )
    assert "missed" not in unsaid, "the first passes while the box starts"
    assert "nan" not in unsaid
