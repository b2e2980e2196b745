"""The box's ports: whom they believe, what they keep, and what they do without a disk."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commanded import Commanded
from fakes import good_readings, make_plan
from web_rig import looked_back

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.box import ControlPorts, believed
from edge.clock import Clock
from edge.config import Battery, Site
from edge.config_house import Ev, Zone
from edge.config_links import Link
from edge.config_supply import Mqtt, Tariff
from edge.control.mpc import Effort
from edge.cycle import control_cycle, judge
from edge.errors import ConfigError
from edge.feeds.cache import FeedCache
from edge.files import FEEDS_NAME, SOCKET_NAME, STORE_NAME
from edge.ingest.store import Store, StoreReader
from edge.ipc import IpcError, Service, claim
from edge.messages import Command, CycleRecord, Reading, WriteResult, to_json
from edge.planner_ports import PlannerPorts
from edge.preflight import check_state, problems_of

BATTERY = Battery(capacity_wh=10_000, charge_w=5000, discharge_w=5000)
SITE = Site(name="t", latitude_deg=1.0, longitude_deg=1.0, battery=BATTERY)


PRICES = """time_utc,price_import_eur_per_kwh,price_export_eur_per_kwh
2024-06-01T00:00:00Z,0.3,0.1
2024-06-01T01:00:00Z,0.3,0.1
"""


def clock_at(time_s: float) -> Clock:
    return Clock(start_s=time_s, origin_s=time.monotonic())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issued_s": 0.0}, "issued 5000 s ago"),
        ({"issued_s": 6000.0, "valid_until_s": 7000.0}, "issued -1000 s ago"),
        ({"issued_s": 4900.0, "valid_until_s": 4900.0 + 86_400 * 365}, "at most 3600"),
        ({"issued_s": 4900.0, "valid_until_s": 4000.0}, "believed for -900 s"),
    ],
)
def test_a_plan_of_another_time_or_for_ever_is_not_believed(changes: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        believed(make_plan(**changes), 5000.0, 900.0)


def test_a_restart_goes_on_with_the_kept_plan_and_forgets_a_bad_one(tmp_path: Path) -> None:
    now_s = 1_700_000_000.0
    store = Store(tmp_path / STORE_NAME)
    store.add_plan(make_plan(issued_s=now_s - 600, valid_until_s=now_s + 900))
    store.close()
    ports = ControlPorts(SITE, tmp_path, clock_at(now_s), period_s=1.0)
    plan = ports.plan()
    assert plan is not None
    assert plan.issued_s == now_s - 600
    ports.release()
    store = Store(tmp_path / STORE_NAME)
    store.add_plan(make_plan(issued_s=now_s - 10, valid_until_s=now_s + 900, slot_s=0))
    store.close()
    ports = ControlPorts(SITE, tmp_path, clock_at(now_s), period_s=1.0)
    assert ports.plan() is None
    ports.release()


def test_the_planners_excuse_stays_until_its_next_plan(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(PRICES)
    site = replace(SITE, tariff=Tariff(prices=str(tmp_path / "prices.csv")))
    ports = ControlPorts(SITE, tmp_path, clock_at(1000.0), period_s=1.0)
    ask = ports.handlers()
    assert ask["status"]({})["no_plan"] == ""
    service = Service(tmp_path / SOCKET_NAME, ask)
    try:
        PlannerPorts(site, tmp_path, clock_at(1000.0)).excuse("no prices")
    finally:
        service.close()
    assert ask["status"]({})["no_plan"] == "no prices"
    ask["publish_plan"]({"plan": to_json(make_plan())})
    assert ask["status"]({})["no_plan"] == ""
    ports.release()


LIVING = Zone(name="living", heat_w=2000.0, air_wh_per_k=300.0, mass_wh_per_k=3000.0, air_mass_k_per_w=0.005,
              mass_out_k_per_w=0.02)  # fmt: skip
CAR = Ev(name="car", energy_wh=9000.0, charge_w=11_000.0)


@pytest.mark.parametrize(
    ("site", "kept", "other", "value"),
    [
        pytest.param(replace(SITE, zones=(LIVING,)), "room_living_c", "room_hall_c", 21.0, id="temperature"),
        pytest.param(replace(SITE, evs=(CAR,)), "ev_car_w", "ev_guest_w", 7200.0, id="car"),
    ],
)
def test_temperatures_and_metered_consumers_of_the_site_are_kept_for_the_planner(
    tmp_path: Path, site: Site, kept: str, other: str, value: float
) -> None:
    noon_s = 1_717_236_000.0
    ports = ControlPorts(site, tmp_path, clock_at(noon_s), period_s=60.0)
    for time_s in np.arange(noon_s, noon_s + 1000.0, 60.0).tolist():
        readings = [reading_of(name, time_s, value) for name in (kept, other)]
        record = replace(cycle(time_s, WriteResult(outcome="unchanged", writes=0)), house=judge(readings, time_s))
        ports.record(record, readings)
    ports.release()
    store = StoreReader(tmp_path / STORE_NAME)
    window = store.window(noon_s + 900.0, 1)
    store.close()
    assert window.columns[kept][-1] == pytest.approx(value)
    assert other not in window.columns


def reading_of(name: str, time_s: float, value: float) -> Reading:
    return replace(good_readings(time_s)[0], signal=name, value=value)


def test_what_looking_back_found_is_kept_with_the_next_cycle(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(PRICES)
    site = replace(SITE, tariff=Tariff(prices=str(tmp_path / "prices.csv")))
    ports = ControlPorts(SITE, tmp_path, clock_at(1000.0), period_s=1.0)
    service = Service(tmp_path / SOCKET_NAME, ports.handlers())
    planner = PlannerPorts(site, tmp_path, clock_at(1000.0))
    try:
        planner.keep_regret(looked_back())
        with pytest.raises(IpcError, match="parts of 94 ct make 219 ct"):
            planner.keep_regret(looked_back() | {"actual_eur": 3.0})
    finally:
        service.close()
    assert not planner.has_regret("2024-06-02")
    control_cycle(ports, SITE)
    assert planner.has_regret("2024-06-02")
    ports.release()


def test_what_the_broker_heard_of_cars_reaches_the_plan_and_its_absence_is_named(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(PRICES)
    car = Ev(name="car", energy_wh=20_000.0, charge_w=11_000.0, capacity_wh=60_000.0)
    tariff = Tariff(prices=str(tmp_path / "prices.csv"))
    site = replace(SITE, tariff=tariff, evs=(car,), mqtt=Mqtt(host="127.0.0.1", evcc="evcc/loadpoints/1"))
    ports = ControlPorts(SITE, tmp_path, clock_at(1000.0), period_s=1.0)
    grid = TimeGrid(start_s=900, slot_s=900, count=4)
    empty = Frame(grid=grid, columns={})
    planner = PlannerPorts(site, tmp_path, clock_at(1000.0))
    assert "what the broker says is not known" in planner.surroundings(None, grid, empty, None).notes[0]
    cache = FeedCache(tmp_path / FEEDS_NAME, writable=True)
    cache.note("ev.connected", 1.0, 990.0)
    cache.note("ev.vehicleSoc", 50.0, 990.0)
    around = planner.surroundings(None, grid, empty, None)
    assert around.missing_wh == {"ev.car": 30_000.0}
    assert around.is_connected == {"ev.car": True}
    assert (
        PlannerPorts(replace(site, evs=()), tmp_path, clock_at(1000.0)).surroundings(None, grid, empty, None).notes
        == ()
    )
    cache.close()
    ports.release()


def test_what_a_plan_took_is_told_to_control(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(PRICES)
    site = replace(SITE, tariff=Tariff(prices=str(tmp_path / "prices.csv")))
    ports = ControlPorts(SITE, tmp_path, clock_at(1000.0), period_s=1.0)
    ask = ports.handlers()
    assert ask["status"]({})["planning"] == {}
    service = Service(tmp_path / SOCKET_NAME, ask)
    try:
        PlannerPorts(site, tmp_path, clock_at(1000.0)).report(2.5, Effort(0.4, math.nan))
    finally:
        service.close()
    assert ask["status"]({})["planning"] == {"wall_s": 2.5, "solve_s": 0.4}
    ports.release()


def test_a_hostile_plan_changes_nothing(tmp_path: Path) -> None:
    ports = ControlPorts(SITE, tmp_path, clock_at(1000.0), period_s=1.0)
    publish = ports.handlers()["publish_plan"]
    assert publish({"plan": to_json(make_plan())}) == {"accepted": True}
    for change in ({"slot_s": 0}, {"valid_until_s": 1e12}, {"battery_w": 5.0}):
        with pytest.raises(ValueError, match="plan"):
            publish({"plan": {**to_json(make_plan()), **change}})
    plan = ports.plan()
    assert plan is not None
    assert plan.slot_s == 900
    ports.release()


def test_without_a_store_control_still_runs_and_says_so(tmp_path: Path) -> None:
    (tmp_path / STORE_NAME).write_text("not a database at all, but long enough to be taken for one" * 20)
    ports = ControlPorts(SITE, tmp_path, clock_at(1000.0), period_s=1.0)
    assert "nothing is kept" in ports.handlers()["status"]({})["alarms"][0]
    ports.release()


def cycle(time_s: float, result: WriteResult, battery_w: float = 0.0, told_w: float | None = None) -> CycleRecord:
    command = Command.native("rest")
    if told_w is not None:
        command = Command(mode="power", battery_w=told_w, lease_s=900.0, reason="cheap")
    house = judge(good_readings(time_s, battery_w=battery_w, grid_w=500.0 - battery_w), time_s)
    return CycleRecord(
        house=house, wish=command, command=command, result=result, plan_source="mpc", plan_age_s=0.0, duration_s=0.0
    )


def test_a_reverted_command_raises_one_alarm_that_is_kept(tmp_path: Path) -> None:
    ports = ControlPorts(SITE, tmp_path, clock_at(1000.0), period_s=1.0)
    reverted = WriteResult(outcome="reverted", writes=0, detail="vpp_enable shows 0")
    for time_s in (1000.0, 1001.0):
        ports.record(cycle(time_s, reverted), [])
    for time_s, outcome in ((1002.0, "applied"), (1003.0, "failed")):
        ports.record(cycle(time_s, WriteResult(outcome=outcome, writes=1)), [])  # type: ignore[arg-type]
    assert ports.handlers()["status"]({})["alarms"] == ["the inverter: reverted: vpp_enable shows 0"]
    events = StoreReader(tmp_path / STORE_NAME).events(0.0, "alarm")
    assert events == [(1000.0, "alarm", "the inverter: reverted: vpp_enable shows 0")]
    ports.release()


def test_a_command_without_effect_raises_an_alarm_and_bars_the_next_one(tmp_path: Path) -> None:
    ports = ControlPorts(SITE, tmp_path, clock_at(1000.0), period_s=1.0)
    told = WriteResult(outcome="applied", writes=1, battery_w=-3000.0)
    for second in range(0, 140, 2):
        ports.record(cycle(1000.0 + second, told, battery_w=500.0, told_w=-3000.0), [])
    alarms = ports.handlers()["status"]({})["alarms"]
    assert alarms == [ports.distrust(1140.0)]
    assert "does not" in alarms[0]
    ports.release()


def test_two_boxes_never_own_one_folder(tmp_path: Path) -> None:
    with claim(tmp_path), pytest.raises(ConfigError, match="another box"), claim(tmp_path):
        pass
    with claim(tmp_path):
        assert any("another box" in line for line in check_state(SITE, tmp_path))


def test_what_keeps_a_box_from_starting_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert any("cannot be written" in line for line in check_state(SITE, tmp_path / "file" / "state"))
    assert any("shorter --state" in line for line in check_state(SITE, tmp_path / ("x" * 110)))
    assert problems_of(lambda: None) == ()


LINK = Link(profile="growatt/sph", url="tcp://127.0.0.1:1", unit=1)
LINKED = replace(SITE, links=(replace(LINK, url="tcp://127.0.0.1:2", unit=2, profile="eastron/sdm630"), LINK))


def poisoned(folder: Path, statement: str, row: tuple[object, ...]) -> ControlPorts:
    """Control on a store that holds one row that nobody of this release wrote."""
    Store(folder / STORE_NAME).close()
    with sqlite3.connect(folder / STORE_NAME) as database:
        database.execute(statement, row)
    return ControlPorts(LINKED, folder, clock_at(1000.0), period_s=1.0)


@pytest.mark.parametrize("body", ['{"a":', "[1]", "7", '{"a": 1}', "null", "[[1]]"])
def test_a_plan_that_cannot_be_read_never_stops_control(tmp_path: Path, body: str) -> None:
    ports = poisoned(tmp_path, "INSERT INTO plan VALUES (?,?,?)", (990.0, "x", body))
    assert ports.plan() is None
    (alarm,) = ports.handlers()["status"]({})["alarms"]
    assert "the kept plan is not used" in alarm
    ports.release()


REPORT = {"verdict": "refuse", "time_s": 990.0, "checks": [{"state": "refuse", "text": "words swapped"}]}


@pytest.mark.parametrize(
    "body",
    [
        '{"verdict": "refuse"',
        "[]",
        "{}",
        *(json.dumps({**REPORT, **change}) for change in ({"checks": []}, {"checks": [{}]}, {"checks": 1})),
        *(json.dumps({**REPORT, "time_s": time_s}) for time_s in ("today", 1e30)),
    ],
)
def test_a_report_that_cannot_be_read_is_left_out_and_hides_no_other(tmp_path: Path, body: str) -> None:
    insert = "INSERT INTO commissioning VALUES (?,?,?,?)"
    ports = poisoned(tmp_path, insert, (990.0, LINKED.links[0].name, "refuse", body))
    assert ports.distrust(1000.0) == ""
    (alarm,) = ports.handlers()["status"]({})["alarms"]
    assert "a commissioning report is left out" in alarm
    ports.release()
    ports = poisoned(tmp_path, insert, (990.0, LINK.name, "refuse", json.dumps(REPORT)))
    assert "words swapped" in ports.distrust(1000.0)
    ports.release()


@pytest.mark.parametrize("table", ["plan", "commissioning", "intent", "kept_setting", "minute"])
def test_a_damaged_page_of_the_store_never_stops_control(tmp_path: Path, table: str) -> None:
    path = tmp_path / STORE_NAME
    Store(path).close()
    with sqlite3.connect(path) as database:
        pages = database.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = ?", (table,)).fetchall()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    for (page,) in pages:
        content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)
    ports = ControlPorts(LINKED, tmp_path, clock_at(1000.0), period_s=1.0)
    for _ in range(2):
        control_cycle(ports, LINKED)
    ports.release()


def test_the_last_report_counts_even_after_the_clock_was_set_back(tmp_path: Path) -> None:
    store = Store(tmp_path / STORE_NAME)
    store.reports.add(9e9, LINK, "refuse", REPORT)
    store.reports.add(990.0, LINK, "ok", {"verdict": "ok", "time_s": 990.0, "checks": []})
    assert store.reports.refusal(LINK) == ""
    store.close()


def test_a_stop_within_the_pause_after_failed_tries_still_brings_the_inverter_to_native(tmp_path: Path) -> None:
    box = Commanded("sungrow/sh")
    box.power(-2000.0)
    box.imp.always = "ignore"
    while "tried again in" not in box.native().detail:
        box.wait(1.0)
    box.imp.always = ""
    ports = ControlPorts(SITE, tmp_path, clock_at(1000.0), period_s=1.0)
    ports._devices = box.devices
    assert ports.release().outcome == "applied"
    assert box.imp.is_free
